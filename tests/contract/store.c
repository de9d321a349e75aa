/* Values as a program gets them from the library without a callback: the same cases over each
 * engine. */
#include "store_kinds.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define LARGE    (3 * 1024 * 1024) /* many buffers of a writer's */
#define ODD_STEP 77777
#define COMMON   .sync = DISKV_SYNC_NONE, .max_value_bytes = LARGE

/* The kinds of stores that all cases are run over. */
KIND(fs, COMMON, .engine = "fs")
KIND(fs_with_cache, COMMON, .cache_bytes = 1 << 20)
KIND(fs_with_gzip, COMMON, .compress = "gzip")
KIND(fs_with_zlib_dictionary_and_cache, COMMON, .compress = "zlib:1", .dictionary = "hello",
     .dictionary_len = 5, .cache_bytes = 64 << 20)
KIND(memory, COMMON, .engine = "memory")
KIND(memory_with_gzip_and_cache, COMMON, .engine = "memory", .compress = "gzip:9",
     .cache_bytes = 64 << 20)

/* Bytes that differ from place to place; for free(). */
static char *large_value(void)
{
    char *data = malloc(LARGE);
    assert_non_null(data);
    for (size_t i = 0; i < LARGE; i++)
        data[i] = (char)((i >> 12) * 31 + i * 7);
    return data;
}

/* --- Whole values --- */

static void a_value_is_read_back(void **state)
{
    diskv *store = store_of(state);
    assert_int_equal(store_put(store, "a/b", "hello"), 0);
    assert_value(store, "a/b", "hello");
    assert_int_equal(store_put(store, "a/b", "bye"), 0);
    assert_value(store, "a/b", "bye");
}

