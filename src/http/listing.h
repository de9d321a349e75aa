/* What a request's query says of the keys to list, and the way through their pages. */
#ifndef LISTING_H
#define LISTING_H

#include "request.h"

struct listing {
    struct diskv_list_options options; /* what they point to lies here; no limit: see `left` */
    size_t left;                       /* items that may still be listed */
    char from[DISKV_KEY_MAX];
    char prefix[DISKV_KEY_MAX];
    char delimiter[DISKV_KEY_MAX];
};

/* Reads `from`, `prefix`, `delimiter` and `limit`, which is `left` where it is missing and `max` at
 * most; `l` is zeroed, and stays where it is. False when the request is refused. */
bool listing_begin(struct request *r, struct listing *l, size_t left, size_t max);

/* The next page, waiting: `*out` is the caller's, for diskv_page_free, and NULL at the end. Errors
 * as diskv_list. */
int listing_next(struct listing *l, diskv *store, struct diskv_page **out);

/* What answers a request whose listing failed so. */
struct problem listing_problem(const struct request *r, int rc);
enum MHD_Result listing_fail(struct request *r, int rc);

#endif
