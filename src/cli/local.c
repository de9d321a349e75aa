/* A directory, opened beside the server that may have it. */
#include "store.h"

#include "buf.h"
#include "item.h"
#include "json.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE      (256 * 1024)
#define PAGE_ITEMS 1000

/* How far the times that the kernel gives to files may lag behind the clock. */
#define TICK_NS 20000000

struct local {
    struct store store;
    diskv *files;
    int fd;    /* of the directory */
    bool mine; /* both are, else another handle's */
    bool bulk;
    char *piece;
};

static struct local *local_of(struct store *store)
{
    return container_of(store, struct local, store);
}

static const struct store_ops local_ops;

static struct local *local_new(void)
{
    struct local *l = calloc(1, sizeof *l);
    char *piece = malloc(PIECE);
    if (!l || !piece) {
        free(piece);
        free(l);
        return NULL;
    }
    l->store.ops = &local_ops;
    l->fd = -1;
    l->piece = piece;
    return l;
}

static void local_close(struct store *store)
{
    struct local *l = local_of(store);
    if (l->mine) {
        diskv_close(l->files);
        if (l->fd >= 0)
            close(l->fd);
    }
    free(l->piece);
    free(l);
}

struct store *local_open(const struct store_place *place, char *problem, size_t size)
{
    const struct diskv_options options = {
        .layout = place->layout,
        .compress = place->compress,
        .sync = place->bulk ? DISKV_SYNC_NONE : DISKV_SYNC_ALWAYS,
        .detached = true,
    };
    struct local *l = local_new();
    if (!l)
        return NULL;
    l->mine = true;
    l->bulk = place->bulk;
    if (!place->make || mkdir(place->name, 0777) == 0 || errno == EEXIST)
        l->fd = open(place->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->fd < 0) {
        snprintf(problem, size, "%s", strerror(errno));
    } else {
        int rc = diskv_open(place->name, &options, &l->files);
        if (!rc)
            return &l->store;
        snprintf(problem, size, "%s", diskv_strerror(rc));
    }
    local_close(&l->store);
    return NULL;
}

static struct store *local_again(struct store *store)
{
    struct local *l = local_new();
    if (!l)
        return NULL;
    l->files = local_of(store)->files;
    l->fd = local_of(store)->fd;
    return &l->store;
}

/* --- Listing --- */

static int item_show(const struct diskv_item *from, bool bare, struct buf *text, item_visit *visit,
                     void *ctx, bool *more)
{
    text->len = 0;
    int rc = buf_add(text, from->name, from->len);
    if (!rc)
        rc = buf_add(text, "", 1);
    if (!rc && !bare)
        rc = json_time(text, &from->info.modified);
    if (rc)
        return rc;
    struct item item = {.key = text->data, .modified = "", .etag = ""};
    if (!bare) {
        text->data[text->len - 1] = '\0'; /* the time's second quote */
        item.modified = text->data + from->len + 2;
        item.size = from->info.size;
        item.etag = from->info.etag;
    }
    *more = visit(ctx, &item);
    return 0;
}

static int page_show(const struct diskv_page *page, bool bare, item_visit *visit, void *ctx,
                     bool *more)
{
    struct buf text = {0};
    int rc = 0;
    for (size_t i = 0; !rc && *more && i < page->count; i++)
        rc = item_show(&page->items[i], bare, &text, visit, ctx, more);
    buf_free(&text);
    return rc;
}

static bool local_list(struct store *store, const char *prefix, bool bare, item_visit *visit,
                       void *ctx)
{
    struct diskv_page *page = NULL, *last = NULL;
    bool more = true;
    int rc;
    do {
        const struct diskv_list_options options = {
            .from = last ? last->next : "",
            .from_len = last ? last->next_len : 0,
            .prefix = prefix,
            .prefix_len = strlen(prefix),
            .delimiter = "",
            .limit = PAGE_ITEMS,
            .bare = bare,
        };
        rc = diskv_list_wait(local_of(store)->files, &options, &page);
        diskv_page_free(last);
        last = page;
        if (!rc)
            rc = page_show(page, bare, visit, ctx, &more);
        else
            last = NULL;
    } while (!rc && more && page->next);
    diskv_page_free(last);
    return !rc || store_fails_rc(store, rc);
}

/* --- Values --- */

static bool reader_pour(struct local *l, diskv_reader *reader, const struct sink *sink)
{
    int64_t n = 1;
    for (uint64_t at = 0; n; at += (uint64_t)n) {
        n = diskv_reader_read_wait(reader, l->piece, PIECE, at);
        if (n < 0)
            return store_fails_rc(&l->store, (int)n);
        if (n && !sink->take(sink->ctx, l->piece, (size_t)n))
            return false;
    }
    return true;
}

