#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "key.h"
#include "tar.h"
#include "tar_store.h"
#include "util.h"
#include <zlib.h>

#define INPUT_MAX (256 * 1024)  /* bytes of body that gather for one job */
#define PLAIN_MAX (64 * 1024)   /* bytes inflated at once */
#define WORK_MAX  (1024 * 1024) /* bytes of archive after which a job leaves the rest to another */

struct tar_put {
    struct request *request;
    struct tar_store *store;
    struct tar_reader reader;
    struct job job;
    bool working;  /* a job was begun, whose outcome nobody has looked at */
    bool ending;   /* no more body comes */
    bool finished; /* all of the archive was read and stored */
    char *input;   /* body: `len` bytes, of which `used` are done with */
    size_t len, used;
    enum { UNSEEN, PLAIN, GZIP, OVER } form; /* of the body; OVER: behind the gzip */
    bool in_member;                          /* of the gzip */
    z_stream z;
    char *plain;
    const char *fault; /* of the gzip, after EINVAL */
    struct buf outcome;
};

static void tar_put_begin(struct request *r)
{
    struct tar_put *p = r->state;
    char prefix[DISKV_KEY_MAX];
    size_t len;
    int rc = query_text(r->query, "prefix", prefix, sizeof(prefix), &len);

    p->request = r;
    p->reader.events = &tar_store_events;
    if (rc == DISKV_EINVAL) {
        request_refuse(r, MHD_HTTP_BAD_REQUEST, "prefix takes at most 1000 bytes of UTF-8");
        return;
    }
    if (rc == 0)
        rc = tar_store_new(r->server->store, prefix, len, r->server->limits.max_value_bytes,
                           &p->store);
    if (rc != 0)
        request_refuse_rc(r, rc);
    p->reader.ctx = p->store;
}

/* --- On a bulk thread --- */

static int damaged(struct tar_put *p, const char *fault)
{
    p->fault = fault;
    return DISKV_EINVAL;
}

/* Looks at the first bytes of the body. */
static int recognise(struct tar_put *p)
{
    bool gzip = p->len >= 2 && memcmp(p->input, "\x1f\x8b", 2) == 0;

    p->form = gzip ? GZIP : PLAIN;
    if (!gzip)
        return 0;
    p->plain = malloc(PLAIN_MAX);
    if (p->plain == NULL || inflateInit2(&p->z, 15 + 16) != Z_OK) {
        free(p->plain);
        p->plain = NULL; /* and there is nothing to end */
        return DISKV_ENOMEM;
    }
    return 0;
}

/* Inflates once; a member may be followed by another, and by bytes that are none. */
static int inflate_some(struct tar_put *p)
{
    int result;

    if (!p->in_member && p->input[p->used] != '\x1f') {
        p->form = OVER;
        return 0;
    }
    p->in_member = true;
    p->z.next_in = (unsigned char *)p->input + p->used;
    p->z.avail_in = (uInt)(p->len - p->used);
    p->z.next_out = (unsigned char *)p->plain;
    p->z.avail_out = PLAIN_MAX;
    result = inflate(&p->z, Z_NO_FLUSH);
    p->used = p->len - p->z.avail_in;
    if (result == Z_MEM_ERROR)
        return DISKV_ENOMEM;
    if (result == Z_STREAM_END) {
        p->in_member = false;
        inflateReset(&p->z);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return damaged(p, "the gzip that the tar is in is damaged");
    }
    return tar_read(&p->reader, p->plain, PLAIN_MAX - p->z.avail_out);
}

static int read_gzip(struct tar_put *p)
{
    size_t done = 0;
    int rc = 0;

    /* What had no room for more may give some out of no more input, though not much. */
    while (rc == 0 && p->form == GZIP &&
           (p->used < p->len ? done < WORK_MAX : p->in_member && p->z.avail_out == 0)) {
        rc = inflate_some(p);
        done += PLAIN_MAX - p->z.avail_out;
    }
    return rc;
}

