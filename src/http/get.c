#include "answer.h"
#include "body.h"
#include "handlers.h"
#include "open.h"
#include "precondition.h"

#define SMALL_BYTES (64 * 1024) /* at most, values go out in one piece with their headers */

struct get {
    struct precondition precondition;
    struct opening opening;
};

static void get_begin(struct request *r)
{
    struct get *g = r->state;

    if (!request_read_key(r))
        return;
    if (precondition_read(r->mhd, &g->precondition) != 0)
        request_refuse(r, MHD_HTTP_BAD_REQUEST,
                       "If-Match and If-None-Match take * or a list of quoted entity tags");
}

/* A value that is small and in memory, as one answer; false where it has to be streamed. */
static bool answer_whole(diskv_reader *reader, struct answer *out)
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

/* The value as an answer that streams; its size shows even where no body goes out. */
static struct answer take_body(struct request *r, struct get *g)
{
    struct answer a = body_answer(r, g->opening.reader);

    g->opening.reader = NULL;
    return a;
}

static enum MHD_Result answer_value(struct request *r, struct get *g)
{
    struct diskv_info info = *diskv_reader_info(g->opening.reader);
    struct answer a;

    if (r->is_head || !answer_whole(g->opening.reader, &a))
        a = take_body(r, g);
    answer_validators(&a, &info);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, answer_type(&info));
    answer_header(&a, MHD_HTTP_HEADER_ACCEPT_RANGES, "none");
    answer_header(&a, "X-Content-Type-Options", "nosniff");
    return answer_send(r, MHD_HTTP_OK, &a);
}

/* libmicrohttpd sends a Content-Length with a 304: it must be that of the value. */
static enum MHD_Result answer_not_modified(struct request *r, struct get *g)
{
    struct diskv_info info = *diskv_reader_info(g->opening.reader);
    struct answer a = take_body(r, g);

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
        return answer_value(r, g);
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
