#include "assets.h"
#include "answer.h"
#include "handlers.h"
#include "header.h"
#include "precondition.h"
#include <assert.h>

const struct asset *asset_find(const char *path, size_t len)
{
    for (size_t i = 0; i < asset_count; i++) {
        if (strlen(assets[i].path) == len && memcmp(assets[i].path, path, len) == 0)
            return &assets[i];
    }
    return NULL;
}

/* A 304 bears the same Content-Length as the 200, which is why it gets the content too. */
static enum MHD_Result send_asset(struct request *r, unsigned status, const struct asset *asset,
                                  bool gzip)
{
    const unsigned char *data = gzip ? asset->gzip : asset->data;
    size_t size = gzip ? asset->gzip_size : asset->size;
    struct answer a = answer_response(
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT));
    char etag[DISKV_ETAG_MAX + 3];

    snprintf(etag, sizeof(etag), "\"%s%s\"", asset->etag, gzip ? "-gz" : "");
    answer_header(&a, MHD_HTTP_HEADER_ETAG, etag);
    answer_header(&a, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    if (asset->gzip != NULL)
        answer_header(&a, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    if (status == MHD_HTTP_OK) {
        answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, asset->type);
        answer_header(&a, "Content-Security-Policy", "default-src 'self'");
        if (gzip)
            answer_header(&a, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    }
    return answer_send(r, status, &a);
}

static enum MHD_Result asset_end(struct request *r)
{
    const struct asset *asset = asset_find(r->path, r->path_len);
    enum encoding_choice encoding;
    struct diskv_info info = {0};
    struct precondition p;
    unsigned status = 0;
    bool gzip;

    assert(asset != NULL); /* the route asked */
    gzip =
        header_encoding(r->mhd, &encoding) == 0 && encoding == ENCODING_GZIP && asset->gzip != NULL;
    snprintf(info.etag, sizeof(info.etag), "%s%s", asset->etag, gzip ? "-gz" : "");
    if (precondition_read(r->mhd, &p) == 0) {
        p.has_modified_since = false; /* an asset has an entity tag and no date */
        p.has_unmodified_since = false;
        status = precondition_check(&p, true, &info);
    }
    precondition_free(&p);
    if (status == MHD_HTTP_PRECONDITION_FAILED)
        return request_fail_rc(r, DISKV_EPRECONDITION);
    return send_asset(r, status != 0 ? status : MHD_HTTP_OK, asset, gzip);
}

const struct handler asset_handler = {.end = asset_end};
