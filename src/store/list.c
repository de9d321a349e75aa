#include "store.h"

#include "buf.h"
#include "util.h"

/* A page ends early when its names take this much. */
#define PAGE_TEXT_MAX (4 * 1024 * 1024)

struct list {
    diskv *store;
    const struct diskv_list_options *options;
    struct diskv_page **out;
    diskv_done *done;
    void *ctx;
    struct job job;
    struct index_cursor *cursor;
    struct page *page;
    struct engine_near near;
    struct buf gone; /* keys of the index that had no value, each with its NUL */
};

/* Names lie in one buffer, which may move while it grows: until the page is whole, items hold
 * offsets. */
struct page {
    struct diskv_page page;
    struct diskv_item *items; /* and one more, to be filled in */
    size_t count;
    struct buf text;
};

void diskv_page_free(struct diskv_page *page)
{
    if (!page)
        return;
    struct page *p = container_of(page, struct page, page);
    free(p->items);
    buf_free(&p->text);
    free(p);
}

/* Memory for as many items as may be asked for is taken at once; what is not used costs nothing. */
static int page_new(size_t limit, struct page **out)
{
    struct page *p = calloc(1, sizeof *p);
    if (!p)
        return DISKV_ENOMEM;
    p->items = reallocarray(NULL, limit + 1, sizeof *p->items);
    if (!p->items) {
        free(p);
        return DISKV_ENOMEM;
    }
    *out = p;
    return 0;
}

/* Adds the item whose info is filled in; that of a prefix has none. */
static int page_add(struct page *p, const char *name, size_t len, bool is_prefix)
{
    int rc = buf_add(&p->text, name, len);
    if (rc)
        return rc;
    struct diskv_item *item = &p->items[p->count++];
    item->len = len;
    item->is_prefix = is_prefix;
    if (is_prefix)
        item->info = (struct diskv_info){0};
    return 0;
}

static void page_finish(struct page *p, bool more)
{
    const char *name = p->text.data;
    for (size_t i = 0; i < p->count; name += p->items[i++].len)
        p->items[i].name = name;
    p->page.items = p->items;
    p->page.count = p->count;
    if (more && p->count) {
        p->page.next = p->items[p->count - 1].name;
        p->page.next_len = p->items[p->count - 1].len;
    }
}

/* Moves past every key that begins with `prefix`, which is not empty. */
static int seek_past(struct list *l, const char *prefix, size_t len)
{
    char past[DISKV_KEY_MAX + 1];
    memcpy(past, prefix, len);
    past[len - 1]++; /* never 0xFF: keys and delimiters are UTF-8 */
    return l->store->index->ops->cursor_seek(l->cursor, past, len);
}

/* Moves to the first key that can be on the page: after `from`, and not before `prefix`. */
static int seek_first(struct list *l)
{
    const struct diskv_list_options *o = l->options;
    const struct index_ops *ops = l->store->index->ops;
    if (l->store->byte_order && bytes_compare(o->from, o->from_len, o->prefix, o->prefix_len) < 0)
        return ops->cursor_seek(l->cursor, o->prefix, o->prefix_len);
    int rc = ops->cursor_seek(l->cursor, o->from, o->from_len);
    if (rc)
        return rc;
    const char *key;
    size_t len;
    ops->cursor_key(l->cursor, &key, &len);
    bool is_from = bytes_compare(key, len, o->from, o->from_len) == 0;
    return is_from ? ops->cursor_next(l->cursor) : 0;
}

/* The length of the folder that a key lies in: up to and with the first delimiter behind the
 * prefix; 0 where it is folded into none. */
static size_t folder_len(const struct diskv_list_options *o, const char *key, size_t len)
{
    if (o->delimiter_len == 0)
        return 0;
    const char *at =
        memmem(key + o->prefix_len, len - o->prefix_len, o->delimiter, o->delimiter_len);
    return at ? (size_t)(at - key) + o->delimiter_len : 0;
}

/* Remembers a key whose value is gone, to be dropped from the index once the cursor is closed. */
static int gone_add(struct list *l, const char *key, size_t len)
{
    int rc = buf_add(&l->gone, key, len);
    return rc ? rc : buf_add(&l->gone, "", 1);
}

static int identify(struct list *l, const char *key, size_t len, uint8_t *ident)
{
    struct engine *engine = l->store->engine;
    if (engine->ops->identify_near)
        return engine->ops->identify_near(engine, &l->near, key, len, ident);
    return engine->ops->identify(engine, key, len, ident);
}

/* True where what an earlier listing told of the value is so still, or was when the listing came to
 * the folder that it lies in. */
static bool value_known(struct list *l, const char *key, size_t len, struct diskv_info *info)
{
    uint8_t ident[ENGINE_IDENT_LEN];
    struct rows_ident then;
    if (!l->store->rows || !rows_get(l->store->rows, key, len, &then, info) ||
        identify(l, key, len, ident))
        return false;
    struct rows_ident now = rows_ident(ident);
    return memcmp(&then, &now, sizeof now) == 0;
}

