/* Bytes of a body that are taken from a socket past libmicrohttpd.
 *
 * It receives a body by what its small buffer holds, and copies it to whoever wants it. Whoever
 * knows that only body can come takes that from the socket itself, as much at once as there is room
 * for; libmicrohttpd, which counts the body, is then told of as many bytes as were taken and hands
 * over as many that mean nothing. All calls are for the connection's loop's thread or, while the
 * request waits, for a thread that it waits for. */
#ifndef AHEAD_H
#define AHEAD_H

#include "connection.h"
#include <sys/types.h>

/* Receives up to `len` bytes of body, no more than are left of it, when libmicrohttpd has handed
 * over all that it had; 0 where none are there, or where it has to receive them. */
size_t ahead_take(struct connection *c, void *out, size_t len);

/* How many bytes ahead_take would find. */
size_t ahead_count(const struct connection *c);

/* What libmicrohttpd is to get from the connection, as recv(2): bytes that mean nothing for those
 * that were taken, then those that are there. */
ssize_t ahead_recv(struct connection *c, void *out, size_t len);

/* Of `len` bytes of body that libmicrohttpd hands over, how many at the beginning mean nothing. */
size_t ahead_skip(struct connection *c, size_t len);

#endif
