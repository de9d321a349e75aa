/* serve PORT DIR WORK: what the kernel allows a server. A thread for each processor waits, receives
 * and sends; between them it does no more than a right answer to the bench's own requests needs: it
 * opens each file once and never looks at it again, keeps small ones in memory, knows three
 * headers, checks nothing. A PUT is written to a file in WORK, which is renamed. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 16, PATH = 256, SMALL = 16 << 10, HEAD = 512, REQUEST = 16 << 10, EVENTS = 64 };

/* As many bytes as other servers send. */
#define FIELDS                                           \
    "Server: bare\r\n"                                   \
    "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"            \
    "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"   \
    "Connection: keep-alive\r\nAccept-Ranges: bytes\r\n" \
    "ETag: \"0123456789abcdef\"\r\n"
#define OF_VALUE FIELDS "Content-Type: application/octet-stream\r\nContent-Length: %lld\r\n"

struct file {
    char path[PATH];
    int fd; /* -1: there is none */
    off_t size;
    int head_len;              /* of a 200 */
    char answer[HEAD + SMALL]; /* its head, and a small file's bytes */
};

struct connection {
    int fd;
    size_t have; /* bytes of a request */
    int file;    /* that is being sent */
    off_t at, end;
    char request[REQUEST];
};

struct server {
    int dir, tmp, epoll;
    long made;
    size_t count;
    struct file files[FILES];
};

static void send_all(struct connection *c, const char *bytes, size_t len, int flags)
{
    if (send(c->fd, bytes, len, MSG_NOSIGNAL | flags) != (ssize_t)len && errno != EPIPE &&
        errno != ECONNRESET)
        err(1, "send");
}

/* Goes on until the socket is full; then EPOLLOUT calls it again. */
static void send_file(struct connection *c)
{
    ssize_t sent = 1;
    while (sent > 0 && c->at < c->end)
        sent = sendfile(c->fd, c->file, &c->at, (size_t)(c->end - c->at));
    if (sent < 0 && errno != EAGAIN)
        c->at = c->end; /* the client has gone */
}

static void open_file(struct server *s, struct file *file)
{
    struct stat found = {0};
    file->fd = openat(s->dir, file->path[1] ? file->path + 1 : ".", O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &found) || !S_ISREG(found.st_mode)) {
        file->head_len =
            snprintf(file->answer, HEAD, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    file->size = found.st_size;
    file->head_len =
        snprintf(file->answer, HEAD, "HTTP/1.1 200 OK\r\n" OF_VALUE "\r\n", (long long)file->size);
    if (file->size <= SMALL &&
        pread(file->fd, file->answer + file->head_len, SMALL, 0) != file->size)
        err(1, "%s", file->path);
}

static struct file *file_of(struct server *s, const char *path, size_t len)
{
    struct file *file = s->files;
    for (; file < s->files + s->count; file++)
        if (strncmp(file->path, path, len) == 0 && !file->path[len])
            return file;
    if (s->count == FILES || len >= PATH)
        errx(1, "these are more files than it knows");
    s->count++;
    memcpy(file->path, path, len);
    open_file(s, file);
    return file;
}

static void answer_range(struct connection *c, const struct file *file, const char *range)
{
    char head[HEAD], *dash;
    long long first = strtoll(range, &dash, 10), last = strtoll(dash + 1, NULL, 10);
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 206 Partial Content\r\n" OF_VALUE
                       "Content-Range: bytes %lld-%lld/%lld\r\n\r\n",
                       last - first + 1, first, last, (long long)file->size);
    send_all(c, head, (size_t)len, MSG_MORE);
    c->file = file->fd;
    c->at = first;
    c->end = last + 1;
    send_file(c);
}

