#include "loop.h"
#include "log.h"
#include "request.h"
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POOL_BYTES   (16 * 1024) /* per connection: zeroed on each request, so as few as needed */
#define LEFT_OUT_MAX 7           /* looks for events in a row */

static _Thread_local struct loop *mine;     /* whose thread it is, from its first connection on */
static _Thread_local struct loop *resuming; /* while a connection of it is resumed */
static _Thread_local bool look_later;

void loop_look_later(void)
{
    look_later = true;
}

void loop_resume(struct loop *loop, struct MHD_Connection *mhd)
{
    resuming = loop;
    MHD_resume_connection(mhd);
    resuming = NULL;
}

/* libmicrohttpd calls this one, not libc's, and writes to wake a loop whenever a connection is
 * resumed: of these writes only the one is made that finds the loop waiting. */
__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t len)
{
    if (resuming != NULL && atomic_exchange(&resuming->rest, LOOP_NEWS) != LOOP_WAITS)
        return (ssize_t)len;
    return syscall(SYS_write, fd, data, len);
}

/* Waits for nothing where a connection was resumed since the thread looked at those: it does so
 * before each call that may wait. */
static int events_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
    enum loop_rest rest = LOOP_AWAKE;
    int count;

    if (mine != NULL && timeout_ms != 0 &&
        !atomic_compare_exchange_strong(&mine->rest, &rest, LOOP_WAITS))
        timeout_ms = 0;
    count = epoll_pwait(epoll_fd, events, max, timeout_ms, NULL);
    if (mine != NULL)
        atomic_store(&mine->rest, LOOP_AWAKE);
    return count;
}

/* libmicrohttpd calls this one, not libc's. When it gets as many events as it has room for, it asks
 * for more before it looks at them, and waits as long as for the first: no request of a whole batch
 * would be answered until another came. So what follows a full batch does not wait. And it asks for
 * events between any two pieces of a body: most such calls are left out. */
__attribute__((visibility("default"))) int epoll_wait(int epoll_fd, struct epoll_event *events,
                                                      int max, int timeout_ms)
{
    static _Thread_local bool was_full;
    static _Thread_local unsigned left_out;
    bool leave_out = look_later && timeout_ms == 0 && left_out < LEFT_OUT_MAX;
    int count = 0;

    look_later = false;
    left_out = leave_out ? left_out + 1 : 0;
    if (!leave_out)
        count = events_wait(epoll_fd, events, max, was_full ? 0 : timeout_ms);
    was_full = count == max;
    return count;
}

static void on_panic(void *cls, const char *file, unsigned line, const char *reason)
{
    (void)cls;
    log_error("libmicrohttpd, %s:%u: %s", file, line, reason);
    abort();
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct loop *loop = cls;
    struct http_server *server = loop->server;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        mine = loop;
        *context = connection_open(
            &server->connections,
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
        if (*context != NULL)
            replay_opened(loop->replay, *context);
        return;
    }
    if (*context != NULL) {
        replay_closed(loop->replay, *context);
        connection_close(&server->connections, *context);
    }
    atomic_fetch_sub(&server->connections.open, 1);
}

/* Leaves escapes as they are: the raw path is decoded once, by us. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static struct MHD_Daemon *daemon_start(struct loop *loop)
{
    const struct http_options *limits = &loop->server->limits;
    unsigned longest = limits->idle_seconds > limits->request_seconds ? limits->idle_seconds
                                                                      : limits->request_seconds;
    /* Above our own deadlines, which come first; with no timeout half-closed sockets leak. */
    unsigned timeout = longest < UINT_MAX / 2000 ? longest + 10 : UINT_MAX / 2000;

    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, POOL_BYTES, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limits->max_connections + 1, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)timeout, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)request_new, loop},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)unescape_nothing, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, loop},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_completed, loop},
        {MHD_OPTION_END, 0, NULL},
    };

    MHD_set_panic_func(on_panic, NULL);
    return MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC |
                                MHD_ALLOW_SUSPEND_RESUME,
                            0, NULL, NULL, request_handle, loop, MHD_OPTION_ARRAY, options,
                            MHD_OPTION_END);
}

int loop_start(struct http_server *server, struct loop **out)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    int rc;

    if (loop == NULL)
        return DISKV_ENOMEM;
    loop->server = server;
    rc = shelf_new(&loop->shelf);
    if (rc != 0)
        goto free_loop;
    rc = replay_new(server, &loop->replay);
    if (rc != 0)
        goto free_shelf;
    loop->daemon = daemon_start(loop);
    if (loop->daemon == NULL) {
        log_error("cannot start an event loop: %s", strerror(errno));
        rc = DISKV_EUNAVAILABLE;
        goto free_replay;
    }
    *out = loop;
    return 0;

free_replay:
    replay_free(loop->replay);
free_shelf:
    shelf_free(loop->shelf);
free_loop:
    free(loop);
    return rc;
}

bool loop_add(struct loop *loop, int fd, const void *address, unsigned address_len)
{
    if (MHD_add_connection(loop->daemon, fd, address, address_len) == MHD_YES)
        return true;
    log_warning("a connection is lost: %s", strerror(errno));
    return false;
}

void loop_stop(struct loop *loop)
{
    MHD_stop_daemon(loop->daemon);
    replay_free(loop->replay);
    shelf_free(loop->shelf);
    free(loop);
}
