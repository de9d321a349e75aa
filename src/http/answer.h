/* Building an answer and sending it. */
#ifndef ANSWER_H
#define ANSWER_H

#include "buf.h"
#include "diskv.h"
#include "shelf.h"
#include <microhttpd.h>

struct request;

#define ANSWER_BINARY "application/octet-stream"

/* An answer being built. A step that ran out of memory shows only when it is sent. */
struct answer {
    struct MHD_Response *response;
    bool broken;
    char *text; /* where its head is printed in place of a response, NULL else */
    size_t len, room;
};

/* An answer without a body, with constant text, or with what a buffer holds, which is emptied. */
struct answer answer_empty(void);
struct answer answer_text(const char *text, const char *type);
struct answer answer_buf(struct buf *body, const char *type);

/* Takes over a response of libmicrohttpd's, NULL for out of memory. */
struct answer answer_response(struct MHD_Response *response);

void answer_header(struct answer *a, const char *name, const char *value);

/* An answer of which the head, with this status line, is printed to `out`; and its length in the
 * end, 0 where it did not fit or a field cannot be printed. */
struct answer answer_printed(const char *status_line, char *out, size_t room);
size_t answer_print_end(struct answer *a);

/* Adds a name to the answer's Vary, behind those it has: some caches look at one such line only. */
void answer_vary(struct answer *a, const char *name);

/* Adds ETag, with `suffix` behind that of the value, and Last-Modified, which is
 * never later than now (RFC 9110, section 8.8.2.1); conditions go by the value's own time. */
void answer_validators(struct answer *a, const struct diskv_info *info, const char *suffix);

/* Answers a change that gave `key` its value: with that one's validators, and with its Location
 * unless `status` is 204. To be returned from a handler. */
enum MHD_Result answer_stored(struct request *r, unsigned status, const struct diskv_info *info,
                              const char *key, size_t len);

/* Sends and frees it. To be returned from a handler. */
enum MHD_Result answer_send(struct request *r, unsigned status, struct answer *a);

/* Sends it and keeps it for later, for a version of a value. To be returned from a handler. */
enum MHD_Result answer_send_and_keep(struct request *r, unsigned status, struct answer *a,
                                     uint64_t version, enum shelf_kind kind);

/* The media type to give for a value: its own, or the one that its key's extension stands for. What
 * another program noted beside a file is not trusted to fit into a header. */
const char *answer_type(const struct diskv_info *info, const char *key, size_t len);

/* True for printable ASCII. */
bool answer_is_printable(const char *s);

#endif
