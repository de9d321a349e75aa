#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "precondition.h"

struct erase {
    struct precondition precondition;
    bool erasing;
};

static void erase_begin(struct request *r)
{
    struct erase *e = r->state;

    if (request_read_key(r))
        precondition_begin(r, &e->precondition);
}

static enum MHD_Result erase_end(struct request *r)
{
    struct erase *e = r->state;
    struct answer a;

    if (!e->erasing) {
        if (!request_wait(r))
            return MHD_NO;
        e->erasing = true;
        diskv_erase(r->server->store, r->key, r->key_len,
                    precondition_is_empty(&e->precondition) ? NULL : precondition_guard,
                    &e->precondition, request_done, r);
        return MHD_YES;
    }
    if (r->rc != 0)
        return request_fail_rc(r, r->rc);
    a = answer_empty();
    return answer_send(r, MHD_HTTP_NO_CONTENT, &a);
}

static void erase_close(struct request *r)
{
    struct erase *e = r->state;

    precondition_free(&e->precondition);
}

const struct handler erase_handler = {
    .state_size = sizeof(struct erase),
    .begin = erase_begin,
    .end = erase_end,
    .close = erase_close,
};
