#include "replay.h"
#include "ahead.h"
#include "context.h"
#include "request.h"
#include "sending.h"
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xxhash.h>

#define UNSEEN_MAX (16 * 1024) /* bytes sent before a look whether the client takes them */

struct entry {
    time_t second;
    uint64_t version;
    enum diskv_read how;
    size_t request_len, key_len, answer_len;
    char text[]; /* the request, the key, the answer */
};

struct replay {
    struct http_server *server;
    struct connection **connections; /* by socket */
    size_t room;
    struct entry *entries[REPLAY_MAX];
    uint64_t asked[REPLAY_MAX]; /* hashes of requests: what comes but once is not kept */

    /* What libmicrohttpd was given last, where that may be a whole request. */
    const struct connection *given_by;
    size_t given_len;
    char given[REPLAY_REQUEST_MAX];

    /* The answer that is about to be sent, to be kept. */
    const struct request *awaited; /* NULL for none */
    enum diskv_read how;
    uint64_t version, body_len;
};

static _Thread_local struct replay *mine; /* of the loop that the thread runs */

int replay_new(struct http_server *server, struct replay **out)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return DISKV_ENOMEM;
    (*out)->server = server;
    return 0;
}

void replay_free(struct replay *replay)
{
    if (replay == NULL)
        return;
    for (size_t i = 0; i < REPLAY_MAX; i++)
        free(replay->entries[i]);
    free(replay->connections);
    free(replay);
}

/* Without memory the connection's requests are answered one by one. */
void replay_opened(struct replay *replay, struct connection *c)
{
    size_t fd = (size_t)c->fd;

    mine = replay;
    if (fd >= replay->room) {
        size_t room = 2 * fd + 64;
        struct connection **larger =
            reallocarray(replay->connections, room, sizeof(struct connection *));

        if (larger == NULL)
            return;
        memset(larger + replay->room, 0, (room - replay->room) * sizeof(struct connection *));
        replay->connections = larger;
        replay->room = room;
    }
    replay->connections[fd] = c;
}

void replay_closed(struct replay *replay, struct connection *c)
{
    if ((size_t)c->fd < replay->room)
        replay->connections[c->fd] = NULL;
    if (replay->given_by == c)
        replay->given_by = NULL;
}

void replay_keep(struct request *r, enum diskv_read how, uint64_t version, uint64_t body_len)
{
    struct replay *replay = r->replay;
    uint64_t hash;
    size_t i;

    if (replay->given_by != r->connection || replay->given_len != r->framing.header_size ||
        r->framing.has_body || r->framing.expect)
        return;
    hash = XXH3_64bits(replay->given, replay->given_len);
    i = hash % REPLAY_MAX;
    if (replay->asked[i] == hash) {
        replay->awaited = r;
        replay->how = how;
        replay->version = version;
        replay->body_len = body_len;
    }
    replay->asked[i] = hash;
}

/* What of a chunked body belongs to it is not known here: its connection is never in step again. */
void replay_completed(struct request *r)
{
    struct connection *c = r->connection;
    uint64_t taken = r->framing.header_size + r->framing.length;

    if (r->replay->awaited == r)
        r->replay->awaited = NULL;
    if (c != NULL && !r->framing.chunked && taken <= c->unread)
        c->unread -= taken;
}

/* True for an answer after which its connection stays open, and all of it. */
static bool is_repeatable(const char *answer, size_t len, uint64_t body_len)
{
    static const char end[] = "\r\n\r\n", close[] = "\r\nConnection: close\r\n";
    const char *found = memmem(answer, len, end, strlen(end));
    size_t head;

    if (found == NULL)
        return false;
    head = (size_t)(found - answer) + strlen(end);
    return len - head == body_len && memmem(answer, head, close, strlen(close)) == NULL;
}

static struct entry *entry_new(const struct replay *replay, const struct iovec *parts, size_t count,
                               size_t answer_len)
{
    const struct request *r = replay->awaited;
    struct entry *e = malloc(sizeof(*e) + replay->given_len + r->key_len + answer_len);
    char *end;

    if (e == NULL)
        return NULL;
    *e = (struct entry){
        .second = r->connection->given_at,
        .version = replay->version,
        .how = replay->how,
        .request_len = replay->given_len,
        .key_len = r->key_len,
        .answer_len = answer_len,
    };
    end = mempcpy(e->text, replay->given, replay->given_len);
    end = mempcpy(end, r->key, r->key_len);
    for (size_t i = 0; i < count; i++)
        end = mempcpy(end, parts[i].iov_base, parts[i].iov_len);
    if (is_repeatable(end - answer_len, answer_len, replay->body_len))
        return e;
    free(e);
    return NULL;
}

