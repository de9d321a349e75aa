/* What every answer tells browsers: that a value is of its media type and no other, and which pages
 * may read it (the CORS protocol of https://fetch.spec.whatwg.org). */
#ifndef CORS_H
#define CORS_H

#include "answer.h"
#include "server.h"

#define CORS_FIELDS_MAX 6

/* Writes the header fields of an answer to a request with this Origin, NULL for none, and returns
 * how many. They live as long as what the options point to. Pure. */
size_t cors_fields(const struct http_options *options, const char *origin,
                   struct diskv_field out[CORS_FIELDS_MAX]);

/* Adds them, and exposes the answer's X-Meta- fields too, which must be there already. */
void cors_answer(const struct request *r, struct answer *a);

/* Adds what a preflight wants to know beside that, where the request is one, and from a page that
 * may ask. `methods` is a list. */
void cors_preflight(const struct request *r, struct answer *a, const char *methods);

#endif
