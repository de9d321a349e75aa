/* The cache: what it finds, what makes room, and that it never takes more than it may. */
#include "cache_helpers.h"
#include "diskv.h"
#include "random.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

/* --- Memory, as malloc sees it --- */

static atomic_size_t live, peak; /* bytes taken by this program */
static atomic_int fail_in;       /* so many allocations from now one fails; 0: none */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *ptr);

static size_t taken(void *ptr)
{
    return ptr ? malloc_usable_size(ptr) + sizeof(size_t) : 0;
}

static void *took(void *ptr)
{
    size_t size = taken(ptr), now = atomic_fetch_add(&live, size) + size, before = peak;
    while (before < now && !atomic_compare_exchange_weak(&peak, &before, now))
        ;
    return ptr;
}

static bool fails(void)
{
    return fail_in > 0 && --fail_in == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : took(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : took(__real_calloc(count, size));
}

void __wrap_free(void *ptr)
{
    live -= taken(ptr);
    __real_free(ptr);
}

static int setup(void **state)
{
    struct cache *cache;
    int rc = cache_new(BYTES, &cache);
    *state = cache;
    return rc;
}

static int teardown(void **state)
{
    cache_free(*state);
    return live; /* nothing leaks */
}

/* --- Finding --- */

static void what_was_added_is_found(void **state)
{
    struct cache *cache = *state;
    assert_true(put(cache, "k", 1, 100));
    assert_true(put(cache, "", 2, 0));
    struct cache_entry *entry = get(cache, "k", 1), *empty = get(cache, "", 2);
    assert_entry(entry, "k", 1, 100);
    assert_entry(empty, "", 2, 0);
    cache_unref(entry);
    cache_unref(empty);
}

static void what_was_not_added_is_not_found(void **state)
{
    struct cache *cache = *state;
    assert_true(put(cache, "k", 1, 100));
    assert_false(has(cache, "", 1));
    assert_false(has(cache, "kk", 1));
    struct cache_entry *filling = begin(cache, "f", 1, 100);
    assert_false(has(cache, "f", 1));
    cache_unref(filling);
    assert_false(has(cache, "f", 1));
}

static void info_and_data_are_aligned_for_anything(void **state)
{
    struct cache *cache = *state;
    char key[] = "0123456789abcdef";
    for (size_t len = 0; len <= strlen(key); len++) {
        struct cache_entry *entry =
            cache_begin(cache, key, len, ident_of(1).bytes, key, strlen(key) - len, 1);
        assert_int_equal((uintptr_t)entry->info % _Alignof(max_align_t), 0);
        assert_int_equal((uintptr_t)entry->data % _Alignof(max_align_t), 0);
        cache_unref(entry);
    }
}

static void no_two_entries_have_the_same_version(void **state)
{
    struct cache *cache = *state;
    struct cache_entry *first = begin(cache, "k", 1, 10), *second = begin(cache, "k", 1, 10);
    assert_int_not_equal(first->version, 0);
    assert_int_not_equal(second->version, 0);
    assert_int_not_equal(first->version, second->version);
    cache_unref(first);
    cache_unref(second);
}

static void an_entry_of_another_identity_is_dropped_and_not_found(void **state)
{
    struct cache *cache = *state;
    uint64_t empty = used(cache);
    assert_true(put(cache, "k", 1, 100));
    assert_false(has(cache, "k", 2));
    assert_int_equal(used(cache), empty);
    assert_false(has(cache, "k", 1));
}

static void a_dropped_key_is_not_found(void **state)
{
    struct cache *cache = *state;
    uint64_t empty = used(cache);
    assert_true(put(cache, "k", 1, 100));
    cache_drop(cache, "kk", 2);
    assert_true(has(cache, "k", 1));
    cache_drop(cache, "k", 1);
    assert_false(has(cache, "k", 1));
    assert_int_equal(used(cache), empty);
}

static void a_cleared_cache_is_empty_and_can_be_filled_again(void **state)
{
    struct cache *cache = *state;
    uint64_t empty = used(cache);
    cache_clear(cache);
    for (char key[] = "a"; *key <= 'z'; ++*key)
        assert_true(put(cache, key, 1, 100));
    cache_clear(cache);
    assert_int_equal(used(cache), empty);
    for (char key[] = "a"; *key <= 'z'; ++*key)
        assert_false(has(cache, key, 1));
    assert_true(put(cache, "a", 1, 100));
    assert_true(has(cache, "a", 1));
}

static void of_two_fillers_of_a_key_the_later_to_add_wins(void **state)
{
    struct cache *cache = *state;
    struct cache_entry *first = begin(cache, "k", 1, 10), *second = begin(cache, "k", 2, 20);
    cache_add(cache, second);
    cache_add(cache, first);
    assert_entry(second, "k", 2, 20); /* whoever holds it reads on */
    cache_unref(second);
    cache_unref(first);
    struct cache_entry *found = get(cache, "k", 1);
    assert_entry(found, "k", 1, 10);
    cache_unref(found);
}

static void hits_and_misses_are_counted(void **state)
{
    struct cache *cache = *state;
    struct cache_stats stats;
    put(cache, "k", 1, 1);
    has(cache, "k", 1);
    has(cache, "k", 1);
    has(cache, "other", 1);
    has(cache, "k", 2); /* of another identity: a miss */
    has(cache, "k", 1);
    cache_stats(cache, &stats);
    assert_int_equal(stats.hits, 2);
    assert_int_equal(stats.misses, 3);
}

/* --- Making room --- */

/* Fills a cache that has four entries of a tenth, of which nine fit, and adds another; tells which
 * of the four had to go. */
static char first_to_go(struct cache *cache)
{
    for (char key[] = "0"; *key <= '5'; ++*key)
        assert_true(put(cache, key, 1, BYTES / 10));
    char gone = '\0';
    for (char key[] = "a"; *key <= 'd'; ++*key) {
        if (has(cache, key, 1))
            continue;
        assert_int_equal(gone, '\0');
        gone = *key;
    }
    return gone;
}

static void what_was_used_least_lately_makes_room(void **state)
{
    struct cache *cache = *state;
    for (char key[] = "a"; *key <= 'd'; ++*key)
        assert_true(put(cache, key, 1, BYTES / 10));
    assert_int_equal(first_to_go(cache), 'a');
    cache_clear(cache);
    for (char key[] = "a"; *key <= 'd'; ++*key)
        assert_true(put(cache, key, 1, BYTES / 10));
    assert_true(has(cache, "a", 1));
    assert_true(has(cache, "b", 1));
    assert_int_equal(first_to_go(cache), 'c');
}

static void what_is_being_read_counts_as_used_now(void **state)
{
    struct cache *cache = *state;
    for (char key[] = "a"; *key <= 'd'; ++*key)
        assert_true(put(cache, key, 1, BYTES / 10));
    struct cache_entry *a = get(cache, "a", 1);
    for (char key[] = "b"; *key <= 'd'; ++*key)
        assert_true(has(cache, key, 1));
    assert_int_equal(first_to_go(cache), 'b');
    assert_entry(a, "a", 1, BYTES / 10);
    cache_unref(a);
}

static void others_make_room_for_a_key_when_it_is_to_be_cached_again(void **state)
{
    struct cache *cache = *state;
    for (char key[] = "a"; *key <= 'i'; ++*key)
        assert_true(put(cache, key, 1, BYTES / 10));
    assert_null(begin_once(cache, "k", 1, BYTES / 10));
    for (char key[] = "a"; *key <= 'i'; ++*key)
        assert_true(has(cache, key, 1));
    struct cache_entry *entry = begin_once(cache, "k", 1, BYTES / 10);
    assert_non_null(entry);
    assert_null(begin_once(cache, "l", 1, BYTES / 10));
    assert_false(has(cache, "a", 1));
    assert_true(has(cache, "b", 1));
    cache_unref(entry);
}

static void a_value_of_more_than_a_quarter_is_not_cached_and_drives_nothing_out(void **state)
{
    struct cache *cache = *state;
    uint64_t empty = used(cache);
    assert_true(put(cache, "k", 1, BYTES / 5));
    uint64_t more = used(cache) - empty - BYTES / 5; /* that a value takes besides its size */
    assert_null(begin(cache, "l", 1, BYTES / 4 + 1));
    assert_null(begin(cache, "l", 1, BYTES / 4 - more + 16));
    assert_null(cache_begin(cache, "l", 1, ident_of(1).bytes, "", 0, SIZE_MAX));
    assert_null(cache_begin(cache, "l", 1, ident_of(1).bytes, "", SIZE_MAX, 1));
    assert_null(cache_begin(cache, "l", SIZE_MAX, ident_of(1).bytes, "", 0, 1));
    assert_true(has(cache, "k", 1));
    assert_true(put(cache, "l", 1, BYTES / 4 - more - 16));
}

static void a_cache_of_no_bytes_caches_nothing(void **state)
{
    (void)state;
    struct cache *cache;
    for (uint64_t bytes = 0; bytes < 500; bytes++) {
        assert_int_equal(cache_new(bytes, &cache), 0);
        assert_false(put(cache, "k", 1, 0));
        assert_false(has(cache, "k", 1));
        cache_free(cache);
    }
}

static void nothing_is_cached_while_all_is_held(void **state)
{
    struct cache *cache = *state;
    struct cache_entry *held[100];
    size_t count = 0;
    for (char key[16]; count < array_len(held); count++) {
        snprintf(key, sizeof key, "%zu", count);
        held[count] = begin(cache, key, 1, BYTES / 10);
        if (!held[count])
            break;
        if (count % 2) /* it is all the same whether an entry is read or still filled */
            cache_add(cache, held[count]);
    }
    assert_int_equal(count, 9); /* a tenth each, and something besides */
    assert_null(begin(cache, "k", 1, BYTES / 10));
    cache_unref(held[--count]);
    assert_true(put(cache, "k", 1, BYTES / 10));
    while (count > 0)
        cache_unref(held[--count]);
}

static void what_is_held_outlives_its_going_and_counts_until_it_is_let_go(void **state)
{
    struct cache *cache = *state;
    struct cache_entry *held[4];
    uint64_t empty = used(cache);
    for (size_t i = 0; i < array_len(held); i++) {
        assert_true(put(cache, "k", 1, 1000));
        held[i] = get(cache, "k", 1);
        if (i == 0)
            cache_drop(cache, "k", 1);
        else if (i == 1)
            cache_clear(cache);
        else if (i == 2)
            assert_false(has(cache, "k", 2));
        else
            assert_true(put(cache, "k", 3, 10));
        assert_true(used(cache) >= empty + (i + 1) * 1000);
    }
    cache_clear(cache);
    cache_ref(held[0]);
    cache_unref(held[0]);
    for (size_t i = 0; i < array_len(held); i++) {
        assert_entry(held[i], "k", 1, 1000);
        cache_unref(held[i]);
    }
    assert_int_equal(used(cache), empty);
}

/* --- Memory --- */

static void the_heap_never_takes_more_than_what_is_counted(void **state)
{
    struct cache *cache = *state;
    struct random r = random_new();
    size_t itself = live - used(cache); /* the cache without its table */
    peak = live;
    for (size_t i = 0; i < 20000; i++) {
        char key[DISKV_KEY_MAX + 1] = "";
        snprintf(key, sizeof key, "%0*zu", (int)(1 + random_below(&r, 100)), i);
        put(cache, key, 1, random_below(&r, i % 10 ? 500 : BYTES / 4));
        assert_true(live <= itself + used(cache));
    }
    assert_true(peak <= itself + BYTES);
    assert_true(peak > BYTES / 4 * 3); /* nor is much left unused */
}

static void a_failed_allocation_leaves_a_value_uncached_and_counts_nothing(void **state)
{
    struct cache *cache = *state, *other;
    uint64_t empty = used(cache);
    fail_in = 1;
    assert_int_equal(cache_new(BYTES, &other), DISKV_ENOMEM);
    fail_in = 1;
    assert_null(begin_once(cache, "k", 1, 100));
    assert_int_equal(used(cache), empty);
    assert_true(put(cache, "k", 1, 100));
    assert_true(has(cache, "k", 1));
}

/* --- Several threads --- */

struct shared {
    struct cache *cache;
    atomic_uint next;
    atomic_uint wrong; /* times that a promise was broken */
};

static void use_once(struct shared *s, struct random *r)
{
    char name[16];
    unsigned version = (unsigned)random_below(r, 2);
    size_t what = random_below(r, 100), key = random_below(r, 60);
    key_name(key, name);
    struct cache_entry *entry = get(s->cache, name, version);
    if (entry) {
        for (size_t i = 0; i < entry->size; i++)
            s->wrong += entry->data[i] != (char)version;
        s->wrong += entry->info_size != strlen(name) || memcmp(entry->info, name, strlen(name));
    } else if ((entry = begin(s->cache, name, version, random_below(r, BYTES / 20)))) {
        cache_add(s->cache, entry);
    }
    if (what == 0)
        cache_clear(s->cache);
    else if (what < 10)
        cache_drop(s->cache, name, strlen(name));
    s->wrong += used(s->cache) > BYTES;
    cache_unref(entry);
}

static void *use_often(void *arg)
{
    struct shared *s = arg;
    struct random r = {s->next++};
    for (size_t i = 0; i < 10000; i++)
        use_once(s, &r);
    return NULL;
}

static void eight_threads_may_use_it_at_once(void **state)
{
    struct shared shared = {.cache = *state};
    uint64_t empty = used(shared.cache);
    size_t itself = live - empty, before = live;
    pthread_t threads[8];
    peak = before;
    for (size_t i = 0; i < array_len(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_often, &shared), 0);
    for (size_t i = 0; i < array_len(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.wrong, 0);
    assert_true(peak <= itself + BYTES);
    cache_clear(shared.cache);
    assert_int_equal(used(shared.cache), empty);
    assert_int_equal(live, before);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_added_is_found),
        CASE(what_was_not_added_is_not_found),
        CASE(info_and_data_are_aligned_for_anything),
        CASE(no_two_entries_have_the_same_version),
        CASE(an_entry_of_another_identity_is_dropped_and_not_found),
        CASE(a_dropped_key_is_not_found),
        CASE(a_cleared_cache_is_empty_and_can_be_filled_again),
        CASE(of_two_fillers_of_a_key_the_later_to_add_wins),
        CASE(hits_and_misses_are_counted),
        CASE(what_was_used_least_lately_makes_room),
        CASE(what_is_being_read_counts_as_used_now),
        CASE(others_make_room_for_a_key_when_it_is_to_be_cached_again),
        CASE(a_value_of_more_than_a_quarter_is_not_cached_and_drives_nothing_out),
        CASE(a_cache_of_no_bytes_caches_nothing),
        CASE(nothing_is_cached_while_all_is_held),
        CASE(what_is_held_outlives_its_going_and_counts_until_it_is_let_go),
        CASE(the_heap_never_takes_more_than_what_is_counted),
        CASE(a_failed_allocation_leaves_a_value_uncached_and_counts_nothing),
        CASE(eight_threads_may_use_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
