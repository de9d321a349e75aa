/* Orders and an index of a user's, and how tests change an index and look at it. */
#ifndef INDEX_HELPERS_H
#define INDEX_HELPERS_H

#include "index.h"
#include "diskv.h"
#include "util.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct key {
    size_t len;
    char bytes[DISKV_KEY_MAX];
};

/* --- Orders --- */

static inline int reverse(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)ctx;
    return bytes_compare(b, b_len, a, a_len);
}

static inline int letter(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static inline int ignore_case(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)ctx;
    for (size_t i = 0; i < a_len && i < b_len; i++)
        if (letter(a[i]) != letter(b[i]))
            return letter(a[i]) - letter(b[i]);
    return (a_len > b_len) - (a_len < b_len);
}

/* Moves past a number; returns its digits without zeros before them. */
static const char *number(const char **s, const char *end, size_t *len)
{
    while (*s < end && **s == '0')
        ++*s;
    const char *digits = *s;
    while (*s < end && **s >= '0' && **s <= '9')
        ++*s;
    *len = (size_t)(*s - digits);
    return digits;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits are numbers: v9 comes before v10, and v9 and v09 are equal. */
static inline int by_number(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)ctx;
    const char *a_end = a + a_len, *b_end = b + b_len;
    while (a < a_end && b < b_end) {
        int order = (unsigned char)*a - (unsigned char)*b;
        if (is_digit(*a) && is_digit(*b)) {
            size_t x_len, y_len;
            const char *x = number(&a, a_end, &x_len), *y = number(&b, b_end, &y_len);
            order = x_len != y_len ? (x_len > y_len ? 1 : -1) : memcmp(x, y, x_len);
        } else {
            a++;
            b++;
        }
        if (order)
            return order;
    }
    return (a < a_end) - (b < b_end);
}

static inline int compare_in(diskv_compare *compare, const char *a, size_t a_len, const char *b,
                             size_t b_len)
{
    int order = compare && a_len && b_len ? compare(NULL, a, a_len, b, b_len) : 0;
    return order ? order : bytes_compare(a, a_len, b, b_len);
}

/* --- A user's index: a sorted array --- */

struct sorted {
    struct diskv_index user;
    pthread_mutex_t lock;
    diskv_compare *compare;
    struct key **keys;
    size_t count, cap;
};

/* Where the first key lies that is `key` or comes after it. */
static inline size_t sorted_place(struct sorted *s, const char *key, size_t len)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct key *k = s->keys[middle];
        if (compare_in(s->compare, k->bytes, k->len, key, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline bool sorted_is(struct sorted *s, size_t at, const char *key, size_t len)
{
    return at < s->count && s->keys[at]->len == len && memcmp(s->keys[at]->bytes, key, len) == 0;
}

static inline int sorted_insert(void *ctx, const char *key, size_t len)
{
    struct sorted *s = ctx;
    pthread_mutex_lock(&s->lock);
    size_t at = sorted_place(s, key, len);
    if (!sorted_is(s, at, key, len)) {
        if (s->count == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 16;
            s->keys = realloc(s->keys, s->cap * sizeof(struct key *));
        }
        memmove(&s->keys[at + 1], &s->keys[at], (s->count++ - at) * sizeof(struct key *));
        s->keys[at] = malloc(sizeof(struct key));
        s->keys[at]->len = len;
        memcpy(s->keys[at]->bytes, key, len);
    }
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static inline int sorted_erase(void *ctx, const char *key, size_t len)
{
    struct sorted *s = ctx;
    pthread_mutex_lock(&s->lock);
    size_t at = sorted_place(s, key, len);
    if (sorted_is(s, at, key, len)) {
        free(s->keys[at]);
        memmove(&s->keys[at], &s->keys[at + 1], (--s->count - at) * sizeof(struct key *));
    }
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static inline int sorted_seek(void *ctx, const char *from, size_t from_len, bool after, char *key,
                              size_t *len)
{
    struct sorted *s = ctx;
    pthread_mutex_lock(&s->lock);
    size_t at = sorted_place(s, from, from_len);
    if (after && sorted_is(s, at, from, from_len))
        at++;
    bool found = at < s->count;
    if (found) {
        *len = s->keys[at]->len;
        memcpy(key, s->keys[at]->bytes, *len);
    }
    pthread_mutex_unlock(&s->lock);
    return found ? 0 : DISKV_ENOTFOUND;
}

static inline uint64_t sorted_count(void *ctx)
{
    struct sorted *s = ctx;
    pthread_mutex_lock(&s->lock);
    size_t count = s->count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

static inline struct sorted *sorted_new(diskv_compare *compare)
{
    struct sorted *s = calloc(1, sizeof *s);
    s->user = (struct diskv_index){s, sorted_insert, sorted_erase, sorted_seek, sorted_count};
    s->compare = compare;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static inline void sorted_free(struct sorted *s)
{
    for (size_t i = 0; s && i < s->count; i++)
        free(s->keys[i]);
    if (s)
        free(s->keys);
    free(s);
}

/* --- Changing and looking --- */

static inline void change(struct index *index, bool erase, const char *key, size_t len)
{
    struct index_change one = {erase, key, len};
    assert_int_equal(index->ops->apply(index, &one, 1), 0);
}

static inline void insert_all(struct index *index, const struct key *keys, size_t count)
{
    struct index_change changes[100];
    for (size_t i = 0; i < count;) {
        size_t n = 0;
        for (; n < array_len(changes) && i < count; n++, i++)
            changes[n] = (struct index_change){false, keys[i].bytes, keys[i].len};
        assert_int_equal(index->ops->apply(index, changes, n), 0);
    }
}

static inline void assert_at(const struct index_cursor *cursor, const struct key *expected)
{
    const char *key;
    size_t len;
    cursor->ops->cursor_key(cursor, &key, &len);
    assert_int_equal(len, expected->len);
    assert_memory_equal(key, expected->bytes, len);
}

/* The index holds these and nothing else, and gives them in this order. */
static inline void assert_keys(struct index *index, const struct key *keys, size_t count)
{
    struct index_cursor *c;
    assert_int_equal(index->ops->count(index), count);
    assert_int_equal(index->ops->cursor_open(index, &c), 0);
    int rc = c->ops->cursor_seek(c, "", 0);
    for (size_t i = 0; i < count; i++, rc = c->ops->cursor_next(c)) {
        assert_int_equal(rc, 0);
        assert_at(c, &keys[i]);
    }
    assert_int_equal(rc, DISKV_ENOTFOUND);
    c->ops->cursor_close(c);
}

#endif
