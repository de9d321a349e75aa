#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "key.h"
#include "listing.h"
#include "util.h"
#include <inttypes.h>
#include <poll.h>
#include <semaphore.h>

struct erase_prefix {
    struct request *request;
    struct listing listing;
    struct job job;
    bool begun;
    atomic_uint_fast64_t deleted;
    atomic_int rc; /* what first went wrong with a key */
    sem_t done;    /* once for each key */
};

static void erase_prefix_begin(struct request *r)
{
    struct erase_prefix *e = r->state;
    struct diskv_list_options *o = &e->listing.options;
    int rc = query_text(r->query, "prefix", e->listing.prefix, DISKV_KEY_MAX, &o->prefix_len);

    sem_init(&e->done, 0, 0);
    e->request = r;
    o->from = e->listing.from;
    o->prefix = e->listing.prefix;
    o->delimiter = "";
    e->listing.left = SIZE_MAX;
    if (rc == DISKV_ENOMEM)
        request_refuse_rc(r, rc);
    else if (rc != 0 || o->prefix_len == 0)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, "prefix takes 1 to 1000 bytes of UTF-8");
}

/* A key that is gone already was another's to erase. */
static void key_done(void *ctx, int rc)
{
    struct erase_prefix *e = ctx;
    int none = 0;

    if (rc == 0)
        atomic_fetch_add(&e->deleted, 1);
    else if (rc != DISKV_ENOTFOUND)
        atomic_compare_exchange_strong(&e->rc, &none, rc);
    sem_post(&e->done);
}

/* Erases a page of keys. All are posted before any is waited for, so that they share their syncs.
 */
static void step(struct job *job)
{
    struct erase_prefix *e = container_of(job, struct erase_prefix, job);
    diskv *store = e->request->server->store;
    struct diskv_page *page;
    int rc = listing_next(&e->listing, store, &page);

    if (rc == 0 && page != NULL) {
        for (size_t i = 0; i < page->count; i++)
            diskv_erase(store, page->items[i].name, page->items[i].len, NULL, NULL, key_done, e);
        for (size_t i = 0; i < page->count; i++) {
            while (sem_wait(&e->done) != 0)
                ; /* a signal handler ran */
        }
        rc = e->rc;
    }
    diskv_page_free(page);
    request_done(e->request, rc);
}

/* True when the client has closed its end. It may have sent more before, which hides the end from
 * who reads. */
static bool is_left(const struct request *r)
{
    struct pollfd end = {.fd = r->connection->fd, .events = POLLRDHUP};

    return poll(&end, 1, 0) == 1;
}

static enum MHD_Result fail(struct request *r, uint64_t deleted)
{
    struct problem problem = listing_problem(r, r->rc);
    char members[40];

    snprintf(members, sizeof(members), "\"deleted\":%" PRIu64, deleted);
    problem.members = members;
    return request_fail_problem(r, &problem);
}

static enum MHD_Result erase_prefix_end(struct request *r)
{
    struct erase_prefix *e = r->state;
    struct buf text = {0};
    struct answer a;
    int rc;

    if (e->begun && r->rc != 0)
        return fail(r, e->deleted);
    if (e->listing.left > 0) {
        e->begun = true;
        e->job.run = step;
        return !is_left(r) && request_work(r, &e->job) ? MHD_YES : MHD_NO;
    }
    rc = buf_printf(&text, "{\"deleted\":%" PRIu64 "}\n", (uint64_t)e->deleted);
    if (rc != 0)
        return request_fail_rc(r, rc);
    a = answer_buf(&text, "application/json");
    return answer_send(r, MHD_HTTP_OK, &a);
}

static void erase_prefix_close(struct request *r)
{
    struct erase_prefix *e = r->state;

    sem_destroy(&e->done);
}

const struct handler erase_prefix_handler = {
    .state_size = sizeof(struct erase_prefix),
    .begin = erase_prefix_begin,
    .end = erase_prefix_end,
    .close = erase_prefix_close,
};
