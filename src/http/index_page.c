#include "index_page.h"
#include "context.h"
#include "folder.h"
#include "handlers.h"
#include "header.h"
#include "html.h"
#include "index_html.h"
#include "key.h"
#include "listing.h"
#include "stream.h"

#define PAGE_DEFAULT 1000 /* entries, where pages are linked */

struct index_page {
    diskv *store;
    struct listing listing;
    const char *query; /* of links to folders and pages: "?html", or "" */
    size_t limit;      /* as it was asked for, 0 for none */
    bool begun;
    bool ended;
};

/* The link to the page behind `from`. */
static int print_next(struct buf *out, const struct index_page *p, const char *from, size_t len)
{
    int rc = buf_add_str(out, p->query[0] != '\0' ? "?html&" : "?");

    if (rc == 0 && p->limit > 0)
        rc = buf_printf(out, "limit=%zu&", p->limit);
    if (rc == 0)
        rc = buf_add_str(out, "from=");
    return rc == 0 ? html_url(out, from, len) : rc;
}

static int print_foot(struct buf *out, const struct index_page *p, const struct diskv_page *page)
{
    struct buf next = {0};
    int rc = 0;

    if (page->next != NULL)
        rc = print_next(&next, p, page->next, page->next_len);
    if (rc == 0)
        rc = index_html_foot(out, next.data);
    buf_free(&next);
    return rc;
}

static int print_page(struct buf *out, struct index_page *p, const struct diskv_page *page)
{
    const struct diskv_list_options *o = &p->listing.options;
    int rc = 0;

    if (!p->begun)
        rc = index_html_head(out, o->prefix, o->prefix_len, p->query);
    p->begun = true;
    for (size_t i = 0; rc == 0 && i < page->count; i++)
        rc = index_html_entry(out, &page->items[i], o->prefix_len, p->query);
    p->ended = p->listing.left == 0;
    return rc == 0 && p->ended ? print_foot(out, p, page) : rc;
}

static int make(void *ctx, struct buf *out)
{
    struct index_page *p = ctx;
    const struct diskv_list_options *o = &p->listing.options;
    bool may_be_empty = p->begun || o->prefix_len == 0 || o->from_len > 0;
    struct diskv_page *page;
    int rc;

    if (p->ended)
        return 0;
    rc = listing_next(&p->listing, p->store, &page);
    if (rc == 0)
        rc = page->count > 0 || may_be_empty ? print_page(out, p, page) : DISKV_ENOTFOUND;
    diskv_page_free(page);
    return rc;
}

static const struct maker index_maker = {.make = make, .free = free};

/* Reads what to list: the items of the folder that the path names. */
static bool read_request(struct request *r, struct index_page *p)
{
    struct diskv_list_options *o = &p->listing.options;
    bool is_root = r->path_len == strlen("/keys/");

    p->store = r->server->store;
    p->query = query_has(r->query, "html") ? "?html" : "";
    if (!is_root && !request_read_key(r))
        return false;
    if (!listing_begin(r, &p->listing, p->query[0] != '\0' ? PAGE_DEFAULT : SIZE_MAX, SIZE_MAX))
        return false;
    p->limit = query_has(r->query, "limit") ? p->listing.left : 0;
    memcpy(p->listing.prefix, r->key, r->key_len);
    o->prefix_len = r->key_len;
    o->delimiter = "/";
    o->delimiter_len = 1;
    return true;
}

static void index_page_begin(struct request *r)
{
    struct index_page *p = calloc(1, sizeof(*p));

    if (p == NULL)
        request_refuse_rc(r, DISKV_ENOMEM);
    else if (!read_request(r, p))
        free(p);
    else
        stream_begin(r, &index_maker, p);
}

static enum MHD_Result fail(struct request *r, int rc)
{
    struct problem problem = listing_problem(r, rc);

    problem.header = MHD_HTTP_HEADER_VARY;
    problem.value = MHD_HTTP_HEADER_ACCEPT;
    return request_fail_problem(r, &problem);
}

static enum MHD_Result index_page_end(struct request *r)
{
    struct stream **stream = r->state;
    struct answer a;
    int rc = stream_go_on(*stream);

    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc != 0)
        return fail(r, rc);
    a = stream_answer(stream, "text/html; charset=utf-8");
    answer_header(&a, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    answer_header(&a, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
    return answer_send(r, MHD_HTTP_OK, &a);
}

const struct handler index_page_handler = {
    .state_size = sizeof(struct stream *),
    .begin = index_page_begin,
    .end = index_page_end,
    .close = stream_close,
};

bool index_page_is_folder(const struct request *r)
{
    return r->path[r->path_len - 1] == '/';
}

bool index_page_is_accepted(const struct request *r)
{
    return !query_has(r->query, "format") && header_accepts(r->mhd, "text/html");
}

enum MHD_Result index_page_404(struct request *r)
{
    return fail(r, DISKV_ENOTFOUND);
}

enum MHD_Result index_page_or_404(struct request *r)
{
    if (!query_has(r->query, "html") && !index_page_is_accepted(r))
        return index_page_404(r);
    return request_hand_over(r, index_page_is_folder(r) ? &index_page_handler : &folder_handler);
}