/* Describes a value from its file. */
static int value_read(diskv *store, const char *key, size_t len, struct diskv_info *out)
{
    struct engine_info info;
    int rc = store->engine->ops->stat(store->engine, key, len, &info);
    if (rc)
        return rc;
    bool recorded = info_from_engine(store, &info, out, NULL, NULL);
    if (store->rows && info_settled(&info, recorded))
        rows_keep(store->rows, key, len, info.ident, out);
    return 0;
}

/* Looks whether a key of the index has a value that can be listed. One that was listed before and
 * did not change costs one system call, another four, and three more for attributes. */
static int value_look(struct list *l, const char *key, size_t len, struct diskv_info *info,
                      bool *found)
{
    *found = true;
    if (l->options->bare)
        *info = (struct diskv_info){0};
    if (l->options->bare || value_known(l, key, len, info))
        return 0;
    int rc = value_read(l->store, key, len, info);
    *found = !rc;
    if (rc == DISKV_ENOTFOUND)
        return gone_add(l, key, len);
    return rc == DISKV_EACCESS ? 0 : rc; /* what nobody may read is not listed */
}

/* Fills the page; `*more` when something that would be on it has no room. */
static int page_fill(struct list *l, bool *more)
{
    const struct diskv_list_options *o = l->options;
    const struct index_ops *ops = l->store->index->ops;
    int rc = seek_first(l);
    while (!rc) {
        const char *key;
        size_t len;
        ops->cursor_key(l->cursor, &key, &len);
        if (len < o->prefix_len || memcmp(key, o->prefix, o->prefix_len) != 0) {
            if (l->store->byte_order)
                return 0;
            rc = ops->cursor_next(l->cursor);
            continue;
        }
        size_t folder = folder_len(o, key, len);
        if (folder && bytes_compare(key, folder, o->from, o->from_len) <= 0) {
            rc = seek_past(l, key, folder);
            continue;
        }
        bool found;
        rc = value_look(l, key, len, &l->page->items[l->page->count].info, &found);
        if (!rc && found && (l->page->count == o->limit || l->page->text.len > PAGE_TEXT_MAX)) {
            *more = true;
            return 0;
        }
        if (!rc && found)
            rc = page_add(l->page, key, folder ? folder : len, folder > 0);
        if (!rc)
            rc = folder && found ? seek_past(l, key, folder) : ops->cursor_next(l->cursor);
    }
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

static int page_make(struct list *l)
{
    int rc = index_mend(l->store, STALE_NOT) ? DISKV_EUNAVAILABLE : 0;
    if (rc)
        return rc;
    rc = page_new(l->options->limit, &l->page);
    if (rc)
        return rc;
    rc = l->store->index->ops->cursor_open(l->store->index, &l->cursor);
    if (rc)
        return rc;
    bool more = false;
    rc = page_fill(l, &more);
    if (l->store->engine->ops->near_end)
        l->store->engine->ops->near_end(l->store->engine, &l->near);
    l->store->index->ops->cursor_close(l->cursor);
    index_check(l->store, l->gone.data, l->gone.len); /* else met again by the next listing */
    if (!rc)
        page_finish(l->page, more);
    return rc;
}

static void list_run(struct job *job)
{
    struct list *l = container_of(job, struct list, job);
    int rc = page_make(l);
    if (!rc)
        *l->out = &l->page->page;
    else if (l->page)
        diskv_page_free(&l->page->page);
    diskv_done *done = l->done;
    void *ctx = l->ctx;
    buf_free(&l->gone);
    free(l);
    done(ctx, rc);
}

void diskv_list(diskv *store, const struct diskv_list_options *options, struct diskv_page **out,
                diskv_done *done, void *ctx)
{
    if (atomic_load(&store->indexing)) {
        done(ctx, DISKV_EUNAVAILABLE); /* no worker is to wait for that */
        return;
    }
    bool valid = options->limit >= 1 && options->limit <= DISKV_LIST_MAX &&
                 options->from_len <= DISKV_KEY_MAX && options->prefix_len <= DISKV_KEY_MAX &&
                 (store->byte_order || options->delimiter_len == 0);
    struct list *l = valid ? calloc(1, sizeof *l) : NULL;
    if (!l) {
        done(ctx, valid ? DISKV_ENOMEM : DISKV_EINVAL);
        return;
    }
    l->store = store;
    l->options = options;
    l->out = out;
    l->done = done;
    l->ctx = ctx;
    l->job.run = list_run;
    if (index_is_stale(store))
        serial_post(&store->mends, store->workers, &l->job);
    else
        workers_post(store->workers, &l->job);
}
