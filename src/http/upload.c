#include "upload.h"
#include "ahead.h"
#include "context.h"
#include "header.h"
#include "loop.h"
#include "util.h"

#define AHEAD_MIN 16384 /* bytes: fewer are not worth an extra call */

/* Where so much is there, a thread that may wait takes it from the socket to the file, in pieces
 * that it still has at hand when it writes them; and others' have their turn now and then. */
#define HAUL_MIN   (128 * 1024)
#define HAUL_PIECE (64 * 1024)
#define HAUL_MAX   (2 * 1024 * 1024)

bool upload_read_metadata(struct request *r, struct metadata *out)
{
    const char *fault = metadata_read(r->mhd, out);

    if (fault == metadata_no_memory)
        request_refuse_rc(r, DISKV_ENOMEM);
    else if (fault != NULL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, fault);
    return fault == NULL;
}

/* Reads what the headers say that the body is, or refuses. */
static bool read_digests(struct request *r, struct digest *out)
{
    char *md5 = NULL, *content = NULL, *repr = NULL;
    int rc = header_joined(r->mhd, MHD_HTTP_HEADER_CONTENT_MD5, &md5);

    if (rc == 0)
        rc = header_joined(r->mhd, "Content-Digest", &content);
    if (rc == 0)
        rc = header_joined(r->mhd, "Repr-Digest", &repr);
    if (rc == 0)
        rc = digest_expect(out, md5, content, repr);
    free(repr);
    free(content);
    free(md5);
    if (rc == DISKV_EINVAL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST,
                       "Content-MD5, Content-Digest or Repr-Digest is malformed");
    else if (rc != 0)
        request_refuse_rc(r, rc);
    return rc == 0;
}

bool upload_read(struct request *r, struct upload *u)
{
    uint64_t max = r->server->limits.max_value_bytes;

    if (MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_RANGE) != NULL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, "a value can only be replaced as a whole");
    else if (upload_read_metadata(r, &u->metadata) && read_digests(r, &u->digest) && max > 0 &&
             r->framing.length > max)
        request_refuse_rc(r, DISKV_ETOOLARGE);
    return r->refusal.status == 0;
}

void upload_open(struct request *r, struct upload *u, const char *key, size_t len,
                 diskv_guard *guard, void *guard_ctx)
{
    struct diskv_write_options options = {
        .guard = guard,
        .guard_ctx = guard_ctx,
        .size_hint = r->framing.length,
        .probe = r->framing.expect,
    };
    int rc;

    metadata_options(&u->metadata, &options);
    rc = diskv_writer_open(r->server->store, key, len, &options, &u->writer);
    if (rc != 0)
        request_refuse_rc(r, rc);
}

/* Nothing more will be written. */
static enum MHD_Result give_up(struct request *r, struct upload *u, int rc)
{
    diskv_writer_close(u->writer);
    u->writer = NULL;
    request_refuse_rc(r, rc);
    return MHD_YES;
}

static void note_taken(struct request *r, struct upload *u, const void *data, size_t len)
{
    digest_update(&u->digest, data, len);
    if (u->hash != NULL && len > 0)
        sha256_update(u->hash, len, data);
    connection_moved(r->connection, len);
    u->taken += len;
}

static enum MHD_Result take(struct request *r, struct upload *u, const char *data, size_t *len)
{
    int64_t taken;

    if (u->flushing && r->rc != 0)
        return give_up(r, u, r->rc);
    u->flushing = false;
    do {
        taken = diskv_writer_append(u->writer, data, *len);
        if (taken < 0)
            return give_up(r, u, (int)taken);
        note_taken(r, u, data, (size_t)taken);
        data += taken;
        *len -= (size_t)taken;
    } while (*len > 0 && diskv_writer_flush_now(u->writer));
    if (*len == 0) {
        loop_look_later();
        return MHD_YES;
    }
    if (!request_wait(r))
        return MHD_NO;
    u->flushing = true;
    diskv_writer_flush(u->writer, request_done, r);
    return MHD_YES;
}

/* Takes up to `max` bytes more of the body, no more than are there and the writer has room for. */
static size_t take_ahead(struct request *r, struct upload *u, size_t max)
{
    uint64_t left = r->framing.length - u->taken;
    void *space = NULL;
    size_t wanted = left < max ? (size_t)left : max;
    size_t len = diskv_writer_space(u->writer, wanted, &space);

    if (len == 0 && diskv_writer_flush_now(u->writer))
        len = diskv_writer_space(u->writer, wanted, &space);
    if (len > 0)
        len = ahead_take(r->connection, space, len);
    diskv_writer_filled(u->writer, len);
    note_taken(r, u, space, len);
    return len;
}

/* On a bulk thread. What fails shows at the next flush, or at the commit. */
static void haul(struct job *job)
{
    struct upload *u = container_of(job, struct upload, job);
    uint64_t left = u->request->framing.length - u->taken;
    uint64_t end = u->taken + (left < HAUL_MAX ? left : HAUL_MAX);
    size_t len;

    do {
        len = take_ahead(u->request, u, HAUL_PIECE - (size_t)(u->taken % HAUL_PIECE));
    } while (len > 0 && u->taken < end &&
             (u->taken % HAUL_PIECE > 0 || diskv_writer_flush_wait(u->writer) == 0));
    request_done(u->request, 0);
}

enum MHD_Result upload_body(struct request *r, struct upload *u, const char *data, size_t *len)
{
    enum MHD_Result result = take(r, u, data, len);
    uint64_t left = r->framing.length > u->taken ? r->framing.length - u->taken : 0;

    if (left < AHEAD_MIN || u->writer == NULL || u->flushing)
        return result;
    if (left >= HAUL_MIN && ahead_count(r->connection) >= HAUL_MIN) {
        u->request = r;
        u->job.run = haul;
        return request_work(r, &u->job) ? MHD_YES : MHD_NO;
    }
    take_ahead(r, u, SIZE_MAX);
    return result;
}

enum MHD_Result upload_commit(struct request *r, struct upload *u)
{
    if (!digest_matches(&u->digest))
        return request_fail(r, MHD_HTTP_UNPROCESSABLE_CONTENT,
                            "the body is not the one that its digest was made from");
    if (!request_wait(r))
        return MHD_NO;
    u->committing = true;
    diskv_writer_commit(u->writer, request_done, r);
    return MHD_YES;
}

void upload_free(struct upload *u)
{
    diskv_writer_close(u->writer);
    digest_free(&u->digest);
    metadata_free(&u->metadata);
}
