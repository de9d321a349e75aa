#include "precondition.h"
#include "date.h"
#include "header.h"
#include "request.h"
#include "util.h"

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

/* Reads a list and checks it. */
static int read_list(struct MHD_Connection *connection, const char *name, char **out)
{
    const char *list, *tag;
    size_t len, tags = 0;
    bool weak;
    int found, rc = header_joined(connection, name, out);

    if (rc != 0 || *out == NULL || is_any(*out))
        return rc;
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

/* What the headers are called. */
struct names {
    const char *match, *none_match, *modified_since, *unmodified_since;
};

static const struct names names = {
    MHD_HTTP_HEADER_IF_MATCH,
    MHD_HTTP_HEADER_IF_NONE_MATCH,
    MHD_HTTP_HEADER_IF_MODIFIED_SINCE,
    MHD_HTTP_HEADER_IF_UNMODIFIED_SINCE,
};

static const struct names source_names = {
    "X-Copy-If-Match",
    "X-Copy-If-None-Match",
    "X-Copy-If-Modified-Since",
    "X-Copy-If-Unmodified-Since",
};

static int read_named(struct MHD_Connection *connection, const struct names *n,
                      struct precondition *out)
{
    int rc;

    *out = (struct precondition){0};
    rc = read_list(connection, n->match, &out->if_match);
    if (rc == 0)
        rc = read_list(connection, n->none_match, &out->if_none_match);
    out->has_modified_since = read_date(connection, n->modified_since, &out->modified_since);
    out->has_unmodified_since = read_date(connection, n->unmodified_since, &out->unmodified_since);
    return rc;
}

int precondition_read(struct MHD_Connection *connection, struct precondition *out)
{
    return read_named(connection, &names, out);
}

static bool begin_named(struct request *r, const struct names *n, struct precondition *out)
{
    const char *const all[] = {n->match, n->none_match, n->modified_since, n->unmodified_since};
    bool any = false;
    int rc = 0;

    *out = (struct precondition){0};
    for (size_t i = 0; i < array_len(all); i++)
        any |= request_may_have(r, all[i]);
    if (any)
        rc = read_named(r->mhd, n, out);

    if (rc == DISKV_EINVAL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST,
                       "If-Match and If-None-Match take * or a list of quoted entity tags");
    else if (rc != 0)
        request_refuse_rc(r, rc);
    return rc == 0;
}

bool precondition_begin(struct request *r, struct precondition *out)
{
    return begin_named(r, &names, out);
}

bool precondition_begin_source(struct request *r, struct precondition *out)
{
    return begin_named(r, &source_names, out);
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

/* True for the tag of the value, also as a proxy hands it on that compresses: it appends `-gzip`
 * (Apache) or puts `W/` in front (nginx). We give no weak tags ourselves, so that both can only
 * mean this value, and an `If-Match` with one would never match (RFC 9110, section 13.1.1) through
 * such a proxy. */
static bool is_tag_of(const char *tag, size_t len, const struct diskv_info *info)
{
    static const char suffix[] = "-gzip";
    size_t etag_len = strlen(info->etag);

    if (len < etag_len || memcmp(tag, info->etag, etag_len) != 0)
        return false;
    return len == etag_len || (len == etag_len + sizeof(suffix) - 1 &&
                               memcmp(tag + etag_len, suffix, sizeof(suffix) - 1) == 0);
}

static bool matches(const char *list, const struct diskv_info *current)
{
    const char *tag;
    size_t len;
    bool weak;

    if (current == NULL)
        return false;
    if (is_any(list))
        return true;
    while (next_tag(&list, &weak, &tag, &len) == 1) {
        if (is_tag_of(tag, len, current))
            return true;
    }
    return false;
}

unsigned precondition_check(const struct precondition *p, bool safe,
                            const struct diskv_info *current)
{
    if (p->if_match != NULL) {
        if (!matches(p->if_match, current))
            return MHD_HTTP_PRECONDITION_FAILED;
    } else if (p->has_unmodified_since && current != NULL &&
               current->modified.tv_sec > p->unmodified_since) {
        return MHD_HTTP_PRECONDITION_FAILED;
    }
    if (p->if_none_match != NULL) {
        if (matches(p->if_none_match, current))
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

bool precondition_if_range(const char *value, const struct diskv_info *current, const char *suffix)
{
    char tag[DISKV_ETAG_MAX + 16];
    time_t date;

    snprintf(tag, sizeof(tag), "\"%s%s\"", current->etag, suffix);
    if (*value == '"')
        return strcmp(value, tag) == 0;
    return date_parse(value, &date) && date == current->modified.tv_sec && time(NULL) - date > 1;
}
