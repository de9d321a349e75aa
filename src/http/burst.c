#include "burst.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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
static bool send_file(struct connection *c, const struct burst *burst)
{
    uint64_t sent = 0;
    int64_t n = 1;

    while (n > 0 && sent < burst->len) {
        n = diskv_reader_send_now(burst->reader, c->fd, (size_t)(burst->len - sent),
                                  burst->from + sent);
        sent += n > 0 ? (uint64_t)n : 0;
    }
    burst_unseen(c);
    if (n == 0) {
        c->is_begun = true;
        c->begun = (size_t)sent;
    } else if (n < 0) {
        shutdown(c->fd, SHUT_RDWR);
    }
    return n != 0;
}

/* A head waits for the first bytes of the file, to leave in one packet with them. */
bool burst_send(struct connection *c, const struct burst *burst)
{
    int more = burst->len > 0 ? MSG_MORE : 0;
    ssize_t n;

    if (!has_room(c, burst->text_len))
        return false;
    n = sendto(c->fd, burst->text, burst->text_len, MSG_NOSIGNAL | MSG_DONTWAIT | more, NULL, 0);
    if (n < 0)
        return false;
    c->unseen += (size_t)n;
    if ((size_t)n < burst->text_len)
        shutdown(c->fd, SHUT_RDWR); /* in spite of the room: the kernel is out of memory */
    return (size_t)n < burst->text_len || burst->len == 0 || send_file(c, burst);
}
