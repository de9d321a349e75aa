/* Answers that are sent again as they were: one loop's, for its thread alone.
 *
 * Who asks the same time and again sends the same bytes. Where what is received is, byte for byte,
 * a request that was answered from the shelf in this second, and its value has the same version
 * still, the bytes of that answer go out again and libmicrohttpd is told that nothing came: what it
 * takes to read a request and to write an answer, it need not do. Only a second, so that Date is
 * right; and of each connection it sees the first request of a second, so that it knows it alive.
 * What was not asked before, but is like what was, is answered by direct.h.
 *
 * For that, the calls of libmicrohttpd to recv, send and sendmsg are ours. */
#ifndef REPLAY_H
#define REPLAY_H

#include "connection.h"
#include "direct.h"

struct replay;
struct request;

#define REPLAY_MAX 256 /* answers at most */

/* For the loops of `server`. ENOMEM. */
int replay_new(struct http_server *server, struct replay **out);

/* Its thread has ended. NULL is fine. */
void replay_free(struct replay *replay);

/* A connection is opened and closed; called by the loop's thread, from the first connection on. */
void replay_opened(struct replay *replay, struct connection *c);
void replay_closed(struct replay *replay, struct connection *c);

/* The queued answer to `r`, with so many bytes of body, may be sent again as long as its key,
 * opened so, has this version. */
void replay_keep(struct request *r, enum diskv_read how, uint64_t version, uint64_t body_len);

/* `r` asks for a value, opened so, or for ranges of it, and for nothing else: its answer is like
 * that to others with the same headers. */
void replay_learn(struct request *r, bool of_range, enum diskv_read how);

/* The value that `r` asks for, where it was opened when the request came, which is then the
 * caller's; NULL else. */
diskv_reader *replay_take(struct request *r);

/* libmicrohttpd is done with a request. */
void replay_completed(struct request *r);

#endif