static int read_input(struct tar_put *p)
{
    int rc = 0;

    if (p->used == p->len)
        return 0;
    if (p->form == UNSEEN)
        rc = recognise(p);
    if (rc == 0 && p->form == GZIP)
        rc = read_gzip(p);
    else if (rc == 0 && p->form == PLAIN)
        rc = tar_read(&p->reader, p->input + p->used, p->len - p->used);
    if (p->form != GZIP)
        p->used = p->len;
    return rc;
}

/* Nothing is under way when it ends, so that a client who leaves leaves nothing behind. */
static void work(struct job *job)
{
    struct tar_put *p = container_of(job, struct tar_put, job);
    int rc = read_input(p), settled;

    if (rc == 0 && p->ending && p->used == p->len) {
        rc = p->in_member ? damaged(p, "the gzip that the tar is in is cut short")
                          : tar_read_end(&p->reader);
        p->finished = true;
    }
    settled = tar_store_settle(p->store);
    request_done(p->request, rc != 0 ? rc : settled);
}

/* --- On the event loop --- */

/* What ended it all, with what was stored before; the refusal goes out when the client can read it.
 */
static void give_up(struct request *r, struct tar_put *p)
{
    r->refusal = problem_of(r->rc);
    if (r->rc == DISKV_EINVAL)
        r->refusal.detail = p->fault != NULL ? p->fault : p->reader.fault;
    if (tar_store_print(p->store, &p->outcome) == 0)
        r->refusal.members = p->outcome.data;
}

static enum MHD_Result begin_work(struct request *r, struct tar_put *p)
{
    p->working = true;
    p->job.run = work;
    return request_work(r, &p->job) ? MHD_YES : MHD_NO;
}

/* False where the job that has just ended failed. */
static bool is_well(struct request *r, struct tar_put *p)
{
    if (p->working && r->rc != 0)
        give_up(r, p);
    p->working = false;
    if (p->used == p->len)
        p->used = p->len = 0;
    return r->refusal.status == 0;
}

static enum MHD_Result tar_put_body(struct request *r, const char *data, size_t *len)
{
    struct tar_put *p = r->state;
    size_t taken;

    if (!is_well(r, p))
        return MHD_YES;
    if (p->input == NULL)
        p->input = malloc(INPUT_MAX);
    if (p->input == NULL) {
        request_refuse_rc(r, DISKV_ENOMEM);
        return MHD_YES;
    }
    taken = *len < INPUT_MAX - p->len ? *len : INPUT_MAX - p->len;
    memcpy(p->input + p->len, data, taken);
    p->len += taken;
    *len -= taken;
    connection_moved(r->connection, taken);
    return *len > 0 ? begin_work(r, p) : MHD_YES;
}

static enum MHD_Result tar_put_end(struct request *r)
{
    struct tar_put *p = r->state;
    struct answer a;
    int rc;

    p->ending = true;
    if (!is_well(r, p))
        return request_fail_problem(r, &r->refusal);
    if (!p->finished)
        return begin_work(r, p);
    rc = buf_add_str(&p->outcome, "{");
    if (rc == 0)
        rc = tar_store_print(p->store, &p->outcome);
    if (rc == 0)
        rc = buf_add_str(&p->outcome, "}\n");
    if (rc != 0)
        return request_fail_rc(r, rc);
    a = answer_buf(&p->outcome, "application/json");
    return answer_send(r, MHD_HTTP_OK, &a);
}

static void tar_put_close(struct request *r)
{
    struct tar_put *p = r->state;

    if (p->plain != NULL)
        inflateEnd(&p->z);
    free(p->plain);
    free(p->input);
    buf_free(&p->outcome);
    tar_reader_free(&p->reader);
    tar_store_free(p->store);
}

const struct handler tar_put_handler = {
    .state_size = sizeof(struct tar_put),
    .begin = tar_put_begin,
    .body = tar_put_body,
    .end = tar_put_end,
    .close = tar_put_close,
};
