/* What libmicrohttpd lets through and RFC 9112 does not. */
#ifndef VALIDATE_H
#define VALIDATE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

/* A request's framing, as far as it is valid. */
struct framing {
    bool has_body;    /* a length other than 0, or chunked */
    bool chunked;
    bool expect;      /* `Expect: 100-continue` */
    uint64_t length;  /* Content-Length, 0 where there is none */
};

/* Checks a request strictly before anything acts on it: to be called in the handler's first call. `raw_url` is
 * the request target as the URI log callback got it, `method` and `version` as the handler got them.
 * Returns 0 and sets `*out`, or the HTTP status to refuse with and close: 400, 501 (transfer coding or
 * method unknown to HTTP), 505; `*detail` is then a sentence for the client. Thread-safe. */
unsigned validate_request(struct MHD_Connection *connection, const char *raw_url, const char *method,
                          const char *version, struct framing *out, const char **detail);

#endif
