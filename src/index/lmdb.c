#include "index.h"

#include "error.h"
#include "lmdb_check.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

struct lmdb_index {
    struct index index;
    struct tables tables;
    int seal_fd;
    pthread_mutex_t writing;
    struct seal seal; /* its `now` is the digest of what is committed; under `writing` */
    _Atomic uint64_t keys;
};

struct lmdb_cursor {
    struct index_cursor cursor;
    MDB_txn *txn;
    MDB_cursor *at;
    size_t len;
    char key[DISKV_KEY_MAX];
};

static struct lmdb_index *lmdb_of(struct index *index)
{
    return container_of(index, struct lmdb_index, index);
}

static struct lmdb_cursor *cursor_of(struct index_cursor *cursor)
{
    return container_of(cursor, struct lmdb_cursor, cursor);
}

/* --- Changes --- */

static int edit_begin(struct lmdb_index *ix, struct edit *e)
{
    pthread_mutex_lock(&ix->writing);
    *e = (struct edit){.tables = &ix->tables, .digest = ix->seal.now};
    int rc = lmdb_error(mdb_txn_begin(ix->tables.env, NULL, 0, &e->txn));
    if (rc)
        pthread_mutex_unlock(&ix->writing);
    return rc;
}

static int edit_commit(struct lmdb_index *ix, struct edit *e)
{
    ix->seal.next = e->digest;
    int rc = seal_write(ix->seal_fd, &ix->seal);
    if (rc) {
        mdb_txn_abort(e->txn);
        return rc;
    }
    rc = lmdb_error(mdb_txn_commit(e->txn));
    if (!rc)
        ix->seal.now = e->digest;
    ix->keys = ix->seal.now.keys;
    ix->seal.next = ix->seal.now;
    seal_write(ix->seal_fd, &ix->seal); /* else it stays open to either content, which is safe */
    return rc;
}

/* Commits where `rc`, the outcome of the changes, is 0 and the digest says that something changed.
 */
static int edit_end(struct lmdb_index *ix, struct edit *e, int rc)
{
    if (!rc && memcmp(&e->digest, &ix->seal.now, sizeof e->digest) != 0)
        rc = edit_commit(ix, e);
    else
        mdb_txn_abort(e->txn);
    pthread_mutex_unlock(&ix->writing);
    return rc;
}

static int lmdb_apply(struct index *index, const struct index_change *changes, size_t count)
{
    struct lmdb_index *ix = lmdb_of(index);
    struct edit e;
    int rc = edit_begin(ix, &e);
    if (rc)
        return rc;
    for (size_t i = 0; i < count && !rc; i++)
        rc = edit_key(&e, &changes[i]);
    return edit_end(ix, &e, rc);
}

static uint64_t lmdb_count(struct index *index)
{
    return lmdb_of(index)->keys;
}

/* --- Cursors --- */

static int lmdb_cursor_open(struct index *index, struct index_cursor **out)
{
    struct lmdb_index *ix = lmdb_of(index);
    struct lmdb_cursor *c = malloc(sizeof *c);
    if (!c)
        return DISKV_ENOMEM;
    c->cursor.ops = index->ops;
    c->len = 0;
    int rc = mdb_txn_begin(ix->tables.env, NULL, MDB_RDONLY, &c->txn);
    if (rc)
        goto free_cursor;
    rc = mdb_cursor_open(c->txn, ix->tables.keys, &c->at);
    if (rc)
        goto abort_txn;
    *out = &c->cursor;
    return 0;
abort_txn:
    mdb_txn_abort(c->txn);
free_cursor:
    free(c);
    return lmdb_error(rc);
}

static int lmdb_cursor_seek(struct index_cursor *cursor, const char *key, size_t len)
{
    struct lmdb_cursor *c = cursor_of(cursor);
    MDB_val head, tail;
    int rc = keys_seek(c->at, key, len, &head, &tail);
    return rc ? lmdb_error(rc) : keys_join(&head, &tail, c->key, &c->len);
}

static int lmdb_cursor_next(struct index_cursor *cursor)
{
    struct lmdb_cursor *c = cursor_of(cursor);
    MDB_val head, tail;
    int rc = mdb_cursor_get(c->at, &head, &tail, MDB_NEXT);
    return rc ? lmdb_error(rc) : keys_join(&head, &tail, c->key, &c->len);
}

static void lmdb_cursor_key(const struct index_cursor *cursor, const char **key, size_t *len)
{
    const struct lmdb_cursor *c = (const struct lmdb_cursor *)cursor;
    *key = c->key;
    *len = c->len;
}

static void lmdb_cursor_close(struct index_cursor *cursor)
{
    struct lmdb_cursor *c = cursor_of(cursor);
    mdb_cursor_close(c->at);
    mdb_txn_abort(c->txn);
    free(c);
}

