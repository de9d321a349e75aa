#include "listener.h"
#include "diskv.h"
#include "log.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int new_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Splits at the last colon; the brackets of an IPv6 address are dropped. */
static int split_host_port(const char *address, char **host, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t len;

    if (colon == NULL || colon == address || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 5 ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return DISKV_EINVAL;
    len = (size_t)(colon - address);
    if (address[0] == '[') {
        if (len < 3 || address[len - 1] != ']')
            return DISKV_EINVAL;
        address++;
        len -= 2;
    } else if (memchr(address, ':', len) != NULL) {
        return DISKV_EINVAL;
    }
    *host = strndup(address, len);
    *port = colon + 1;
    return *host != NULL ? 0 : DISKV_ENOMEM;
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

    return address->sa_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                         : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* Within one machine nothing is congested. Where the system paces connections (BBR does), large
 * values would take twice the time; what is accepted inherits this. */
static void set_unpaced(int fd)
{
    static const char algorithm[] = "reno"; /* every kernel has it */

    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, algorithm, sizeof(algorithm) - 1);
}

static int bind_tcp(const struct addrinfo *info)
{
    int on = 1, off = 0;
    int fd = new_socket(info->ai_family);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (is_loopback(info->ai_addr))
        set_unpaced(fd);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    close(fd);
    return -1;
}

static char *tcp_url(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];
    char *url;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return NULL;
    if (asprintf(&url, address.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host,
                 port) < 0)
        return NULL;
    return url;
}

static int open_tcp(const char *address, struct listener *out)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    const char *port;
    char *host;
    int rc = split_host_port(address, &host, &port);

    if (rc != 0) {
        log_error("cannot listen on %s: not HOST:PORT, [ADDRESS]:PORT or unix:PATH", address);
        return rc;
    }
    rc = getaddrinfo(host, port, &hints, &list);
    free(host);
    if (rc != 0) {
        log_error("cannot listen on %s: %s", address, gai_strerror(rc));
        return DISKV_EINVAL;
    }
    out->fd = -1;
    for (const struct addrinfo *info = list; info != NULL && out->fd < 0; info = info->ai_next)
        out->fd = bind_tcp(info);
    if (out->fd < 0)
        log_error("cannot listen on %s: %s", address, strerror(errno));
    freeaddrinfo(list);
    if (out->fd < 0)
        return DISKV_EUNAVAILABLE;
    out->url = tcp_url(out->fd);
    if (out->url != NULL)
        return 0;
    close(out->fd);
    return DISKV_ENOMEM;
}

/* True when a socket lies there that refuses connections: its owner is gone. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat st;
    bool refused;
    int fd;

    if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = new_socket(AF_UNIX);
    if (fd < 0)
        return false;
    refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
              errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int fd, error;

    if (len >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, len);
    fd = new_socket(AF_UNIX);
    if (fd < 0)
        return -1;
    if (is_stale(&address))
        unlink(path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        if (listen(fd, SOMAXCONN) == 0)
            return fd;
        error = errno;
        unlink(path);
        errno = error;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_unix(const char *address, struct listener *out)
{
    const char *path = address + strlen("unix:");

    if (path[0] == '\0') {
        log_error("cannot listen on %s: no path", address);
        return DISKV_EINVAL;
    }
    out->url = strdup(address);
    out->path = strdup(path);
    if (out->url == NULL || out->path == NULL) {
        listener_free(out);
        return DISKV_ENOMEM;
    }
    out->fd = bind_unix(path);
    if (out->fd >= 0)
        return 0;
    log_error("cannot listen on %s: %s", address, strerror(errno));
    listener_free(out);
    return DISKV_EUNAVAILABLE;
}

int listener_open(const char *address, struct listener *out)
{
    *out = (struct listener){.fd = -1};
    return strncmp(address, "unix:", 5) == 0 ? open_unix(address, out) : open_tcp(address, out);
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    if (listener->path != NULL)
        unlink(listener->path);
    close(listener->fd);
    listener->fd = -1;
}

void listener_free(struct listener *listener)
{
    listener_close(listener);
    free(listener->path);
    free(listener->url);
    *listener = (struct listener){.fd = -1};
}
