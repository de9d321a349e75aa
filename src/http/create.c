/* POST /keys: stores the body under the SHA-256 of it. */
#include "answer.h"
#include "handlers.h"
#include "upload.h"
#include "util.h"

struct create {
    struct upload upload;
    struct sha256_ctx hash;
    struct diskv_info existing; /* the value that was there */
    char key[2 * SHA256_DIGEST_SIZE + 1];
};

/* A value of that name and size is the body already. */
static int create_guard(void *ctx, const struct diskv_info *current)
{
    struct create *c = ctx;

    if (current == NULL || current->size != c->upload.taken)
        return 0;
    c->existing = *current;
    return DISKV_EPRECONDITION;
}

static void create_begin(struct request *r)
{
    struct create *c = r->state;

    sha256_init(&c->hash);
    c->upload.hash = &c->hash;
    if (upload_read(r, &c->upload))
        upload_open(r, &c->upload, NULL, 0, create_guard, c);
}

static enum MHD_Result create_body(struct request *r, const char *data, size_t *len)
{
    struct create *c = r->state;

    return upload_body(r, &c->upload, data, len);
}

static enum MHD_Result store(struct request *r, struct create *c)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    int rc;

    sha256_digest(&c->hash, sizeof(digest), digest);
    hex_encode(digest, sizeof(digest), c->key);
    rc = diskv_writer_name(c->upload.writer, c->key, strlen(c->key));
    return rc == 0 ? upload_commit(r, &c->upload) : request_fail_rc(r, rc);
}

static enum MHD_Result create_end(struct request *r)
{
    struct create *c = r->state;
    size_t len = sizeof(c->key) - 1;

    if (!c->upload.committing)
        return store(r, c);
    if (r->rc == DISKV_EPRECONDITION)
        return answer_stored(r, MHD_HTTP_OK, &c->existing, c->key, len);
    if (r->rc != 0)
        return request_fail_rc(r, r->rc);
    return answer_stored(r, MHD_HTTP_CREATED, diskv_writer_info(c->upload.writer), c->key, len);
}

static void create_close(struct request *r)
{
    struct create *c = r->state;

    upload_free(&c->upload);
}

const struct handler create_handler = {
    .state_size = sizeof(struct create),
    .begin = create_begin,
    .body = create_body,
    .end = create_end,
    .close = create_close,
};
