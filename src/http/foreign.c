/* GET /stats?foreign: what lies among the values and is none. */
#include "context.h"
#include "handlers.h"
#include "json.h"
#include "stream.h"
#include "util.h"

struct foreign {
    diskv *store;
    diskv_foreign_iter *iter; /* NULL before the first piece */
    bool some, ended;
};

/* A path is any bytes; those that are no UTF-8 become U+FFFD. */
static int print_path(struct buf *out, const char *path, size_t len)
{
    struct buf text = {0};
    int rc = 0;

    for (size_t i = 0, n; rc == 0 && i < len; i += n) {
        for (n = 1; n < 4 && i + n < len && !utf8_valid(path + i, n); n++)
            ;
        if (utf8_valid(path + i, n)) {
            rc = buf_add(&text, path + i, n);
        } else {
            rc = buf_add_str(&text, "\xef\xbf\xbd");
            n = 1;
        }
    }
    if (rc == 0)
        rc = json_string(out, text.data, text.len);
    buf_free(&text);
    return rc;
}

static int print_item(struct foreign *f, struct buf *out, const struct diskv_foreign *item)
{
    int rc = buf_add_str(out, f->some ? ",\n{\"path\":" : "{\"path\":");

    f->some = true;
    if (rc == 0)
        rc = print_path(out, item->path, item->len);
    return rc == 0 ? buf_printf(out, ",\"why\":\"%s\"}", item->why) : rc;
}

static int begin(struct foreign *f, struct buf *out)
{
    int rc = diskv_foreign_open(f->store, &f->iter);

    return rc == 0 ? buf_add_str(out, "{\"foreign\":[") : rc;
}

static int make(void *ctx, struct buf *out)
{
    struct foreign *f = ctx;
    struct diskv_foreign item;
    int rc = f->iter == NULL ? begin(f, out) : 0;

    while (rc == 0 && !f->ended && out->len < STREAM_PIECE) {
        rc = diskv_foreign_next(f->iter, &item);
        f->ended = rc == 0;
        if (f->ended)
            rc = buf_add_str(out, "]}\n");
        else if (rc > 0)
            rc = print_item(f, out, &item);
        else if (rc == DISKV_EAGAIN && out->len > 0)
            return 0;
    }
    return rc;
}

static void foreign_free(void *ctx)
{
    struct foreign *f = ctx;

    diskv_foreign_close(f->iter);
    free(f);
}

static const struct maker foreign_maker = {.make = make, .free = foreign_free};

static void foreign_begin(struct request *r)
{
    struct foreign *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        request_refuse_rc(r, DISKV_ENOMEM);
        return;
    }
    f->store = r->server->store;
    stream_begin(r, &foreign_maker, f);
}

static enum MHD_Result foreign_end(struct request *r)
{
    struct stream **stream = r->state;
    struct answer a;
    int rc = stream_go_on(*stream);

    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc != 0)
        return request_fail_rc(r, rc);
    a = stream_answer(stream, "application/json");
    return answer_send(r, MHD_HTTP_OK, &a);
}

const struct handler foreign_handler = {
    .state_size = sizeof(struct stream *),
    .begin = foreign_begin,
    .end = foreign_end,
    .close = stream_close,
};
