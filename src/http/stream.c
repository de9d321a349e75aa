#include "stream.h"
#include "context.h"
#include "util.h"

/* Belongs to the response once there is one. The request outlives every call of read_block, but not
 * stream_end. */
struct stream {
    struct request *request;
    const struct maker *maker;
    void *ctx;
    struct job job;
    struct buf piece;
    size_t sent;  /* bytes of the piece */
    bool begun;   /* the first piece was asked for */
    bool waiting; /* for a piece */
};

int stream_new(struct request *r, const struct maker *maker, void *ctx, struct stream **out)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return DISKV_ENOMEM;
    s->request = r;
    s->maker = maker;
    s->ctx = ctx;
    *out = s;
    return 0;
}

void stream_free(struct stream *s)
{
    if (s == NULL)
        return;
    s->maker->free(s->ctx);
    buf_free(&s->piece);
    free(s);
}

static void make_piece(struct job *job)
{
    struct stream *s = container_of(job, struct stream, job);

    request_done(s->request, s->maker->make(s->ctx, &s->piece));
}

/* Asks for the next piece, in the memory of the last one. */
static bool ask(struct stream *s)
{
    s->piece.len = 0;
    s->sent = 0;
    s->waiting = true;
    s->job.run = make_piece;
    return request_work(s->request, &s->job);
}

int stream_go_on(struct stream *s)
{
    if (!s->begun || s->request->rc == DISKV_EAGAIN) {
        s->begun = true;
        return ask(s) ? DISKV_EAGAIN : DISKV_EUNAVAILABLE;
    }
    s->waiting = false;
    return s->request->rc;
}

static ssize_t read_block(void *cls, uint64_t offset, char *out, size_t len)
{
    struct stream *s = cls;
    size_t left;

    (void)offset;
    if (s->waiting) {
        s->waiting = false;
        connection_go_on(s->request->connection);
        if (s->request->rc == DISKV_EAGAIN && ask(s))
            return 0;
        if (s->request->rc != 0)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (s->sent == s->piece.len && s->piece.len > 0) {
        return ask(s) ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
    }
    left = s->piece.len - s->sent;
    if (left == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (len > left)
        len = left;
    memcpy(out, s->piece.data + s->sent, len);
    s->sent += len;
    connection_moved(s->request->connection, len);
    return (ssize_t)len;
}

static void stream_end(void *cls)
{
    stream_free(cls);
}

/* For HEAD as for a value of unknown size: without the chunk that ends a body, closing. */
struct answer stream_answer(struct stream **s, const char *type)
{
    bool is_head = (*s)->request->is_head;
    struct answer a = answer_response(MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_PIECE, read_block, *s, stream_end));

    if (a.broken)
        return a;
    *s = NULL;
    if (is_head)
        MHD_set_response_options(a.response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    answer_header(&a, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return a;
}

void stream_begin(struct request *r, const struct maker *maker, void *ctx)
{
    if (stream_new(r, maker, ctx, r->state) == 0)
        return;
    maker->free(ctx);
    request_refuse_rc(r, DISKV_ENOMEM);
}

void stream_close(struct request *r)
{
    struct stream **stream = r->state;

    stream_free(*stream);
}
