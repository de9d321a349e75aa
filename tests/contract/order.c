/* Orders of the user's: by a function, and by an index that is the user's own. */
#include "store_helpers.h"
#include "tempdir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>

#define KEYS 1100 /* more than a page of the iterator's */

static int reversed(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)ctx;
    int order = memcmp(b, a, a_len < b_len ? a_len : b_len);
    return order ? order : (b_len > a_len) - (b_len < a_len);
}

static int ignoring_case(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)ctx;
    int order = strncasecmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* --- An index as a user may write one: a sorted array --- */

struct word {
    size_t len;
    char text[DISKV_KEY_MAX];
};

struct array {
    struct diskv_index index;
    pthread_mutex_t lock;
    struct word *words;
    size_t count, cap;
    int failure; /* what every change returns, where it is not 0 */
};

/* The place of the first word that is not before `key`. */
static size_t array_find(const struct array *a, const char *key, size_t len, bool *equal)
{
    size_t low = 0, high = a->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (len && reversed(NULL, a->words[middle].text, a->words[middle].len, key, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *equal =
        low < a->count && a->words[low].len == len && memcmp(a->words[low].text, key, len) == 0;
    return low;
}

static int array_insert(void *ctx, const char *key, size_t len)
{
    struct array *a = ctx;
    bool equal;
    pthread_mutex_lock(&a->lock);
    int rc = a->failure;
    size_t at = array_find(a, key, len, &equal);
    if (!rc && !equal && a->count == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 64;
        a->words = realloc(a->words, a->cap * sizeof *a->words);
    }
    if (!rc && !equal) {
        memmove(a->words + at + 1, a->words + at, (a->count++ - at) * sizeof *a->words);
        a->words[at].len = len;
        memcpy(a->words[at].text, key, len);
    }
    pthread_mutex_unlock(&a->lock);
    return rc;
}

static int array_erase(void *ctx, const char *key, size_t len)
{
    struct array *a = ctx;
    bool equal;
    pthread_mutex_lock(&a->lock);
    int rc = a->failure;
    size_t at = array_find(a, key, len, &equal);
    if (!rc && equal)
        memmove(a->words + at, a->words + at + 1, (--a->count - at) * sizeof *a->words);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

static int array_seek(void *ctx, const char *from, size_t from_len, bool after, char *key,
                      size_t *len)
{
    struct array *a = ctx;
    bool equal;
    pthread_mutex_lock(&a->lock);
    size_t at = array_find(a, from, from_len, &equal);
    at += after && equal;
    bool found = at < a->count;
    if (found) {
        *len = a->words[at].len;
        memcpy(key, a->words[at].text, *len);
    }
    pthread_mutex_unlock(&a->lock);
    return found ? 0 : DISKV_ENOTFOUND;
}

static uint64_t array_count(void *ctx)
{
    struct array *a = ctx;
    pthread_mutex_lock(&a->lock);
    uint64_t count = a->count;
    pthread_mutex_unlock(&a->lock);
    return count;
}

static bool array_has(struct array *a, const char *key)
{
    bool equal;
    pthread_mutex_lock(&a->lock);
    array_find(a, key, strlen(key), &equal);
    pthread_mutex_unlock(&a->lock);
    return equal;
}

static void array_init(struct array *a)
{
    pthread_mutex_init(&a->lock, NULL);
    a->index = (struct diskv_index){.ctx = a,
                                    .insert = array_insert,
                                    .erase = array_erase,
                                    .seek = array_seek,
                                    .count = array_count};
}

static void array_fini(struct array *a)
{
    pthread_mutex_destroy(&a->lock);
    free(a->words);
}

/* --- The kinds of stores --- */

struct fixture {
    diskv *store;
    struct array array;
    struct diskv_options options;
    char dir[TEMPDIR_SIZE];
};

static int setup(void **state, const struct diskv_options *options, bool array)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    array_init(&f->array);
    f->options = *options;
    f->options.sync = DISKV_SYNC_NONE;
    f->options.index = array ? &f->array.index : NULL;
    return diskv_open(f->dir, &f->options, &f->store);
}

#define KIND(name, array, ...)                              \
    static int name(void **state)                           \
    {                                                       \
        const struct diskv_options options = {__VA_ARGS__}; \
        return setup(state, &options, array);               \
    }

KIND(fs_compare, false, .compare = reversed)
KIND(fs_index, true, .engine = "fs")
KIND(memory_compare, false, .engine = "memory", .compare = reversed)
KIND(memory_index, true, .engine = "memory")
KIND(fs_ignoring_case, false, .compare = ignoring_case)
KIND(memory_ignoring_case, false, .engine = "memory", .compare = ignoring_case)

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    array_fini(&f->array);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static void put_words(diskv *store, const char *words)
{
    while (*words) {
        size_t len = strcspn(words, " ");
        assert_int_equal(diskv_put(store, words, len, words, len, NULL), 0);
        words += len + strspn(words + len, " ");
    }
}

static void close_store(struct fixture *f)
{
    diskv_close(f->store);
    f->store = NULL;
}

static void open_store(struct fixture *f)
{
    assert_int_equal(diskv_open(f->dir, &f->options, &f->store), 0);
}

/* A page's names, one behind the other; and what the next page begins after. */
static void assert_page(diskv *store, const char *from, const char *prefix, size_t limit,
                        const char *expected, const char *next)
{
    char met[1024] = "";
    size_t len = 0;
    struct diskv_page *page;
    const struct diskv_list_options options = {.from = from,
                                               .from_len = strlen(from),
                                               .prefix = prefix,
                                               .prefix_len = strlen(prefix),
                                               .delimiter = "",
                                               .limit = limit};
    assert_int_equal(diskv_list_wait(store, &options, &page), 0);
    for (size_t i = 0; i < page->count; i++)
        len += (size_t)snprintf(met + len, sizeof met - len, "%s%.*s", i ? " " : "",
                                (int)page->items[i].len, page->items[i].name);
    assert_string_equal(met, expected);
    assert_int_equal(page->next != NULL, next != NULL);
    if (next)
        assert_memory_equal(page->next, next, page->next_len);
    diskv_page_free(page);
}

/* --- Over every kind that lists backwards --- */

static void a_walk_is_in_the_users_order(void **state)
{
    struct fixture *f = *state;
    assert_walk(f->store, "", "");
    put_words(f->store, "b a/x a d c a/y");
    assert_walk(f->store, "", "d c b a/y a/x a");
    assert_int_equal(store_erase(f->store, "c"), 0);
    put_words(f->store, "b bb");
    assert_walk(f->store, "", "d bb b a/y a/x a");
}

static void pages_go_on_where_the_last_one_ended(void **state)
{
    struct fixture *f = *state;
    put_words(f->store, "a b c d e");
    assert_page(f->store, "", "", 2, "e d", "d");
    assert_page(f->store, "d", "", 2, "c b", "b");
    assert_page(f->store, "b", "", 2, "a", NULL);
    assert_page(f->store, "a", "", 2, "", NULL);
    assert_page(f->store, "", "", 5, "e d c b a", NULL);
}

static void a_page_begins_behind_what_is_no_key_too(void **state)
{
    struct fixture *f = *state;
    put_words(f->store, "a b d e");
    assert_page(f->store, "c", "", 10, "b a", NULL);
    assert_page(f->store, "z", "", 1, "e", "e");
    assert_page(f->store, "A", "", 10, "", NULL);
    assert_page(f->store, "dd\xff", "", 10, "d b a", NULL);
}

static void a_prefix_leaves_out_the_others_wherever_they_lie(void **state)
{
    struct fixture *f = *state;
    put_words(f->store, "a a/1 a/2 a/3 b a0");
    assert_walk(f->store, "a/", "a/3 a/2 a/1");
    assert_walk(f->store, "a", "a0 a/3 a/2 a/1 a");
    assert_walk(f->store, "c", "");
    assert_page(f->store, "", "a/", 2, "a/3 a/2", "a/2");
    assert_page(f->store, "a/2", "a/", 2, "a/1", NULL);
    assert_page(f->store, "a/1", "a/", 2, "", NULL);
}

static void a_delimiter_is_refused(void **state)
{
    struct fixture *f = *state;
    struct diskv_page *page;
    const struct diskv_list_options options = {
        .from = "", .prefix = "", .delimiter = "/", .delimiter_len = 1, .limit = 1};
    assert_int_equal(diskv_list_wait(f->store, &options, &page), DISKV_EINVAL);
}

static void a_walk_of_many_pages_meets_every_key_once(void **state)
{
    struct fixture *f = *state;
    diskv_iter *iter;
    const struct diskv_item *item;
    char key[32];
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%04zu", (i * 7) % KEYS);
        put_words(f->store, key);
    }
    assert_int_equal(diskv_iter_open(f->store, "", 0, &iter), 0);
    for (size_t i = KEYS; i-- > 0;) {
        snprintf(key, sizeof key, "k%04zu", i);
        assert_int_equal(diskv_iter_next(iter, &item), 1);
        assert_int_equal(item->len, strlen(key));
        assert_memory_equal(item->name, key, item->len);
    }
    assert_int_equal(diskv_iter_next(iter, &item), 0);
    diskv_iter_close(iter);
}

/* Lists page by page; the number of keys met that stay, in order and each once. */
static size_t met_of_those_that_stay(diskv *store)
{
    char from[16] = "", key[16];
    size_t met = 0;
    for (bool more = true; more;) {
        struct diskv_page *page;
        const struct diskv_list_options options = {
            .from = from, .from_len = strlen(from), .prefix = "", .delimiter = "", .limit = 7};
        assert_int_equal(diskv_list_wait(store, &options, &page), 0);
        for (size_t i = 0; i < page->count; i++) {
            snprintf(key, sizeof key, "k%02zu", 99 - met);
            met += page->items[i].len == 3 && memcmp(page->items[i].name, key, 3) == 0;
        }
        more = page->next;
        if (more)
            snprintf(from, sizeof from, "%.*s", (int)page->next_len, page->next);
        diskv_page_free(page);
    }
    return met;
}

static void every_key_that_stays_is_met_while_others_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct churn churn = {.store = f->store, .keys = 100, .digits = 2};
    pthread_t thread;
    for (unsigned i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%02u", i);
        put_words(f->store, key);
    }
    assert_int_equal(pthread_create(&thread, NULL, churn_main, &churn), 0);
    while (!churn.rc && atomic_load(&churn.rounds) < 300)
        assert_int_equal(met_of_those_that_stay(f->store), 100);
    atomic_store(&churn.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(churn.rc, 0);
}

static void erasing_all_empties_the_listing(void **state)
{
    struct fixture *f = *state;
    struct diskv_stats stats;
    put_words(f->store, "a b c");
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    assert_walk(f->store, "", "");
    diskv_stats(f->store, &stats);
    assert_int_equal(stats.keys, 0);
    put_words(f->store, "b a");
    assert_walk(f->store, "", "b a");
}

/* --- Over every kind that keeps files --- */

static void the_order_is_there_after_each_start(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    put_words(f->store, "a b c/d");
    for (int i = 0; i < 2; i++) {
        close_store(f);
        open_store(f);
        assert_walk(f->store, "", "c/d b a");
    }
    close_store(f);
    path_join(path, f->dir, "b");
    assert_int_equal(unlink(path), 0);
    path_join(path, f->dir, "c/e");
    file_write(path, "mine");
    open_store(f);
    assert_walk(f->store, "", "c/e c/d a");
}

static void what_was_written_in_one_order_is_listed_in_another_later(void **state)
{
    struct fixture *f = *state;
    put_words(f->store, "a b c/d");
    close_store(f);
    assert_int_equal(diskv_open(f->dir, NULL, &f->store), 0);
    assert_walk(f->store, "", "a b c/d");
    put_words(f->store, "b2");
    assert_int_equal(store_erase(f->store, "a"), 0);
    close_store(f);
    open_store(f);
    assert_walk(f->store, "", "c/d b2 b");
    put_words(f->store, "e c/f");
    assert_int_equal(store_erase(f->store, "b"), 0);
    close_store(f);
    assert_int_equal(diskv_open(f->dir, NULL, &f->store), 0);
    assert_walk(f->store, "", "b2 c/d c/f e");
}

/* --- Keys that the order calls equal --- */

static void equal_keys_are_in_the_order_of_their_bytes(void **state)
{
    struct fixture *f = *state;
    put_words(f->store, "b A a B aB AB C");
    assert_walk(f->store, "", "A a AB aB B b C");
    assert_int_equal(store_erase(f->store, "a"), 0);
    assert_walk(f->store, "", "A AB aB B b C");
    assert_value(f->store, "A", "A");
}

static void equal_keys_are_told_apart_from_page_to_page(void **state)
{
    struct fixture *f = *state;
    put_words(f->store, "abc ABC Abc aBc");
    assert_page(f->store, "", "", 1, "ABC", "ABC");
    assert_page(f->store, "ABC", "", 1, "Abc", "Abc");
    assert_page(f->store, "Abc", "", 1, "aBc", "aBc");
    assert_page(f->store, "aBc", "", 1, "abc", NULL);
    assert_page(f->store, "ABc", "", 9, "Abc aBc abc", NULL);
}

static void a_prefix_is_one_of_bytes_in_any_order(void **state)
{
    struct fixture *f = *state;
    put_words(f->store, "ab AB aC Ac b");
    assert_walk(f->store, "a", "ab aC");
    assert_walk(f->store, "A", "AB Ac");
}

/* --- A user's index --- */

static void an_index_learns_of_every_key(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    struct diskv_stats stats;
    put_words(f->store, "a a b");
    assert_int_equal(f->array.count, 2);
    assert_true(array_has(&f->array, "a") && array_has(&f->array, "b"));
    assert_int_equal(store_erase(f->store, "a"), 0);
    assert_false(array_has(&f->array, "a"));
    snprintf(path, sizeof path, "%s.source", f->dir);
    file_write(path, "imported");
    assert_int_equal(diskv_import(f->store, "i", 1, path, true, NULL), 0);
    assert_true(array_has(&f->array, "i"));
    diskv_stats(f->store, &stats);
    assert_int_equal(stats.keys, 2);
}

static void an_index_is_brought_in_step_when_the_store_is_opened(void **state)
{
    struct fixture *f = *state;
    put_words(f->store, "a b c/d c/e");
    close_store(f);
    assert_int_equal(array_erase(&f->array, "b", 1), 0);
    assert_int_equal(array_erase(&f->array, "c/d", 3), 0);
    assert_int_equal(array_insert(&f->array, "stale", 5), 0);
    assert_int_equal(array_insert(&f->array, "c/stale", 7), 0);
    open_store(f);
    assert_int_equal(f->array.count, 4);
    assert_false(array_has(&f->array, "stale"));
    assert_walk(f->store, "", "c/e c/d b a");
}

static void a_change_that_the_index_fails_on_is_made_and_listed_later(void **state)
{
    struct fixture *f = *state;
    const struct diskv_list_options all = {.from = "", .prefix = "", .delimiter = "", .limit = 10};
    struct diskv_page *page;
    put_words(f->store, "a b");
    f->array.failure = DISKV_EIO;
    assert_int_equal(store_put(f->store, "c", "c"), 0);
    assert_int_equal(store_erase(f->store, "a"), 0);
    assert_value(f->store, "c", "c");
    assert_int_equal(store_has(f->store, "a"), 0);
    assert_int_equal(diskv_list_wait(f->store, &all, &page), DISKV_EUNAVAILABLE);
    f->array.failure = 0;
    assert_walk(f->store, "", "c b");
    assert_true(array_has(&f->array, "c"));
    assert_false(array_has(&f->array, "a"));
}

static void a_store_whose_index_fails_is_not_opened(void **state)
{
    struct fixture *f = *state;
    diskv *second;
    put_words(f->store, "a b");
    close_store(f);
    assert_int_equal(array_erase(&f->array, "a", 1), 0);
    f->array.failure = DISKV_ENOSPACE;
    assert_int_equal(diskv_open(f->dir, &f->options, &second), DISKV_ENOSPACE);
    f->array.failure = 0;
    open_store(f);
    assert_walk(f->store, "", "b a");
}

/* --- What cannot be asked for --- */

static void an_order_and_an_index_cannot_both_be_given(void **state)
{
    struct fixture *f = *state;
    diskv *store;
    struct diskv_options options = {.index = &f->array.index, .compare = reversed};
    close_store(f);
    assert_int_equal(diskv_open(f->dir, &options, &store), DISKV_EINVAL);
    options.compare = NULL;
    f->array.index.count = NULL;
    assert_int_equal(diskv_open(f->dir, &options, &store), DISKV_EINVAL);
}

#define CASES(setup)                                                          \
    CASE_OF(setup, a_walk_is_in_the_users_order),                             \
        CASE_OF(setup, pages_go_on_where_the_last_one_ended),                 \
        CASE_OF(setup, a_page_begins_behind_what_is_no_key_too),              \
        CASE_OF(setup, a_prefix_leaves_out_the_others_wherever_they_lie),     \
        CASE_OF(setup, a_delimiter_is_refused),                               \
        CASE_OF(setup, a_walk_of_many_pages_meets_every_key_once),            \
        CASE_OF(setup, every_key_that_stays_is_met_while_others_come_and_go), \
        CASE_OF(setup, erasing_all_empties_the_listing)
#define FILE_CASES(setup)                                              \
    CASES(setup), CASE_OF(setup, the_order_is_there_after_each_start), \
        CASE_OF(setup, what_was_written_in_one_order_is_listed_in_another_later)
#define EQUAL_CASES(setup)                                           \
    CASE_OF(setup, equal_keys_are_in_the_order_of_their_bytes),      \
        CASE_OF(setup, equal_keys_are_told_apart_from_page_to_page), \
        CASE_OF(setup, a_prefix_is_one_of_bytes_in_any_order)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_CASES(fs_compare),
        FILE_CASES(fs_index),
        CASES(memory_compare),
        CASES(memory_index),
        EQUAL_CASES(fs_ignoring_case),
        EQUAL_CASES(memory_ignoring_case),
        CASE_OF(fs_index, an_index_learns_of_every_key),
        CASE_OF(fs_index, an_index_is_brought_in_step_when_the_store_is_opened),
        CASE_OF(fs_index, a_change_that_the_index_fails_on_is_made_and_listed_later),
        CASE_OF(memory_index, a_change_that_the_index_fails_on_is_made_and_listed_later),
        CASE_OF(fs_index, a_store_whose_index_fails_is_not_opened),
        CASE_OF(fs_index, an_order_and_an_index_cannot_both_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