static bool local_get(struct store *store, const char *key, const struct sink *sink)
{
    struct local *l = local_of(store);
    diskv_reader *reader;
    int rc = diskv_reader_open_wait(l->files, key, strlen(key), DISKV_READ_ONCE, &reader);
    if (rc)
        return store_fails_rc(store, rc);
    bool fine = !sink->begin || sink->begin(sink->ctx, diskv_reader_info(reader)->size);
    fine = fine && reader_pour(l, reader, sink);
    diskv_reader_close(reader);
    return fine;
}

static bool content_pour(struct local *l, const struct content *content, diskv_writer *writer)
{
    ssize_t n;
    for (uint64_t left = content->size; left; left -= (uint64_t)n) {
        n = read(content->fd, l->piece, left < PIECE ? (size_t)left : PIECE);
        if (n < 0 && errno == EINTR) {
            n = 0;
            continue;
        }
        if (n < 0)
            return store_fails(&l->store, "cannot read: %s", strerror(errno));
        if (n == 0)
            return content->size == DISKV_SIZE_UNKNOWN ||
                   store_fails(&l->store, "the file was cut short meanwhile");
        int rc = diskv_writer_append_wait(writer, l->piece, (size_t)n);
        if (rc)
            return store_fails_rc(&l->store, rc);
        if (content->progress)
            progress_add(content->progress, 0, (uint64_t)n);
    }
    return true;
}

static bool local_put(struct store *store, const char *key, const struct content *content)
{
    struct local *l = local_of(store);
    const struct diskv_write_options options = {.type = content->type};
    diskv_writer *writer;
    int rc = diskv_writer_open(l->files, key, strlen(key), &options, &writer);
    if (rc)
        return store_fails_rc(store, rc);
    bool fine = content_pour(l, content, writer);
    if (fine && (rc = diskv_writer_commit_wait(writer)))
        fine = store_fails_rc(store, rc);
    diskv_writer_close(writer);
    return fine;
}

static bool local_import(struct store *store, const char *key, const char *path, bool move,
                         struct progress *progress)
{
    struct stat st;
    uint64_t size = lstat(path, &st) ? 0 : (uint64_t)st.st_size;
    int rc = diskv_import(local_of(store)->files, key, strlen(key), path, move, NULL);
    if (rc == DISKV_ENOTFOUND)
        return store_fails(store, "no such file");
    if (rc)
        return store_fails_rc(store, rc);
    progress_add(progress, 0, size);
    return true;
}

static bool local_look(struct store *store, const char *key, struct held *out)
{
    struct diskv_info info;
    int rc = diskv_stat(local_of(store)->files, key, strlen(key), &info);
    *out = (struct held){.found = !rc};
    if (rc)
        return rc == DISKV_ENOTFOUND || store_fails_rc(store, rc);
    out->size = info.size;
    out->since = info.modified;
    out->since.tv_nsec -= TICK_NS;
    if (out->since.tv_nsec < 0) {
        out->since.tv_nsec += 1000000000;
        out->since.tv_sec--;
    }
    return true;
}

static bool local_remove(struct store *store, const char *key)
{
    int rc = diskv_erase_wait(local_of(store)->files, key, strlen(key), NULL, NULL);
    return !rc || store_fails_rc(store, rc);
}

struct removal {
    struct store *store;
    bool failed;
};

/* What is gone already was another's to remove. */
static bool removal_visit(void *ctx, const struct item *item)
{
    struct removal *r = ctx;
    int rc = diskv_erase_wait(local_of(r->store)->files, item->key, strlen(item->key), NULL, NULL);
    r->failed = rc && rc != DISKV_ENOTFOUND;
    if (r->failed)
        store_fails(r->store, "%s: %s", item->key, diskv_strerror(rc));
    return !r->failed;
}

static bool local_remove_prefix(struct store *store, const char *prefix)
{
    struct removal r = {.store = store};
    return local_list(store, prefix, true, removal_visit, &r) && !r.failed;
}

static bool local_stat(struct store *store, const char *key, struct buf *out)
{
    diskv_reader *reader;
    int rc =
        diskv_reader_open_wait(local_of(store)->files, key, strlen(key), DISKV_READ_ONCE, &reader);
    if (rc)
        return store_fails_rc(store, rc);
    rc = item_print_all(out, key, strlen(key), reader);
    diskv_reader_close(reader);
    if (!rc)
        rc = buf_add_str(out, "\n");
    return !rc || store_fails_rc(store, rc);
}

static bool local_flush(struct store *store)
{
    struct local *l = local_of(store);
    return !l->bulk || syncfs(l->fd) == 0 || store_fails(store, "%s", strerror(errno));
}

static bool local_is_dir(struct store *store, const struct stat *st)
{
    struct stat own;
    return fstat(local_of(store)->fd, &own) == 0 && own.st_dev == st->st_dev &&
           own.st_ino == st->st_ino;
}

static const struct store_ops local_ops = {
    .close = local_close,
    .again = local_again,
    .list = local_list,
    .get = local_get,
    .put = local_put,
    .import = local_import,
    .look = local_look,
    .remove = local_remove,
    .remove_prefix = local_remove_prefix,
    .stat = local_stat,
    .flush = local_flush,
    .is_dir = local_is_dir,
};
