/* The digest of a value that a client wants with it (Want-Repr-Digest, RFC 9530, section 4). */
#ifndef REPR_DIGEST_H
#define REPR_DIGEST_H

#include "digest.h"
#include "request.h"

/* A larger value comes without its digest: reading it twice costs more than the client's wish. */
#define REPR_DIGEST_BYTES_MAX (256 * 1024 * 1024)

/* All zeroes at first. */
struct repr_digest {
    enum digest_algorithm wanted;
    struct digest digest;
    bool under_way;
    diskv_reader *reader;
    struct request *request;
    char *block;
    size_t got;
    uint64_t offset;
    char text[DIGEST_FIELD_SIZE]; /* what came of it, "" for none */
};

/* Reads what the request wants; ENOMEM. */
int repr_digest_read(struct MHD_Connection *connection, struct repr_digest *d);

/* Makes the digest of what `reader` gives, where one is wanted: 0 once `text` is set or there is
 * nothing to do; EAGAIN where the request waits now: call again when the handler is called again.
 */
int repr_digest_go_on(struct request *r, struct repr_digest *d, diskv_reader *reader);

void repr_digest_free(struct repr_digest *d);

#endif
