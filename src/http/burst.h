/* Answers that leave at once, past libmicrohttpd. */
#ifndef BURST_H
#define BURST_H

#include "connection.h"

/* What is sent: text, that ends with all of the body or with none, then `len` bytes. The caller's.
 */
struct burst {
    const char *text;
    size_t text_len;
    uint64_t len;
    const char *view;     /* the bytes, or NULL: */
    diskv_reader *reader; /* then they were found to be sendable from its file, */
    uint64_t from;        /* from here on */
};

/* Sends it. False where libmicrohttpd is to answer: either nothing was sent, or all of the text and
 * not all of the bytes, which `c->is_begun` says. For the connection's loop. */
bool burst_send(struct connection *c, const struct burst *burst);

/* Something else was sent to the connection, or will be. */
void burst_unseen(struct connection *c);

#endif
