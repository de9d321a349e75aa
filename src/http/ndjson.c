#include "context.h"
#include "format.h"
#include "handlers.h"
#include "item.h"
#include "json.h"
#include "listing.h"
#include "stream.h"

struct lines {
    diskv *store;
    struct listing listing;
};

static int print_line(struct buf *out, const struct diskv_item *item)
{
    int rc;

    if (item->is_prefix) {
        rc = buf_add_str(out, "{\"prefix\":");
        if (rc == 0)
            rc = json_string(out, item->name, item->len);
        return rc == 0 ? buf_add_str(out, "}\n") : rc;
    }
    rc = item_print(out, item->name, item->len, &item->info);
    return rc == 0 ? buf_add_str(out, "\n") : rc;
}

static int make(void *ctx, struct buf *out)
{
    struct lines *lines = ctx;
    struct diskv_page *page;
    int rc = listing_next(&lines->listing, lines->store, &page);

    for (size_t i = 0; rc == 0 && page != NULL && i < page->count; i++)
        rc = print_line(out, &page->items[i]);
    diskv_page_free(page);
    return rc;
}

static const struct maker lines_maker = {.make = make, .free = free};

static void ndjson_begin(struct request *r)
{
    struct lines *lines = calloc(1, sizeof(*lines));

    if (lines == NULL) {
        request_refuse_rc(r, DISKV_ENOMEM);
        return;
    }
    lines->store = r->server->store;
    if (!listing_begin(r, &lines->listing, SIZE_MAX, SIZE_MAX))
        free(lines);
    else
        stream_begin(r, &lines_maker, lines);
}

static enum MHD_Result ndjson_end(struct request *r)
{
    struct stream **stream = r->state;
    struct answer a;
    int rc = stream_go_on(*stream);

    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc != 0)
        return listing_fail(r, rc);
    a = stream_answer(stream, "application/x-ndjson");
    answer_header(&a, MHD_HTTP_HEADER_VARY, FORMAT_VARY);
    return answer_send(r, MHD_HTTP_OK, &a);
}

const struct handler ndjson_handler = {
    .state_size = sizeof(struct stream *),
    .begin = ndjson_begin,
    .end = ndjson_end,
    .close = stream_close,
};
