/* An event loop: a libmicrohttpd daemon with one thread, fed with sockets by the acceptor. */
#ifndef LOOP_H
#define LOOP_H

#include "context.h"
#include "replay.h"
#include "shelf.h"

/* `shelf` and `replay` are for its thread alone. */
struct loop {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    struct shelf *shelf;
    struct replay *replay;
};

/* Starts a loop that serves `server`; EUNAVAILABLE, ENOMEM. `*out` is the caller's, for
 * loop_stop. */
int loop_start(struct http_server *server, struct loop **out);

/* Hands over a connected socket, which is closed where that fails (logged). Thread-safe. */
bool loop_add(struct loop *loop, int fd, const void *address, unsigned address_len);

/* A piece of a body was taken, and more of it may be there already. For the loop's thread. */
void loop_body_arrives(void);

/* Ends the thread, closes what is left and frees the loop. No connection may be suspended. */
void loop_stop(struct loop *loop);

#endif
