/* The cache: what is read often comes from memory, and is never other than what lies on the disk.
 */
#include "cached_helpers.h"
#include "random.h"
#include "tempdir.h"

#include <sys/xattr.h>

#define KIB         ((size_t)1024)
#define CACHE_BYTES (1024 * KIB)
#define EDITS       3000

struct fixture {
    diskv *store;
    uint64_t empty; /* bytes of the cache that holds nothing */
    char dir[TEMPDIR_SIZE];
};

static int setup_with(void **state, const char *compress)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct diskv_options options = {
        .sync = DISKV_SYNC_NONE, .cache_bytes = CACHE_BYTES, .compress = compress};
    *state = f;
    tempdir_new(f->dir);
    struct diskv_stats stats;
    int rc = diskv_open(f->dir, &options, &f->store);
    if (rc)
        return rc;
    diskv_stats(f->store, &stats);
    f->empty = stats.cache_bytes;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, NULL);
}

static int setup_gzip(void **state)
{
    return setup_with(state, "gzip");
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

/* --- Numbers --- */

static struct diskv_stats stats_of(const struct fixture *f)
{
    struct diskv_stats stats;
    diskv_stats(f->store, &stats);
    return stats;
}

static uint64_t hits(const struct fixture *f)
{
    return stats_of(f).cache_hits;
}

/* Reads the value, which must be as expected, and says whether it came from the cache. */
static bool is_hit(const struct fixture *f, const char *key, const char *expected)
{
    uint64_t before = hits(f);
    assert_value(f->store, key, expected);
    return hits(f) > before;
}

/* Puts a value and has it cached. */
static void put_cached(const struct fixture *f, const char *key, const char *value)
{
    assert_int_equal(store_put(f->store, key, value), 0);
    rest();
    assert_value(f->store, key, value);
    assert_true(is_hit(f, key, value));
}

/* A value of `size` bytes, the same for the same number: for free(). */
static char *value_new(size_t number, size_t size)
{
    char *value = malloc(size + 1);
    assert_non_null(value);
    memset(value, 'a' + (char)(number % 26), size);
    value[size] = '\0';
    return value;
}

static void put_sized(const struct fixture *f, const char *key, size_t number, size_t size)
{
    char *value = value_new(number, size);
    assert_int_equal(store_put(f->store, key, value), 0);
    free(value);
}

static bool is_hit_sized(const struct fixture *f, const char *key, size_t number, size_t size)
{
    char *value = value_new(number, size);
    bool hit = is_hit(f, key, value);
    free(value);
    return hit;
}

/* --- What another program does --- */

static void path_in(char out[static STORE_PATH_SIZE], const struct fixture *f, const char *name)
{
    path_join(out, f->dir, name);
}

/* Writes over the file's bytes, in place. */
static void edit(const struct fixture *f, const char *name, const char *text)
{
    char path[STORE_PATH_SIZE];
    path_in(path, f, name);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
    close(fd);
}

/* --- Hits and misses --- */

static void what_was_read_once_is_read_from_memory(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    rest();
    struct diskv_stats before = stats_of(f);
    assert_in_range(f->empty, 0, CACHE_BYTES / 64);
    assert_false(is_hit(f, "k", "value"));
    assert_int_equal(stats_of(f).cache_misses, before.cache_misses + 1);
    for (uint64_t i = 1; i <= 10; i++) {
        assert_true(is_hit(f, "k", "value"));
        assert_int_equal(stats_of(f).cache_hits, before.cache_hits + i);
    }
    assert_int_equal(stats_of(f).cache_misses, before.cache_misses + 1);
    assert_int_equal(stats_of(f).reads, before.reads + 11);
    assert_in_range(stats_of(f).cache_bytes, f->empty + 5, f->empty + 4 * KIB);
}

static void a_reader_of_a_cached_value_needs_no_waiting_and_knows_all_of_it(void **state)
{
    const struct fixture *f = *state;
    const struct diskv_write_options options = {.type = "text/plain"};
    assert_int_equal(diskv_put(f->store, "k", 1, "value", 5, &options), 0);
    rest();
    assert_value(f->store, "k", "value");
    struct diskv_info info = store_stat(f->store, "k");
    diskv_reader *reader;
    char data[8];
    assert_int_equal(diskv_reader_open_now(f->store, "k", 1, DISKV_READ_CACHED, &reader), 0);
    assert_int_equal(hits(f), 1);
    const struct diskv_info *cached = diskv_reader_info(reader);
    assert_int_equal(cached->size, 5);
    assert_string_equal(cached->type, "text/plain");
    assert_string_equal(cached->etag, info.etag);
    assert_int_equal(cached->modified.tv_nsec, info.modified.tv_nsec);
    assert_int_equal(diskv_reader_read_now(reader, data, sizeof data, 2), 3);
    assert_memory_equal(data, "lue", 3);
    assert_int_equal(diskv_reader_read_now(reader, data, sizeof data, 5), 0);
    assert_int_equal(diskv_reader_read_now(reader, data, sizeof data, UINT64_MAX), 0);
    diskv_reader_close(reader);
}

static void what_is_in_memory_is_seen_where_it_lies_and_nothing_else(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader;
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    rest();
    assert_int_equal(diskv_reader_open_now(f->store, "k", 1, DISKV_READ_CACHED, &reader), 0);
    assert_null(diskv_reader_view(reader, 5, 0));
    diskv_reader_close(reader);
    assert_value(f->store, "k", "value");
    uint64_t before = stats_of(f).bytes_read;
    assert_int_equal(diskv_reader_open_now(f->store, "k", 1, DISKV_READ_CACHED, &reader), 0);
    assert_null(diskv_reader_view(reader, 4, 2));
    assert_null(diskv_reader_view(reader, 1, UINT64_MAX));
    assert_null(diskv_reader_view(reader, SIZE_MAX, 1));
    const char *seen = diskv_reader_view(reader, 3, 2);
    assert_int_equal(store_put(f->store, "k", "other"), 0);
    assert_memory_equal(seen, "lue", 3);
    assert_int_equal(stats_of(f).bytes_read, before + 3);
    diskv_reader_close(reader);
}

static void an_empty_value_and_a_missing_key_are_read_as_such(void **state)
{
    const struct fixture *f = *state;
    void *data;
    size_t size;
    assert_int_equal(store_put(f->store, "k", ""), 0);
    for (int i = 0; i < 3; i++) {
        assert_value(f->store, "k", "");
        assert_int_equal(diskv_get(f->store, "none", 4, &data, &size), DISKV_ENOTFOUND);
    }
}

static void a_value_that_was_read_in_part_is_not_cached(void **state)
{
    const struct fixture *f = *state;
    char data[3];
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    rest();
    diskv_reader *reader = store_reader(f->store, "k");
    assert_int_equal(diskv_reader_read_wait(reader, data, 3, 0), 3);
    diskv_reader_close(reader);
    assert_int_equal(stats_of(f).cache_bytes, f->empty);
    reader = store_reader(f->store, "k");
    assert_int_equal(diskv_reader_read_wait(reader, data, 3, 2), 3);
    diskv_reader_close(reader);
    assert_int_equal(stats_of(f).cache_bytes, f->empty);
    assert_false(is_hit(f, "k", "value"));
}

static void a_value_that_was_read_in_order_by_parts_is_cached(void **state)
{
    const struct fixture *f = *state;
    char data[2];
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    rest();
    diskv_reader *reader = store_reader(f->store, "k");
    for (uint64_t at = 0; at < 5; at += 2)
        assert_true(diskv_reader_read_wait(reader, data, 2, at) > 0);
    diskv_reader_close(reader);
    assert_true(is_hit(f, "k", "value"));
}

static void a_value_that_is_read_once_comes_from_the_cache_and_is_not_put_there(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader;
    char data[5];
    put_cached(f, "cached", "value");
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    rest();
    uint64_t before = hits(f);
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "k" : "cached";
        assert_int_equal(
            diskv_reader_open_wait(f->store, key, strlen(key), DISKV_READ_ONCE, &reader), 0);
        assert_int_equal(diskv_reader_read_wait(reader, data, 5, 0), 5);
        assert_memory_equal(data, "value", 5);
        diskv_reader_close(reader);
        assert_int_equal(hits(f), before + 1);
    }
    assert_false(is_hit(f, "k", "value"));
    assert_true(is_hit(f, "cached", "value"));
}

