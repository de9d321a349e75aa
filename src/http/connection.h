/* The open connections, and how long each may go on.
 *
 * libmicrohttpd's timeout is for inactivity only, which a byte a second defeats. So a connection
 * has a deadline here, and what misses it has its socket shut down; the loop that owns it then
 * closes it. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "server.h"
#include <pthread.h>
#include <stdatomic.h>

enum connection_state {
    CONNECTION_IDLE,      /* between requests, or while a request's first line arrives */
    CONNECTION_RECEIVING, /* the rest of a request arrives */
    CONNECTION_ANSWERING, /* all of a request is there */
    CONNECTION_WAITING,   /* a request waits for the store: never cut */
};

/* Written by its loop, read by whoever scans. */
struct connection {
    struct connection *prev;
    struct connection *next;
    int fd;
    _Atomic enum connection_state state;
    _Atomic int64_t since_ms; /* when it fell idle or its request began, less the time of waits */
    _Atomic uint64_t moved;   /* bytes of body, both ways */
    int64_t waiting_since_ms;
    time_t given_at;  /* the second in which libmicrohttpd last was given what came; see replay.h */
    uint64_t unread;  /* … and how much it was given beyond the requests that it is done with */
    size_t unseen;    /* bytes of answers that its client is not known to have taken */
    bool is_begun;    /* burst_send sent the header of the answer to come … */
    size_t begun;     /* … and so many bytes of its body */
    size_t untold;    /* bytes of body taken that libmicrohttpd does not know of; see ahead.h */
    size_t unskipped; /* … and that it did not hand over yet */
    bool is_received; /* all of the request is there */
    int64_t gone_since_ms; /* for the scan: when its client was first seen to have ended; 0: not */
    uint64_t gone_moved;   /* … and what had moved by then */
};

struct connections {
    pthread_mutex_t lock;
    struct connection *first;
    atomic_size_t open; /* counted by the acceptor from accept on */
};

int connections_init(struct connections *all);
void connections_destroy(struct connections *all);

/* Adds the connection of socket `fd`; NULL when out of memory. The socket must stay open until
 * connection_close, which frees what is returned. */
struct connection *connection_open(struct connections *all, int fd);
void connection_close(struct connections *all, struct connection *c);

/* A request begins, is there as a whole, and ends; waits for the store and goes on; has moved some
 * bytes of body. To be called by the connection's loop. */
void connection_begin(struct connection *c);
void connection_received(struct connection *c);
void connection_end(struct connection *c);
void connection_wait(struct connection *c);
void connection_go_on(struct connection *c);
void connection_moved(struct connection *c, uint64_t bytes);

/* Shuts down the sockets of those that missed their deadline, or whose client went away before it
 * had its answer. Thread-safe. */
void connections_cut_late(struct connections *all, const struct http_options *limits);

/* Has the idle ones closed. Thread-safe. */
void connections_cut_idle(struct connections *all);

/* A monotonic clock of a few milliseconds' resolution. */
int64_t clock_ms(void);

#endif
