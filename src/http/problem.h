/* Error answers: RFC 9457 problem details, and the one list of statuses. */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "buf.h"
#include "diskv.h"

struct problem {
    unsigned status;    /* 0: no problem */
    const char *detail; /* a constant sentence for the client */
    const char *header; /* a header field that goes with it, and its value; or NULL */
    const char *value;
    const char *members; /* further members of the JSON, as text, copied by nobody; or NULL */
};

/* The status and text that stand for a negative DISKV_E… code. Pure. */
struct problem problem_of(int rc);

/* Appends the JSON body; ENOMEM. */
int problem_body(const struct problem *problem, struct buf *out);

/* Appends a whole HTTP/1.1 answer that closes the connection, for where libmicrohttpd takes none,
 * with `count` header fields beside its own; ENOMEM. */
int problem_print(const struct problem *problem, const struct diskv_field *fields, size_t count,
                  struct buf *out);

#define PROBLEM_TYPE        "application/problem+json"
#define PROBLEM_RETRY_AFTER "1" /* seconds, sent with each 503 */

#endif
