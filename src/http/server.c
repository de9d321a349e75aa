#include "server.h"
#include "acceptor.h"
#include "context.h"
#include "events.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include <unistd.h>

#define STEP_US      5000 /* between two looks while stopping */
#define BULK_THREADS 4

static void close_listeners(struct http_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        listener_close(&server->listeners[i]);
}

static void free_listeners(struct http_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        listener_free(&server->listeners[i]);
    free(server->listeners);
}

static int open_listeners(struct http_server *server, const struct http_options *options)
{
    server->listeners = calloc(options->listen_count, sizeof(server->listeners[0]));
    if (server->listeners == NULL)
        return DISKV_ENOMEM;
    for (size_t i = 0; i < options->listen_count; i++) {
        int rc = listener_open(options->listen[i], &server->listeners[i]);

        if (rc != 0)
            return rc;
        server->listener_count++;
    }
    return 0;
}

static void stop_loops(struct http_server *server)
{
    for (size_t i = 0; i < server->loop_count; i++)
        loop_stop(server->loops[i]);
    free(server->loops);
}

static int start_loops(struct http_server *server, size_t count)
{
    server->loops = calloc(count, sizeof(server->loops[0]));
    if (server->loops == NULL)
        return DISKV_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int rc = loop_start(server, &server->loops[i]);

        if (rc != 0)
            return rc;
        server->loop_count++;
    }
    return 0;
}

int http_server_start(diskv *store, const struct http_options *options, struct http_server **out)
{
    struct http_server *server = calloc(1, sizeof(*server));
    int rc;

    if (server == NULL)
        return DISKV_ENOMEM;
    server->store = store;
    server->limits = *options;
    server->limits.listen = NULL;
    server->started_ms = clock_ms();
    rc = connections_init(&server->connections);
    if (rc != 0)
        goto free_server;
    rc = open_listeners(server, options);
    if (rc != 0)
        goto free_listeners;
    rc = workers_new(BULK_THREADS, &server->bulk);
    if (rc != 0)
        goto free_listeners;
    rc = events_start(server, &server->events);
    if (rc != 0)
        goto free_bulk;
    rc = start_loops(server, options->threads > 0 ? options->threads : 1);
    if (rc != 0)
        goto stop_loops;
    rc = acceptor_start(server, &server->acceptor);
    if (rc != 0)
        goto stop_loops;
    *out = server;
    return 0;

stop_loops:
    stop_loops(server);
    events_free(server->events);
free_bulk:
    workers_free(server->bulk);
free_listeners:
    free_listeners(server);
    connections_destroy(&server->connections);
free_server:
    free(server);
    return rc;
}

const char *http_server_url(const struct http_server *server, size_t listener)
{
    return listener < server->listener_count ? server->listeners[listener].url : NULL;
}

static void stop_accepting(struct http_server *server)
{
    atomic_store(&server->draining, true);
    acceptor_stop(server->acceptor);
    server->acceptor = NULL;
    close_listeners(server);
    events_stop(server->events);
}

size_t http_server_drain(struct http_server *server, unsigned seconds)
{
    int64_t end = clock_ms() + (int64_t)seconds * 1000;

    stop_accepting(server);
    while (atomic_load(&server->requests) > 0 && clock_ms() < end) {
        connections_cut_idle(&server->connections);
        connections_cut_late(&server->connections, &server->limits);
        usleep(STEP_US);
    }
    return atomic_load(&server->requests);
}

/* libmicrohttpd aborts when stopped with a suspended connection. So no operation may begin from now
 * on, and those under way end first: each is counted from before `cutting` is looked at until its
 * connection is resumed. */
void http_server_free(struct http_server *server)
{
    stop_accepting(server);
    atomic_store(&server->cutting, true);
    while (atomic_load(&server->operations) > 0)
        usleep(STEP_US);
    stop_loops(server);
    events_free(server->events);
    workers_free(server->bulk);
    free_listeners(server);
    connections_destroy(&server->connections);
    free(server);
}