static void answer(struct connection *c, const struct file *file)
{
    static const char not_modified[] = "HTTP/1.1 304 Not Modified\r\n" FIELDS "\r\n";
    const char *range = strstr(c->request, "\r\nRange: bytes=");
    if (strstr(c->request, "\r\nIf-None-Match: ")) {
        send_all(c, not_modified, sizeof not_modified - 1, 0);
    } else if (file->fd < 0 || *c->request == 'H') {
        send_all(c, file->answer, (size_t)file->head_len, 0);
    } else if (range) {
        answer_range(c, file, range + strlen("\r\nRange: bytes="));
    } else if (file->size <= SMALL) {
        send_all(c, file->answer, (size_t)file->head_len + (size_t)file->size, 0);
    } else {
        send_all(c, file->answer, (size_t)file->head_len, MSG_MORE);
        c->file = file->fd;
        c->at = 0;
        c->end = file->size;
        send_file(c);
    }
}

static void make_parents(int dir, char *path)
{
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(dir, path, 0777) && errno != EEXIST)
            err(1, "%s", path);
        *slash = '/';
    }
}

static void put(struct server *s, struct connection *c, const char *target, size_t len,
                const char *body, size_t body_len)
{
    static const char created[] = "HTTP/1.1 201 Created\r\n" FIELDS "Content-Length: 0\r\n\r\n";
    char name[32], path[PATH];
    snprintf(name, sizeof name, "%ld", s->made++);
    snprintf(path, sizeof path, "%.*s", (int)len - 1, target + 1);
    int fd = openat(s->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, body, body_len) != (ssize_t)body_len || close(fd))
        err(1, "%s", name);
    int rc = renameat(s->tmp, name, s->dir, path);
    if (rc && errno == ENOENT) {
        make_parents(s->dir, path);
        rc = renameat(s->tmp, name, s->dir, path);
    }
    if (rc)
        err(1, "%s", path);
    send_all(c, created, sizeof created - 1, 0);
}

static void handle(struct server *s, struct connection *c)
{
    c->request[c->have] = '\0';
    const char *end = strstr(c->request, "\r\n\r\n"),
               *length = strstr(c->request, "\r\nContent-Length: ");
    if (!end)
        return;
    size_t body_len =
        length && length < end ? strtoul(length + strlen("\r\nContent-Length: "), NULL, 10) : 0;
    if ((size_t)(end + 4 - c->request) + body_len > c->have)
        return;
    const char *target = strchr(c->request, ' ') + 1;
    size_t len = (size_t)(strchr(target, ' ') - target);
    if (*c->request == 'P')
        put(s, c, target, len, end + 4, body_len);
    else
        answer(c, file_of(s, target, len));
    c->have = 0;
}

static void receive(struct server *s, struct connection *c)
{
    ssize_t got = recv(c->fd, c->request + c->have, REQUEST - 1 - c->have, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        close(c->fd);
        free(c);
        return;
    }
    c->have += (size_t)got;
    handle(s, c);
}

static void *serve(void *argument)
{
    struct server *s = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(s->epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->at < c->end)
                send_file(c);
            if (events[i].events & EPOLLIN)
                receive(s, c);
        }
    }
    return NULL;
}

static struct server *server_new(int id, const char *dir, const char *work)
{
    char tmp[PATH];
    struct server *s = calloc(1, sizeof *s);
    pthread_t thread;
    snprintf(tmp, sizeof tmp, "%s/%d", work, id);
    if (!s || mkdir(tmp, 0777) || (s->tmp = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        (s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        (s->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0 || pthread_create(&thread, NULL, serve, s))
        err(1, "%s, %s", dir, tmp);
    return s;
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) || /* unpaced, as diskv's */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096))
        err(1, "port %d", port);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(2, "usage: serve PORT DIR WORK");
    int count = (int)sysconf(_SC_NPROCESSORS_ONLN), listener = listen_on(atoi(argv[1]));
    struct server *servers[count];
    for (int i = 0; i < count; i++)
        servers[i] = server_new(i, argv[2], argv[3]);
    for (int next = 0;; next = (next + 1) % count) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        if (!c || (c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0 ||
            epoll_ctl(servers[next]->epoll, EPOLL_CTL_ADD, c->fd, &event))
            err(1, "accept");
    }
}