static void a_direct_read_goes_past_the_cache_and_drops_the_value(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader;
    put_cached(f, "k", "value");
    put_cached(f, "other", "value");
    uint64_t bytes = stats_of(f).cache_bytes, before = hits(f);
    assert_int_equal(diskv_reader_open_wait(f->store, "k", 1, DISKV_READ_DIRECT, &reader), 0);
    assert_reads(reader, "value");
    assert_int_equal(hits(f), before);
    assert_in_range(stats_of(f).cache_bytes, f->empty + 1, bytes - 1);
    assert_true(is_hit(f, "other", "value"));
    assert_false(is_hit(f, "k", "value"));
    assert_true(is_hit(f, "k", "value"));
}

/* --- Changes through the store --- */

static void a_value_that_was_overwritten_or_erased_is_gone_from_the_cache(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        char value[16];
        snprintf(value, sizeof value, "value %04d", i);
        put_cached(f, "k", value);
    }
    assert_int_equal(store_erase(f->store, "k"), 0);
    assert_int_equal(store_has(f->store, "k"), 0);
    void *data;
    size_t size;
    assert_int_equal(diskv_get(f->store, "k", 1, &data, &size), DISKV_ENOTFOUND);
    assert_int_equal(stats_of(f).cache_bytes, f->empty);
}

