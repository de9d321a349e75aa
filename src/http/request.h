/* One request, from its first line to the end of its answer.
 *
 * libmicrohttpd calls the handler once when the headers are there, for each piece of body, and when
 * all of it is there; after an operation of the store, once more. A request that waits has its
 * connection suspended: the operation's `request_done`, on whichever thread, resumes it and its
 * loop goes on. So a request's fields belong to its loop, but for `rc`, which is the operation's
 * meanwhile. */
#ifndef REQUEST_H
#define REQUEST_H

#include "connection.h"
#include "problem.h"
#include "validate.h"
#include "workers.h"
#include <string.h>

struct request;

/* What a route does. Each step may record a refusal (request_refuse) in place of going on. */
struct handler {
    size_t state_size;                /* of `request.state`, zeroed */
    void (*begin)(struct request *r); /* the headers are there; or NULL */

    /* Takes some of `*len` bytes of body and leaves in it how many it did not; some are left only
     * if the request waits. MHD_NO cuts the connection. NULL where a body means nothing. */
    enum MHD_Result (*body)(struct request *r, const char *data, size_t *len);

    /* All of the request is there: answers or waits, and is called again after a wait. */
    enum MHD_Result (*end)(struct request *r);

    void (*close)(struct request *r); /* frees what `state` owns; or NULL */
};

struct loop;
struct sending;

struct request {
    struct http_server *server;
    struct loop *loop;
    struct connection *connection;
    struct MHD_Connection *mhd;
    const struct handler *handler; /* NULL until routed, and where there is no route */
    void *state;                   /* the handler's own */
    struct sending *sending;       /* its answer, where that is sent from a file; or NULL */
    struct framing framing;
    const char *path; /* raw: `path_len` bytes */
    size_t path_len;
    const char *query; /* raw, without its `?`; NULL where there is none */
    char *key;         /* as decoded; has room for all of the target */
    size_t key_len;
    unsigned allow; /* the methods that its path takes, a set of `enum method` */
    bool is_head;
    bool begun;
    bool answered_raw;       /* by ourselves: what still comes is thrown away */
    int64_t linger_until_ms; /* but not for longer */
    struct problem refusal;  /* what will be answered in place of what was asked */
    uint64_t discarded;      /* bytes of body that nobody wanted */
    int rc;                  /* of the operation that ended last */
    char target[];
};

/* What libmicrohttpd calls: `cls` is the loop. */
void *request_new(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *len, void **context);
void request_completed(void *cls, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code);

/* False where the request has no header of that name. */
static inline bool request_may_have(const struct request *r, const char *name)
{
    return r->framing.names & validate_name_bit(name, strlen(name));
}

/* Decodes the key behind `/keys/` into `key`, or refuses. */
bool request_read_key(struct request *r);

/* To be called before an operation of the store begins, whose `done` must be `request_done` with
 * the request as its ctx; the handler then returns at once, MHD_YES. False where the server is
 * being stopped: no operation may begin, and the connection is to be cut (MHD_NO). */
bool request_wait(struct request *r);
void request_done(void *ctx, int rc);

/* Waits for `job`, which runs on one of a few threads that may use the calls of the store that wait
 * and ends with request_done. It is to do a bounded amount of work, and never to wait for a client:
 * more is left to another job. False as request_wait. */
bool request_work(struct request *r, struct job *job);

/* Lets another handler answer the request, whose body it does not see: to be returned from `end`.
 * What `state` owned is freed; key, path and query stay. */
enum MHD_Result request_hand_over(struct request *r, const struct handler *handler);

/* Records that the request is refused; the answer goes out as soon as the client can read it. */
void request_refuse(struct request *r, unsigned status, const char *detail);
void request_refuse_rc(struct request *r, int rc);

/* Answers with a problem in place of a result, when all of the request is there. */
enum MHD_Result request_fail_problem(struct request *r, const struct problem *problem);
enum MHD_Result request_fail(struct request *r, unsigned status, const char *detail);
enum MHD_Result request_fail_rc(struct request *r, int rc);

#endif