/* --- Notes --- */

static int lmdb_note_get(struct index *index, const char *name, size_t name_len, void *value,
                         size_t *len)
{
    struct lmdb_index *ix = lmdb_of(index);
    struct note note;
    MDB_txn *txn;
    int rc = lmdb_error(mdb_txn_begin(ix->tables.env, NULL, MDB_RDONLY, &txn));
    if (rc)
        return rc;
    rc = note_find(&ix->tables, txn, name, name_len, &note);
    if (!rc) {
        memcpy(value, note.value, note.len);
        *len = note.len;
    }
    mdb_txn_abort(txn);
    return rc;
}

static int lmdb_note_set(struct index *index, const char *name, size_t name_len, const void *value,
                         size_t len)
{
    struct edit e;
    int rc = edit_begin(lmdb_of(index), &e);
    return rc ? rc : edit_end(lmdb_of(index), &e, edit_note_set(&e, name, name_len, value, len));
}

static int lmdb_note_erase(struct index *index, const char *name, size_t name_len)
{
    struct edit e;
    int rc = edit_begin(lmdb_of(index), &e);
    return rc ? rc : edit_end(lmdb_of(index), &e, edit_note_erase(&e, name, name_len));
}

static int lmdb_note_each(struct index *index,
                          int (*visit)(void *ctx, const char *name, size_t name_len,
                                       const void *value, size_t len),
                          void *ctx)
{
    struct lmdb_index *ix = lmdb_of(index);
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val hash, entry;
    int rc = lmdb_error(mdb_txn_begin(ix->tables.env, NULL, MDB_RDONLY, &txn));
    if (rc)
        return rc;
    rc = lmdb_error(mdb_cursor_open(txn, ix->tables.notes, &cursor));
    if (rc)
        goto abort_txn;
    for (;;) {
        struct note note;
        rc = lmdb_error(mdb_cursor_get(cursor, &hash, &entry, MDB_NEXT));
        if (!rc)
            rc = note_parse(&entry, &note);
        if (rc) {
            rc = rc == DISKV_ENOTFOUND ? 0 : rc;
            break;
        }
        rc = visit(ctx, note.name, note.name_len, note.value, note.len);
        if (rc)
            break;
    }
    mdb_cursor_close(cursor);
abort_txn:
    mdb_txn_abort(txn);
    return rc;
}

/* --- Opening and closing --- */

static void lmdb_free(struct index *index)
{
    struct lmdb_index *ix = lmdb_of(index);
    tables_close(&ix->tables);
    pthread_mutex_destroy(&ix->writing);
    close(ix->seal_fd);
    free(ix);
}

static const struct index_ops lmdb_ops = {
    .name = "lmdb",
    .free = lmdb_free,
    .apply = lmdb_apply,
    .count = lmdb_count,
    .cursor_open = lmdb_cursor_open,
    .cursor_seek = lmdb_cursor_seek,
    .cursor_next = lmdb_cursor_next,
    .cursor_key = lmdb_cursor_key,
    .cursor_close = lmdb_cursor_close,
    .note_get = lmdb_note_get,
    .note_set = lmdb_note_set,
    .note_erase = lmdb_note_erase,
    .note_each = lmdb_note_each,
};

/* Opens the checked tables in `dir`, with the content that `digest` tells, and their seal. */
static int lmdb_open_checked(struct lmdb_index *ix, const char *dir, int dir_fd,
                             const struct digest *digest)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/" INDEX_DATA_NAME, dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return DISKV_EINVAL;
    seal_init(&ix->seal, digest, digest);
    ix->keys = digest->keys;
    ix->seal_fd = openat(dir_fd, INDEX_SEAL_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (ix->seal_fd < 0)
        return error_from_errno(errno);
    int rc = seal_write(ix->seal_fd, &ix->seal);
    if (!rc)
        rc = tables_open(&ix->tables, path, 0);
    if (rc)
        close(ix->seal_fd);
    return rc;
}

int index_lmdb_open(const char *dir, bool *fresh, struct index **out)
{
    struct lmdb_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return DISKV_ENOMEM;
    ix->index.ops = &lmdb_ops;
    int rc = 0, dir_fd = -1;
    if (mkdir(dir, 0700) && errno != EEXIST)
        rc = error_from_errno(errno);
    if (!rc && (dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        rc = error_from_errno(errno);
    if (rc)
        goto free_index;
    struct digest digest;
    *fresh = !check_data(dir_fd, &digest);
    rc = lmdb_open_checked(ix, dir, dir_fd, &digest);
    close(dir_fd);
    if (rc)
        goto free_index;
    pthread_mutex_init(&ix->writing, NULL);
    *out = &ix->index;
    return 0;
free_index:
    free(ix);
    return rc;
}
