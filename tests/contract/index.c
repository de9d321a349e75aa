/* What every kind of index promises. */
#include "index.h"
#include "diskv.h"
#include "util.h"
#include "random.h"
#include "tempdir.h"

#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <cmocka.h>

#define SEEK_MAX (DISKV_KEY_MAX + 2)
#define LASTING  200 /* keys that stay while others come and go */

struct key {
    size_t len;
    char bytes[DISKV_KEY_MAX];
};

/* --- Orders --- */

static int reverse(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)ctx;
    return bytes_compare(b, b_len, a, a_len);
}

static int letter(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static int ignore_case(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
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

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits are numbers: v9 comes before v10, and v9 and v09 are equal. */
static int by_number(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
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

static int compare_in(diskv_compare *compare, const char *a, size_t a_len, const char *b,
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
static size_t sorted_place(struct sorted *s, const char *key, size_t len)
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

static bool sorted_is(struct sorted *s, size_t at, const char *key, size_t len)
{
    return at < s->count && s->keys[at]->len == len && memcmp(s->keys[at]->bytes, key, len) == 0;
}

static int sorted_insert(void *ctx, const char *key, size_t len)
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

static int sorted_erase(void *ctx, const char *key, size_t len)
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

static int sorted_seek(void *ctx, const char *from, size_t from_len, bool after, char *key,
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

static uint64_t sorted_count(void *ctx)
{
    struct sorted *s = ctx;
    pthread_mutex_lock(&s->lock);
    size_t count = s->count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

static struct sorted *sorted_new(diskv_compare *compare)
{
    struct sorted *s = calloc(1, sizeof *s);
    s->user = (struct diskv_index){s, sorted_insert, sorted_erase, sorted_seek, sorted_count};
    s->compare = compare;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void sorted_free(struct sorted *s)
{
    for (size_t i = 0; s && i < s->count; i++)
        free(s->keys[i]);
    if (s)
        free(s->keys);
    free(s);
}

/* --- Kinds of index --- */

struct kind {
    const char *name;
    enum { MEMORY, LMDB, USER } is;
    diskv_compare *compare;
};

struct fixture {
    struct index *index;
    const struct kind *kind;
    struct random *random;
    struct sorted *sorted;
    char dir[TEMPDIR_SIZE];
};

static struct random random_numbers;

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->kind = *state;
    f->random = &random_numbers;
    *state = f;
    if (f->kind->is == MEMORY)
        return index_memory_new(f->kind->compare, NULL, &f->index);
    if (f->kind->is == USER) {
        f->sorted = sorted_new(f->kind->compare);
        return index_user_new(&f->sorted->user, &f->index);
    }
    tempdir_new(f->dir);
    bool fresh;
    return index_lmdb_open(f->dir, &fresh, &f->index);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->index->ops->free(f->index);
    if (f->dir[0])
        tempdir_remove(f->dir);
    sorted_free(f->sorted);
    free(f);
    return 0;
}

/* --- Helpers --- */

static void change(struct index *index, bool erase, const char *key, size_t len)
{
    struct index_change one = {erase, key, len};
    assert_int_equal(index->ops->apply(index, &one, 1), 0);
}

static void insert(struct index *index, const char *key)
{
    change(index, false, key, strlen(key));
}

static void erase(struct index *index, const char *key)
{
    change(index, true, key, strlen(key));
}

static int compare_keys(const void *a, const void *b, void *fixture)
{
    const struct key *x = a, *y = b;
    const struct fixture *f = fixture;
    return compare_in(f->kind->compare, x->bytes, x->len, y->bytes, y->len);
}

/* Sorts `keys` as the index does and drops what is there twice; returns how many are left. */
static size_t sort_keys(struct fixture *f, struct key *keys, size_t count)
{
    size_t n = 0;
    qsort_r(keys, count, sizeof *keys, compare_keys, f);
    for (size_t i = 0; i < count; i++)
        if (n == 0 || compare_keys(&keys[n - 1], &keys[i], f) != 0)
            keys[n++] = keys[i];
    return n;
}

/* A key of up to `max` bytes; most share a long beginning with others. */
static struct key random_key(struct random *r, size_t max)
{
    static const size_t shared[] = {0, 0, 3, 509, 510, 511, 512, 900};
    struct key key = {.len = 1 + random_below(r, max)};
    size_t same = shared[random_below(r, array_len(shared))];
    for (size_t i = 0; i < key.len; i++)
        key.bytes[i] = i < same ? 'x' : "\x01 /09aAz~\x7F"[random_below(r, 10)];
    if (same >= 509 && random_below(r, 2)) /* few bytes behind it: neighbours are near */
        key.len = key.len < same + 3 ? key.len : same + 3;
    return key;
}

static void insert_all(struct index *index, const struct key *keys, size_t count)
{
    struct index_change changes[100];
    for (size_t i = 0; i < count;) {
        size_t n = 0;
        for (; n < array_len(changes) && i < count; n++, i++)
            changes[n] = (struct index_change){false, keys[i].bytes, keys[i].len};
        assert_int_equal(index->ops->apply(index, changes, n), 0);
    }
}

static void assert_at(const struct index_cursor *cursor, const struct key *expected)
{
    const char *key;
    size_t len;
    cursor->ops->cursor_key(cursor, &key, &len);
    assert_int_equal(len, expected->len);
    assert_memory_equal(key, expected->bytes, len);
}

/* The index holds these and nothing else, and gives them in this order. */
static void assert_keys(struct index *index, const struct key *keys, size_t count)
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

/* A seek to `bytes` stops at the first of the sorted `keys` that is not before it. */
static void assert_seek(struct fixture *f, struct index_cursor *c, const struct key *keys,
                        size_t count, const char *bytes, size_t len)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct key *k = &keys[middle];
        if (compare_in(f->kind->compare, k->bytes, k->len, bytes, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    int rc = c->ops->cursor_seek(c, bytes, len);
    assert_int_equal(rc, low < count ? 0 : DISKV_ENOTFOUND);
    if (rc)
        return;
    assert_at(c, &keys[low]);
    assert_int_equal(c->ops->cursor_next(c), low + 1 < count ? 0 : DISKV_ENOTFOUND);
    if (low + 1 < count)
        assert_at(c, &keys[low + 1]);
}

/* Seeks to each key, just before it and just after it. */
static void assert_seeks_around(struct fixture *f, const struct key *keys, size_t count)
{
    struct index_cursor *c;
    assert_int_equal(f->index->ops->cursor_open(f->index, &c), 0);
    for (size_t i = 0; i < count; i++) {
        char near[SEEK_MAX];
        memcpy(near, keys[i].bytes, keys[i].len);
        assert_seek(f, c, keys, count, near, keys[i].len);
        assert_seek(f, c, keys, count, near, keys[i].len - 1);
        near[keys[i].len] = '\0';
        assert_seek(f, c, keys, count, near, keys[i].len + 1);
        near[keys[i].len] = '\xFF';
        assert_seek(f, c, keys, count, near, keys[i].len + 1);
        near[keys[i].len - 1]--;
        assert_seek(f, c, keys, count, near, keys[i].len);
        assert_seek(f, c, keys, count, near, keys[i].len + 1);
    }
    c->ops->cursor_close(c);
}

/* --- Keys --- */

static void a_new_index_is_empty(void **state)
{
    struct fixture *f = *state;
    assert_keys(f->index, NULL, 0);
}

static void keys_come_in_order(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 5000 };
    struct key *keys = calloc(COUNT, sizeof *keys);
    for (size_t i = 0; i < COUNT; i++)
        keys[i] = random_key(f->random, i % 2 ? DISKV_KEY_MAX : 40);
    insert_all(f->index, keys, COUNT);
    size_t count = sort_keys(f, keys, COUNT);
    assert_keys(f->index, keys, count);
    assert_seeks_around(f, keys, count);
    free(keys);
}

static void keys_with_the_same_first_511_bytes_keep_their_order(void **state)
{
    struct fixture *f = *state;
    static const size_t lengths[] = {1, 2, 509, 510, 511, 512, 513, 514, 999, 1000};
    struct key keys[2 * array_len(lengths)];
    for (size_t i = 0; i < array_len(keys); i++) {
        keys[i].len = lengths[i / 2];
        memset(keys[i].bytes, 'x', keys[i].len);
        keys[i].bytes[keys[i].len - 1] = "xy"[i % 2];
    }
    insert_all(f->index, keys, array_len(keys));
    assert_int_equal(sort_keys(f, keys, array_len(keys)), array_len(keys));
    assert_keys(f->index, keys, array_len(keys));
    assert_seeks_around(f, keys, array_len(keys));
    while (f->index->ops->count(f->index) > 0) { /* the middle first, the ends last */
        size_t left = f->index->ops->count(f->index), at = left / 2;
        change(f->index, true, keys[at].bytes, keys[at].len);
        memmove(&keys[at], &keys[at + 1], (left - at - 1) * sizeof keys[0]);
        assert_keys(f->index, keys, left - 1);
        assert_seeks_around(f, keys, left - 1);
    }
}

static void a_seek_past_the_last_key_finds_nothing(void **state)
{
    struct fixture *f = *state;
    struct key keys[] = {{1, "a"}, {1, "b"}, {1, "c"}};
    struct index_cursor *c;
    sort_keys(f, keys, 3);
    insert_all(f->index, &keys[1], 1);
    assert_int_equal(f->index->ops->cursor_open(f->index, &c), 0);
    assert_int_equal(c->ops->cursor_seek(c, keys[2].bytes, 1), DISKV_ENOTFOUND);
    assert_int_equal(c->ops->cursor_seek(c, keys[0].bytes, 1), 0);
    assert_int_equal(c->ops->cursor_next(c), DISKV_ENOTFOUND);
    assert_int_equal(c->ops->cursor_seek(c, "", 0), 0);
    assert_at(c, &keys[1]);
    c->ops->cursor_close(c);
}

static void a_cursor_goes_on_from_a_key_that_was_erased(void **state)
{
    struct fixture *f = *state;
    struct key keys[] = {{1, "a"}, {1, "A"}, {1, "b"}, {2, "09"}, {1, "9"}, {2, "10"}};
    struct index_cursor *c;
    size_t count = sort_keys(f, keys, array_len(keys));
    insert_all(f->index, keys, count);
    assert_int_equal(f->index->ops->cursor_open(f->index, &c), 0);
    assert_int_equal(c->ops->cursor_seek(c, "", 0), 0);
    for (size_t i = 0; i < count; i++) {
        assert_at(c, &keys[i]);
        change(f->index, true, keys[i].bytes, keys[i].len);
        assert_int_equal(c->ops->cursor_next(c), i + 1 < count ? 0 : DISKV_ENOTFOUND);
    }
    c->ops->cursor_close(c);
}

static void inserting_what_is_there_and_erasing_what_is_not_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct key expected[] = {{1, "a"}, {2, "ab"}};
    insert(f->index, "a");
    insert(f->index, "ab");
    insert(f->index, "a");
    erase(f->index, "b");
    erase(f->index, "abc");
    assert_int_equal(f->index->ops->apply(f->index, NULL, 0), 0);
    assert_keys(f->index, expected, sort_keys(f, expected, 2));
}

static void changes_of_one_call_are_made_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct key expected[] = {{1, "b"}, {1, "c"}};
    insert(f->index, "a");
    const struct index_change changes[] = {
        {true, "a", 1},  {false, "a", 1}, {true, "a", 1},  {true, "b", 1},
        {false, "b", 1}, {false, "c", 1}, {false, "c", 1},
    };
    assert_int_equal(f->index->ops->apply(f->index, changes, array_len(changes)), 0);
    assert_keys(f->index, expected, sort_keys(f, expected, 2));
}

/* Random inserts and erases, many to a call, against an array of what should be there. */
static void any_sequence_of_changes_leaves_what_it_says(void **state)
{
    struct fixture *f = *state;
    enum { UNIVERSE = 600, ROUNDS = 300 };
    struct key *keys = calloc(UNIVERSE, sizeof *keys), *there = calloc(UNIVERSE, sizeof *keys);
    bool present[UNIVERSE] = {false};
    for (size_t i = 0; i < UNIVERSE; i++)
        keys[i] = random_key(f->random, DISKV_KEY_MAX);
    size_t count = sort_keys(f, keys, UNIVERSE);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct index_change changes[200];
        size_t n = random_below(f->random, array_len(changes)), left = 0;
        size_t erase_percent = random_below(f->random, 101);
        for (size_t i = 0; i < n; i++) {
            size_t k = random_below(f->random, count);
            present[k] = random_below(f->random, 100) >= erase_percent;
            changes[i] = (struct index_change){!present[k], keys[k].bytes, keys[k].len};
        }
        assert_int_equal(f->index->ops->apply(f->index, changes, n), 0);
        for (size_t k = 0; k < count; k++)
            if (present[k])
                there[left++] = keys[k];
        assert_keys(f->index, there, left);
    }
    free(there);
    free(keys);
}

/* --- Several threads --- */

struct shared {
    struct index *index;
    atomic_bool stop;
    atomic_int next;
    atomic_int rc;
};

static void number_key(char key[16], const char *prefix, size_t number)
{
    snprintf(key, 16, "%s%08zu", prefix, number);
}

/* Inserts a key behind each lasting one, then erases them, and so on. */
static void *come_and_go(void *arg)
{
    struct shared *s = arg;
    for (size_t i = 0; !s->stop && !s->rc; i++) {
        char key[16];
        number_key(key, "k", i * 7 % LASTING * 10 + 5);
        struct index_change one = {i / LASTING % 2 == 1, key, strlen(key)};
        s->rc = s->index->ops->apply(s->index, &one, 1);
    }
    return NULL;
}

static void a_scan_meets_every_lasting_key_once_while_others_come_and_go(void **state)
{
    struct fixture *f = *state;
    enum { SCANS = 200 };
    struct shared shared = {.index = f->index};
    static struct key lasting[LASTING];
    for (size_t i = 0; i < LASTING; i++) {
        number_key(lasting[i].bytes, "k", i * 10);
        lasting[i].len = strlen(lasting[i].bytes);
    }
    sort_keys(f, lasting, LASTING);
    insert_all(f->index, lasting, LASTING);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &shared), 0);
    for (size_t i = 0; i < SCANS; i++) {
        struct index_cursor *c;
        struct key last = {0}, at;
        size_t met = 0;
        assert_int_equal(f->index->ops->cursor_open(f->index, &c), 0);
        int rc = c->ops->cursor_seek(c, "", 0);
        for (; !rc; rc = c->ops->cursor_next(c), last = at) {
            const char *key;
            c->ops->cursor_key(c, &key, &at.len);
            memcpy(at.bytes, key, at.len);
            assert_true(compare_keys(&last, &at, f) < 0);
            if (key[at.len - 1] == '0')
                assert_at(c, &lasting[met++]);
        }
        assert_int_equal(rc, DISKV_ENOTFOUND);
        assert_int_equal(met, LASTING);
        c->ops->cursor_close(c);
    }
    shared.stop = true;
    pthread_join(thread, NULL);
    assert_int_equal(shared.rc, 0);
}

static void a_cursor_sees_all_that_was_applied_before_it_was_opened(void **state)
{
    struct fixture *f = *state;
    struct index_cursor *old;
    assert_int_equal(f->index->ops->cursor_open(f->index, &old), 0);
    for (size_t i = 0; i < 1000; i++) {
        struct index_cursor *c;
        char key[16];
        number_key(key, "k", i);
        insert(f->index, key);
        assert_int_equal(f->index->ops->cursor_open(f->index, &c), 0);
        assert_int_equal(c->ops->cursor_seek(c, key, strlen(key)), 0);
        c->ops->cursor_close(c);
    }
    old->ops->cursor_close(old);
}

/* Inserts a thousand keys of its own, ten at a time, and erases every tenth. */
static void *insert_own(void *arg)
{
    struct shared *s = arg;
    size_t own = (size_t)s->next++ * 1000;
    for (size_t i = 0; i < 1000; i += 10) {
        char keys[10][16];
        struct index_change changes[11];
        for (size_t k = 0; k < 10; k++) {
            number_key(keys[k], "k", own + i + k);
            changes[k] = (struct index_change){false, keys[k], strlen(keys[k])};
        }
        changes[10] = (struct index_change){true, keys[0], strlen(keys[0])};
        if (s->index->ops->apply(s->index, changes, array_len(changes)))
            s->rc = -1;
    }
    return NULL;
}

static void many_threads_may_write_at_once(void **state)
{
    struct fixture *f = *state;
    struct shared shared = {.index = f->index};
    pthread_t threads[8];
    for (size_t i = 0; i < array_len(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, insert_own, &shared), 0);
    while (f->kind->is != USER && !shared.rc && /* each call's changes or none */
           f->index->ops->count(f->index) < array_len(threads) * 900)
        assert_int_equal(f->index->ops->count(f->index) % 9, 0);
    for (size_t i = 0; i < array_len(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.rc, 0);
    struct key *keys = calloc(array_len(threads) * 900, sizeof *keys);
    size_t count = 0;
    for (size_t i = 0; i < array_len(threads) * 1000; i++) {
        if (i % 10 == 0)
            continue;
        number_key(keys[count].bytes, "k", i);
        keys[count].len = strlen(keys[count].bytes);
        count++;
    }
    assert_keys(f->index, keys, sort_keys(f, keys, count));
    free(keys);
}

/* --- Notes --- */

static void assert_note(struct index *index, const char *name, size_t name_len, const char *value,
                        size_t len)
{
    char found[INDEX_NOTE_VALUE_MAX];
    size_t found_len = 0;
    assert_int_equal(index->ops->note_get(index, name, name_len, found, &found_len), 0);
    assert_int_equal(found_len, len);
    assert_memory_equal(found, value, len);
}

static void a_note_is_kept_replaced_and_erased(void **state)
{
    struct fixture *f = *state;
    const struct index_ops *ops = f->index->ops;
    char value[INDEX_NOTE_VALUE_MAX];
    size_t len;
    assert_int_equal(ops->note_get(f->index, "n", 1, value, &len), DISKV_ENOTFOUND);
    assert_int_equal(ops->note_erase(f->index, "n", 1), 0);
    assert_int_equal(ops->note_set(f->index, "n", 1, "one", 3), 0);
    assert_note(f->index, "n", 1, "one", 3);
    assert_int_equal(ops->note_set(f->index, "n", 1, "three", 5), 0);
    assert_int_equal(ops->note_set(f->index, "n", 1, "three", 5), 0);
    assert_note(f->index, "n", 1, "three", 5);
    assert_int_equal(ops->note_get(f->index, "", 0, value, &len), DISKV_ENOTFOUND);
    assert_int_equal(ops->note_erase(f->index, "n", 1), 0);
    assert_int_equal(ops->note_get(f->index, "n", 1, value, &len), DISKV_ENOTFOUND);
    assert_int_equal(ops->note_erase(f->index, "n", 1), 0);
}

static void names_and_values_of_notes_may_have_any_length_and_bytes(void **state)
{
    struct fixture *f = *state;
    static const size_t lengths[] = {0, 1, 510, 511, 512, 513, 1023, 4095, 4096};
    static char name[INDEX_NOTE_NAME_MAX], value[INDEX_NOTE_VALUE_MAX];
    memset(name, '\xFF', sizeof name);
    memset(value, '\0', sizeof value);
    for (size_t i = 0; i < array_len(lengths); i++)
        assert_int_equal(f->index->ops->note_set(f->index, name, lengths[i], value, 256 - i), 0);
    for (size_t i = 0; i < array_len(lengths); i++)
        assert_note(f->index, name, lengths[i], value, 256 - i);
    assert_int_equal(f->index->ops->note_set(f->index, name, sizeof name, value, 0), 0);
    assert_note(f->index, name, sizeof name, value, 0);
}

static void notes_are_no_keys_and_keys_no_notes(void **state)
{
    struct fixture *f = *state;
    static const struct key expected[] = {{1, "k"}};
    char value[INDEX_NOTE_VALUE_MAX];
    size_t len;
    insert(f->index, "k");
    assert_int_equal(f->index->ops->note_set(f->index, "n", 1, "v", 1), 0);
    assert_int_equal(f->index->ops->note_get(f->index, "k", 1, value, &len), DISKV_ENOTFOUND);
    assert_keys(f->index, expected, 1);
}

struct visit {
    size_t seen[10];
    int stop_at;
    int count;
};

static int visit_note(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
    struct visit *v = ctx;
    assert_int_equal(name_len, 1);
    assert_int_equal(len, 2);
    assert_int_equal(*name, *(const char *)value);
    v->seen[*name - '0']++;
    return ++v->count == v->stop_at ? 77 : 0;
}

static void each_note_is_visited_once_until_the_visitor_has_enough(void **state)
{
    struct fixture *f = *state;
    struct visit all = {0}, some = {.stop_at = 3};
    assert_int_equal(f->index->ops->note_each(f->index, visit_note, &all), 0);
    assert_int_equal(all.count, 0);
    for (char c = '0'; c <= '9'; c++)
        assert_int_equal(f->index->ops->note_set(f->index, &c, 1, (char[]){c, 'v'}, 2), 0);
    assert_int_equal(f->index->ops->note_each(f->index, visit_note, &all), 0);
    for (size_t i = 0; i < array_len(all.seen); i++)
        assert_int_equal(all.seen[i], 1);
    assert_int_equal(f->index->ops->note_each(f->index, visit_note, &some), 77);
    assert_int_equal(some.count, 3);
}

/* --- Orders of the user's --- */

static void assert_order(diskv_compare *compare, const struct key *keys, size_t count)
{
    struct index *index;
    assert_int_equal(index_memory_new(compare, NULL, &index), 0);
    for (size_t i = 0; i < count; i++)
        insert_all(index, &keys[i * 5 % count], 1); /* some order, for counts that are no fives */
    assert_keys(index, keys, count);
    index->ops->free(index);
}

static void keys_may_be_in_reverse_order(void **state)
{
    (void)state;
    static const struct key keys[] = {{1, "c"}, {2, "ba"}, {1, "b"}, {1, "a"}};
    assert_order(reverse, keys, array_len(keys));
}

static void keys_that_an_order_calls_equal_are_ordered_by_their_bytes(void **state)
{
    (void)state;
    static const struct key keys[] = {{1, "A"},  {1, "a"},  {2, "AB"}, {2, "Ab"},
                                      {2, "aB"}, {2, "ab"}, {1, "C"}};
    assert_order(ignore_case, keys, array_len(keys));
}

static void numbers_in_keys_may_be_in_the_order_of_numbers(void **state)
{
    (void)state;
    static const struct key keys[] = {{2, "v1"},   {3, "v09"}, {2, "v9"}, {5, "v09.1"},
                                      {4, "v9.1"}, {3, "v10"}, {1, "w"}};
    assert_order(by_number, keys, array_len(keys));
}

static int no_order(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)a;
    (void)a_len;
    (void)b;
    (void)b_len;
    return (int)random_below(ctx, 3) - 1;
}

static void an_order_that_is_none_breaks_no_memory(void **state)
{
    (void)state;
    struct index *index;
    assert_int_equal(index_memory_new(no_order, &random_numbers, &index), 0);
    for (size_t i = 0; i < 50000; i++) {
        char key[3] = {(char)('a' + random_below(&random_numbers, 26)), (char)('a' + i % 3)};
        change(index, random_below(&random_numbers, 2), key, 2);
    }
    index->ops->free(index);
}

/* --- A user's index that is wrong --- */

/* Answers the same to every question, or with the keys "\x01", "\x02" and so on, after the last
 * of which it goes back. */
struct liar {
    struct diskv_index user;
    const char *key;
    size_t len;
    int rc;
    char last, back_to;
};

static int liar_change(void *ctx, const char *key, size_t len)
{
    struct liar *liar = ctx;
    (void)key;
    (void)len;
    return liar->rc;
}

static int liar_seek(void *ctx, const char *from, size_t from_len, bool after, char *key,
                     size_t *len)
{
    struct liar *liar = ctx;
    (void)after;
    if (liar->last) {
        *key = (char)(from_len == 0 ? 1 : *from == liar->last ? liar->back_to : *from + 1);
        *len = 1;
    } else if (liar->key) {
        memcpy(key, liar->key, liar->len < DISKV_KEY_MAX ? liar->len : DISKV_KEY_MAX);
        *len = liar->len;
    }
    return liar->rc;
}

static uint64_t liar_count(void *ctx)
{
    (void)ctx;
    return UINT64_MAX;
}

static struct index *liar_index(struct liar *liar)
{
    struct index *index;
    liar->user = (struct diskv_index){liar, liar_change, liar_change, liar_seek, liar_count};
    assert_int_equal(index_user_new(&liar->user, &index), 0);
    return index;
}

/* Goes through the whole index; returns how that ended. */
static int scan(struct index *index)
{
    struct index_cursor *c;
    assert_int_equal(index->ops->cursor_open(index, &c), 0);
    int rc = c->ops->cursor_seek(c, "", 0);
    for (size_t i = 0; i < 1000 && !rc; i++)
        rc = c->ops->cursor_next(c);
    c->ops->cursor_close(c);
    return rc;
}

static int scan_liar(struct liar liar)
{
    struct index *index = liar_index(&liar);
    int rc = scan(index);
    index->ops->free(index);
    return rc;
}

static void a_user_index_without_one_of_its_functions_is_refused(void **state)
{
    (void)state;
    struct index *index;
    const struct diskv_index whole = {NULL, liar_change, liar_change, liar_seek, liar_count};
    struct diskv_index users[] = {whole, whole, whole, whole};
    users[0].insert = NULL;
    users[1].erase = NULL;
    users[2].seek = NULL;
    users[3].count = NULL;
    for (size_t i = 0; i < array_len(users); i++)
        assert_int_equal(index_user_new(&users[i], &index), DISKV_EINVAL);
}

static void an_answer_that_is_no_key_is_refused(void **state)
{
    (void)state;
    static char long_key[DISKV_KEY_MAX];
    memset(long_key, 'k', sizeof long_key);
    assert_int_equal(scan_liar((struct liar){.rc = 0}), DISKV_ECORRUPT); /* says nothing */
    assert_int_equal(scan_liar((struct liar){.key = "", .len = 0}), DISKV_ECORRUPT);
    assert_int_equal(scan_liar((struct liar){.key = "a\0b", .len = 3}), DISKV_ECORRUPT);
    assert_int_equal(scan_liar((struct liar){.key = "\xFF", .len = 1}), DISKV_ECORRUPT);
    assert_int_equal(scan_liar((struct liar){.key = long_key, .len = 1001}), DISKV_ECORRUPT);
    assert_int_equal(scan_liar((struct liar){.key = long_key, .len = SIZE_MAX}), DISKV_ECORRUPT);
}

static void a_user_index_that_does_not_move_on_is_refused(void **state)
{
    (void)state;
    assert_int_equal(scan_liar((struct liar){.key = "a", .len = 1}), DISKV_ECORRUPT);
}

static void a_user_index_that_goes_in_circles_is_refused(void **state)
{
    (void)state;
    for (char last = 2; last < 100; last++)
        for (char back_to = 1; back_to < last; back_to++)
            assert_int_equal(scan_liar((struct liar){.last = last, .back_to = back_to}),
                             DISKV_ECORRUPT);
}

static void a_user_index_may_fail_with_errors_of_diskv_and_no_others(void **state)
{
    (void)state;
    static const struct {
        int rc, expected;
    } cases[] = {
        {DISKV_EACCESS, DISKV_EACCESS},
        {DISKV_EDECODE, DISKV_EDECODE},
        {DISKV_EDECODE - 1, DISKV_EIO},
        {INT_MIN, DISKV_EIO},
        {1, DISKV_EIO},
        {INT_MAX, DISKV_EIO},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct liar liar = {.key = "a", .len = 1, .rc = cases[i].rc};
        struct index *index = liar_index(&liar);
        for (int erasing = 0; erasing <= 1; erasing++) {
            struct index_change one = {erasing, "a", 1};
            assert_int_equal(index->ops->apply(index, &one, 1), cases[i].expected);
        }
        assert_int_equal(scan(index), cases[i].expected);
        index->ops->free(index);
    }
}

static const struct kind kinds[] = {
    {"memory", MEMORY, NULL},
    {"memory, in reverse order", MEMORY, reverse},
    {"memory, without regard to case", MEMORY, ignore_case},
    {"memory, in the order of numbers", MEMORY, by_number},
    {"lmdb", LMDB, NULL},
    {"user's", USER, NULL},
    {"user's, in reverse order", USER, reverse},
};

#define CASE(f)                      \
    {                                \
#f, f, setup, teardown, NULL \
    }

int main(void)
{
    struct CMUnitTest tests[] = {
        CASE(a_new_index_is_empty),
        CASE(keys_come_in_order),
        CASE(keys_with_the_same_first_511_bytes_keep_their_order),
        CASE(a_seek_past_the_last_key_finds_nothing),
        CASE(a_cursor_goes_on_from_a_key_that_was_erased),
        CASE(inserting_what_is_there_and_erasing_what_is_not_change_nothing),
        CASE(changes_of_one_call_are_made_in_their_order),
        CASE(any_sequence_of_changes_leaves_what_it_says),
        CASE(a_scan_meets_every_lasting_key_once_while_others_come_and_go),
        CASE(a_cursor_sees_all_that_was_applied_before_it_was_opened),
        CASE(many_threads_may_write_at_once),
        CASE(a_note_is_kept_replaced_and_erased),
        CASE(names_and_values_of_notes_may_have_any_length_and_bytes),
        CASE(notes_are_no_keys_and_keys_no_notes),
        CASE(each_note_is_visited_once_until_the_visitor_has_enough),
    };
    const struct CMUnitTest orders[] = {
        cmocka_unit_test(keys_may_be_in_reverse_order),
        cmocka_unit_test(keys_that_an_order_calls_equal_are_ordered_by_their_bytes),
        cmocka_unit_test(numbers_in_keys_may_be_in_the_order_of_numbers),
        cmocka_unit_test(an_order_that_is_none_breaks_no_memory),
    };
    const struct CMUnitTest users[] = {
        cmocka_unit_test(a_user_index_without_one_of_its_functions_is_refused),
        cmocka_unit_test(an_answer_that_is_no_key_is_refused),
        cmocka_unit_test(a_user_index_that_does_not_move_on_is_refused),
        cmocka_unit_test(a_user_index_that_goes_in_circles_is_refused),
        cmocka_unit_test(a_user_index_may_fail_with_errors_of_diskv_and_no_others),
    };
    int failed = 0;
    random_numbers = random_new();
    for (size_t k = 0; k < array_len(kinds); k++) {
        for (size_t i = 0; i < array_len(tests); i++)
            tests[i].initial_state = (void *)(uintptr_t)&kinds[k];
        failed += cmocka_run_group_tests_name(kinds[k].name, tests, NULL, NULL);
    }
    failed += cmocka_run_group_tests_name("orders", orders, NULL, NULL);
    return failed + cmocka_run_group_tests_name("users", users, NULL, NULL);
}
