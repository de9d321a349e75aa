/* Requests to a server, and what its answers mean; remote.c makes a store of them. */
#ifndef REMOTE_H
#define REMOTE_H

#include "buf.h"
#include "store.h"

#include <curl/curl.h>

struct remote {
    struct store store;
    CURL *curl; /* keeps connections from request to request */
    char *base; /* the URL without a slash at its end */
    struct buf url;
    char error[CURL_ERROR_SIZE];
};

/* One request, and where its answer goes. Zeroes are a GET to nowhere. */
struct exchange {
    const char *method;            /* NULL: GET, or PUT where there is content */
    const struct content *content; /* or NULL */
    const struct sink *sink;       /* takes the body of a good answer; NULL: `body` */
    size_t body_max;               /* bytes that `body` holds; what is longer is a failure */

    struct remote *remote; /* request.c's own, from here on */
    long status;           /* 0 where there is no answer */
    bool begun;
    bool told; /* the problem is noted */
    uint64_t sent;
    struct buf body; /* for buf_free: of any answer that the sink did not take */
};

#define NOT_DISKV "the server's answer is none of diskv's"

/* Sends the request for `remote->url`. False, with the problem noted, unless the answer is a good
 * one (2xx). */
bool request_send(struct remote *remote, struct exchange *x);

/* Appends what stands for `text` in a query; ENOMEM. */
int query_print(struct buf *out, const char *text);

#endif
