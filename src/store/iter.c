/* A walk over keys, page by page. */
#include "diskv.h"

/* Keys of a page: enough that asking for pages costs little, few enough that one is soon there. */
#define PAGE_KEYS 1000

struct diskv_iter {
    diskv *store;
    struct diskv_page *page; /* NULL before the first */
    size_t next;             /* item of the page */
    int rc;                  /* the error that ended the walk */
    size_t prefix_len;
    char prefix[];
};

int diskv_iter_open(diskv *store, const char *prefix, size_t len, diskv_iter **out)
{
    if (len > DISKV_KEY_MAX)
        return DISKV_EINVAL;
    diskv_iter *iter = calloc(1, sizeof *iter + len);
    if (!iter)
        return DISKV_ENOMEM;
    iter->store = store;
    iter->prefix_len = len;
    memcpy(iter->prefix, prefix, len);
    *out = iter;
    return 0;
}

/* Puts the next page in place of the one that was walked over. */
static int page_turn(diskv_iter *iter)
{
    struct diskv_page *old = iter->page, *page;
    const struct diskv_list_options options = {
        .from = old ? old->next : "",
        .from_len = old ? old->next_len : 0,
        .prefix = iter->prefix,
        .prefix_len = iter->prefix_len,
        .delimiter = "",
        .limit = PAGE_KEYS,
    };
    int rc = diskv_list_wait(iter->store, &options, &page);
    if (rc)
        return rc;
    diskv_page_free(old);
    iter->page = page;
    iter->next = 0;
    return 0;
}

int diskv_iter_next(diskv_iter *iter, const struct diskv_item **out)
{
    while (!iter->rc && (!iter->page || iter->next == iter->page->count)) {
        if (iter->page && !iter->page->next)
            return 0;
        iter->rc = page_turn(iter);
    }
    if (iter->rc)
        return iter->rc;
    *out = &iter->page->items[iter->next++];
    return 1;
}

void diskv_iter_close(diskv_iter *iter)
{
    if (!iter)
        return;
    diskv_page_free(iter->page);
    free(iter);
}
