/* A body on its way to a value: what PUT and POST have in common. */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "digest.h"
#include "metadata.h"
#include "request.h"
#include <nettle/sha2.h>

/* All zeroes at first. */
struct upload {
    struct metadata metadata; /* to be kept with the value */
    struct digest digest;     /* what the body must be */
    struct sha256_ctx *hash;  /* its owner's, of the body as well; or NULL */
    struct request *request;
    struct job job; /* that takes more of the body */
    diskv_writer *writer;
    uint64_t taken; /* bytes of the body */
    bool flushing;
    bool committing;
};

/* Reads what the headers say of the body; false where it has refused the request. */
bool upload_read(struct request *r, struct upload *u);

/* metadata_read for a handler's beginning; false where it has refused the request. */
bool upload_read_metadata(struct request *r, struct metadata *out);

/* Makes ready for the body, or refuses the request. `key` is NULL where it is to be named before
 * the commit; so may be `guard`, whose ctx must outlive the upload. */
void upload_open(struct request *r, struct upload *u, const char *key, size_t len,
                 diskv_guard *guard, void *guard_ctx);

/* A handler's `body`, which takes more than it is given where that is there. */
enum MHD_Result upload_body(struct request *r, struct upload *u, const char *data, size_t *len);

/* Commits, or fails where the body is not what it should be: to be returned from `end`, which with
 * `committing` set is called for the second time, and finds the outcome in the request's `rc`. */
enum MHD_Result upload_commit(struct request *r, struct upload *u);

void upload_free(struct upload *u);

#endif
