/* GETs that are answered without libmicrohttpd: one loop's, for its thread alone.
 *
 * A client sends the same headers time and again, with one key after the other, or one range. Where
 * a request differs in nothing else from one that libmicrohttpd has read, that was found valid and
 * asks for no more than the value, or ranges of it, what it asks for is known: if that is few
 * bytes, or as many as are sent from a file at once, its answer is made here. */
#ifndef DIRECT_H
#define DIRECT_H

#include "burst.h"
#include "shelf.h"

struct direct;
struct request;

/* At most so many bytes of a request, and of the text of an answer. */
#define DIRECT_REQUEST_MAX 2048
#define DIRECT_ANSWER_MAX  (SHELF_BODY_MAX + 4096)

/* For the loops of `server`. ENOMEM. */
int direct_new(struct http_server *server, struct direct **out);

/* Its thread has ended. NULL is fine. */
void direct_free(struct direct *d);

/* `text`, all of a request without a body, is a GET of a value, opened so, or of ranges of it, that
 * asks for nothing else: what has the same behind its key, but for the ranges, does too. */
void direct_learn(struct direct *d, const char *text, size_t len, bool of_range,
                  enum diskv_read how);

/* Makes the answer to `text`, its own text in `out`; false where libmicrohttpd is to answer. A
 * value that was opened stays so, for direct_take: what is not sent here need not be opened again.
 */
bool direct_answer(struct direct *d, const char *text, size_t len,
                   char out[static DIRECT_ANSWER_MAX], struct burst *burst);

/* The value that the last direct_answer opened, which is then the caller's; NULL where there is
 * none. */
diskv_reader *direct_take(struct direct *d);

#endif
