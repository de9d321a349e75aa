#include "index.h"

#include "diskv.h"
#include "util.h"

#include <pthread.h>

#define HEIGHT_MAX 24

/* A skip list: a node of height h is linked into the lists of levels 0 to h - 1. Behind the links
 * lie the key and, for a note, its value. */
struct node {
    size_t len;
    size_t value_len;
    size_t height;
    struct node *next[];
};

struct list {
    struct node *first[HEIGHT_MAX];
    uint64_t count;
    diskv_compare *compare; /* the user's, or NULL */
    void *compare_ctx;
};

struct memory_index {
    struct index index;
    pthread_rwlock_t lock;
    struct list keys;
    struct list notes;
    uint64_t random;
};

/* Knows its key and not its node, which may be erased meanwhile. */
struct memory_cursor {
    struct index_cursor cursor;
    struct memory_index *index;
    size_t len;
    char key[DISKV_KEY_MAX];
};

static struct memory_index *memory_of(struct index *index)
{
    return container_of(index, struct memory_index, index);
}

static struct memory_cursor *cursor_of(struct index_cursor *cursor)
{
    return container_of(cursor, struct memory_cursor, cursor);
}

/* --- The list --- */

static char *node_key(struct node *node)
{
    return (char *)&node->next[node->height];
}

static struct node *node_new(const char *key, size_t len, const void *value, size_t value_len,
                             uint64_t random)
{
    size_t height = 1 + (size_t)__builtin_ctzll(random | UINT64_C(1) << (HEIGHT_MAX - 1));
    struct node *node = malloc(sizeof *node + height * sizeof node->next[0] + len + value_len);
    if (!node)
        return NULL;
    node->len = len;
    node->value_len = value_len;
    node->height = height;
    memcpy(node_key(node), key, len);
    if (value_len)
        memcpy(node_key(node) + len, value, value_len);
    return node;
}

/* The user's order, made total by that of bytes; "" comes before all in either. */
static int list_compare(const struct list *list, const char *a, size_t a_len, const char *b,
                        size_t b_len)
{
    int order = 0;
    if (list->compare && a_len && b_len)
        order = list->compare(list->compare_ctx, a, a_len, b, b_len);
    return order ? order : bytes_compare(a, a_len, b, b_len);
}

/* The first node at `key` or after it, with `after` only after it, NULL where there is none;
 * `links[level]` is set to the link of each level that leads to it or past it. */
static struct node *list_find(struct list *list, const char *key, size_t len, bool after,
                              struct node **links[static HEIGHT_MAX])
{
    struct node **next = list->first;
    for (size_t level = HEIGHT_MAX; level-- > 0;) {
        for (struct node *node; (node = next[level]); next = node->next)
            if (list_compare(list, node_key(node), node->len, key, len) >= after)
                break;
        links[level] = &next[level];
    }
    return next[0];
}

static struct node *list_get(struct list *list, const char *key, size_t len,
                             struct node **links[static HEIGHT_MAX])
{
    struct node *node = list_find(list, key, len, false, links);
    return node && bytes_compare(node_key(node), node->len, key, len) == 0 ? node : NULL;
}

static void list_erase(struct list *list, const char *key, size_t len)
{
    struct node **links[HEIGHT_MAX], *node = list_get(list, key, len, links);
    if (!node)
        return;
    for (size_t level = 0; level < node->height; level++) {
        if (*links[level] != node) /* a user's order that is none leads elsewhere */
            for (links[level] = &list->first[level]; *links[level] != node;)
                links[level] = &(*links[level])->next[level];
        *links[level] = node->next[level];
    }
    list->count--;
    free(node);
}

/* Takes `node` over, in place of one with the same key. */
static void list_insert(struct list *list, struct node *node)
{
    struct node **links[HEIGHT_MAX];
    list_erase(list, node_key(node), node->len);
    list_find(list, node_key(node), node->len, false, links);
    for (size_t level = 0; level < node->height; level++) {
        node->next[level] = *links[level];
        *links[level] = node;
    }
    list->count++;
}

static void list_free(struct list *list)
{
    for (struct node *node = list->first[0], *next; node; node = next) {
        next = node->next[0];
        free(node);
    }
}

/* --- Changes --- */

/* Under the lock for writing. */
static struct node *memory_node(struct memory_index *ix, const char *key, size_t len,
                                const void *value, size_t value_len)
{
    ix->random = ix->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return node_new(key, len, value, value_len, ix->random >> 32);
}

/* Makes a node for each insertion, linked in order through `next[0]`. */
static int memory_prepare(struct memory_index *ix, const struct index_change *changes, size_t count,
                          struct list *nodes)
{
    struct node **last = &nodes->first[0];
    for (size_t i = 0; i < count; i++) {
        if (changes[i].erase)
            continue;
        struct node *node = memory_node(ix, changes[i].key, changes[i].len, NULL, 0);
        *last = node;
        if (!node)
            return DISKV_ENOMEM;
        last = &node->next[0];
    }
    *last = NULL;
    return 0;
}

