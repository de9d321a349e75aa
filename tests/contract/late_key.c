/* Values whose keys are not known before they were written, over each kind of store. */
#include "store_kinds.h"

#define LARGE (700 * 1024) /* more than a writer's buffer */

KIND(fs, .engine = "fs", .sync = DISKV_SYNC_NONE)
KIND(fs_split_with_gzip, .layout = "split:2", .compress = "gzip", .sync = DISKV_SYNC_NONE)
KIND(memory, .engine = "memory")

static diskv_writer *writer_with(struct fixture *f, const char *value,
                                 const struct diskv_write_options *options)
{
    diskv_writer *writer;
    assert_int_equal(diskv_writer_open(f->store, NULL, 0, options, &writer), 0);
    assert_int_equal(diskv_writer_append_wait(writer, value, strlen(value)), 0);
    return writer;
}

static int name(diskv_writer *writer, const char *key)
{
    return diskv_writer_name(writer, key, strlen(key));
}

static void a_value_is_stored_under_the_name_that_it_got_last(void **state)
{
    struct fixture *f = *state;
    diskv_writer *writer = writer_with(f, "value", NULL);
    assert_int_equal(name(writer, "first"), 0);
    assert_int_equal(name(writer, "d/last"), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    assert_true(diskv_writer_created(writer));
    assert_int_equal(diskv_writer_info(writer)->size, 5);
    assert_string_equal(diskv_writer_info(writer)->etag, store_stat(f->store, "d/last").etag);
    diskv_writer_close(writer);
    assert_value(f->store, "d/last", "value");
    assert_walk(f->store, "", "d/last");
}

static void a_name_replaces_the_key_that_the_writer_was_opened_with(void **state)
{
    struct fixture *f = *state;
    diskv_writer *writer;
    assert_int_equal(diskv_writer_open(f->store, "k", 1, NULL, &writer), 0);
    assert_int_equal(name(writer, "a/key/that/is/longer"), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_value(f->store, "a/key/that/is/longer", "");
    assert_walk(f->store, "", "a/key/that/is/longer");
}

static void what_was_flushed_before_the_name_is_in_the_value(void **state)
{
    struct fixture *f = *state;
    char *bytes = malloc(LARGE + 1);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)('a' + i % 23);
    bytes[LARGE] = '\0';
    diskv_writer *writer = writer_with(f, bytes, NULL);
    assert_int_equal(name(writer, "k"), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_value(f->store, "k", bytes);
    free(bytes);
}

static void a_commit_without_a_name_is_ekey(void **state)
{
    struct fixture *f = *state;
    diskv_writer *writer = writer_with(f, "value", NULL);
    assert_int_equal(diskv_writer_commit_wait(writer), DISKV_EKEY);
    diskv_writer_close(writer);
    assert_walk(f->store, "", "");
}

static void what_is_no_key_is_refused_and_the_name_before_it_stays(void **state)
{
    struct fixture *f = *state;
    char longest[DISKV_KEY_MAX + 1];
    memset(longest, 'k', sizeof longest);
    diskv_writer *writer = writer_with(f, "value", NULL);
    assert_int_equal(diskv_writer_name(writer, longest, DISKV_KEY_MAX), 0);
    assert_int_equal(diskv_writer_name(writer, longest, DISKV_KEY_MAX + 1), DISKV_EKEY);
    assert_int_equal(name(writer, ""), DISKV_EKEY);
    assert_int_equal(name(writer, "\xff"), DISKV_EKEY);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_int_equal(diskv_has(f->store, longest, DISKV_KEY_MAX), 1);
}

static int only_if_absent(void *ctx, const struct diskv_info *current)
{
    (void)ctx;
    return current ? DISKV_EPRECONDITION : 0;
}

static void the_guard_is_asked_about_the_name(void **state)
{
    struct fixture *f = *state;
    const struct diskv_write_options options = {.guard = only_if_absent, .probe = true};
    assert_int_equal(store_put(f->store, "there", "old"), 0);
    diskv_writer *writer = writer_with(f, "new", &options);
    assert_int_equal(name(writer, "there"), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), DISKV_EPRECONDITION);
    diskv_writer_close(writer);
    assert_value(f->store, "there", "old");
    writer = writer_with(f, "new", &options);
    assert_int_equal(name(writer, "not-there"), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_value(f->store, "not-there", "new");
}

#define CASES(setup)                                                             \
    CASE_OF(setup, a_value_is_stored_under_the_name_that_it_got_last),           \
        CASE_OF(setup, a_name_replaces_the_key_that_the_writer_was_opened_with), \
        CASE_OF(setup, what_was_flushed_before_the_name_is_in_the_value),        \
        CASE_OF(setup, a_commit_without_a_name_is_ekey),                         \
        CASE_OF(setup, what_is_no_key_is_refused_and_the_name_before_it_stays),  \
        CASE_OF(setup, the_guard_is_asked_about_the_name)

int main(void)
{
    const struct CMUnitTest tests[] = {CASES(fs), CASES(fs_split_with_gzip), CASES(memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
