#include "get.h"
#include "context.h"
#include "download.h"
#include "handlers.h"
#include "header.h"
#include "index_page.h"
#include "key.h"
#include "metadata.h"
#include "replay.h"

static int read_encoding(const struct request *r, struct encoding_weights *out)
{
    if (request_may_have(r, MHD_HTTP_HEADER_ACCEPT_ENCODING))
        return header_weights(r->mhd, out);
    encoding_weigh(NULL, out);
    return 0;
}

static int read_digest(const struct request *r, struct repr_digest *out)
{
    return request_may_have(r, "Want-Repr-Digest") ? repr_digest_read(r->mhd, out) : 0;
}

bool get_read(struct request *r, struct get *g)
{
    if (!request_may_have(r, MHD_HTTP_HEADER_RANGE) || r->is_head ||
        header_lines(r->mhd, MHD_HTTP_HEADER_RANGE, &g->range) != 1 ||
        header_lines(r->mhd, MHD_HTTP_HEADER_IF_RANGE, &g->if_range) > 1)
        g->range = NULL;
    if (!precondition_begin(r, &g->precondition))
        return false;
    if (read_encoding(r, &g->weights) != 0 || read_digest(r, &g->digest) != 0)
        request_refuse_rc(r, DISKV_ENOMEM);
    g->encoding = encoding_prefer(&g->weights);
    get_reset(g);
    return r->refusal.status == 0;
}

int get_open(struct request *r, struct get *g)
{
    int rc = opening_go_on(r, &g->opening, g->how);

    if (rc != 0 || value_has_form(g->opening.reader, g->how))
        return rc;
    opening_reset(&g->opening);
    g->how = DISKV_READ_CACHED;
    return opening_go_on(r, &g->opening, g->how);
}

static enum diskv_read first_how(const struct get *g)
{
    return g->encoding == ENCODING_GZIP ? DISKV_READ_STORED : DISKV_READ_CACHED;
}

void get_reset(struct get *g)
{
    opening_reset(&g->opening);
    g->how = first_how(g);
}

bool get_is_packed(const struct get *g)
{
    return value_is_packed(g->opening.reader, g->how);
}

static enum MHD_Result answer_range_or_value(struct request *r, const struct get *g,
                                             struct value *v)
{
    const struct diskv_info *info = diskv_reader_info(v->reader);
    struct range ranges[RANGES_MAX];
    size_t count;

    if (g->range == NULL || info->size == DISKV_SIZE_UNKNOWN ||
        (g->if_range != NULL && !precondition_if_range(g->if_range, info, v->tag_suffix)))
        return value_whole(r, v);
    switch (range_parse(g->range, info->size, ranges, &count)) {
    case RANGE_PARTS:
        return value_parts(r, v, ranges, count);
    case RANGE_UNSATISFIABLE:
        return value_unsatisfiable(r, v);
    default:
        return value_whole(r, v);
    }
}

static enum MHD_Result answer(struct request *r, const struct get *g, struct value *v)
{
    if (v->missing)
        return value_whole(r, v);
    if (g->encoding == ENCODING_NONE && v->coding == NULL &&
        !metadata_has(v->reader, "content-encoding"))
        return request_fail(
            r, MHD_HTTP_NOT_ACCEPTABLE,
            "a value has a plain form and perhaps one in gzip: neither is accepted");
    switch (precondition_check(&g->precondition, true, diskv_reader_info(v->reader))) {
    case MHD_HTTP_NOT_MODIFIED:
        return value_not_modified(r, v);
    case MHD_HTTP_PRECONDITION_FAILED:
        return request_fail_rc(r, DISKV_EPRECONDITION);
    default:
        return answer_range_or_value(r, g, v);
    }
}

enum MHD_Result get_answer(struct request *r, struct get *g, struct value *v)
{
    enum MHD_Result result;
    int rc = repr_digest_go_on(r, &g->digest, g->opening.reader);

    if (rc != 0)
        return rc == DISKV_EAGAIN ? MHD_YES : request_fail_rc(r, rc);
    value_set(v, r, g->opening.reader, g->how);
    v->digest = g->digest.text;
    result = answer(r, g, v);
    g->opening.reader = v->reader;
    return result;
}

void get_free(struct get *g)
{
    repr_digest_free(&g->digest);
    opening_reset(&g->opening);
    precondition_free(&g->precondition);
}

/* True where nothing but the key, and the range, decides which value the answer gives, and how. */
static bool is_plain(const struct request *r, const struct get *g)
{
    bool of_range = g->range != NULL && g->if_range == NULL;

    return !r->is_head && r->query == NULL && r->server->limits.cors_origin_count == 0 &&
           g->encoding != ENCODING_NONE && precondition_is_empty(&g->precondition) &&
           (of_range || !request_may_have(r, MHD_HTTP_HEADER_RANGE)) &&
           !request_may_have(r, "Want-Repr-Digest");
}

static void get_begin(struct request *r)
{
    if (request_read_key(r))
        get_read(r, r->state);
}

static enum MHD_Result get_end(struct request *r)
{
    struct get *g = r->state;
    struct buf disposition = {0};
    struct value v = {.as_ever = r->query == NULL};
    enum MHD_Result result;
    int rc = g->digest.under_way ? 0 : get_open(r, g);

    if (rc == 0 && query_has(r->query, "download"))
        rc = download_disposition(&disposition, r->key, r->key_len);
    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc == DISKV_ENOTFOUND)
        return index_page_or_404(r);
    v.disposition = disposition.data;
    result = rc != 0 ? request_fail_rc(r, rc) : get_answer(r, g, &v);
    if (rc == 0 && is_plain(r, g))
        replay_learn(r, g->range != NULL, first_how(g));
    buf_free(&disposition);
    return result;
}

static void get_close(struct request *r)
{
    get_free(r->state);
}

const struct handler get_handler = {
    .state_size = sizeof(struct get),
    .begin = get_begin,
    .end = get_end,
    .close = get_close,
};
