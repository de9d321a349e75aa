#include "sending.h"
#include "context.h"
#include "loop.h"
#include "request.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SENDING_MIN   (64 * 1024) /* bytes: a copy of fewer costs less */
#define SENDING_PAGE  4096
#define SENDING_SLOTS 256

/* Belongs to the request. */
struct sending {
    struct sending *next;
    struct request *request;
    diskv_reader *reader;
    uint64_t from, end; /* in the value */
    size_t untold;      /* bytes that were sent, of which libmicrohttpd does not know */
    const char *view;   /* of what was begun from the cache: the bytes from `from` on; else NULL */
    char *cold;         /* a chunk that the disk was waited for; NULL until one was */
    uint64_t cold_from;
    size_t cold_len; /* set by the store */
    bool waited;
    bool uncorked;
};

/* Those of this loop, by their sockets. */
static struct sending **slot_of(int socket)
{
    static _Thread_local struct sending *slots[SENDING_SLOTS];

    return &slots[(unsigned)socket % SENDING_SLOTS];
}

static struct sending *sending_find(int socket)
{
    struct sending *s = *slot_of(socket);

    while (s != NULL && s->request->connection->fd != socket)
        s = s->next;
    return s;
}

bool sending_is_under_way(int socket)
{
    return sending_find(socket) != NULL;
}

/* Has a worker read into memory of our own: what goes through the page cache alone might be dropped
 * from it again before it is sent. */
static int64_t read_cold(struct sending *s, uint64_t offset, size_t len)
{
    if (s->cold == NULL)
        s->cold = malloc(SENDING_CHUNK);
    if (s->cold == NULL)
        return DISKV_ENOMEM;
    if (!request_wait(s->request))
        return DISKV_EUNAVAILABLE;
    s->waited = true;
    s->cold_from = offset;
    diskv_reader_read(s->reader, s->cold, len, offset, &s->cold_len, request_done, s->request);
    return 0;
}

static int64_t send_memory(const struct sending *s, const char *data, size_t len)
{
    ssize_t n = sendto(s->request->connection->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);

    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : DISKV_EIO;
}

static int64_t send_cold(const struct sending *s, uint64_t offset, size_t len)
{
    size_t at = (size_t)(offset - s->cold_from), left = s->cold_len - at;

    return send_memory(s, s->cold + at, left < len ? left : len);
}

/* Before all chunks but the last libmicrohttpd corks the socket, once: then the end of each waits
 * for the next, and sending takes twice the CPU. */
static void uncork(struct sending *s)
{
    setsockopt(s->request->connection->fd, IPPROTO_TCP, TCP_CORK, &(int){0}, sizeof(int));
    s->uncorked = true;
}

/* A count, 0 where the socket or the disk has to be waited for; an error cuts the connection. */
static int64_t send_some(struct sending *s, uint64_t offset, size_t len)
{
    int64_t n;

    if (s->view != NULL)
        return send_memory(s, s->view + (offset - s->from), len);
    if (s->waited) {
        s->waited = false;
        connection_go_on(s->request->connection);
        if (s->request->rc != 0 || s->cold_len == 0)
            return DISKV_ESTALE;
    }
    if (s->cold_len > 0 && offset >= s->cold_from && offset - s->cold_from < s->cold_len)
        return send_cold(s, offset, len);
    n = diskv_reader_sendable_now(s->reader, len, offset);
    if (n == DISKV_EAGAIN && len > SENDING_CHUNK) {
        len = SENDING_CHUNK;
        n = diskv_reader_sendable_now(s->reader, len, offset);
    }
    if (n == DISKV_EAGAIN)
        return read_cold(s, offset, len);
    return n < 0 ? n : diskv_reader_send_now(s->reader, s->request->connection->fd, len, offset);
}

/* The same for as much as a turn may take: little of what is not all in memory, where a look at the
 * end says less of what lies before it. */
static int64_t send_turn(struct sending *s, uint64_t offset)
{
    size_t max = s->cold != NULL ? SENDING_CHUNK : SENDING_TURN;
    uint64_t left = s->end - offset;

    return send_some(s, offset, left < max ? (size_t)left : max);
}

/* The page cache alone keeps a copy: to send it from there costs less. */
bool sending_can(diskv_reader *reader, uint64_t len)
{
    if (len >= SENDING_MIN)
        diskv_reader_once(reader);
    return len >= SENDING_MIN && diskv_reader_sendable_now(reader, 0, 0) == 0;
}

