/* What libmicrohttpd lets through and RFC 9112 does not. */
#ifndef VALIDATE_H
#define VALIDATE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request's framing, as far as it is valid. */
struct framing {
    const char *target; /* origin-form (path and query) or "*"; lies in `raw_url` or is static */
    bool has_body;      /* a length other than 0, or chunked */
    bool chunked;
    bool expect;        /* `Expect: 100-continue`, in HTTP/1.1 only */
    uint64_t length;    /* Content-Length, 0 where there is none */
    uint64_t names;     /* of the headers that are there: their bits */
    size_t header_size; /* of the request line and all headers */
};

/* The bit of a header's name, which it shares with some others, in whatever case they are. */
static inline uint64_t validate_name_bit(const char *name, size_t len)
{
    return UINT64_C(1) << ((5 * len + ((unsigned char)name[0] | 0x20)) & 63);
}

/* Checks a request strictly before anything acts on it (RFC 9112, sections 2 to 6): to be called in
 * the handler's first call. `url`, `method` and `version` must be the very pointers the handler
 * got, since what libmicrohttpd swallowed shows in the distances between its pointers. `raw_url` is
 * a copy of the request target that the URI log callback made (libmicrohttpd cuts its own at the
 * `?`); `out->target` points into it. The daemon's unescape callback must change nothing.
 * Returns 0 and sets `*out`, or the HTTP status to refuse with, after which the connection must be
 * closed: 400, 417 (an unknown expectation), 501 (a transfer coding other than chunked), 505;
 * `*detail` is then a static sentence for the client, and `*out` is unset. Thread-safe.
 * Not to be seen from here: a NUL, or a lone colon as a whole line, before a bare LF (it leaves the
 * same bytes as CR LF); a line that begins with a NUL before the request line (it is dropped). */
unsigned validate_request(struct MHD_Connection *connection, const char *url, const char *method,
                          const char *version, const char *raw_url, struct framing *out,
                          const char **detail);

/* True where all bytes of a request target, of a header's name and value, may stand there. */
bool validate_target(const char *target, size_t len);
bool validate_field(const char *name, size_t name_len, const char *value, size_t value_len);

#endif
