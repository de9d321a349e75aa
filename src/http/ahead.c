#include "ahead.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static ssize_t receive(int fd, void *out, size_t len, int flags)
{
    return recvfrom(fd, out, len, flags, NULL, NULL);
}

/* Only where what libmicrohttpd receives is seen: what it was given of the request was. */
size_t ahead_take(struct connection *c, void *out, size_t len)
{
    ssize_t got;

    if (c->unread == 0)
        return 0;
    got = receive(c->fd, out, len, MSG_DONTWAIT);
    if (got <= 0)
        return 0; /* an end or a failure, too, is found by libmicrohttpd */
    c->untold += (size_t)got;
    c->unskipped += (size_t)got;
    return (size_t)got;
}

size_t ahead_count(const struct connection *c)
{
    int count;

    return c->unread > 0 && ioctl(c->fd, SIOCINQ, &count) == 0 ? (size_t)count : 0;
}

/* A count below `len` means to libmicrohttpd that the socket is empty, and it waits for an event:
 * so the last bytes to be told go with what is there. */
ssize_t ahead_recv(struct connection *c, void *out, size_t len)
{
    size_t told = c->untold < len ? c->untold : len;
    ssize_t got;

    c->untold -= told;
    if (told == len)
        return (ssize_t)told;
    got = receive(c->fd, (char *)out + told, len - told, 0);
    return told == 0 ? got : (ssize_t)told + (got > 0 ? got : 0);
}

size_t ahead_skip(struct connection *c, size_t len)
{
    size_t skipped = c->unskipped < len ? c->unskipped : len;

    c->unskipped -= skipped;
    return skipped;
}
