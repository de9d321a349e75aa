/* A store that is opened beside others on the same directory. */
#include "store_helpers.h"
#include "tempdir.h"

static const struct diskv_options detached = {.detached = true};

struct fixture {
    diskv *store;
    char dir[TEMPDIR_SIZE];
    char own[STORE_PATH_SIZE]; /* .diskv */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    path_join(f->own, f->dir, ".diskv");
    return diskv_open(f->dir, &detached, &f->store);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static diskv *store_serving(const struct fixture *f)
{
    diskv *store;
    assert_int_equal(diskv_open(f->dir, NULL, &store), 0);
    return store;
}

static void it_reads_and_writes_beside_the_store_that_has_the_lock(void **state)
{
    struct fixture *f = *state;
    diskv *serving = store_serving(f);
    assert_int_equal(store_put(f->store, "ours", "1"), 0);
    assert_value(serving, "ours", "1");
    assert_int_equal(store_put(serving, "ours", "2"), 0);
    assert_value(f->store, "ours", "2");
    assert_int_equal(store_erase(f->store, "ours"), 0);
    assert_int_equal(store_has(serving, "ours"), 0);
    diskv_close(serving);
}

static void who_only_reads_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "a");
    file_write(path, "by hand");
    assert_value(f->store, "a", "by hand");
    assert_walk(f->store, "", "a");
    assert_false(file_exists(f->own));
    assert_int_equal(store_erase(f->store, "a"), 0);
    assert_false(file_exists(f->own));
}

static void what_writing_needs_is_gone_when_it_is_closed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "1"), 0);
    assert_int_equal(store_put(f->store, "a/b", "2"), 0);
    assert_int_equal(dir_count(f->own, NULL), 1);
    diskv_close(f->store);
    f->store = NULL;
    assert_false(file_exists(f->own));
}

static void the_start_of_another_store_leaves_what_is_being_written(void **state)
{
    struct fixture *f = *state;
    diskv_writer *writer;
    char data[1024 * 1024];
    memset(data, 'x', sizeof data);
    assert_int_equal(diskv_writer_open(f->store, "a", 1, NULL, &writer), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(diskv_writer_append_wait(writer, data, sizeof data), 0);
    diskv *serving = store_serving(f);
    diskv *third;
    assert_int_equal(diskv_open(f->dir, &detached, &third), 0);
    assert_int_equal(store_put(third, "b", "2"), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_int_equal(store_stat(serving, "a").size, 4 * sizeof data);
    diskv_close(third);
    diskv_close(serving);
}

static void leftovers_of_the_dead_are_removed_by_the_next(void **state)
{
    struct fixture *f = *state;
    for (int serve = 0; serve < 2; serve++) {
        char dead[STORE_PATH_SIZE], file[STORE_PATH_SIZE];
        path_join(dead, f->own, "tmp-0123456789abcdef");
        path_join(file, dead, "1.1");
        mkdir(f->own, 0777);
        assert_int_equal(mkdir(dead, 0777), 0);
        file_write(file, "half");
        if (serve)
            diskv_close(store_serving(f));
        else
            assert_int_equal(store_put(f->store, "a", "1"), 0);
        assert_false(file_exists(dead));
    }
}

static void listings_have_what_files_there_are_and_its_own_changes(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    assert_int_equal(store_put(f->store, "b", "2"), 0);
    path_join(path, f->dir, "a");
    file_write(path, "by hand");
    assert_walk(f->store, "", "a b");
    assert_int_equal(store_put(f->store, "c", "3"), 0);
    assert_int_equal(store_erase(f->store, "b"), 0);
    assert_walk(f->store, "", "a c");
    path_join(path, f->dir, "d");
    file_write(path, "by hand");
    assert_int_equal(diskv_rescan_wait(f->store), 0);
    assert_walk(f->store, "", "a c d");
}

static void the_index_of_the_store_that_serves_stays_as_it_is(void **state)
{
    struct fixture *f = *state;
    diskv *serving = store_serving(f);
    assert_int_equal(store_put(serving, "a", "1"), 0);
    assert_walk(f->store, "", "a");
    assert_int_equal(store_put(f->store, "b", "2"), 0);
    assert_int_equal(diskv_rescan_wait(serving), 0);
    assert_walk(serving, "", "a b");
    diskv_close(serving);
}

static void what_cannot_be_is_refused(void **state)
{
    struct fixture *f = *state;
    struct diskv_options options = {.detached = true, .watch = true};
    diskv *store;
    assert_int_equal(diskv_open(f->dir, &options, &store), DISKV_EINVAL);
    options = (struct diskv_options){.detached = true, .temp_dir = "/tmp"};
    assert_int_equal(diskv_open(f->dir, &options, &store), DISKV_EINVAL);
    assert_int_equal(diskv_open("/nonexistent/dir", &detached, &store), DISKV_ENOTFOUND);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_reads_and_writes_beside_the_store_that_has_the_lock),
        CASE(who_only_reads_leaves_no_trace),
        CASE(what_writing_needs_is_gone_when_it_is_closed),
        CASE(the_start_of_another_store_leaves_what_is_being_written),
        CASE(leftovers_of_the_dead_are_removed_by_the_next),
        CASE(listings_have_what_files_there_are_and_its_own_changes),
        CASE(the_index_of_the_store_that_serves_stays_as_it_is),
        CASE(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
