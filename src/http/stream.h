/* Answers of any length whose body is made piece by piece, on the threads of request_work. */
#ifndef STREAM_H
#define STREAM_H

#include "answer.h"
#include "request.h"

#define STREAM_PIECE (128 * 1024) /* bytes at which a piece is long enough */

/* What makes a body. */
struct maker {
    /* Appends the next piece to `out`: 0, and nothing appended is the end of the body; or EAGAIN,
     * with nothing appended, where there is more work before the next piece than one job should do.
     * It may use the calls of the store that wait, and stops at about STREAM_PIECE bytes. An error
     * before the first piece can still be answered with a problem; after it the connection is cut.
     */
    int (*make)(void *ctx, struct buf *out);
    void (*free)(void *ctx);
};

struct stream;

/* `ctx` belongs to the stream when this returns 0. ENOMEM. */
int stream_new(struct request *r, const struct maker *maker, void *ctx, struct stream **out);

/* Has the first piece made. EAGAIN: the request waits, call again when the handler is called again;
 * else 0, or why there is none. */
int stream_go_on(struct stream *s);

/* The answer, which takes over the stream and sets `*s` to NULL; for HEAD one without a body. What
 * it says is true only now: it is to be kept by no cache. */
struct answer stream_answer(struct stream **s, const char *type);

/* Nothing may be under way. NULL is fine. */
void stream_free(struct stream *s);

/* For handlers whose state is a `struct stream *` and nothing else: makes it, or refuses the request
 * and frees `ctx`; and the handler's `close`. */
void stream_begin(struct request *r, const struct maker *maker, void *ctx);
void stream_close(struct request *r);

#endif
