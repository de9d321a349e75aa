/* An event loop: a libmicrohttpd daemon with one thread, fed with sockets by the acceptor. */
#ifndef LOOP_H
#define LOOP_H

#include "context.h"

/* Starts a loop that serves `server`; EUNAVAILABLE. */
int loop_start(struct http_server *server, struct MHD_Daemon **out);

/* Hands over a connected socket, which is closed where that fails (logged). Thread-safe. */
bool loop_add(struct MHD_Daemon *loop, int fd, const void *address, unsigned address_len);

/* Ends the thread and closes what is left. No connection may be suspended. */
void loop_stop(struct MHD_Daemon *loop);

#endif
