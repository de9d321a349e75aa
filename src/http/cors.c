#include "cors.h"
#include "context.h"
#include "header.h"
#include "request.h"
#include "util.h"
#include <strings.h>

#define MAX_AGE "86400" /* seconds; browsers cut it to what they like */

/* What a page may see of an answer beside the few fields that it always may. */
#define EXPOSED                                                                                  \
    "Accept-Patch, Accept-Ranges, Allow, Content-Disposition, Content-Encoding, Content-Range, " \
    "Date, ETag, Location, Repr-Digest, Retry-After"

struct grant {
    const char *origin; /* who may read the answer, NULL for nobody */
    bool named;         /* it is listed by name, and so may use credentials */
    bool varies;        /* another origin may be told otherwise */
};

static struct grant grant_of(const struct http_options *options, const char *origin)
{
    struct grant grant = {0};
    bool any = false;

    for (size_t i = 0; i < options->cors_origin_count; i++) {
        const char *listed = options->cors_origins[i];

        if (strcmp(listed, "*") == 0) {
            any = true;
            continue;
        }
        grant.varies = true;
        if (origin != NULL && strcmp(listed, origin) == 0) {
            grant.origin = listed;
            grant.named = true;
        }
    }
    /* An answer that does not vary is for all: a cache may have it from a request without Origin.
     */
    if (any && !grant.named && (origin != NULL || !grant.varies))
        grant.origin = "*";
    return grant;
}

size_t cors_fields(const struct http_options *options, const char *origin,
                   struct diskv_field out[CORS_FIELDS_MAX])
{
    struct grant grant = grant_of(options, origin);
    size_t n = 0;

    out[n++] = (struct diskv_field){MHD_HTTP_HEADER_X_CONTENT_TYPE_OPTIONS, "nosniff"};
    out[n++] = (struct diskv_field){MHD_HTTP_HEADER_CROSS_ORIGIN_RESOURCE_POLICY,
                                    options->cors_origin_count > 0 ? "cross-origin" : "same-site"};
    if (grant.varies)
        out[n++] = (struct diskv_field){MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN};
    if (grant.origin == NULL)
        return n;
    out[n++] = (struct diskv_field){MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, grant.origin};
    out[n++] = (struct diskv_field){MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED};
    if (grant.named)
        out[n++] = (struct diskv_field){MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"};
    return n;
}

static const char *origin_of(const struct request *r)
{
    return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);
}

struct naming {
    struct buf names;
    int rc;
};

static enum MHD_Result name_custom(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    struct naming *naming = cls;

    (void)kind;
    (void)value;
    if (strncasecmp(name, "x-meta-", strlen("x-meta-")) == 0)
        naming->rc = buf_printf(&naming->names, "%s%s", naming->names.len > 0 ? ", " : "", name);
    return naming->rc == 0 ? MHD_YES : MHD_NO;
}

/* In a field of their own, which means the same as one more of the list. */
static void expose_custom(struct answer *a)
{
    struct naming naming = {0};

    if (a->broken)
        return;
    MHD_get_response_headers(a->response, name_custom, &naming);
    if (naming.rc != 0)
        a->broken = true;
    if (naming.names.len > 0)
        answer_header(a, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS, naming.names.data);
    buf_free(&naming.names);
}

void cors_answer(const struct request *r, struct answer *a)
{
    struct diskv_field fields[CORS_FIELDS_MAX];
    const char *origin = r->server->limits.cors_origin_count > 0 ? origin_of(r) : NULL;
    size_t count = cors_fields(&r->server->limits, origin, fields);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, MHD_HTTP_HEADER_VARY) == 0)
            answer_vary(a, fields[i].value);
        else
            answer_header(a, fields[i].name, fields[i].value);
        if (strcmp(fields[i].name, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS) == 0)
            expose_custom(a);
    }
}

void cors_preflight(const struct request *r, struct answer *a, const char *methods)
{
    char *asked = NULL;

    if (MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND,
                                    MHD_HTTP_HEADER_ACCESS_CONTROL_REQUEST_METHOD) == NULL ||
        grant_of(&r->server->limits, origin_of(r)).origin == NULL)
        return;
    answer_header(a, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS, methods);
    answer_header(a, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if (header_joined(r->mhd, MHD_HTTP_HEADER_ACCESS_CONTROL_REQUEST_HEADERS, &asked) != 0)
        a->broken = true;
    else if (asked != NULL && asked[0] != '\0' && answer_is_printable(asked))
        answer_header(a, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS, asked);
    free(asked);
}
