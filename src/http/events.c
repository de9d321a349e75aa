#include "events.h"
#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "json.h"
#include "key.h"
#include "log.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS      1000        /* between two looks at who is to hear that we are still there */
#define GATHER_MS    20          /* what comes within it is told at once */
#define PIECE        4096        /* bytes of text at which no more changes are taken in */
#define BLOCK        1024        /* bytes at once where chunks are not understood */
#define SOCKET_BYTES (64 * 1024) /* the kernel keeps so much for who does not read */

struct events {
    struct http_server *server;
    pthread_t thread;
    int fd; /* of an eventfd: there is news, or the end */
    atomic_bool has_news;
    int64_t told_ms; /* when news was told last */
    bool is_stopped;
    struct diskv_changes_watch watch;
    pthread_mutex_t lock;
    bool is_watching;         /* somebody followed: the store keeps its log from then on */
    bool is_stopping;         /* nobody waits any more */
    struct follower *waiting; /* with suspended connections */
};

/* Belongs to the response. While it waits it is the events' under their lock, else its loop's. */
struct follower {
    struct events *events;
    struct request *request;
    struct follower *prev, *next;
    uint64_t from; /* the number of the change to go on with */
    struct buf text;
    size_t sent; /* bytes of the text */
    int64_t wrote_ms;
    bool is_waiting; /* or did until now */
    bool is_gone;
    size_t prefix_len;
    char prefix[DISKV_KEY_MAX];
};

/* --- What is told --- */

/* A comment, with the place to go on from: one who sees nothing for long falls back no further. */
static int print_beat(struct follower *f)
{
    return buf_printf(&f->text, ":\nid: %" PRIu64 "\n\n", f->from);
}

/* The log does not reach back to where the follower is. */
static int print_reset(struct follower *f)
{
    f->from = diskv_changes_next(f->events->server->store);
    return buf_printf(&f->text, "id: %" PRIu64 "\nevent: reset\ndata: {}\n\n", f->from);
}

static int print_value(struct buf *out, const struct diskv_change *change)
{
    int rc;

    if (change->size == DISKV_SIZE_UNKNOWN)
        rc = buf_add_str(out, ",\"size\":null");
    else
        rc = buf_printf(out, ",\"size\":%" PRIu64, change->size);
    if (rc == 0)
        rc = buf_printf(out, ",\"etag\":\"%s\",\"modified\":", change->etag);
    return rc == 0 ? json_time(out, &change->modified) : rc;
}

static int print_change(void *ctx, const struct diskv_change *change)
{
    struct buf *out = ctx;
    size_t before = out->len;
    int rc = buf_printf(out, "id: %" PRIu64 "\nevent: %s\ndata: {\"key\":", change->number + 1,
                        change->erased ? "delete" : "put");

    if (rc == 0)
        rc = json_string(out, change->key, change->len);
    if (rc == 0 && !change->erased)
        rc = print_value(out, change);
    if (rc == 0)
        rc = buf_add_str(out, ",\"time\":");
    if (rc == 0)
        rc = json_time(out, &change->time);
    if (rc == 0)
        rc = buf_add_str(out, "}\n\n");
    if (rc != 0)
        out->len = before;
    return rc == 0 ? out->len >= PIECE : rc;
}

/* Takes in what is new; ENOMEM. */
static int take_in(struct follower *f)
{
    int rc = diskv_changes_now(f->events->server->store, &f->from, f->prefix, f->prefix_len,
                               print_change, &f->text);

    if (rc == DISKV_ESTALE)
        rc = print_reset(f);
    if (f->text.len > 0)
        f->wrote_ms = clock_ms();
    return rc < 0 ? rc : 0;
}

/* --- Waiting, under the lock --- */

static bool wait_for_news(struct follower *f)
{
    struct events *e = f->events;

    if (!request_wait(f->request))
        return false;
    f->is_waiting = true;
    f->prev = NULL;
    f->next = e->waiting;
    if (f->next != NULL)
        f->next->prev = f;
    e->waiting = f;
    return true;
}

/* Has its loop go on with it, which may free it from now on. */
static void wake(struct follower *f)
{
    if (f->next != NULL)
        f->next->prev = f->prev;
    if (f->prev != NULL)
        f->prev->next = f->next;
    else
        f->events->waiting = f->next;
    request_done(f->request, 0);
}

