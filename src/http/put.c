#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "precondition.h"
#include "upload.h"

struct put {
    struct precondition precondition; /* the writer's guard looks at it */
    struct upload upload;
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

static void put_begin(struct request *r)
{
    struct put *p = r->state;

    if (!request_read_key(r) || !precondition_begin(r, &p->precondition) ||
        !upload_read(r, &p->upload))
        return;
    if (fails_already(r, &p->precondition))
        request_refuse_rc(r, DISKV_EPRECONDITION);
    else
        upload_open(r, &p->upload, r->key, r->key_len,
                    precondition_is_empty(&p->precondition) ? NULL : precondition_guard,
                    &p->precondition);
}

static enum MHD_Result put_body(struct request *r, const char *data, size_t *len)
{
    struct put *p = r->state;

    return upload_body(r, &p->upload, data, len);
}

static enum MHD_Result put_end(struct request *r)
{
    struct put *p = r->state;
    const diskv_writer *writer = p->upload.writer;

    if (!p->upload.committing)
        return upload_commit(r, &p->upload);
    if (r->rc != 0)
        return request_fail_rc(r, r->rc);
    return answer_stored(r, diskv_writer_created(writer) ? MHD_HTTP_CREATED : MHD_HTTP_NO_CONTENT,
                         diskv_writer_info(writer), r->key, r->key_len);
}

static void put_close(struct request *r)
{
    struct put *p = r->state;

    upload_free(&p->upload);
    precondition_free(&p->precondition);
}

const struct handler put_handler = {
    .state_size = sizeof(struct put),
    .begin = put_begin,
    .body = put_body,
    .end = put_end,
    .close = put_close,
};