static void any_bytes_are_a_value(void **state)
{
    diskv *store = store_of(state);
    void *data;
    size_t size;
    assert_int_equal(diskv_put(store, "k", 1, "\0\xff\n\0", 4, NULL), 0);
    assert_int_equal(diskv_get(store, "k", 1, &data, &size), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(data, "\0\xff\n\0", 5);
    free(data);
}

static void an_empty_value_is_a_value(void **state)
{
    diskv *store = store_of(state);
    assert_int_equal(diskv_put(store, "empty", 5, NULL, 0, NULL), 0);
    assert_value(store, "empty", "");
    assert_int_equal(store_has(store, "empty"), 1);
}

static void assert_large_value(diskv *store, const char *key, const char *value)
{
    void *data;
    size_t size;
    assert_int_equal(diskv_get(store, key, strlen(key), &data, &size), 0);
    assert_int_equal(size, LARGE);
    assert_memory_equal(data, value, LARGE);
    free(data);
}

static void a_value_of_many_buffers_is_read_back(void **state)
{
    diskv *store = store_of(state);
    char *value = large_value();
    assert_int_equal(diskv_put(store, "large", 5, value, LARGE, NULL), 0);
    assert_large_value(store, "large", value);
    free(value);
}

static void a_value_over_the_limit_is_refused_and_changes_nothing(void **state)
{
    diskv *store = store_of(state);
    assert_int_equal(store_put(store, "k", "old"), 0);
    char *value = calloc(1, LARGE + 1);
    assert_int_equal(diskv_put(store, "k", 1, value, LARGE + 1, NULL), DISKV_ETOOLARGE);
    free(value);
    assert_value(store, "k", "old");
}

static void a_missing_key_is_not_found(void **state)
{
    diskv *store = store_of(state);
    void *data;
    size_t size;
    struct diskv_info info;
    diskv_reader *reader;
    assert_int_equal(diskv_get(store, "none", 4, &data, &size), DISKV_ENOTFOUND);
    assert_int_equal(diskv_stat(store, "none", 4, &info), DISKV_ENOTFOUND);
    assert_int_equal(diskv_reader_open_wait(store, "none", 4, DISKV_READ_CACHED, &reader),
                     DISKV_ENOTFOUND);
    assert_int_equal(store_erase(store, "none"), DISKV_ENOTFOUND);
    assert_int_equal(store_has(store, "none"), 0);
}

static void what_is_no_key_is_refused_by_every_call(void **state)
{
    diskv *store = store_of(state);
    static const char not_utf8[] = "\xc3";
    void *data;
    size_t size;
    struct diskv_info info;
    diskv_reader *reader;
    assert_int_equal(store_put(store, "", "v"), DISKV_EKEY);
    assert_int_equal(store_put(store, not_utf8, "v"), DISKV_EKEY);
    assert_int_equal(diskv_get(store, not_utf8, 1, &data, &size), DISKV_EKEY);
    assert_int_equal(diskv_stat(store, not_utf8, 1, &info), DISKV_EKEY);
    assert_int_equal(diskv_reader_open_wait(store, not_utf8, 1, DISKV_READ_CACHED, &reader),
                     DISKV_EKEY);
    assert_int_equal(store_erase(store, not_utf8), DISKV_EKEY);
    assert_int_equal(store_has(store, not_utf8), DISKV_EKEY);
}

static void an_erased_key_is_gone_until_it_is_written_again(void **state)
{
    diskv *store = store_of(state);
    assert_int_equal(store_put(store, "k", "one"), 0);
    assert_int_equal(store_erase(store, "k"), 0);
    assert_int_equal(store_has(store, "k"), 0);
    assert_int_equal(store_erase(store, "k"), DISKV_ENOTFOUND);
    assert_int_equal(store_put(store, "k", "two"), 0);
    assert_value(store, "k", "two");
}

static void stat_says_what_the_writer_and_the_reader_say(void **state)
{
    diskv *store = store_of(state);
    const struct diskv_write_options options = {.type = "text/plain"};
    diskv_writer *writer;
    diskv_reader *reader;
    struct diskv_info info;
    assert_int_equal(diskv_writer_open(store, "k", 1, &options, &writer), 0);
    assert_int_equal(diskv_writer_append_wait(writer, "hello", 5), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    assert_int_equal(diskv_stat(store, "k", 1, &info), 0);
    assert_int_equal(diskv_reader_open_wait(store, "k", 1, DISKV_READ_CACHED, &reader), 0);
    assert_int_equal(info.size, 5);
    assert_string_equal(info.type, "text/plain");
    assert_string_equal(info.etag, diskv_writer_info(writer)->etag);
    assert_string_equal(info.etag, diskv_reader_info(reader)->etag);
    assert_int_equal(info.modified.tv_sec, diskv_writer_info(writer)->modified.tv_sec);
    assert_int_equal(info.modified.tv_nsec, diskv_writer_info(writer)->modified.tv_nsec);
    diskv_reader_close(reader);
    diskv_writer_close(writer);
}

/* --- Streams --- */

static void a_value_written_in_odd_parts_is_read_in_odd_parts(void **state)
{
    diskv *store = store_of(state);
    char *value = large_value(), *part = malloc(ODD_STEP);
    diskv_writer *writer;
    diskv_reader *reader;
    assert_int_equal(diskv_writer_open(store, "k", 1, NULL, &writer), 0);
    for (size_t at = 0; at < LARGE; at += ODD_STEP) {
        size_t n = LARGE - at < ODD_STEP ? LARGE - at : ODD_STEP;
        assert_int_equal(diskv_writer_append_wait(writer, value + at, n), 0);
    }
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    assert_true(diskv_writer_created(writer));
    diskv_writer_close(writer);
    assert_int_equal(diskv_reader_open_wait(store, "k", 1, DISKV_READ_CACHED, &reader), 0);
    assert_int_equal(diskv_reader_info(reader)->size, LARGE);
    for (size_t at = 0; at < LARGE; at += ODD_STEP) {
        size_t n = LARGE - at < ODD_STEP ? LARGE - at : ODD_STEP;
        assert_int_equal(diskv_reader_read_wait(reader, part, ODD_STEP, at), n);
        assert_memory_equal(part, value + at, n);
    }
    assert_int_equal(diskv_reader_read_wait(reader, part, 1, LARGE), 0);
    assert_int_equal(diskv_reader_read_wait(reader, part, 1, LARGE + 1), 0);
    diskv_reader_close(reader);
    free(part);
    free(value);
}

static void note_result(void *ctx, int rc)
{
    atomic_int *result = ctx;
    atomic_store(result, rc);
}

static void room_that_needs_no_wait_is_made_at_once_and_no_byte_is_lost(void **state)
{
    diskv *store = store_of(state);
    char *value = large_value();
    diskv_writer *writer;
    assert_int_equal(diskv_writer_open(store, "k", 1, NULL, &writer), 0);
    for (size_t at = 0; at < LARGE;) {
        int64_t n = diskv_writer_append(writer, value + at, LARGE - at);
        assert_true(n >= 0);
        at += (size_t)n;
        if (at == LARGE || diskv_writer_flush_now(writer))
            continue;
        atomic_int result = 1;
        diskv_writer_flush(writer, note_result, &result);
        while (atomic_load(&result) == 1)
            sched_yield();
        assert_int_equal(result, 0);
    }
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_large_value(store, "k", value);
    free(value);
}

static void flushes_of_either_kind_write_what_was_appended_in_order(void **state)
{
    diskv *store = store_of(state);
    char *value = large_value();
    diskv_writer *writer;
    size_t rounds = 0;
    assert_int_equal(diskv_writer_open(store, "k", 1, NULL, &writer), 0);
    assert_int_equal(diskv_writer_flush_wait(writer), 0); /* of nothing */
    for (size_t at = 0; at < LARGE; rounds++) {
        size_t len = LARGE - at < ODD_STEP ? LARGE - at : ODD_STEP;
        int64_t n = diskv_writer_append(writer, value + at, len);
        assert_true(n >= 0);
        at += (size_t)n;
        if (rounds % 3)
            diskv_writer_flush_now(writer);
        else
            assert_int_equal(diskv_writer_flush_wait(writer), 0);
    }
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_large_value(store, "k", value);
    free(value);
}

/* Makes the writer's buffer full, and returns how much that took. */
static size_t writer_fill(diskv_writer *writer, const char *value)
{
    int64_t n = diskv_writer_append(writer, value, LARGE);
    assert_in_range(n, 1, LARGE - 1);
    return (size_t)n;
}

static void at_most_sixteen_writers_at_once_have_a_second_buffer(void **state)
{
    enum { SECOND_BUFFERS = 16, WRITERS = 20 };
    diskv *store = store_of(state);
    diskv_writer *writers[WRITERS];
    char *value = large_value(), key[WRITERS][8];
    size_t with_second = 0, filled = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        snprintf(key[i], sizeof key[i], "k%zu", i);
        assert_int_equal(diskv_writer_open(store, key[i], strlen(key[i]), NULL, &writers[i]), 0);
        filled = writer_fill(writers[i], value);
        with_second += diskv_writer_flush_now(writers[i]);
    }
    assert_int_equal(with_second, SECOND_BUFFERS);
    for (size_t i = WRITERS; i-- > 0;) {
        assert_int_equal(diskv_writer_append_wait(writers[i], value + filled, LARGE - filled), 0);
        assert_int_equal(diskv_writer_commit_wait(writers[i]), 0);
        assert_large_value(store, key[i], value);
    }
    for (size_t i = 0; i < WRITERS; i++)
        diskv_writer_close(writers[i]);
    assert_int_equal(diskv_writer_open(store, "next", 4, NULL, &writers[0]), 0);
    writer_fill(writers[0], value);
    assert_true(diskv_writer_flush_now(writers[0]));
    diskv_writer_close(writers[0]);
    free(value);
}

static void what_is_put_where_the_buffer_has_room_counts_as_if_appended(void **state)
{
    diskv *store = store_of(state);
    diskv_writer *writer;
    void *space;
    assert_int_equal(diskv_writer_open(store, "k", 1, NULL, &writer), 0);
    assert_int_equal(diskv_writer_append(writer, "he", 2), 2);
    assert_int_equal(diskv_writer_space(writer, 0, &space), 0);
    assert_int_equal(diskv_writer_space(writer, 5, &space), 5);
    memcpy(space, "llxxx", 5);
    diskv_writer_filled(writer, 2); /* fewer than there was room for */
    assert_int_equal(diskv_writer_append(writer, "o", 1), 1);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    struct diskv_info info = *diskv_writer_info(writer);
    diskv_writer_close(writer);

    assert_int_equal(store_put(store, "same", "hello"), 0);
    struct diskv_info same;
    assert_int_equal(diskv_stat(store, "same", 4, &same), 0);
    assert_int_equal(info.size, 5);
    assert_string_equal(info.etag, same.etag);
}

static void a_reader_keeps_the_value_that_it_opened(void **state)
{
    diskv *store = store_of(state);
    diskv_reader *reader;
    char data[8];
    assert_int_equal(store_put(store, "k", "one"), 0);
    assert_int_equal(diskv_reader_open_wait(store, "k", 1, DISKV_READ_CACHED, &reader), 0);
    assert_int_equal(store_put(store, "k", "other"), 0);
    assert_int_equal(diskv_reader_read_wait(reader, data, sizeof data, 0), 3);
    assert_memory_equal(data, "one", 3);
    assert_int_equal(store_erase(store, "k"), 0);
    assert_int_equal(diskv_reader_read_wait(reader, data, sizeof data, 1), 2);
    assert_memory_equal(data, "ne", 2);
    diskv_reader_close(reader);
}

static void a_writer_that_is_not_committed_changes_nothing(void **state)
{
    diskv *store = store_of(state);
    diskv_writer *writer;
    char *value = large_value();
    assert_int_equal(store_put(store, "k", "old"), 0);
    assert_int_equal(diskv_writer_open(store, "k", 1, NULL, &writer), 0);
    assert_int_equal(diskv_writer_append_wait(writer, value, LARGE), 0);
    diskv_writer_close(writer);
    assert_value(store, "k", "old");
    free(value);
}

/* --- Guards --- */

static int if_none(void *ctx, const struct diskv_info *current)
{
    (void)ctx;
    return current ? DISKV_EPRECONDITION : 0;
}

static int if_tag(void *ctx, const struct diskv_info *current)
{
    return current && strcmp(current->etag, ctx) == 0 ? 0 : DISKV_EPRECONDITION;
}

static void a_guard_lets_only_the_first_write_through(void **state)
{
    diskv *store = store_of(state);
    const struct diskv_write_options options = {.guard = if_none};
    assert_int_equal(diskv_put(store, "k", 1, "one", 3, &options), 0);
    assert_int_equal(diskv_put(store, "k", 1, "two", 3, &options), DISKV_EPRECONDITION);
    assert_value(store, "k", "one");
}

static void a_guard_sees_the_value_that_would_be_replaced_or_erased(void **state)
{
    diskv *store = store_of(state);
    struct diskv_info old, new;
    assert_int_equal(store_put(store, "k", "one"), 0);
    assert_int_equal(diskv_stat(store, "k", 1, &old), 0);
    const struct diskv_write_options options = {.guard = if_tag, .guard_ctx = old.etag};
    assert_int_equal(diskv_put(store, "k", 1, "two", 3, &options), 0);
    assert_int_equal(diskv_put(store, "k", 1, "three", 5, &options), DISKV_EPRECONDITION);
    assert_int_equal(diskv_erase_wait(store, "k", 1, if_tag, old.etag), DISKV_EPRECONDITION);
    assert_value(store, "k", "two");
    assert_int_equal(diskv_stat(store, "k", 1, &new), 0);
    assert_int_equal(diskv_erase_wait(store, "k", 1, if_tag, new.etag), 0);
    assert_int_equal(store_has(store, "k"), 0);
}

/* --- Threads --- */

struct adder {
    diskv *store;
    int rc;
};

#define ADDERS 8
#define ADDS   50

/* Adds one to a number that is kept as a value, ADDS times. */
static void *adder_main(void *arg)
{
    struct adder *a = arg;
    for (size_t done = 0; done < ADDS && !a->rc;) {
        diskv_reader *reader;
        char text[16] = "";
        a->rc = diskv_reader_open_wait(a->store, "n", 1, DISKV_READ_CACHED, &reader);
        if (a->rc)
            break;
        struct diskv_info info = *diskv_reader_info(reader);
        int64_t n = diskv_reader_read_wait(reader, text, sizeof text - 1, 0);
        diskv_reader_close(reader);
        const struct diskv_write_options options = {.guard = if_tag, .guard_ctx = info.etag};
        int len = snprintf(text, sizeof text, "%lu", strtoul(text, NULL, 10) + 1);
        int rc = n < 0 ? (int)n : diskv_put(a->store, "n", 1, text, (size_t)len, &options);
        done += rc == 0;
        a->rc = rc == DISKV_EPRECONDITION ? 0 : rc;
    }
    return NULL;
}

static void guarded_writes_of_many_threads_lose_no_update(void **state)
{
    diskv *store = store_of(state);
    struct adder adders[ADDERS];
    pthread_t threads[ADDERS];
    char expected[16];
    assert_int_equal(store_put(store, "n", "0"), 0);
    for (size_t i = 0; i < ADDERS; i++) {
        adders[i] = (struct adder){.store = store};
        assert_int_equal(pthread_create(&threads[i], NULL, adder_main, &adders[i]), 0);
    }
    for (size_t i = 0; i < ADDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(adders[i].rc, 0);
    }
    snprintf(expected, sizeof expected, "%d", ADDERS * ADDS);
    assert_value(store, "n", expected);
}

#define VALUES(setup)                                                                \
    CASE_OF(setup, a_value_is_read_back), CASE_OF(setup, any_bytes_are_a_value),     \
        CASE_OF(setup, an_empty_value_is_a_value),                                   \
        CASE_OF(setup, a_value_of_many_buffers_is_read_back),                        \
        CASE_OF(setup, a_value_over_the_limit_is_refused_and_changes_nothing),       \
        CASE_OF(setup, a_missing_key_is_not_found),                                  \
        CASE_OF(setup, what_is_no_key_is_refused_by_every_call),                     \
        CASE_OF(setup, an_erased_key_is_gone_until_it_is_written_again),             \
        CASE_OF(setup, stat_says_what_the_writer_and_the_reader_say),                \
        CASE_OF(setup, a_value_written_in_odd_parts_is_read_in_odd_parts),           \
        CASE_OF(setup, room_that_needs_no_wait_is_made_at_once_and_no_byte_is_lost), \
        CASE_OF(setup, flushes_of_either_kind_write_what_was_appended_in_order),     \
        CASE_OF(setup, what_is_put_where_the_buffer_has_room_counts_as_if_appended), \
        CASE_OF(setup, a_reader_keeps_the_value_that_it_opened),                     \
        CASE_OF(setup, a_writer_that_is_not_committed_changes_nothing),              \
        CASE_OF(setup, a_guard_lets_only_the_first_write_through),                   \
        CASE_OF(setup, a_guard_sees_the_value_that_would_be_replaced_or_erased),     \
        CASE_OF(setup, guarded_writes_of_many_threads_lose_no_update)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(fs, at_most_sixteen_writers_at_once_have_a_second_buffer),
        VALUES(fs),
        CASE_OF(memory, at_most_sixteen_writers_at_once_have_a_second_buffer),
        VALUES(memory),
        VALUES(fs_with_cache),
        VALUES(fs_with_gzip),
        VALUES(fs_with_zlib_dictionary_and_cache),
        VALUES(memory_with_gzip_and_cache)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
