/* A body on its way to a value: what PUT and POST have in common. */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "digest.h"
#include "metadata.h"
#include "request.h"

/* All zeroes at first. */
struct upload {
    struct metadata metadata; /* to be kept with the value */
    struct digest digest;     /* what the body must be */
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

/* A handler's `body`. */
enum MHD_Result upload_take(struct request *r, struct upload *u, const char *data, size_t *len);

/* To be called behind upload_take: takes more of the body that is there, at `*data` until the next
 * call for the upload, and returns how much. */
size_t upload_take_ahead(struct request *r, struct upload *u, const void **data);

/* Commits, or fails where the body is not what it should be: to be returned from `end`, which with
 * `committing` set is called for the second time, and finds the outcome in the request's `rc`. */
enum MHD_Result upload_commit(struct request *r, struct upload *u);

void upload_free(struct upload *u);

#endif
