#include "acceptor.h"
#include "buf.h"
#include "context.h"
#include "cors.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "problem.h"
#include "util.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS   1000
#define LINGERING 64 /* refused sockets kept open for a second or two */
#define BATCH     64 /* connections accepted from one listener before the next has its turn */

struct acceptor {
    struct http_server *server;
    pthread_t thread;
    int stop_fd;
    size_t turn; /* the loop that gets the next connection */
    int64_t ticked_ms;
    struct lingering {
        int fd; /* -1 where there is none */
        int64_t since_ms;
    } lingering[LINGERING];
    size_t oldest;
    bool exhausted;         /* of descriptors or memory: listeners rest until the next tick */
    struct pollfd polled[]; /* the listeners, then stop_fd */
};

static void end_lingering(struct lingering *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* A socket closed with unread data in it takes the answer along, so it is closed a moment later. */
static void linger(struct acceptor *a, int fd)
{
    end_lingering(&a->lingering[a->oldest]);
    a->lingering[a->oldest] = (struct lingering){.fd = fd, .since_ms = clock_ms()};
    a->oldest = (a->oldest + 1) % LINGERING;
}

static void refuse(struct acceptor *a, int fd)
{
    const struct problem problem = {.status = 503, .detail = "too many connections"};
    struct diskv_field fields[CORS_FIELDS_MAX];
    size_t count = cors_fields(&a->server->limits, NULL, fields);
    struct buf answer = {0};

    if (problem_print(&problem, fields, count, &answer) == 0 &&
        send(fd, answer.data, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_info("a refused connection was gone already");
    buf_free(&answer);
    shutdown(fd, SHUT_WR);
    linger(a, fd);
}

static void hand_over(struct acceptor *a, int fd, const struct sockaddr_storage *address,
                      socklen_t address_len)
{
    struct http_server *server = a->server;
    int on = 1;

    if (atomic_load(&server->connections.open) >= server->limits.max_connections) {
        refuse(a, fd);
        return;
    }
    if (address->ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    atomic_fetch_add(&server->connections.open, 1);
    if (!loop_add(server->loops[a->turn], fd, address, address_len))
        atomic_fetch_sub(&server->connections.open, 1);
    a->turn = (a->turn + 1) % server->loop_count;
}

static void accept_some(struct acceptor *a, int listener)
{
    for (int i = 0; i < BATCH; i++) {
        struct sockaddr_storage address = {0};
        socklen_t len = sizeof(address);
        int fd = accept4(listener, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            hand_over(a, fd, &address, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_warning("cannot accept connections: %s", strerror(errno));
            a->exhausted = true;
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } /* else that one connection is gone: on to the next */
    }
}

static void tick(struct acceptor *a)
{
    int64_t now = clock_ms();

    if (now - a->ticked_ms < TICK_MS)
        return;
    a->ticked_ms = now;
    a->exhausted = false;
    for (size_t i = 0; i < LINGERING; i++) {
        if (now - a->lingering[i].since_ms >= TICK_MS)
            end_lingering(&a->lingering[i]);
    }
    connections_cut_late(&a->server->connections, &a->server->limits);
}

static void *run(void *arg)
{
    struct acceptor *a = arg;
    size_t listeners = a->server->listener_count;

    while (a->polled[listeners].revents == 0) {
        for (size_t i = 0; i < listeners; i++)
            a->polled[i].events = a->exhausted ? 0 : POLLIN;
        if (poll(a->polled, listeners + 1, TICK_MS) < 0 && errno != EINTR) {
            log_error("poll: %s", strerror(errno));
            break;
        }
        for (size_t i = 0; i < listeners; i++) {
            if (a->polled[i].revents & POLLIN)
                accept_some(a, a->polled[i].fd);
        }
        tick(a);
    }
    return NULL;
}

int acceptor_start(struct http_server *server, struct acceptor **out)
{
    size_t n = server->listener_count;
    struct acceptor *a = calloc(1, sizeof(*a) + (n + 1) * sizeof(a->polled[0]));

    if (a == NULL)
        return DISKV_ENOMEM;
    a->server = server;
    a->ticked_ms = clock_ms();
    for (size_t i = 0; i < LINGERING; i++)
        a->lingering[i].fd = -1;
    a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->stop_fd < 0)
        goto free_acceptor;
    for (size_t i = 0; i < n; i++)
        a->polled[i].fd = server->listeners[i].fd;
    a->polled[n] = (struct pollfd){.fd = a->stop_fd, .events = POLLIN};
    errno = pthread_create(&a->thread, NULL, run, a);
    if (errno != 0)
        goto close_stop;
    *out = a;
    return 0;

close_stop:
    close(a->stop_fd);
free_acceptor:
    free(a);
    log_error("cannot start the acceptor: %s", strerror(errno));
    return DISKV_EUNAVAILABLE;
}

void acceptor_stop(struct acceptor *a)
{
    if (a == NULL)
        return;
    eventfd_write(a->stop_fd, 1);
    pthread_join(a->thread, NULL);
    for (size_t i = 0; i < LINGERING; i++)
        end_lingering(&a->lingering[i]);
    close(a->stop_fd);
    free(a);
}