/* libmicrohttpd has sent something. */
static void on_sent(int fd, const struct iovec *parts, size_t count, ssize_t sent)
{
    struct replay *replay = mine;
    struct entry **slot, *e = NULL;
    size_t len = 0;

    if (replay == NULL || replay->awaited == NULL || replay->awaited->connection->fd != fd)
        return;
    for (size_t i = 0; i < count; i++)
        len += parts[i].iov_len;
    if (sent == (ssize_t)len && len <= REPLAY_ANSWER_MAX)
        e = entry_new(replay, parts, count, len);
    replay->awaited = NULL;
    if (e == NULL)
        return;
    slot = &replay->entries[XXH3_64bits(replay->given, replay->given_len) % REPLAY_MAX];
    free(*slot);
    *slot = e;
}

static bool is_current(diskv *store, const struct entry *e)
{
    diskv_reader *reader;
    bool is_same;

    if (diskv_reader_open_now(store, e->text + e->request_len, e->key_len, e->how, &reader) != 0)
        return false;
    is_same = diskv_reader_version(reader) == e->version;
    diskv_reader_close(reader);
    return is_same;
}

/* True where the socket has room for all of an answer: before it is full, its client has to be
 * found to have taken everything. */
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

static bool send_again(struct connection *c, const struct entry *e)
{
    const char *answer = e->text + e->request_len + e->key_len;
    ssize_t n = sendto(c->fd, answer, e->answer_len, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);

    if (n < 0)
        return false;
    if ((size_t)n < e->answer_len)
        shutdown(c->fd, SHUT_RDWR); /* in spite of the room: the kernel is out of memory */
    c->unseen += (size_t)n;
    return true;
}

/* A look at the value's file and the sending: two system calls, one allocation. */
static bool answer_again(const struct replay *replay, struct connection *c, const char *data,
                         size_t len)
{
    const struct entry *e = replay->entries[XXH3_64bits(data, len) % REPLAY_MAX];
    struct http_server *server = replay->server;
    bool sent;

    if (e == NULL || e->second != c->given_at || e->request_len != len ||
        memcmp(e->text, data, len) != 0)
        return false;
    connection_begin(c); /* before the look at `draining`: idle connections are cut then */
    sent = !atomic_load(&server->draining) && has_room(c, e->answer_len) &&
           is_current(server->store, e) && send_again(c, e);
    connection_end(c);
    return sent;
}

/* NULL for a socket of none of the thread's connections. */
static struct connection *connection_of(int fd)
{
    return mine != NULL && (size_t)fd < mine->room ? mine->connections[fd] : NULL;
}

/* True where what a connection received was answered, and is not for libmicrohttpd. */
static bool on_received(struct replay *replay, struct connection *c, const char *data, size_t len)
{
    time_t now = time(NULL);
    bool may_be_request;

    may_be_request = c->unread == 0 && len <= sizeof(replay->given);
    if (may_be_request && c->given_at == now && answer_again(replay, c, data, len))
        return true;
    if (may_be_request)
        memcpy(replay->given, data, len);
    replay->given_by = may_be_request ? c : NULL;
    replay->given_len = len;
    replay->awaited = NULL; /* its request is no longer what was given last */
    c->given_at = now;
    c->unread += len;
    c->unseen = UNSEEN_MAX;
    return false;
}

/* These have names of their own here, since libc's headers may have inline functions of the others.
 */
#define IN_PLACE_OF(name) __asm__(name) __attribute__((visibility("default")))
ssize_t replay_recv(int fd, void *buf, size_t len, int flags) IN_PLACE_OF("recv");
ssize_t replay_send(int fd, const void *buf, size_t len, int flags) IN_PLACE_OF("send");
ssize_t replay_sendmsg(int fd, const struct msghdr *msg, int flags) IN_PLACE_OF("sendmsg");

ssize_t replay_recv(int fd, void *buf, size_t len, int flags)
{
    struct connection *c = flags == 0 ? connection_of(fd) : NULL;
    ssize_t n = c != NULL ? ahead_recv(c, buf, len) : recvfrom(fd, buf, len, flags, NULL, NULL);

    if (n <= 0 || c == NULL || !on_received(mine, c, buf, (size_t)n))
        return n;
    errno = EAGAIN;
    return -1;
}

ssize_t replay_send(int fd, const void *buf, size_t len, int flags)
{
    ssize_t n = sending_header(fd, buf, len, flags);

    on_sent(fd, &(struct iovec){(void *)(uintptr_t)buf, len}, 1, n);
    return n;
}

ssize_t replay_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    ssize_t n = syscall(SYS_sendmsg, fd, msg, flags);

    on_sent(fd, msg->msg_iov, msg->msg_iovlen, n);
    return n;
}
