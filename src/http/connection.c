#include "connection.h"
#include <sys/socket.h>

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
    c->since_ms = clock_ms();
    c->state = CONNECTION_BUSY;
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
    c->state = CONNECTION_BUSY;
}

void connection_moved(struct connection *c, uint64_t bytes)
{
    atomic_fetch_add_explicit(&c->moved, bytes, memory_order_relaxed);
}

static bool is_late(const struct connection *c, const struct http_options *limits, int64_t now)
{
    enum connection_state state = c->state;
    uint64_t seconds = limits->idle_seconds;

    if (state == CONNECTION_WAITING)
        return false;
    if (state == CONNECTION_BUSY) {
        seconds = limits->request_seconds;
        if (limits->min_rate > 0)
            seconds += c->moved / limits->min_rate;
    }
    return now - c->since_ms > (int64_t)seconds * 1000;
}

void connections_cut_late(struct connections *all, const struct http_options *limits)
{
    int64_t now = clock_ms();

    pthread_mutex_lock(&all->lock);
    for (struct connection *c = all->first; c != NULL; c = c->next) {
        if (is_late(c, limits, now))
            shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&all->lock);
}

void connections_cut_idle(struct connections *all)
{
    pthread_mutex_lock(&all->lock);
    for (struct connection *c = all->first; c != NULL; c = c->next) {
        if (c->state == CONNECTION_IDLE)
            shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&all->lock);
}

void connections_cut(struct connections *all)
{
    pthread_mutex_lock(&all->lock);
    for (struct connection *c = all->first; c != NULL; c = c->next) {
        if (c->state != CONNECTION_WAITING)
            shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&all->lock);
}
