#include "burst.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNSEEN_MAX (16 * 1024) /* bytes sent before a look whether the client takes them */

void burst_unseen(struct connection *c)
{
    c->unseen = UNSEEN_MAX;
}

/* True where the socket has room for all of a text: before it is full, its client has to be found
 * to have taken everything. */
static bool has_room(struct connection *c, size_t len)
{
    int queued;

    if (c->unseen + len <= UNSEEN_MAX)
        return true;
    if (ioctl(c->fd, SIOCOUTQ, &queued) != 0 || queued > 0)
        return false;
    c->unseen = 0;
    return true;
}

/* False where the socket has no room for the rest. */
static bool is_over(struct connection *c, uint64_t sent, uint64_t len)
{
    burst_unseen(c);
    if (sent == len)
        return true;
    c->is_begun = true;
    c->begun = (size_t)sent;
    return false;
}

static bool cut(const struct connection *c)
{
    shutdown(c->fd, SHUT_RDWR);
    return true;
}

/* The head waits for the first bytes of the file, to leave in one packet with them. */
static ssize_t send_text(const struct connection *c, const struct burst *burst)
{
    int more = burst->len > 0 ? MSG_MORE : 0;

    return sendto(c->fd, burst->text, burst->text_len, MSG_NOSIGNAL | MSG_DONTWAIT | more, NULL, 0);
}

static ssize_t send_with_view(const struct connection *c, const struct burst *burst)
{
    struct iovec parts[] = {{(void *)(uintptr_t)burst->text, burst->text_len},
                            {(void *)(uintptr_t)burst->view, (size_t)burst->len}};
    const struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

    /* Not by the name that libc has for it, which is libmicrohttpd's way to send. */
    return syscall(SYS_sendmsg, c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool send_file(struct connection *c, const struct burst *burst)
{
    uint64_t sent = 0;
    int64_t n = 1;

    while (n > 0 && sent < burst->len) {
        n = diskv_reader_send_now(burst->reader, c->fd, (size_t)(burst->len - sent),
                                  burst->from + sent);
        sent += n > 0 ? (uint64_t)n : 0;
    }
    return n < 0 ? cut(c) : is_over(c, sent, burst->len);
}

bool burst_send(struct connection *c, const struct burst *burst)
{
    ssize_t n;

    if (!has_room(c, burst->text_len))
        return false;
    n = burst->view != NULL ? send_with_view(c, burst) : send_text(c, burst);
    if (n < 0)
        return false;
    c->unseen += (size_t)n;
    if ((size_t)n < burst->text_len)
        return cut(c); /* in spite of the room: the kernel is out of memory */
    if (burst->view != NULL)
        return is_over(c, (uint64_t)n - burst->text_len, burst->len);
    return burst->len == 0 || send_file(c, burst);
}