/* The bytes up to a page's end leave with the header, which libmicrohttpd would send alone: a
 * packet more costs more than the copy of a page does. */
ssize_t sending_header(int socket, const void *header, size_t len, int flags)
{
    struct sending *s = sending_find(socket);
    char start[SENDING_PAGE];
    struct iovec parts[] = {{(void *)(uintptr_t)header, len}, {start, 0}};
    const struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};
    int64_t got;
    ssize_t n;

    if (s == NULL)
        return sendto(socket, header, len, flags, NULL, 0);
    if (s->request->connection->is_begun) {
        s->request->connection->is_begun = false;
        s->untold = s->request->connection->begun;
        return (ssize_t)len;
    }
    got = diskv_reader_read_now(s->reader, start, SENDING_PAGE - s->from % SENDING_PAGE, s->from);
    parts[1].iov_len = got > 0 ? (size_t)got : 0;
    n = syscall(SYS_sendmsg, socket, &msg, flags);
    if (n <= (ssize_t)len)
        return n;
    s->untold = (size_t)n - len;
    return (ssize_t)len;
}

/* libmicrohttpd calls this one, not libc's, for 128 KiB at a time: what more was sent it is told in
 * the calls that follow. Of all errors only EBADF makes it cut the connection: after others it
 * reads the descriptor it has. When it gets a smaller count than it asked for, it waits for the
 * socket to have room again, which is told only of one that had none. */
__attribute__((visibility("default"))) ssize_t sendfile64(int socket, int fd, off64_t *offset,
                                                          size_t len)
{
    struct sending *s = sending_find(socket);
    int64_t n = 1;
    size_t told;

    (void)fd;
    if (s == NULL) {
        errno = EBADF;
        return -1;
    }
    if (!s->uncorked && (uint64_t)*offset + len < s->end)
        uncork(s);
    if (s->untold >= len)
        loop_look_later();
    while (n > 0 && s->untold < len) {
        n = send_turn(s, (uint64_t)*offset + s->untold);
        s->untold += n > 0 ? (size_t)n : 0;
    }
    told = s->untold < len ? s->untold : len;
    if (n < 0 || told == 0) {
        errno = n < 0 ? EBADF : EAGAIN;
        return -1;
    }
    s->untold -= told;
    connection_moved(s->request->connection, told);
    return (ssize_t)told;
}

static struct sending *sending_new(struct request *r, diskv_reader *reader, uint64_t from,
                                   uint64_t end)
{
    struct sending **slot = slot_of(r->connection->fd);
    struct sending *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->request = r;
    s->reader = reader;
    s->from = from;
    s->end = end;
    s->next = *slot;
    *slot = s;
    return s;
}

void sending_free(struct sending *s)
{
    struct sending **at;

    if (s == NULL)
        return;
    for (at = slot_of(s->request->connection->fd); *at != s; at = &(*at)->next)
        ;
    *at = s->next;
    diskv_reader_close(s->reader);
    free(s->cold);
    free(s);
}

/* Of the descriptor libmicrohttpd only wants to be told that there is one, and closes it: the
 * file's own stays with the reader, whose close never waits. */
static struct MHD_Response *response_new(int socket, uint64_t from, uint64_t len)
{
    int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    struct MHD_Response *response =
        fd >= 0 ? MHD_create_response_from_fd_at_offset64(len, fd, from) : NULL;

    if (response == NULL && fd >= 0)
        close(fd);
    return response;
}

bool sending_answer(struct request *r, struct value *v, uint64_t from, uint64_t len,
                    struct answer *out)
{
    int socket = r->connection->fd;
    const char *view =
        r->connection->is_begun ? diskv_reader_view(v->reader, (size_t)len, from) : NULL;
    struct MHD_Response *response;

    if (view == NULL && !sending_can(v->reader, len))
        return false;
    response = response_new(socket, from, len);
    if (response == NULL)
        return false;
    r->sending = sending_new(r, v->reader, from, from + len);
    if (r->sending == NULL) {
        MHD_destroy_response(response);
        return false;
    }
    r->sending->view = view;
    v->reader = NULL;
    *out = answer_response(response);
    return true;
}
