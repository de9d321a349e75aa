/* What the parts of the server share. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "connection.h"
#include "server.h"
#include "workers.h"
#include <microhttpd.h>
#include <stdatomic.h>

struct http_server {
    diskv *store;
    struct http_options limits; /* its `listen` is not kept */
    struct listener *listeners;
    size_t listener_count;
    struct loop **loops;
    size_t loop_count;
    struct acceptor *acceptor;
    struct events *events;
    struct workers *bulk; /* for what may wait more than once: see request_work */
    struct connections connections;
    atomic_size_t requests;   /* in flight */
    atomic_size_t operations; /* of the store, with a suspended connection behind each */
    atomic_bool draining;     /* every answer closes its connection */
    atomic_bool cutting;      /* no operation may begin */
    int64_t started_ms;
};

#endif
