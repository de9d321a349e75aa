#include "replay.h"
#include "ahead.h"
#include "burst.h"
#include "context.h"
#include "header.h"
#include "loop.h"
#include "request.h"
#include "sending.h"
#include <errno.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xxhash.h>

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
    struct direct *direct;

    /* What libmicrohttpd was given last, where that may be a whole request. */
    const struct connection *given_by;
    size_t given_len;
    char given[DIRECT_REQUEST_MAX];
    bool again; /* … and whether it was asked before */

    /* The answer that is about to be sent, to be kept. */
    const struct request *awaited; /* NULL for none */
    enum diskv_read how;
    uint64_t version, body_len;
};

static _Thread_local struct replay *mine; /* of the loop that the thread runs */

int replay_new(struct http_server *server, struct replay **out)
{
    int rc;

    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return DISKV_ENOMEM;
    (*out)->server = server;
    rc = direct_new(server, &(*out)->direct);
    if (rc != 0)
        free(*out);
    return rc;
}

void replay_free(struct replay *replay)
{
    if (replay == NULL)
        return;
    for (size_t i = 0; i < REPLAY_MAX; i++)
        free(replay->entries[i]);
    direct_free(replay->direct);
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

/* True where all of a request, and nothing else, is what was given last. */
static bool was_given(const struct request *r)
{
    const struct replay *replay = r->loop->replay;

    return replay->given_by == r->connection && replay->given_len == r->framing.header_size &&
           !r->framing.has_body && !r->framing.expect;
}

void replay_keep(struct request *r, enum diskv_read how, uint64_t version, uint64_t body_len)
{
    struct replay *replay = r->loop->replay;

    if (!replay->again || !was_given(r))
        return;
    replay->awaited = r;
    replay->how = how;
    replay->version = version;
    replay->body_len = body_len;
}

/* True where the connection stays open behind the answer, in HTTP/1.1. */
static bool is_to_stay(const struct request *r)
{
    const char *option;
    size_t lines = header_lines(r->mhd, MHD_HTTP_HEADER_CONNECTION, &option);

    return lines == 0 || (lines == 1 && strcasecmp(option, "keep-alive") == 0);
}

void replay_learn(struct request *r, bool of_range, enum diskv_read how)
{
    const struct replay *replay = r->loop->replay;

    if (was_given(r) && is_to_stay(r))
        direct_learn(replay->direct, replay->given, replay->given_len, of_range, how);
}

diskv_reader *replay_take(struct request *r)
{
    return was_given(r) ? direct_take(r->loop->replay->direct) : NULL;
}

/* What of a chunked body belongs to it is not known here: its connection is never in step again. */
void replay_completed(struct request *r)
{
    struct connection *c = r->connection;
    uint64_t taken = r->framing.header_size + r->framing.length;

    if (r->loop->replay->awaited == r)
        r->loop->replay->awaited = NULL;
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
    if (sent == (ssize_t)len && len <= DIRECT_ANSWER_MAX)
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

/* A look at the value's file and the sending: two system calls, one allocation. */
static bool answer_again(const struct replay *replay, const struct entry *e, struct connection *c,
                         const char *data, size_t len)
{
    return e != NULL && e->second == c->given_at && e->request_len == len &&
           memcmp(e->text, data, len) == 0 && is_current(replay->server->store, e) &&
           burst_send(c, &(struct burst){.text = e->text + e->request_len + e->key_len,
                                         .text_len = e->answer_len});
}

/* What is asked again for lack of an entry goes to libmicrohttpd, whose answer becomes one: but
 * none that has bytes of a file. */
static bool answer_direct(const struct replay *replay, struct connection *c, const char *data,
                          size_t len)
{
    char text[DIRECT_ANSWER_MAX];
    struct burst burst;
    bool sent = direct_answer(replay->direct, data, len, text, &burst) &&
                (burst.len > 0 || !replay->again) && burst_send(c, &burst);

    if (sent)
        diskv_reader_close(direct_take(replay->direct));
    return sent;
}

static bool answer(struct replay *replay, struct connection *c, time_t now, const char *data,
                   size_t len)
{
    uint64_t hash = XXH3_64bits(data, len);
    size_t i = hash % REPLAY_MAX;
    bool sent = false;

    replay->again = replay->asked[i] == hash;
    replay->asked[i] = hash;
    if (c->given_at != now)
        return false;
    connection_begin(c); /* before the look at `draining`: idle connections are cut then */
    if (!atomic_load(&replay->server->draining))
        sent = answer_again(replay, replay->entries[i], c, data, len) ||
               answer_direct(replay, c, data, len);
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
    bool may_be_request = c->unread == 0 && len <= sizeof(replay->given);
    time_t now = time(NULL);

    diskv_reader_close(direct_take(replay->direct));
    if (may_be_request && answer(replay, c, now, data, len))
        return true;
    if (may_be_request)
        memcpy(replay->given, data, len);
    replay->given_by = may_be_request ? c : NULL;
    replay->given_len = len;
    replay->awaited = NULL; /* its request is no longer what was given last */
    c->given_at = now;
    c->unread += len;
    burst_unseen(c);
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

/* True where another answer was begun than the one that is to be sent now: the value cannot be had
 * any more. The connection is cut. */
static bool is_torn(int fd)
{
    const struct connection *c = connection_of(fd);

    if (c == NULL || !c->is_begun || sending_is_under_way(fd))
        return false;
    errno = ECONNRESET;
    return true;
}

ssize_t replay_send(int fd, const void *buf, size_t len, int flags)
{
    ssize_t n = is_torn(fd) ? -1 : sending_header(fd, buf, len, flags);

    on_sent(fd, &(struct iovec){(void *)(uintptr_t)buf, len}, 1, n);
    return n;
}

ssize_t replay_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    ssize_t n = is_torn(fd) ? -1 : syscall(SYS_sendmsg, fd, msg, flags);

    on_sent(fd, msg->msg_iov, msg->msg_iovlen, n);
    return n;
}
