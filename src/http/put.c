#include "answer.h"
#include "buf.h"
#include "context.h"
#include "digest.h"
#include "handlers.h"
#include "header.h"
#include "key.h"
#include "metadata.h"
#include "precondition.h"

struct put {
    struct precondition precondition; /* the writer's guard looks at it */
    struct metadata metadata;
    struct digest digest; /* what the body must be */
    diskv_writer *writer;
    bool flushing;
    bool committing;
};

/* Most clients that send conditions know that they may fail: where that shows now, without waiting,
 * the body need not be sent. The guard decides in the end. */
static bool fails_already(struct request *r, const struct precondition *p)
{
    diskv_reader *reader;
    unsigned status;
    int rc;

    if (precondition_is_empty(p))
        return false;
    rc = diskv_reader_open_now(r->server->store, r->key, r->key_len, DISKV_READ_CACHED, &reader);
    if (rc != 0)
        return rc == DISKV_ENOTFOUND && precondition_check(p, false, NULL) != 0;
    status = precondition_check(p, false, diskv_reader_info(reader));
    diskv_reader_close(reader);
    return status != 0;
}

/* Reads what the headers say that the body is; EINVAL where they are malformed, ENOMEM. */
static int read_digests(struct request *r, struct digest *out)
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
    return rc;
}

/* Reads and checks the headers, or refuses. */
static bool read_headers(struct request *r, struct put *p)
{
    uint64_t max = r->server->limits.max_value_bytes;
    const char *fault = metadata_read(r->mhd, &p->metadata);
    int digests = read_digests(r, &p->digest);

    if (MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_RANGE) != NULL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, "a value can only be replaced as a whole");
    else if (fault == metadata_no_memory)
        request_refuse_rc(r, DISKV_ENOMEM);
    else if (fault != NULL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, fault);
    else if (digests == DISKV_EINVAL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST,
                       "Content-MD5, Content-Digest or Repr-Digest is malformed");
    else if (digests != 0)
        request_refuse_rc(r, digests);
    else if (max > 0 && r->framing.length > max)
        request_refuse_rc(r, DISKV_ETOOLARGE);
    else if (fails_already(r, &p->precondition))
        request_refuse_rc(r, DISKV_EPRECONDITION);
    return r->refusal.status == 0;
}

static void put_begin(struct request *r)
{
    struct put *p = r->state;
    struct diskv_write_options options = {
        .guard = precondition_guard,
        .guard_ctx = &p->precondition,
        .size_hint = r->framing.length,
        .probe = r->framing.expect,
    };
    int rc;

    if (!request_read_key(r) || !precondition_begin(r, &p->precondition) || !read_headers(r, p))
        return;
    if (precondition_is_empty(&p->precondition))
        options.guard = NULL;
    metadata_options(&p->metadata, &options);
    rc = diskv_writer_open(r->server->store, r->key, r->key_len, &options, &p->writer);
    if (rc != 0)
        request_refuse_rc(r, rc);
}

/* Nothing more will be written. */
static enum MHD_Result give_up(struct request *r, struct put *p, int rc)
{
    diskv_writer_close(p->writer);
    p->writer = NULL;
    request_refuse_rc(r, rc);
    return MHD_YES;
}

static enum MHD_Result put_body(struct request *r, const char *data, size_t *len)
{
    struct put *p = r->state;
    int64_t taken;

    if (p->flushing && r->rc != 0)
        return give_up(r, p, r->rc);
    p->flushing = false;
    taken = diskv_writer_append(p->writer, data, *len);
    if (taken < 0)
        return give_up(r, p, (int)taken);
    digest_update(&p->digest, data, (size_t)taken);
    connection_moved(r->connection, (uint64_t)taken);
    *len -= (size_t)taken;
    if (*len == 0)
        return MHD_YES;
    if (!request_wait(r))
        return MHD_NO;
    p->flushing = true;
    diskv_writer_flush(p->writer, request_done, r);
    return MHD_YES;
}

static enum MHD_Result answer_stored(struct request *r, const struct put *p)
{
    struct answer a = answer_empty();
    struct buf location = {0};

    answer_validators(&a, diskv_writer_info(p->writer), "");
    if (!diskv_writer_created(p->writer))
        return answer_send(r, MHD_HTTP_NO_CONTENT, &a);
    if (buf_add_str(&location, "/keys/") == 0 && key_print(&location, r->key, r->key_len) == 0)
        answer_header(&a, MHD_HTTP_HEADER_LOCATION, location.data);
    buf_free(&location);
    return answer_send(r, MHD_HTTP_CREATED, &a);
}

static enum MHD_Result put_end(struct request *r)
{
    struct put *p = r->state;

    if (p->committing)
        return r->rc == 0 ? answer_stored(r, p) : request_fail_rc(r, r->rc);
    if (!digest_matches(&p->digest))
        return request_fail(r, MHD_HTTP_UNPROCESSABLE_CONTENT,
                            "the body is not the one that its digest was made from");
    if (!request_wait(r))
        return MHD_NO;
    p->committing = true;
    diskv_writer_commit(p->writer, request_done, r);
    return MHD_YES;
}

static void put_close(struct request *r)
{
    struct put *p = r->state;

    diskv_writer_close(p->writer);
    digest_free(&p->digest);
    metadata_free(&p->metadata);
    precondition_free(&p->precondition);
}

const struct handler put_handler = {
    .state_size = sizeof(struct put),
    .begin = put_begin,
    .body = put_body,
    .end = put_end,
    .close = put_close,
};
