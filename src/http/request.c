#include "request.h"
#include "ahead.h"
#include "answer.h"
#include "context.h"
#include "cors.h"
#include "key.h"
#include "log.h"
#include "loop.h"
#include "route.h"
#include "sending.h"
#include <sys/socket.h>

#define DISCARD_MAX (1024 * 1024) /* unwanted bytes read so that the connection can be kept */
#define LINGER_MS   5000          /* time for a client to read an answer before the cut */

void *request_new(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct loop *loop = cls;
    struct http_server *server = loop->server;
    size_t size = strlen(uri) + 1;
    struct request *r = calloc(1, sizeof(*r) + 2 * size);

    if (r == NULL)
        return NULL;
    r->server = server;
    r->loop = loop;
    r->mhd = mhd;
    r->connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    memcpy(r->target, uri, size);
    /* The query is ours to read: thousands of arguments would fill libmicrohttpd's pool. */
    char *query = strchr((char *)(uintptr_t)uri, '?');
    if (query != NULL && query[1] != '\0')
        query[1] = '\0';
    r->key = r->target + size;
    if (r->connection != NULL)
        connection_begin(r->connection);
    atomic_fetch_add(&server->requests, 1);
    return r;
}

static bool state_new(struct request *r)
{
    if (r->handler->state_size == 0)
        return true;
    r->state = calloc(1, r->handler->state_size);
    if (r->state == NULL)
        request_refuse_rc(r, DISKV_ENOMEM);
    return r->state != NULL;
}

static void state_free(struct request *r)
{
    if (r->state != NULL && r->handler->close != NULL)
        r->handler->close(r);
    free(r->state);
    r->state = NULL;
}

void request_completed(void *cls, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code)
{
    struct request *r = *context;

    (void)cls;
    (void)mhd;
    (void)code;
    if (r == NULL)
        return;
    state_free(r);
    replay_completed(r);
    sending_free(r->sending);
    if (r->connection != NULL)
        connection_end(r->connection);
    atomic_fetch_sub(&r->server->requests, 1);
    free(r);
    *context = NULL;
}

bool request_wait(struct request *r)
{
    struct http_server *server = r->server;

    atomic_fetch_add(&server->operations,
                     1); /* before the look at `cutting`: see http_server_free */
    if (atomic_load(&server->cutting)) {
        atomic_fetch_sub(&server->operations, 1);
        return false;
    }
    connection_wait(r->connection);
    MHD_suspend_connection(r->mhd);
    return true;
}

bool request_work(struct request *r, struct job *job)
{
    if (!request_wait(r))
        return false;
    workers_post(r->server->bulk, job);
    return true;
}

void request_done(void *ctx, int rc)
{
    struct request *r = ctx;
    struct http_server *server = r->server;

    r->rc = rc;
    loop_resume(r->loop, r->mhd); /* which may free the request from now on */
    atomic_fetch_sub(&server->operations, 1);
}

void request_refuse(struct request *r, unsigned status, const char *detail)
{
    r->refusal = (struct problem){.status = status, .detail = detail};
}

void request_refuse_rc(struct request *r, int rc)
{
    r->refusal = problem_of(rc);
}

/* The value of the Allow header that the problem goes with, NULL for none. */
static const char *allow_of(const struct request *r, const struct problem *problem,
                            char text[ROUTE_ALLOW_SIZE])
{
    if (problem->status != MHD_HTTP_METHOD_NOT_ALLOWED)
        return NULL;
    route_allow(r->allow, text);
    return text;
}

static enum MHD_Result answer_problem(struct request *r, const struct problem *problem)
{
    char text[ROUTE_ALLOW_SIZE];
    const char *allow = allow_of(r, problem, text);
    struct buf body = {0};
    struct answer a;

    if (problem_body(problem, &body) != 0) {
        buf_free(&body);
        return MHD_NO;
    }
    a = answer_buf(&body, PROBLEM_TYPE);
    if (problem->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        answer_header(&a, MHD_HTTP_HEADER_RETRY_AFTER, PROBLEM_RETRY_AFTER);
    if (allow != NULL)
        answer_header(&a, MHD_HTTP_HEADER_ALLOW, allow);
    if (problem->header != NULL)
        answer_header(&a, problem->header, problem->value);
    return answer_send(r, problem->status, &a);
}

enum MHD_Result request_fail_problem(struct request *r, const struct problem *problem)
{
    r->refusal = *problem;
    return answer_problem(r, problem);
}

enum MHD_Result request_fail(struct request *r, unsigned status, const char *detail)
{
    return request_fail_problem(r, &(struct problem){.status = status, .detail = detail});
}

enum MHD_Result request_fail_rc(struct request *r, int rc)
{
    const struct problem problem = problem_of(rc);

