#include "connection.h"
#include <sys/socket.h>

#define GONE_MS 900 /* less than a second, so that the next scan tells */

int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int connections_init(struct connections *all)
{
    all->first = NULL;
    atomic_init(&all->open, 0);
    return pthread_mutex_init(&all->lock, NULL) == 0 ? 0 : DISKV_ENOMEM;
}

void connections_destroy(struct connections *all)
{
    pthread_mutex_destroy(&all->lock);
}

struct connection *connection_open(struct connections *all, int fd)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->fd = fd;
    connection_end(c);
    pthread_mutex_lock(&all->lock);
    c->next = all->first;
    if (c->next != NULL)
        c->next->prev = c;
    all->first = c;
    pthread_mutex_unlock(&all->lock);
    return c;
}

void connection_close(struct connections *all, struct connection *c)
{
    pthread_mutex_lock(&all->lock);
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        all->first = c->next;
    pthread_mutex_unlock(&all->lock);
    free(c);
}

/* The time is set before the state and read after it, so that a new state never meets an old time.
 */
void connection_begin(struct connection *c)
{
    c->moved = 0;
    c->is_received = false;
    c->since_ms = clock_ms();
    c->state = CONNECTION_RECEIVING;
}

void connection_received(struct connection *c)
{
    c->is_received = true;
    c->state = CONNECTION_ANSWERING;
}

void connection_end(struct connection *c)
{
    c->since_ms = clock_ms();
    c->state = CONNECTION_IDLE;
}

void connection_wait(struct connection *c)
{
    c->waiting_since_ms = clock_ms();
    c->state = CONNECTION_WAITING;
}

void connection_go_on(struct connection *c)
{
    if (c->state != CONNECTION_WAITING)
        return;
    c->since_ms += clock_ms() - c->waiting_since_ms;
    c->state = c->is_received ? CONNECTION_ANSWERING : CONNECTION_RECEIVING;
}

void connection_moved(struct connection *c, uint64_t bytes)
{
    atomic_fetch_add_explicit(&c->moved, bytes, memory_order_relaxed);
}

static bool is_late(const struct connection *c, enum connection_state state,
                    const struct http_options *limits, int64_t now)
{
    uint64_t seconds = limits->idle_seconds;

    if (state == CONNECTION_WAITING)
        return false;
    if (state != CONNECTION_IDLE) {
        seconds = limits->request_seconds;
        if (limits->min_rate > 0)
            seconds += c->moved / limits->min_rate;
    }
    return now - c->since_ms > (int64_t)seconds * 1000;
}

/* libmicrohttpd does not notice a client that ends right behind the last bytes it read. Here it
 * shows as an end that nothing was read before for a second, in the middle of a request. */
static bool is_gone(struct connection *c, enum connection_state state, int64_t now)
{
    char byte;

    if (state == CONNECTION_WAITING || state == CONNECTION_ANSWERING ||
        recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0) {
        c->gone_since_ms = 0;
        return false;
    }
    if (c->gone_since_ms == 0 || c->gone_moved != c->moved) {
        c->gone_since_ms = now;
        c->gone_moved = c->moved;
    }
    return now - c->gone_since_ms >= GONE_MS;
}

void connections_cut_late(struct connections *all, const struct http_options *limits)
{
    int64_t now = clock_ms();

    pthread_mutex_lock(&all->lock);
    for (struct connection *c = all->first; c != NULL; c = c->next) {
        enum connection_state state = c->state;

        if (is_late(c, state, limits, now) || is_gone(c, state, now))
            shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&all->lock);
}

void connections_cut_idle(struct connections *all)
{
    pthread_mutex_lock(&all->lock);
    for (struct connection *c = all->first; c != NULL; c = c->next) {
        if (c->state == CONNECTION_IDLE)
            shutdown(c->fd, SHUT_RD); /* a request that just came is still answered */
    }
    pthread_mutex_unlock(&all->lock);
}
