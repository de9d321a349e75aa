#include "repr_digest.h"
#include "header.h"

#define BLOCK_BYTES (256 * 1024)

int repr_digest_read(struct MHD_Connection *connection, struct repr_digest *d)
{
    char *want;
    int rc = header_joined(connection, "Want-Repr-Digest", &want);

    if (rc != 0)
        return rc;
    d->wanted = digest_wanted(want);
    free(want);
    return 0;
}

static void block_read(struct repr_digest *d);

/* On a worker: hashing is not for a thread that serves sockets. */
static void block_done(void *ctx, int rc)
{
    struct repr_digest *d = ctx;

    if (rc != 0 || d->got == 0) {
        request_done(d->request, rc);
        return;
    }
    digest_update(&d->digest, d->block, d->got);
    d->offset += d->got;
    block_read(d);
}

static void block_read(struct repr_digest *d)
{
    diskv_reader_read(d->reader, d->block, BLOCK_BYTES, d->offset, &d->got, block_done, d);
}

static int begin(struct request *r, struct repr_digest *d, diskv_reader *reader)
{
    int rc = digest_begin(&d->digest, d->wanted);

    if (rc != 0)
        return rc;
    d->block = malloc(BLOCK_BYTES);
    if (d->block == NULL)
        return DISKV_ENOMEM;
    if (!request_wait(r))
        return DISKV_EUNAVAILABLE;
    d->request = r;
    d->reader = reader;
    d->under_way = true;
    block_read(d);
    return DISKV_EAGAIN;
}

int repr_digest_go_on(struct request *r, struct repr_digest *d, diskv_reader *reader)
{
    if (d->wanted == DIGEST_NONE || d->text[0] != '\0' ||
        diskv_reader_info(reader)->size > REPR_DIGEST_BYTES_MAX)
        return 0;
    if (!d->under_way)
        return begin(r, d, reader);
    d->under_way = false;
    if (r->rc == 0)
        digest_finish(&d->digest, d->text);
    repr_digest_free(d); /* before the value takes memory of its own */
    return r->rc;
}

void repr_digest_free(struct repr_digest *d)
{
    digest_free(&d->digest);
    free(d->block);
    d->block = NULL;
}
