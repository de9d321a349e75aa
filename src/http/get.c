#include "digest.h"
#include "handlers.h"
#include "header.h"
#include "index_page.h"
#include "metadata.h"
#include "open.h"
#include "precondition.h"
#include "range.h"
#include "repr_digest.h"
#include "value.h"

struct get {
    struct precondition precondition;
    const char *range;    /* the Range header, NULL where there is none or it means nothing */
    const char *if_range; /* likewise */
    enum encoding_choice encoding; /* of the forms that the value may exist in */
    enum diskv_read how;
    struct opening opening;
    struct repr_digest digest;
};

static void get_begin(struct request *r)
{
    struct get *g = r->state;

    if (!request_read_key(r))
        return;
    if (header_lines(r->mhd, MHD_HTTP_HEADER_RANGE, &g->range) != 1 || r->is_head ||
        header_lines(r->mhd, MHD_HTTP_HEADER_IF_RANGE, &g->if_range) > 1)
        g->range = NULL;
    if (!precondition_begin(r, &g->precondition))
        return;
    if (header_encoding(r->mhd, &g->encoding) != 0 || repr_digest_read(r->mhd, &g->digest) != 0)
        request_refuse_rc(r, DISKV_ENOMEM);
    g->how = g->encoding == ENCODING_GZIP ? DISKV_READ_STORED : DISKV_READ_CACHED;
}

static bool is_encoded(const diskv_reader *reader)
{
    struct diskv_field field;

    for (size_t i = 0; diskv_reader_field(reader, i, &field); i++) {
        if (strcmp(field.name, "content-encoding") == 0)
            return true;
    }
    return false;
}

/* True where what the file has can go out as it is: a gzip stream of a value that is not itself one
 * of an encoding. */
static bool can_pass(const diskv_reader *reader)
{
    return !is_encoded(reader) && strcmp(diskv_reader_codec(reader), "gzip") == 0;
}

/* Opens the value in the form to send. EAGAIN: the request waits. */
static int open_form(struct request *r, struct get *g)
{
    int rc = opening_go_on(r, &g->opening, g->how);

    if (rc != 0 || g->how != DISKV_READ_STORED ||
        diskv_reader_codec(g->opening.reader)[0] == '\0' || can_pass(g->opening.reader))
        return rc;
    opening_reset(&g->opening);
    g->how = DISKV_READ_CACHED;
    return opening_go_on(r, &g->opening, g->how);
}

static enum MHD_Result answer_range_or_value(struct request *r, const struct get *g,
                                             struct value *v)
{
    const struct diskv_info *info = diskv_reader_info(v->reader);
    struct range ranges[RANGES_MAX];
    size_t count;

    if (g->range == NULL || info->size == DISKV_SIZE_UNKNOWN ||
        (g->if_range != NULL &&
         !precondition_if_range(g->if_range, info, v->gzipped ? VALUE_GZIP_SUFFIX : "")))
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

static enum MHD_Result answer(struct request *r, struct get *g)
{
    const diskv_reader *reader = g->opening.reader;
    struct value v = {
        .reader = g->opening.reader,
        .gzipped = g->how == DISKV_READ_STORED && diskv_reader_codec(reader)[0] != '\0',
        .digest = g->digest.text,
    };
    enum MHD_Result result;

    if (g->encoding == ENCODING_NONE && !is_encoded(reader))
        return request_fail(
            r, MHD_HTTP_NOT_ACCEPTABLE,
            "a value has a plain form and perhaps one in gzip: neither is accepted");
    switch (precondition_check(&g->precondition, true, diskv_reader_info(reader))) {
    case MHD_HTTP_NOT_MODIFIED:
        result = value_not_modified(r, &v);
        break;
    case MHD_HTTP_PRECONDITION_FAILED:
        result = request_fail_rc(r, DISKV_EPRECONDITION);
        break;
    default:
        result = answer_range_or_value(r, g, &v);
        break;
    }
    g->opening.reader = v.reader;
    return result;
}

static enum MHD_Result get_end(struct request *r)
{
    struct get *g = r->state;
    int rc = g->digest.under_way ? 0 : open_form(r, g);

    if (rc == 0)
        rc = repr_digest_go_on(r, &g->digest, g->opening.reader);
    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc == DISKV_ENOTFOUND && index_page_is_folder(r))
        return index_page_or_404(r);
    return rc != 0 ? request_fail_rc(r, rc) : answer(r, g);
}

static void get_close(struct request *r)
{
    struct get *g = r->state;

    repr_digest_free(&g->digest);
    opening_reset(&g->opening);
    precondition_free(&g->precondition);
}

const struct handler get_handler = {
    .state_size = sizeof(struct get),
    .begin = get_begin,
    .end = get_end,
    .close = get_close,
};
