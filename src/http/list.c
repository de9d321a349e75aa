#include "answer.h"
#include "context.h"
#include "format.h"
#include "handlers.h"
#include "header.h"
#include "item.h"
#include "json.h"
#include "listing.h"

#define LIMIT_DEFAULT 1000
#define GZIP_MIN      1024 /* bytes of JSON from which on compressing pays */
#define ITEM_TEXT     192  /* bytes of JSON that an item takes, as a rule */

struct list {
    struct listing listing;
    struct diskv_page *page;
    struct buf text; /* the page as JSON */
    enum encoding_choice encoding;
    bool gzipped;
    bool begun;
};

static void list_begin(struct request *r)
{
    struct list *l = r->state;

    if (format_of(r) == FORMAT_UNKNOWN)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, "format takes json, ndjson or tar");
    else if (header_encoding(r->mhd, &l->encoding) != 0)
        request_refuse_rc(r, DISKV_ENOMEM);
    else if (listing_begin(r, &l->listing, LIMIT_DEFAULT, DISKV_LIST_MAX))
        l->listing.options.limit = l->listing.left;
}

/* Either the keys or the prefixes of a page, as the elements of an array. */
static int print_items(struct buf *out, const struct diskv_page *page, bool prefixes)
{
    const char *separator = "";
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < page->count; i++) {
        const struct diskv_item *item = &page->items[i];

        if (item->is_prefix != prefixes)
            continue;
        rc = buf_add_str(out, separator);
        if (rc == 0 && prefixes)
            rc = json_string(out, item->name, item->len);
        else if (rc == 0)
            rc = item_print(out, item->name, item->len, &item->info);
        separator = ",\n";
    }
    return rc;
}

static int print_page(struct buf *out, const struct diskv_page *page)
{
    int rc = buf_reserve(out, page->count * ITEM_TEXT);

    if (rc == 0)
        rc = buf_add_str(out, "{\"keys\":[");
    if (rc == 0)
        rc = print_items(out, page, false);
    if (rc == 0)
        rc = buf_add_str(out, "],\n\"prefixes\":[");
    if (rc == 0)
        rc = print_items(out, page, true);
    if (rc == 0)
        rc = buf_add_str(out, "]");
    if (rc == 0 && page->next != NULL) {
        rc = buf_add_str(out, ",\n\"next\":");
        if (rc == 0)
            rc = json_string(out, page->next, page->next_len);
    }
    return rc == 0 ? buf_add_str(out, "}\n") : rc;
}

/* On the thread that listed: printing a long page is too much work for one that serves sockets. */
static void list_done(void *ctx, int rc)
{
    struct request *r = ctx;
    struct list *l = r->state;

    if (rc == 0)
        rc = print_page(&l->text, l->page);
    diskv_page_free(l->page);
    l->page = NULL;
    l->gzipped = rc == 0 && l->encoding == ENCODING_GZIP && l->text.len >= GZIP_MIN &&
                 encoding_gzip(&l->text) == 0;
    request_done(r, rc);
}

static enum MHD_Result list_end(struct request *r)
{
    struct list *l = r->state;
    struct answer a;

    if (!l->begun) {
        if (!request_wait(r))
            return MHD_NO;
        l->begun = true;
        diskv_list(r->server->store, &l->listing.options, &l->page, list_done, r);
        return MHD_YES;
    }
    if (r->rc != 0)
        return listing_fail(r, r->rc);
    a = answer_buf(&l->text, "application/json");
    answer_header(&a, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    answer_header(&a, MHD_HTTP_HEADER_VARY, FORMAT_VARY);
    if (l->gzipped)
        answer_header(&a, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    return answer_send(r, MHD_HTTP_OK, &a);
}

static void list_close(struct request *r)
{
    struct list *l = r->state;

    buf_free(&l->text);
}

const struct handler list_handler = {
    .state_size = sizeof(struct list),
    .begin = list_begin,
    .end = list_end,
    .close = list_close,
};
