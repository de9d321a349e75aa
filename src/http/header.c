#include "header.h"
#include "buf.h"
#include <strings.h>

struct counting {
    const char *name;
    const char *value; /* of the first line */
    size_t lines;
};

static enum MHD_Result count(void *cls, enum MHD_ValueKind kind, const char *name,
                             const char *value)
{
    struct counting *c = cls;

    (void)kind;
    if (strcasecmp(name, c->name) == 0 && c->lines++ == 0)
        c->value = value != NULL ? value : "";
    return MHD_YES;
}

size_t header_lines(struct MHD_Connection *connection, const char *name, const char **value)
{
    struct counting c = {.name = name};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, count, &c);
    *value = c.value;
    return c.lines;
}

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

int header_joined(struct MHD_Connection *connection, const char *name, char **out)
{
    struct gathering g = {.name = name};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, gather, &g);
    if (g.rc != 0)
        buf_free(&g.list);
    *out = buf_steal(&g.list);
    return g.rc;
}

bool header_accepts(struct MHD_Connection *connection, const char *type)
{
    char *accept;
    bool accepts = header_joined(connection, MHD_HTTP_HEADER_ACCEPT, &accept) == 0 &&
                   encoding_names(accept, type);

    free(accept);
    return accepts;
}

int header_weights(struct MHD_Connection *connection, struct encoding_weights *out)
{
    char *accept;
    int rc = header_joined(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING, &accept);

    encoding_weigh(accept, out);
    free(accept);
    return rc;
}

int header_encoding(struct MHD_Connection *connection, enum encoding_choice *out)
{
    struct encoding_weights weights;
    int rc = header_weights(connection, &weights);

    *out = encoding_prefer(&weights);
    return rc;
}