static void a_reader_keeps_its_bytes_when_the_value_is_overwritten(void **state)
{
    const struct fixture *f = *state;
    char data[8];
    put_cached(f, "k", "one");
    diskv_reader *cached = store_reader(f->store, "k");
    assert_int_equal(store_put(f->store, "k", "two"), 0);
    diskv_reader *reader = store_reader(f->store, "k");
    assert_int_equal(diskv_reader_read_wait(reader, data, 1, 0), 1); /* begins to fill the cache */
    assert_int_equal(store_put(f->store, "k", "three"), 0);
    assert_value(f->store, "k", "three");
    assert_int_equal(diskv_reader_read_wait(reader, data, 2, 1), 2);
    assert_memory_equal(data, "wo", 2);
    diskv_reader_close(reader);
    assert_reads(cached, "one");
    assert_value(f->store, "k", "three");
    assert_int_equal(store_erase(f->store, "k"), 0);
    assert_int_equal(store_has(f->store, "k"), 0);
}

/* --- Changes by another program --- */

static void a_file_that_was_replaced_is_read_anew(void **state)
{
    const struct fixture *f = *state;
    put_cached(f, "k", "value");
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof text, "%05d", i);
        replace(f->dir, "k", text);
        assert_value(f->store, "k", text);
        assert_value(f->store, "k", text);
    }
}

static void edits_right_after_the_store_s_own_write_are_seen(void **state)
{
    const struct fixture *f = *state;
    for (int i = 0; i < EDITS; i++) {
        assert_int_equal(store_put(f->store, "k", "stored"), 0);
        assert_value(f->store, "k", "stored");
        edit(f, "k", "edited");
        assert_value(f->store, "k", "edited");
    }
}

static void edits_right_after_one_another_are_seen(void **state)
{
    const struct fixture *f = *state;
    put_cached(f, "k", "00000");
    for (int i = 0; i < EDITS; i++) {
        char text[16];
        snprintf(text, sizeof text, "%05d", i);
        edit(f, "k", text);
        assert_value(f->store, "k", text);
    }
}

static void a_file_that_was_cut_short_or_grew_is_read_anew(void **state)
{
    const struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    path_in(path, f, "k");
    put_cached(f, "k", "value");
    assert_int_equal(truncate(path, 3), 0);
    assert_value(f->store, "k", "val");
    edit(f, "k", "values");
    assert_value(f->store, "k", "values");
    assert_int_equal(truncate(path, 0), 0);
    assert_value(f->store, "k", "");
}

static void a_file_that_was_removed_is_not_found(void **state)
{
    const struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    void *data;
    size_t size;
    path_in(path, f, "k");
    put_cached(f, "k", "value");
    assert_int_equal(remove(path), 0);
    assert_int_equal(diskv_get(f->store, "k", 1, &data, &size), DISKV_ENOTFOUND);
    assert_int_equal(stats_of(f).cache_bytes, f->empty);
    file_write(path, "anew");
    assert_value(f->store, "k", "anew");
}