static int memory_apply(struct index *index, const struct index_change *changes, size_t count)
{
    struct memory_index *ix = memory_of(index);
    struct list nodes = {0};
    pthread_rwlock_wrlock(&ix->lock);
    int rc = memory_prepare(ix, changes, count, &nodes);
    if (rc)
        goto free_nodes;
    for (size_t i = 0; i < count; i++) {
        struct node *node = nodes.first[0];
        if (changes[i].erase) {
            list_erase(&ix->keys, changes[i].key, changes[i].len);
        } else if (node) {
            nodes.first[0] = node->next[0];
            list_insert(&ix->keys, node);
        }
    }
free_nodes:
    list_free(&nodes);
    pthread_rwlock_unlock(&ix->lock);
    return rc;
}

static uint64_t memory_count(struct index *index)
{
    struct memory_index *ix = memory_of(index);
    pthread_rwlock_rdlock(&ix->lock);
    uint64_t count = ix->keys.count;
    pthread_rwlock_unlock(&ix->lock);
    return count;
}

/* --- Cursors --- */

static int memory_cursor_open(struct index *index, struct index_cursor **out)
{
    struct memory_cursor *c = calloc(1, sizeof *c);
    if (!c)
        return DISKV_ENOMEM;
    c->cursor.ops = index->ops;
    c->index = memory_of(index);
    *out = &c->cursor;
    return 0;
}

static int cursor_move(struct memory_cursor *c, const char *key, size_t len, bool after)
{
    struct node **links[HEIGHT_MAX];
    pthread_rwlock_rdlock(&c->index->lock);
    struct node *node = list_find(&c->index->keys, key, len, after, links);
    if (node) {
        c->len = node->len;
        memcpy(c->key, node_key(node), node->len);
    }
    pthread_rwlock_unlock(&c->index->lock);
    return node ? 0 : DISKV_ENOTFOUND;
}

static int memory_cursor_seek(struct index_cursor *cursor, const char *key, size_t len)
{
    return cursor_move(cursor_of(cursor), key, len, false);
}

static int memory_cursor_next(struct index_cursor *cursor)
{
    struct memory_cursor *c = cursor_of(cursor);
    return cursor_move(c, c->key, c->len, true);
}

static void memory_cursor_key(const struct index_cursor *cursor, const char **key, size_t *len)
{
    const struct memory_cursor *c = (const struct memory_cursor *)cursor;
    *key = c->key;
    *len = c->len;
}

static void memory_cursor_close(struct index_cursor *cursor)
{
    free(cursor_of(cursor));
}

/* --- Notes --- */

static int memory_note_get(struct index *index, const char *name, size_t name_len, void *value,
                           size_t *len)
{
    struct memory_index *ix = memory_of(index);
    struct node **links[HEIGHT_MAX];
    pthread_rwlock_rdlock(&ix->lock);
    struct node *node = list_get(&ix->notes, name, name_len, links);
    if (node) {
        *len = node->value_len;
        memcpy(value, node_key(node) + node->len, node->value_len);
    }
    pthread_rwlock_unlock(&ix->lock);
    return node ? 0 : DISKV_ENOTFOUND;
}

static int memory_note_set(struct index *index, const char *name, size_t name_len,
                           const void *value, size_t len)
{
    struct memory_index *ix = memory_of(index);
    pthread_rwlock_wrlock(&ix->lock);
    struct node *node = memory_node(ix, name, name_len, value, len);
    if (node)
        list_insert(&ix->notes, node);
    pthread_rwlock_unlock(&ix->lock);
    return node ? 0 : DISKV_ENOMEM;
}

static int memory_note_erase(struct index *index, const char *name, size_t name_len)
{
    struct memory_index *ix = memory_of(index);
    pthread_rwlock_wrlock(&ix->lock);
    list_erase(&ix->notes, name, name_len);
    pthread_rwlock_unlock(&ix->lock);
    return 0;
}

static int memory_note_each(struct index *index,
                            int (*visit)(void *ctx, const char *name, size_t name_len,
                                         const void *value, size_t len),
                            void *ctx)
{
    struct memory_index *ix = memory_of(index);
    int rc = 0;
    pthread_rwlock_rdlock(&ix->lock);
    for (struct node *node = ix->notes.first[0]; node && !rc; node = node->next[0])
        rc = visit(ctx, node_key(node), node->len, node_key(node) + node->len, node->value_len);
    pthread_rwlock_unlock(&ix->lock);
    return rc;
}

static void memory_free(struct index *index)
{
    struct memory_index *ix = memory_of(index);
    list_free(&ix->keys);
    list_free(&ix->notes);
    pthread_rwlock_destroy(&ix->lock);
    free(ix);
}

static const struct index_ops memory_ops = {
    .name = "memory",
    .free = memory_free,
    .apply = memory_apply,
    .count = memory_count,
    .cursor_open = memory_cursor_open,
    .cursor_seek = memory_cursor_seek,
    .cursor_next = memory_cursor_next,
    .cursor_key = memory_cursor_key,
    .cursor_close = memory_cursor_close,
    .note_get = memory_note_get,
    .note_set = memory_note_set,
    .note_erase = memory_note_erase,
    .note_each = memory_note_each,
};

int index_memory_new(diskv_compare *compare, void *ctx, struct index **out)
{
    struct memory_index *ix = calloc(1, sizeof *ix);
    if (!ix)
        return DISKV_ENOMEM;
    ix->index.ops = &memory_ops;
    ix->random = 1;
    ix->keys.compare = compare;
    ix->keys.compare_ctx = ctx;
    pthread_rwlock_init(&ix->lock, NULL);
    *out = &ix->index;
    return 0;
}
