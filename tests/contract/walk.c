/* Pages and walks over the keys: the same cases over each engine. */
#include "store_kinds.h"

#include <pthread.h>
#include <stdatomic.h>

#define KEYS 2500 /* more than two pages of the iterator's */

KIND(fs, .sync = DISKV_SYNC_NONE, .engine = "fs")
KIND(memory, .sync = DISKV_SYNC_NONE, .engine = "memory")

static void key_name(char out[static 16], const char *prefix, size_t i)
{
    snprintf(out, 16, "%s%04zu", prefix, i);
}

static void put_keys(diskv *store, const char *prefix, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char key[16];
        key_name(key, prefix, i);
        assert_int_equal(store_put(store, key, "v"), 0);
    }
}

/* Walks to the end: the keys must be `prefix`0000 and so on, `count` of them. */
static void assert_numbered_walk(diskv *store, const char *walked, const char *prefix, size_t count)
{
    diskv_iter *iter;
    const struct diskv_item *item;
    assert_int_equal(diskv_iter_open(store, walked, strlen(walked), &iter), 0);
    for (size_t i = 0; i < count; i++) {
        char key[16];
        key_name(key, prefix, i);
        assert_int_equal(diskv_iter_next(iter, &item), 1);
        assert_int_equal(item->len, strlen(key));
        assert_memory_equal(item->name, key, item->len);
        assert_false(item->is_prefix);
        assert_int_equal(item->info.size, 1);
    }
    assert_int_equal(diskv_iter_next(iter, &item), 0);
    assert_int_equal(diskv_iter_next(iter, &item), 0);
    diskv_iter_close(iter);
}

static void a_bare_page_has_the_same_names_and_no_more(void **state)
{
    diskv *store = store_of(state);
    struct diskv_list_options options = {
        .from = "", .prefix = "", .delimiter = "/", .delimiter_len = 1, .limit = 4};
    struct diskv_page *whole, *bare;
    put_keys(store, "a/", 3);
    put_keys(store, "b", 9);
    assert_int_equal(diskv_list_wait(store, &options, &whole), 0);
    options.bare = true;
    assert_int_equal(diskv_list_wait(store, &options, &bare), 0);
    assert_int_equal(bare->count, whole->count);
    for (size_t i = 0; i < bare->count; i++) {
        const struct diskv_item *item = &bare->items[i];
        assert_int_equal(item->len, whole->items[i].len);
        assert_memory_equal(item->name, whole->items[i].name, item->len);
        assert_int_equal(item->is_prefix, i == 0);
        assert_string_equal(item->info.etag, "");
    }
    assert_memory_equal(bare->next, "b0002", bare->next_len);
    diskv_page_free(bare);
    diskv_page_free(whole);
}

static void a_walk_meets_every_key_in_order_and_can_be_stopped_anywhere(void **state)
{
    static const size_t stops[] = {0, 1, 1000, 1001, KEYS};
    diskv *store = store_of(state);
    diskv_iter *iter;
    const struct diskv_item *item;
    put_keys(store, "k", KEYS);
    assert_numbered_walk(store, "", "k", KEYS);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        assert_int_equal(diskv_iter_open(store, "", 0, &iter), 0);
        for (size_t k = 0; k < stops[i]; k++)
            assert_int_equal(diskv_iter_next(iter, &item), 1);
        diskv_iter_close(iter);
    }
}

static void a_walk_with_a_prefix_meets_only_keys_that_begin_so(void **state)
{
    diskv *store = store_of(state);
    put_keys(store, "a/", 3);
    put_keys(store, "b/", KEYS);
    put_keys(store, "b0", 3);
    assert_numbered_walk(store, "b/", "b/", KEYS);
    assert_numbered_walk(store, "a/", "a/", 3);
    assert_numbered_walk(store, "b1", "", 0);
}

static void a_walk_over_an_empty_store_ends_at_once(void **state)
{
    assert_numbered_walk(store_of(state), "", "", 0);
}

static void a_prefix_that_is_longer_than_a_key_is_refused(void **state)
{
    char prefix[DISKV_KEY_MAX + 1];
    diskv_iter *iter;
    memset(prefix, 'a', sizeof prefix);
    assert_int_equal(diskv_iter_open(store_of(state), prefix, sizeof prefix, &iter), DISKV_EINVAL);
}

static void a_walker_may_erase_what_it_meets(void **state)
{
    diskv *store = store_of(state);
    diskv_iter *iter;
    const struct diskv_item *item;
    put_keys(store, "k", KEYS);
    assert_int_equal(diskv_iter_open(store, "", 0, &iter), 0);
    size_t met = 0;
    for (; diskv_iter_next(iter, &item) == 1; met++)
        assert_int_equal(diskv_erase_wait(store, item->name, item->len, NULL, NULL), 0);
    diskv_iter_close(iter);
    assert_int_equal(met, KEYS);
    assert_numbered_walk(store, "", "", 0);
}

/* Walks once; the number of keys met that stay, in order and each once. */
static size_t walk_of_those_that_stay(diskv *store)
{
    diskv_iter *iter;
    const struct diskv_item *item;
    size_t met = 0;
    assert_int_equal(diskv_iter_open(store, "", 0, &iter), 0);
    int rc;
    while ((rc = diskv_iter_next(iter, &item)) == 1) {
        char key[16];
        key_name(key, "k", met);
        met += item->len == 5 && memcmp(item->name, key, 5) == 0;
    }
    assert_int_equal(rc, 0);
    diskv_iter_close(iter);
    return met;
}

static void a_walk_meets_every_key_that_stays_while_others_come_and_go(void **state)
{
    struct churn churn = {.store = store_of(state), .keys = KEYS, .digits = 4};
    pthread_t thread;
    put_keys(churn.store, "k", KEYS);
    assert_int_equal(pthread_create(&thread, NULL, churn_main, &churn), 0);
    while (!churn.rc && atomic_load(&churn.rounds) < 200)
        assert_int_equal(walk_of_those_that_stay(churn.store), KEYS);
    atomic_store(&churn.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(churn.rc, 0);
}

#define CASES(setup)                                                                 \
    CASE_OF(setup, a_bare_page_has_the_same_names_and_no_more),                      \
        CASE_OF(setup, a_walk_meets_every_key_in_order_and_can_be_stopped_anywhere), \
        CASE_OF(setup, a_walk_with_a_prefix_meets_only_keys_that_begin_so),          \
        CASE_OF(setup, a_walk_over_an_empty_store_ends_at_once),                     \
        CASE_OF(setup, a_prefix_that_is_longer_than_a_key_is_refused),               \
        CASE_OF(setup, a_walker_may_erase_what_it_meets),                            \
        CASE_OF(setup, a_walk_meets_every_key_that_stays_while_others_come_and_go)

int main(void)
{
    const struct CMUnitTest tests[] = {CASES(fs), CASES(memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
