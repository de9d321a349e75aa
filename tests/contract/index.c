/* What every kind of index promises. */
#include "index_helpers.h"
#include "random.h"
#include "tempdir.h"

#include <stdatomic.h>

#define SEEK_MAX (DISKV_KEY_MAX + 2)
#define LASTING  200 /* keys that stay while others come and go */

/* --- Kinds of index --- */

struct kind {
    const char *name;
    enum { MEMORY, LMDB, USER } is;
    diskv_compare *compare;
    struct random *random;
};

struct fixture {
    struct index *index;
    const struct kind *kind;
    struct random *random;
    struct sorted *sorted;
    char dir[TEMPDIR_SIZE];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->kind = *state;
    f->random = f->kind->random;
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
    struct random random = random_new();
    const struct kind kinds[] = {
        {"memory", MEMORY, NULL, &random},
        {"memory, in reverse order", MEMORY, reverse, &random},
        {"memory, without regard to case", MEMORY, ignore_case, &random},
        {"memory, in the order of numbers", MEMORY, by_number, &random},
        {"lmdb", LMDB, NULL, &random},
        {"user's", USER, NULL, &random},
        {"user's, in reverse order", USER, reverse, &random},
    };
    int failed = 0;
    for (size_t k = 0; k < array_len(kinds); k++) {
        for (size_t i = 0; i < array_len(tests); i++)
            tests[i].initial_state = (void *)(uintptr_t)&kinds[k];
        failed += cmocka_run_group_tests_name(kinds[k].name, tests, NULL, NULL);
    }
    return failed;
}