    return request_fail_problem(r, &problem);
}

enum MHD_Result request_hand_over(struct request *r, const struct handler *handler)
{
    state_free(r);
    r->handler = handler;
    if (state_new(r) && handler->begin != NULL)
        handler->begin(r);
    return r->refusal.status != 0 ? answer_problem(r, &r->refusal) : handler->end(r);
}

bool request_read_key(struct request *r)
{
    size_t before = strlen("/keys/");
    const char *wrong = key_decode(r->path + before, r->path_len - before, r->key, &r->key_len);

    if (wrong != NULL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, wrong);
    return wrong == NULL;
}

static int print_refusal(const struct request *r, struct buf *out)
{
    const char *origin =
        MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);
    struct diskv_field fields[CORS_FIELDS_MAX + 1];
    size_t count = cors_fields(&r->server->limits, origin, fields);
    char text[ROUTE_ALLOW_SIZE];
    const char *allow = allow_of(r, &r->refusal, text);

    if (allow != NULL)
        fields[count++] = (struct diskv_field){MHD_HTTP_HEADER_ALLOW, allow};
    return problem_print(&r->refusal, fields, count, out);
}

/* Answers in the middle of a long body, which libmicrohttpd refuses to do, and reads on for a
 * while: a socket closed with unread data in it takes the answer along. */
static enum MHD_Result answer_raw(struct request *r)
{
    struct buf text = {0};
    int fd = r->connection->fd;
    ssize_t sent = -1;

    if (print_refusal(r, &text) == 0)
        sent = send(fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_free(&text);
    if (sent < 0)
        return MHD_NO;
    shutdown(fd, SHUT_WR);
    r->answered_raw = true;
    r->linger_until_ms = clock_ms() + LINGER_MS;
    return MHD_YES;
}

/* Throws away a piece of body that nobody wants. */
static enum MHD_Result discard(struct request *r, size_t *len)
{
    r->discarded += *len;
    *len = 0;
    if (r->answered_raw)
        return clock_ms() < r->linger_until_ms ? MHD_YES : MHD_NO;
    if (r->discarded <= DISCARD_MAX)
        return MHD_YES;
    if (r->refusal.status == 0)
        request_refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "this request takes no body");
    return answer_raw(r);
}

/* A refusal in the first call: at once where the client waits with its body, or has more of it than
 * is worth reading; else when all of the request is there, so that the connection can be kept. */
static enum MHD_Result refuse_early(struct request *r)
{
    if (r->framing.expect && r->framing.has_body)
        return answer_problem(r, &r->refusal);
    return r->framing.length > DISCARD_MAX ? answer_raw(r) : MHD_YES;
}

static enum MHD_Result begin(struct request *r, const char *url, const char *method,
                             const char *version)
{
    const char *detail;
    unsigned status =
        validate_request(r->mhd, url, method, version, r->target, &r->framing, &detail);

    if (status != 0)
        return request_fail(r, status, detail); /* in the first call, which closes the connection */
    r->is_head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    r->path = r->framing.target;
    r->path_len = strcspn(r->path, "?");
    r->query = r->path[r->path_len] == '?' ? r->path + r->path_len + 1 : NULL;
    r->handler = route_find(r, method);
    if (r->handler != NULL && state_new(r) && r->handler->begin != NULL)
        r->handler->begin(r);
    return r->refusal.status == 0 ? MHD_YES : refuse_early(r);
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t *len)
{
    size_t ahead = ahead_skip(r->connection, *len);
    enum MHD_Result result;

    *len -= ahead;
    if (*len == 0) {
        loop_look_later();
        return MHD_YES;
    }
    data += ahead;
    if (r->refusal.status != 0 || r->handler->body == NULL)
        return discard(r, len);
    result = r->handler->body(r, data, len);
    return result == MHD_YES && r->refusal.status != 0 ? discard(r, len) : result;
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *len, void **context)
{
    struct request *r = *context;

    (void)cls;
    if (r == NULL || r->connection == NULL)
        return MHD_NO; /* there was no memory for it */
    if (MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_SUSPENDED)->suspended)
        return MHD_YES; /* the rest of a chunk is offered all the same */
    connection_go_on(r->connection);
    if (!r->begun) {
        r->begun = true;
        return begin(r, url, method, version);
    }
    if (*len > 0)
        return take_body(r, data, len);
    if (data != NULL) /* none of a body: behind a request without one that bears an Expect */
        return MHD_YES;
    connection_received(r->connection);
    if (r->answered_raw)
        return MHD_NO;
    return r->refusal.status != 0 ? answer_problem(r, &r->refusal) : r->handler->end(r);
}