static void a_file_that_became_a_directory_is_not_found(void **state)
{
    const struct fixture *f = *state;
    char path[STORE_PATH_SIZE], inside[STORE_PATH_SIZE];
    void *data;
    size_t size;
    path_in(path, f, "k");
    path_in(inside, f, "k/%value");
    put_cached(f, "k", "value");
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(diskv_get(f->store, "k", 1, &data, &size), DISKV_ENOTFOUND);
    file_write(inside, "inside");
    assert_value(f->store, "k", "inside");
    assert_value(f->store, "k", "inside");
    assert_int_equal(remove(inside), 0);
    assert_int_equal(diskv_get(f->store, "k", 1, &data, &size), DISKV_ENOTFOUND);
}

static void a_media_type_that_was_changed_is_seen(void **state)
{
    const struct fixture *f = *state;
    char path[STORE_PATH_SIZE], key[16], type[16];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(store_put(f->store, key, "value"), 0);
    }
    rest();
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        path_in(path, f, key);
        assert_value(f->store, key, "value");
        assert_true(is_hit(f, key, "value"));
        int n = snprintf(type, sizeof type, "text/%d", i);
        assert_int_equal(setxattr(path, "user.mime_type", type, (size_t)n, 0), 0);
        diskv_reader *reader = store_reader(f->store, key);
        assert_string_equal(diskv_reader_info(reader)->type, type);
        assert_reads(reader, "value");
    }
}

/* Such a file is cached once it is old enough to bear another time after its next change. */
static void a_file_of_another_program_is_cached_in_the_end_and_never_stale(void **state)
{
    const struct fixture *f = *state;
    const struct timespec pause = {.tv_nsec = 50000000};
    char path[STORE_PATH_SIZE];
    path_in(path, f, "k");
    file_write(path, "first");
    while (!is_hit(f, "k", "first"))
        nanosleep(&pause, NULL);
    for (int i = 0; i < EDITS; i++) {
        char text[16];
        snprintf(text, sizeof text, "%05d", i);
        edit(f, "k", text);
        assert_value(f->store, "k", text);
    }
}

/* --- Bounds --- */

static void a_value_larger_than_a_quarter_of_the_cache_is_read_and_not_cached(void **state)
{
    const struct fixture *f = *state;
    put_cached(f, "small", "value");
    put_sized(f, "large", 1, CACHE_BYTES / 4 + 1);
    put_sized(f, "less", 2, CACHE_BYTES / 8);
    rest();
    uint64_t bytes = stats_of(f).cache_bytes;
    for (int i = 0; i < 3; i++)
        assert_false(is_hit_sized(f, "large", 1, CACHE_BYTES / 4 + 1));
    assert_int_equal(stats_of(f).cache_bytes, bytes);
    assert_true(is_hit(f, "small", "value"));
    assert_false(is_hit_sized(f, "less", 2, CACHE_BYTES / 8));
    assert_true(is_hit_sized(f, "less", 2, CACHE_BYTES / 8));
}

static void the_cache_stays_within_its_bytes_whatever_is_read(void **state)
{
    const struct fixture *f = *state;
    struct random r = random_new();
    size_t sizes[500];
    char key[32];
    uint64_t most = 0;
    for (size_t i = 0; i < 500; i++) {
        sizes[i] = random_below(&r, random_below(&r, CACHE_BYTES / 3) + 1);
        snprintf(key, sizeof key, "k%zu", i);
        put_sized(f, key, i, sizes[i]);
    }
    rest();
    for (size_t reads = 0; reads < 2000; reads++) {
        size_t i = random_below(&r, 500);
        snprintf(key, sizeof key, "k%zu", i);
        is_hit_sized(f, key, i, sizes[i]);
        uint64_t bytes = stats_of(f).cache_bytes;
        assert_in_range(bytes, 0, CACHE_BYTES);
        most = bytes > most ? bytes : most;
    }
    assert_in_range(most, CACHE_BYTES / 2, CACHE_BYTES);
}

#define OFTEN 20

