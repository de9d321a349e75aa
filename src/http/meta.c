#include "answer.h"
#include "handlers.h"
#include "item.h"
#include "open.h"

static void meta_begin(struct request *r)
{
    request_read_key(r);
}

static enum MHD_Result meta_end(struct request *r)
{
    struct opening *o = r->state;
    struct buf text = {0};
    struct answer a;
    int rc = opening_go_on(r, o, DISKV_READ_CACHED);

    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc == 0)
        rc = item_print_all(&text, r->key, r->key_len, o->reader);
    if (rc == 0)
        rc = buf_add_str(&text, "\n");
    if (rc != 0) {
        buf_free(&text);
        return request_fail_rc(r, rc);
    }
    a = answer_buf(&text, "application/json");
    answer_header(&a, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return answer_send(r, MHD_HTTP_OK, &a);
}

static void meta_close(struct request *r)
{
    struct opening *o = r->state;

    opening_reset(o);
}

const struct handler meta_handler = {
    .state_size = sizeof(struct opening),
    .begin = meta_begin,
    .end = meta_end,
    .close = meta_close,
};
