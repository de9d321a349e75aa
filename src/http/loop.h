/* An event loop: a libmicrohttpd daemon with one thread, fed with sockets by the acceptor. */
#ifndef LOOP_H
#define LOOP_H

#include "context.h"
#include "replay.h"
#include "shelf.h"

/* Whether a loop's thread has to be woken for it to look at connections that were resumed. */
enum loop_rest {
    LOOP_AWAKE,
    LOOP_NEWS, /* awake, or woken, and not to wait before it looked at them */
    LOOP_WAITS,
};

/* `shelf` and `replay` are for its thread alone. */
struct loop {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    struct shelf *shelf;
    struct replay *replay;
    _Atomic(enum loop_rest) rest;
};

/* Starts a loop that serves `server`; EUNAVAILABLE, ENOMEM. `*out` is the caller's, for
 * loop_stop. */
int loop_start(struct http_server *server, struct loop **out);

/* Hands over a connected socket, which is closed where that fails (logged). Thread-safe. */
bool loop_add(struct loop *loop, int fd, const void *address, unsigned address_len);

/* Resumes one of the loop's connections, which it may close from then on. Thread-safe. */
void loop_resume(struct loop *loop, struct MHD_Connection *mhd);

/* The next look for events may be left out: a connection has a piece of a body to go on with, and
 * has had the last one for hardly any time. For the loop's thread. */
void loop_look_later(void);

/* Ends the thread, closes what is left and frees the loop. No connection may be suspended. */
void loop_stop(struct loop *loop);

#endif