static size_t often_hits(const struct fixture *f)
{
    char key[32];
    size_t hits = 0;
    for (size_t i = 0; i < OFTEN; i++) {
        snprintf(key, sizeof key, "often%zu", i);
        hits += is_hit_sized(f, key, i, 10 * KIB);
    }
    return hits;
}

/* But for the few that the cache takes for keys it was asked for before, by part of their hashes.
 */
static void what_is_read_once_drives_nothing_out(void **state)
{
    const struct fixture *f = *state;
    char key[32];
    for (size_t i = 0; i < OFTEN; i++) {
        snprintf(key, sizeof key, "often%zu", i);
        put_sized(f, key, i, 10 * KIB);
    }
    for (size_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "once%zu", i);
        put_sized(f, key, i, 10 * KIB);
    }
    rest();
    assert_int_equal(often_hits(f), 0);
    for (size_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "once%zu", i);
        assert_false(is_hit_sized(f, key, i, 10 * KIB));
    }
    assert_in_range(often_hits(f), OFTEN - 5, OFTEN);
    assert_true(is_hit_sized(f, "once0", 0, 10 * KIB)); /* there was room yet */
    assert_false(is_hit_sized(f, "once999", 999, 10 * KIB));
    assert_true(is_hit_sized(f, "once999", 999, 10 * KIB));
}

/* --- Compressed values --- */

static void a_compressed_value_is_cached_as_it_is_read(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader;
    char data[4], path[STORE_PATH_SIZE];
    path_in(path, f, "k");
    put_sized(f, "k", 3, 100 * KIB);
    rest();
    assert_in_range(file_stat(path).st_size, 20, 4 * KIB);
    assert_false(is_hit_sized(f, "k", 3, 100 * KIB));
    assert_in_range(stats_of(f).cache_bytes, f->empty + 100 * KIB, f->empty + 110 * KIB);
    assert_true(is_hit_sized(f, "k", 3, 100 * KIB));
    assert_int_equal(diskv_reader_open_now(f->store, "k", 1, DISKV_READ_CACHED, &reader), 0);
    assert_int_equal(diskv_reader_read_now(reader, data, 4, 50 * KIB), 4);
    assert_memory_equal(data, "dddd", 4);
    diskv_reader_close(reader);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_GZIP(name)                                  \
    {                                                    \
        "gzip: " #name, name, setup_gzip, teardown, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_read_once_is_read_from_memory),
        CASE(a_reader_of_a_cached_value_needs_no_waiting_and_knows_all_of_it),
        CASE(what_is_in_memory_is_seen_where_it_lies_and_nothing_else),
        CASE(an_empty_value_and_a_missing_key_are_read_as_such),
        CASE(a_value_that_was_read_in_part_is_not_cached),
        CASE(a_value_that_was_read_in_order_by_parts_is_cached),
        CASE(a_value_that_is_read_once_comes_from_the_cache_and_is_not_put_there),
        CASE(a_direct_read_goes_past_the_cache_and_drops_the_value),
        CASE_GZIP(a_direct_read_goes_past_the_cache_and_drops_the_value),
        CASE(a_value_that_was_overwritten_or_erased_is_gone_from_the_cache),
        CASE(a_reader_keeps_its_bytes_when_the_value_is_overwritten),
        CASE_GZIP(a_reader_keeps_its_bytes_when_the_value_is_overwritten),
        CASE(a_file_that_was_replaced_is_read_anew),
        CASE_GZIP(a_file_that_was_replaced_is_read_anew),
        CASE(edits_right_after_the_store_s_own_write_are_seen),
        CASE(edits_right_after_one_another_are_seen),
        CASE(a_file_that_was_cut_short_or_grew_is_read_anew),
        CASE(a_file_that_was_removed_is_not_found),
        CASE(a_file_that_became_a_directory_is_not_found),
        CASE(a_media_type_that_was_changed_is_seen),
        CASE(a_file_of_another_program_is_cached_in_the_end_and_never_stale),
        CASE(a_value_larger_than_a_quarter_of_the_cache_is_read_and_not_cached),
        CASE(the_cache_stays_within_its_bytes_whatever_is_read),
        CASE(what_is_read_once_drives_nothing_out),
        CASE_GZIP(a_compressed_value_is_cached_as_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
