#include "precondition.h"
#include "buf.h"
#include "date.h"
#include <strings.h>

struct gathering {
    const char *name;
    struct buf list;
    int rc;
};

static enum MHD_Result gather(void *cls, enum MHD_ValueKind kind, const char *name,
                              const char *value)
{
    struct gathering *g = cls;

    (void)kind;
    if (strcasecmp(name, g->name) != 0)
        return MHD_YES;
    if (g->list.len > 0)
        g->rc = buf_add_str(&g->list, ",");
    if (g->rc == 0)
        g->rc = buf_add_str(&g->list, value != NULL ? value : "");
    return g->rc == 0 ? MHD_YES : MHD_NO;
}

/* Takes the next entity tag off a list: 1 with its opaque part, 0 at the end, EINVAL. */
static int next_tag(const char **list, bool *weak, const char **tag, size_t *len)
{
    const char *p = *list + strspn(*list, " \t,");

    if (*p == '\0')
        return 0;
    *weak = strncmp(p, "W/", 2) == 0;
    if (*weak)
        p += 2;
    if (*p++ != '"')
        return DISKV_EINVAL;
    *tag = p;
    while (*p != '"') {
        unsigned char c = (unsigned char)*p++;

        if (c < 0x21 || c == 0x7f)
            return DISKV_EINVAL;
    }
    *len = (size_t)(p - *tag);
    p++;
    p += strspn(p, " \t");
    if (*p != ',' && *p != '\0')
        return DISKV_EINVAL;
    *list = p;
    return 1;
}

static bool is_any(const char *list)
{
    size_t blank = strspn(list, " \t");

    return list[blank] == '*' && list[blank + 1 + strspn(list + blank + 1, " \t")] == '\0';
}

/* Joins the header's lines into one list (RFC 9110, section 5.3) and checks it. */
static int read_list(struct MHD_Connection *connection, const char *name, char **out)
{
    struct gathering g = {.name = name};
    const char *list, *tag;
    size_t len, tags = 0;
    bool weak;
    int found;

    MHD_get_connection_values(connection, MHD_HEADER_KIND, gather, &g);
    if (g.rc != 0) {
        buf_free(&g.list);
        return g.rc;
    }
    *out = buf_steal(&g.list);
    if (*out == NULL || is_any(*out))
        return 0;
    list = *out;
    while ((found = next_tag(&list, &weak, &tag, &len)) == 1)
        tags++;
    return found == 0 && tags == 0 ? DISKV_EINVAL : found;
}

static bool read_date(struct MHD_Connection *connection, const char *name, time_t *out)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

    return text != NULL && date_parse(text, out);
}

int precondition_read(struct MHD_Connection *connection, struct precondition *out)
{
    int rc;

    *out = (struct precondition){0};
    rc = read_list(connection, MHD_HTTP_HEADER_IF_MATCH, &out->if_match);
    if (rc == 0)
        rc = read_list(connection, MHD_HTTP_HEADER_IF_NONE_MATCH, &out->if_none_match);
    out->has_modified_since =
        read_date(connection, MHD_HTTP_HEADER_IF_MODIFIED_SINCE, &out->modified_since);
    out->has_unmodified_since =
        read_date(connection, MHD_HTTP_HEADER_IF_UNMODIFIED_SINCE, &out->unmodified_since);
    return rc;
}

void precondition_free(struct precondition *p)
{
    free(p->if_match);
    free(p->if_none_match);
    *p = (struct precondition){0};
}

bool precondition_is_empty(const struct precondition *p)
{
    return p->if_match == NULL && p->if_none_match == NULL && !p->has_modified_since &&
           !p->has_unmodified_since;
}

/* Our tags are all strong: the strong comparison leaves out the list's weak ones, the weak one
 * takes them as well. */
static bool matches(const char *list, bool strong, const struct diskv_info *current)
{
    size_t etag_len, len;
    const char *tag;
    bool weak;

    if (current == NULL)
        return false;
    if (is_any(list))
        return true;
    etag_len = strlen(current->etag);
    while (next_tag(&list, &weak, &tag, &len) == 1) {
        if (len == etag_len && memcmp(tag, current->etag, len) == 0 && !(strong && weak))
            return true;
    }
    return false;
}

unsigned precondition_check(const struct precondition *p, bool safe,
                            const struct diskv_info *current)
{
    if (p->if_match != NULL) {
        if (!matches(p->if_match, true, current))
            return MHD_HTTP_PRECONDITION_FAILED;
    } else if (p->has_unmodified_since && current != NULL &&
               current->modified.tv_sec > p->unmodified_since) {
        return MHD_HTTP_PRECONDITION_FAILED;
    }
    if (p->if_none_match != NULL) {
        if (matches(p->if_none_match, false, current))
            return safe ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_PRECONDITION_FAILED;
    } else if (safe && p->has_modified_since && current != NULL &&
               current->modified.tv_sec <= p->modified_since) {
        return MHD_HTTP_NOT_MODIFIED;
    }
    return 0;
}

int precondition_guard(void *ctx, const struct diskv_info *current)
{
    return precondition_check(ctx, false, current) == 0 ? 0 : DISKV_EPRECONDITION;
}
