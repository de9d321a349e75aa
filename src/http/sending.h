/* Answers whose body goes from the page cache to the socket: but for its first bytes, which leave
 * with the header, no copy passes through here.
 *
 * libmicrohttpd answers from a descriptor by sendfile64, and calls the one that is defined here,
 * which does what it cannot: it lets no loop wait for the disk, sees how an answer gets on, and
 * cuts a connection whose file has become shorter, where libmicrohttpd would ask again for ever. */
#ifndef SENDING_H
#define SENDING_H

#include "answer.h"
#include "value.h"

struct sending;

/* An answer with `len` bytes of the value from `from` on, all of which it has. False where they go
 * another way: they are few, or not the bytes of a file. The request takes over the reader and sets
 * `v->reader` to NULL: it then lives as long as the request. For the loop's thread. */
bool sending_answer(struct request *r, struct value *v, uint64_t from, uint64_t len,
                    struct answer *out);

/* Does what send does, for libmicrohttpd; with the header of such an answer, its first bytes go. */
ssize_t sending_header(int socket, const void *header, size_t len, int flags);

/* To be called when the request ends. NULL is fine. */
void sending_free(struct sending *s);

#endif