/* A suspended connection is not looked at by its loop. */
static bool has_left(const struct follower *f)
{
    char byte;
    ssize_t n = recv(f->request->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void tell(struct follower *f, int64_t now)
{
    const struct events *e = f->events;
    int64_t beat_ms = (int64_t)e->server->limits.event_heartbeat_seconds * 1000;

    if (e->is_stopping || take_in(f) != 0)
        f->is_gone = true;
    else if (f->text.len == 0 && now - f->wrote_ms >= beat_ms) {
        f->wrote_ms = now;
        f->is_gone = has_left(f) || print_beat(f) != 0;
    }
    if (f->is_gone || f->text.len > 0)
        wake(f);
}

/* --- The thread --- */

static void news(void *ctx)
{
    struct events *e = ctx;

    if (!atomic_exchange(&e->has_news, true))
        eventfd_write(e->fd, 1);
}

/* Waits for news, a while since the last were told, or for the next tick. */
static void await(struct events *e)
{
    struct pollfd polled = {.fd = e->fd, .events = POLLIN};
    eventfd_t count;
    int64_t rest;

    if (poll(&polled, 1, TICK_MS) <= 0)
        return;
    rest = e->told_ms + GATHER_MS - clock_ms();
    if (rest > 0)
        nanosleep(&(struct timespec){.tv_nsec = rest * 1000000}, NULL);
    eventfd_read(e->fd, &count);
    atomic_store(&e->has_news, false);
    e->told_ms = clock_ms();
}

static void *run(void *arg)
{
    struct events *e = arg;
    bool is_stopping = false;

    while (!is_stopping) {
        await(e);
        pthread_mutex_lock(&e->lock);
        is_stopping = e->is_stopping;
        for (struct follower *f = e->waiting, *next; f != NULL; f = next) {
            next = f->next;
            tell(f, clock_ms());
        }
        pthread_mutex_unlock(&e->lock);
    }
    return NULL;
}

int events_start(struct http_server *server, struct events **out)
{
    struct events *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return DISKV_ENOMEM;
    e->server = server;
    e->watch = (struct diskv_changes_watch){.news = news, .ctx = e};
    pthread_mutex_init(&e->lock, NULL);
    e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->fd < 0)
        goto free_events;
    errno = pthread_create(&e->thread, NULL, run, e);
    if (errno != 0)
        goto close_fd;
    *out = e;
    return 0;

close_fd:
    close(e->fd);
free_events:
    pthread_mutex_destroy(&e->lock);
    free(e);
    log_error("cannot start the thread for events: %s", strerror(errno));
    return DISKV_EUNAVAILABLE;
}

void events_stop(struct events *e)
{
    if (e->is_stopped)
        return;
    pthread_mutex_lock(&e->lock);
    e->is_stopping = true;
    pthread_mutex_unlock(&e->lock);
    eventfd_write(e->fd, 1);
    pthread_join(e->thread, NULL);
    e->is_stopped = true;
}

void events_free(struct events *e)
{
    if (e == NULL)
        return;
    events_stop(e);
    if (e->is_watching)
        diskv_changes_unwatch(e->server->store, &e->watch);
    close(e->fd);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

/* --- The answer --- */

/* How much there is to send; 0 where the follower waits. */
static ssize_t next_text(struct follower *f)
{
    struct events *e = f->events;
    ssize_t left = 0;

    buf_free(&f->text);
    f->sent = 0;
    pthread_mutex_lock(&e->lock);
    if (e->is_stopping || f->is_gone)
        left = MHD_CONTENT_READER_END_OF_STREAM;
    else if (take_in(f) != 0 || (f->text.len == 0 && !wait_for_news(f)))
        left = MHD_CONTENT_READER_END_WITH_ERROR;
    else if (!f->is_waiting)
        left = (ssize_t)f->text.len;
    pthread_mutex_unlock(&e->lock);
    return left;
}

static ssize_t read_block(void *cls, uint64_t offset, char *out, size_t len)
{
    struct follower *f = cls;
    ssize_t left;

    (void)offset;
    if (f->is_waiting) {
        f->is_waiting = false;
        connection_go_on(f->request->connection);
    }
    left = (ssize_t)(f->text.len - f->sent);
    if (left == 0)
        left = next_text(f);
    if (left <= 0)
        return left;
    if (len > (size_t)left)
        len = (size_t)left;
    memcpy(out, f->text.data + f->sent, len);
    f->sent += len;
    connection_moved(f->request->connection, len);
    return (ssize_t)len;
}

static void follower_free(void *cls)
{
    struct follower *f = cls;

    buf_free(&f->text);
    free(f);
}

/* The place that the client says it has seen all before; 0, which the log does not reach back to,
 * for what is no place; `otherwise` where it says nothing. */
static uint64_t last_seen(const struct request *r, uint64_t otherwise)
{
    const char *id = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "Last-Event-ID");
    char text[32] = "", *end;
    size_t len = 0;
    unsigned long long number;

    if (id == NULL) {
        if (query_text(r->query, "last_event_id", text, sizeof(text) - 1, &len) != 0)
            return 0;
        text[len] = '\0';
        id = text;
    }
    if (*id == '\0')
        return otherwise;
    errno = 0;
    number = strtoull(id, &end, 10);
    return *id >= '0' && *id <= '9' && *end == '\0' && errno == 0 ? number : 0;
}

/* Has the follower begin where the client left off, or with what comes from now on. */
static int follow(struct follower *f)
{
    struct events *e = f->events;
    int bytes = SOCKET_BYTES;
    int rc;

    pthread_mutex_lock(&e->lock);
    if (!e->is_watching)
        diskv_changes_watch(e->server->store, &e->watch);
    e->is_watching = true;
    pthread_mutex_unlock(&e->lock);
    setsockopt(f->request->connection->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    f->from = last_seen(f->request, diskv_changes_next(e->server->store));
    f->wrote_ms = clock_ms();
    rc = take_in(f);
    return rc != 0 || f->text.len > 0 ? rc : print_beat(f);
}

static enum MHD_Result events_end(struct request *r)
{
    struct follower *f = calloc(1, sizeof(*f));
    struct answer a;

    if (f == NULL)
        return request_fail_rc(r, DISKV_ENOMEM);
    f->events = r->server->events;
    f->request = r;
    if (query_text(r->query, "prefix", f->prefix, sizeof(f->prefix), &f->prefix_len) != 0) {
        free(f);
        return request_fail(r, MHD_HTTP_BAD_REQUEST, "prefix takes at most 1000 bytes of UTF-8");
    }
    if (!r->is_head && follow(f) != 0) {
        follower_free(f);
        return request_fail_rc(r, DISKV_ENOMEM);
    }
    a = answer_response(
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_block, f, follower_free));
    if (a.broken) {
        follower_free(f);
        return MHD_NO;
    }
    if (r->is_head) /* as for a value of unknown size: without the chunk that ends a body, closing
                     */
        MHD_set_response_options(a.response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    answer_header(&a, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    answer_header(&a, "X-Accel-Buffering", "no");
    return answer_send(r, MHD_HTTP_OK, &a);
}

const struct handler events_handler = {.end = events_end};
