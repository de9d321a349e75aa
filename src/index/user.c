#include "index.h"

#include "diskv.h"
#include "util.h"

struct user_index {
    struct index index;
    const struct diskv_index *user;
    struct index *notes; /* and no keys */
};

/* After each power of two of moves it marks the key it is at: in an order it meets it no more. */
struct user_cursor {
    struct index_cursor cursor;
    const struct diskv_index *user;
    size_t len, mark_len;
    uint64_t moves, mark_at;
    char key[DISKV_KEY_MAX], mark[DISKV_KEY_MAX];
};

static struct user_index *user_of(struct index *index)
{
    return container_of(index, struct user_index, index);
}

static struct user_cursor *cursor_of(struct index_cursor *cursor)
{
    return container_of(cursor, struct user_cursor, cursor);
}

/* What a user's function returned, where it is an answer. */
static int answer(int rc)
{
    switch (rc) {
    case 0:
#define KNOWN(name, code, text) case DISKV_##name:
        DISKV_ERRORS(KNOWN)
#undef KNOWN
        return rc;
    default:
        return DISKV_EIO;
    }
}

/* --- Keys --- */

static int user_apply(struct index *index, const struct index_change *changes, size_t count)
{
    const struct diskv_index *user = user_of(index)->user;
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = answer((changes[i].erase ? user->erase : user->insert)(user->ctx, changes[i].key,
                                                                    changes[i].len));
    return rc;
}

static uint64_t user_count(struct index *index)
{
    const struct diskv_index *user = user_of(index)->user;
    return user->count(user->ctx);
}

/* --- Cursors --- */

static int user_cursor_open(struct index *index, struct index_cursor **out)
{
    struct user_cursor *c = calloc(1, sizeof *c);
    if (!c)
        return DISKV_ENOMEM;
    c->cursor.ops = index->ops;
    c->user = user_of(index)->user;
    *out = &c->cursor;
    return 0;
}

static int cursor_move(struct user_cursor *c, const char *from, size_t from_len, bool after)
{
    char key[DISKV_KEY_MAX] = "";
    size_t len = 0;
    int rc = answer(c->user->seek(c->user->ctx, from, from_len, after, key, &len));
    if (rc)
        return rc;
    if (!diskv_key_valid(key, len) || (after && bytes_compare(key, len, from, from_len) == 0))
        return DISKV_ECORRUPT;
    memcpy(c->key, key, len);
    c->len = len;
    return 0;
}

static void cursor_mark(struct user_cursor *c)
{
    memcpy(c->mark, c->key, c->len);
    c->mark_len = c->len;
    c->mark_at = 2 * c->moves;
}

static int user_cursor_seek(struct index_cursor *cursor, const char *key, size_t len)
{
    struct user_cursor *c = cursor_of(cursor);
    int rc = cursor_move(c, key, len, false);
    if (rc)
        return rc;
    c->moves = 1;
    cursor_mark(c);
    return 0;
}

static int user_cursor_next(struct index_cursor *cursor)
{
    struct user_cursor *c = cursor_of(cursor);
    int rc = cursor_move(c, c->key, c->len, true);
    if (rc)
        return rc;
    if (bytes_compare(c->key, c->len, c->mark, c->mark_len) == 0)
        return DISKV_ECORRUPT;
    if (++c->moves == c->mark_at)
        cursor_mark(c);
    return 0;
}

static void user_cursor_key(const struct index_cursor *cursor, const char **key, size_t *len)
{
    const struct user_cursor *c = (const struct user_cursor *)cursor;
    *key = c->key;
    *len = c->len;
}

static void user_cursor_close(struct index_cursor *cursor)
{
    free(cursor_of(cursor));
}

/* --- Notes --- */

static int user_note_get(struct index *index, const char *name, size_t name_len, void *value,
                         size_t *len)
{
    struct index *notes = user_of(index)->notes;
    return notes->ops->note_get(notes, name, name_len, value, len);
}

static int user_note_set(struct index *index, const char *name, size_t name_len, const void *value,
                         size_t len)
{
    struct index *notes = user_of(index)->notes;
    return notes->ops->note_set(notes, name, name_len, value, len);
}

static int user_note_erase(struct index *index, const char *name, size_t name_len)
{
    struct index *notes = user_of(index)->notes;
    return notes->ops->note_erase(notes, name, name_len);
}

static int user_note_each(struct index *index,
                          int (*visit)(void *ctx, const char *name, size_t name_len,
                                       const void *value, size_t len),
                          void *ctx)
{
    struct index *notes = user_of(index)->notes;
    return notes->ops->note_each(notes, visit, ctx);
}

static void user_free(struct index *index)
{
    struct user_index *ix = user_of(index);
    ix->notes->ops->free(ix->notes);
    free(ix);
}

static const struct index_ops user_ops = {
    .name = "user",
    .free = user_free,
    .apply = user_apply,
    .count = user_count,
    .cursor_open = user_cursor_open,
    .cursor_seek = user_cursor_seek,
    .cursor_next = user_cursor_next,
    .cursor_key = user_cursor_key,
    .cursor_close = user_cursor_close,
    .note_get = user_note_get,
    .note_set = user_note_set,
    .note_erase = user_note_erase,
    .note_each = user_note_each,
};

int index_user_new(const struct diskv_index *user, struct index **out)
{
    if (!user->insert || !user->erase || !user->seek || !user->count)
        return DISKV_EINVAL;
    struct user_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return DISKV_ENOMEM;
    int rc = index_memory_new(NULL, NULL, &ix->notes);
    if (rc) {
        free(ix);
        return rc;
    }
    ix->index.ops = &user_ops;
    ix->user = user;
    *out = &ix->index;
    return 0;
}
