#include "answer.h"
#include "body.h"
#include "handlers.h"
#include "header.h"
#include "open.h"
#include "precondition.h"
#include "range.h"
#include <inttypes.h>

#define SMALL_BYTES (64 * 1024) /* at most, values go out in one piece with their headers */

struct get {
    struct precondition precondition;
    struct opening opening;
    const char *range;    /* the Range header, NULL where there is none or it means nothing */
    const char *if_range; /* likewise */
};

static void get_begin(struct request *r)
{
    struct get *g = r->state;

    if (!request_read_key(r))
        return;
    if (!r->is_head && header_once(r->mhd, MHD_HTTP_HEADER_RANGE, &g->range) &&
        !header_once(r->mhd, MHD_HTTP_HEADER_IF_RANGE, &g->if_range))
        g->range = NULL;
    if (precondition_read(r->mhd, &g->precondition) != 0)
        request_refuse(r, MHD_HTTP_BAD_REQUEST,
                       "If-Match and If-None-Match take * or a list of quoted entity tags");
}

/* A value that is small and in memory, as one answer; false where it has to be streamed. */
static bool answer_small(diskv_reader *reader, struct answer *out)
{
    uint64_t size = diskv_reader_info(reader)->size;
    struct MHD_Response *response;
    char *data;

    if (size > SMALL_BYTES)
        return false;
    if (size == 0) {
        *out = answer_empty();
        return true;
    }
    data = malloc((size_t)size);
    if (data == NULL || diskv_reader_read_now(reader, data, (size_t)size, 0) != (int64_t)size) {
        free(data);
        return false;
    }
    response = MHD_create_response_from_buffer((size_t)size, data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(data);
    *out = answer_response(response);
    return true;
}

/* The reader, for an answer that takes it over. */
static diskv_reader *reader_steal(struct get *g)
{
    diskv_reader *reader = g->opening.reader;

    g->opening.reader = NULL;
    return reader;
}

static void add_headers(struct answer *a, const struct diskv_info *info, const char *type)
{
    answer_validators(a, info);
    answer_header(a, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    answer_header(a, MHD_HTTP_HEADER_ACCEPT_RANGES,
                  info->size == DISKV_SIZE_UNKNOWN ? "none" : "bytes");
    answer_header(a, "X-Content-Type-Options", "nosniff");
}

static enum MHD_Result answer_value(struct request *r, struct get *g)
{
    struct diskv_info info = *diskv_reader_info(g->opening.reader);
    struct answer a;

    /* Where no body goes out its size shows all the same. */
    if (r->is_head || !answer_small(g->opening.reader, &a))
        a = body_whole(r, reader_steal(g));
    add_headers(&a, &info, answer_type(&info));
    return answer_send(r, MHD_HTTP_OK, &a);
}

static enum MHD_Result answer_parts(struct request *r, struct get *g, const struct range *ranges,
                                    size_t count)
{
    struct diskv_info info = *diskv_reader_info(g->opening.reader);
    char multipart[BODY_TYPE_SIZE], range[BODY_RANGE_SIZE];
    struct answer a = body_parts(r, reader_steal(g), ranges, count, answer_type(&info), multipart);

    add_headers(&a, &info, multipart[0] != '\0' ? multipart : answer_type(&info));
    if (count == 1) {
        body_print_range(&ranges[0], info.size, range);
        answer_header(&a, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    }
    return answer_send(r, MHD_HTTP_PARTIAL_CONTENT, &a);
}

static enum MHD_Result answer_unsatisfiable(struct request *r, uint64_t size)
{
    const struct problem problem = {.status = MHD_HTTP_RANGE_NOT_SATISFIABLE,
                                    .detail = "none of the ranges lies in the value"};
    char range[BODY_RANGE_SIZE];
    struct buf text = {0};
    struct answer a;

    if (problem_body(&problem, &text) != 0) {
        buf_free(&text);
        return request_fail_rc(r, DISKV_ENOMEM);
    }
    a = answer_buf(&text, PROBLEM_TYPE);
    snprintf(range, sizeof(range), "bytes */%" PRIu64, size);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    answer_header(&a, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    return answer_send(r, problem.status, &a);
}

static enum MHD_Result answer_range_or_value(struct request *r, struct get *g)
{
    const struct diskv_info *info = diskv_reader_info(g->opening.reader);
    struct range ranges[RANGES_MAX];
    size_t count;

    if (g->range == NULL || info->size == DISKV_SIZE_UNKNOWN ||
        (g->if_range != NULL && !precondition_if_range(g->if_range, info)))
        return answer_value(r, g);
    switch (range_parse(g->range, info->size, ranges, &count)) {
    case RANGE_PARTS:
        return answer_parts(r, g, ranges, count);
    case RANGE_UNSATISFIABLE:
        return answer_unsatisfiable(r, info->size);
    default:
        return answer_value(r, g);
    }
}

/* libmicrohttpd sends a Content-Length with a 304: it must be that of the value. */
static enum MHD_Result answer_not_modified(struct request *r, struct get *g)
{
    struct diskv_info info = *diskv_reader_info(g->opening.reader);
    struct answer a = body_whole(r, reader_steal(g));

    answer_validators(&a, &info);
    return answer_send(r, MHD_HTTP_NOT_MODIFIED, &a);
}

static enum MHD_Result get_end(struct request *r)
{
    struct get *g = r->state;
    int rc = opening_go_on(r, &g->opening);

    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc != 0)
        return request_fail_rc(r, rc);
    switch (precondition_check(&g->precondition, true, diskv_reader_info(g->opening.reader))) {
    case MHD_HTTP_NOT_MODIFIED:
        return answer_not_modified(r, g);
    case MHD_HTTP_PRECONDITION_FAILED:
        return request_fail_rc(r, DISKV_EPRECONDITION);
    default:
        return answer_range_or_value(r, g);
    }
}

static void get_close(struct request *r)
{
    struct get *g = r->state;

    diskv_reader_close(g->opening.reader);
    precondition_free(&g->precondition);
}

const struct handler get_handler = {
    .state_size = sizeof(struct get),
    .begin = get_begin,
    .end = get_end,
    .close = get_close,
};
