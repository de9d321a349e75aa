/* GETs of small values that are answered without libmicrohttpd: one loop's, for its thread alone.
 *
 * A client sends the same headers time and again, with one key after the other. Where a request
 * differs in nothing but its key from one that libmicrohttpd has read, that was found valid and
 * asks for no more than the value, what it asks for is known, and its answer is written here. */
#ifndef DIRECT_H
#define DIRECT_H

#include "connection.h"
#include "shelf.h"

struct direct;
struct request;

/* At most so many bytes of a request, and of an answer. */
#define DIRECT_REQUEST_MAX 2048
#define DIRECT_ANSWER_MAX  (SHELF_BODY_MAX + 4096)

/* For the loops of `server`. ENOMEM. */
int direct_new(struct http_server *server, struct direct **out);

/* Its thread has ended. NULL is fine. */
void direct_free(struct direct *d);

/* `text`, all of a request without a body, is a GET of a value, opened so, that asks for nothing
 * else: what has the same behind its key does too. */
void direct_learn(struct direct *d, const char *text, size_t len, enum diskv_read how);

/* Writes the answer to `text` and returns its length; 0 where libmicrohttpd is to answer. A value
 * that was opened stays so, for direct_take: what is not sent here need not be opened again. */
size_t direct_answer(struct direct *d, const char *text, size_t len,
                     char out[static DIRECT_ANSWER_MAX]);

/* The value that the last direct_answer opened, which is then the caller's; NULL where there is
 * none. */
diskv_reader *direct_take(struct direct *d);

#endif
