/* Conditional requests (RFC 9110, section 13). */
#ifndef PRECONDITION_H
#define PRECONDITION_H

#include "diskv.h"
#include <microhttpd.h>

struct request;

/* All zeroes: none. */
struct precondition {
    char *if_match; /* the lists, NULL where there is none */
    char *if_none_match;
    bool has_modified_since;
    bool has_unmodified_since;
    time_t modified_since;
    time_t unmodified_since;
};

/* Reads the headers; EINVAL for a list that is not one of quoted entity tags, ENOMEM. Dates that
 * are none are ignored, as the RFC wants. `*out` is for precondition_free in every case. */
int precondition_read(struct MHD_Connection *connection, struct precondition *out);
void precondition_free(struct precondition *p);

/* precondition_read for a handler's beginning; false where it has refused the request. */
bool precondition_begin(struct request *r, struct precondition *out);

/* The same for the headers that say as much of the value that a copy is made of: X-Copy-If-… */
bool precondition_begin_source(struct request *r, struct precondition *out);

bool precondition_is_empty(const struct precondition *p);

/* Evaluates them in the order of section 13.2.2 for the value as it is, NULL where there is none:
 * 0, or the status to answer with: 412, and for a `safe` method (GET, HEAD) 304. */
unsigned precondition_check(const struct precondition *p, bool safe,
                            const struct diskv_info *current);

/* True where an If-Range of this value lets a Range through (section 13.1.5): the value's tag, with
 * the suffix that the form to be sent has behind it, or the second it was last changed in, if that
 * is over. */
bool precondition_if_range(const char *value, const struct diskv_info *current, const char *suffix);

/* precondition_check for a change, as a diskv_guard with a struct precondition as its ctx. */
int precondition_guard(void *ctx, const struct diskv_info *current);

#endif
