/* Verifying through the library: what it tells of, and the index, which no program can spoil. */
#include "store_helpers.h"
#include "tempdir.h"

#include "fs.h"
#include "index.h"

struct timespec __wrap_fs_now(void);

/* Later than it is: every directory is old enough for its time to be relied on. */
struct timespec __wrap_fs_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += 10;
    return now;
}

struct seen {
    char text[1024]; /* "PROBLEM NAME;" for each, in the order they came */
    atomic_uint values, bytes, total;
};

static void finding_see(void *ctx, const struct diskv_finding *f)
{
    struct seen *seen = ctx;
    size_t len = strlen(seen->text);
    const char *name = f->key ? f->key : f->path ? f->path : "";
    snprintf(seen->text + len, sizeof seen->text - len, "%s%s %.*s;", f->repaired ? "+" : "",
             diskv_problem_word(f->problem), (int)(f->key ? f->len : strlen(name)), name);
    assert_true(strlen(f->detail) > 0);
}

static void total_see(void *ctx, uint64_t values, uint64_t bytes)
{
    struct seen *seen = ctx;
    atomic_store(&seen->total, (unsigned)(values * 100 + bytes));
}

static void done_see(void *ctx, uint64_t values, uint64_t bytes)
{
    struct seen *seen = ctx;
    atomic_fetch_add(&seen->values, (unsigned)values);
    atomic_fetch_add(&seen->bytes, (unsigned)bytes);
}

static struct diskv_verified verify(const char *dir, bool repair, struct seen *seen)
{
    struct diskv_verified out;
    memset(seen, 0, sizeof *seen);
    const struct diskv_verify_options options = {.repair = repair,
                                                 .jobs = 3,
                                                 .ctx = seen,
                                                 .finding = finding_see,
                                                 .total = total_see,
                                                 .done = done_see};
    assert_int_equal(diskv_verify(dir, &options, &out), 0);
    return out;
}

static diskv *store_in(const char *dir)
{
    diskv *store;
    assert_int_equal(diskv_open(dir, NULL, &store), 0);
    return store;
}

/* A closed store of three values, whose index has noted every directory as it is. */
static void store_make(char dir[TEMPDIR_SIZE])
{
    tempdir_new(dir);
    diskv *store = store_in(dir);
    assert_int_equal(store_put(store, "a", "one"), 0);
    assert_int_equal(store_put(store, "b/c", "three"), 0);
    assert_int_equal(store_put(store, "b/d", ""), 0);
    diskv_close(store);
    diskv_close(store_in(dir));
}

static void file_path(const char *dir, const char *name, char path[STORE_PATH_SIZE])
{
    snprintf(path, STORE_PATH_SIZE, "%s/%s", dir, name);
}

static void index_edit(const char *dir, bool erase, const char *key)
{
    char path[STORE_PATH_SIZE];
    bool fresh;
    struct index *index;
    const struct index_change change = {erase, key, strlen(key)};
    file_path(dir, ".diskv/index", path);
    assert_int_equal(index_lmdb_open(path, &fresh, &index), 0);
    assert_false(fresh);
    assert_int_equal(index->ops->apply(index, &change, 1), 0);
    index->ops->free(index);
}

static void a_whole_store_is_counted_and_nothing_is_found(void **state)
{
    char dir[TEMPDIR_SIZE];
    struct seen seen;
    (void)state;
    store_make(dir);
    struct diskv_verified v = verify(dir, false, &seen);
    assert_string_equal(seen.text, "");
    assert_int_equal(v.values, 3);
    assert_int_equal(v.bytes, 8);
    assert_int_equal(v.indexed, 3);
    assert_int_equal(v.unverified + v.wrong + v.foreign + v.leftovers + v.repaired, 0);
    assert_false(v.served);
    assert_int_equal(seen.values, 3);
    assert_int_equal(seen.bytes, 8);
    assert_int_equal(seen.total, 308);
    tempdir_remove(dir);
}

static void an_index_that_differs_is_found_and_made_anew(void **state)
{
    char dir[TEMPDIR_SIZE];
    struct seen seen;
    (void)state;
    store_make(dir);
    index_edit(dir, true, "a");
    index_edit(dir, false, "b/ghost");
    struct diskv_verified v = verify(dir, false, &seen);
    assert_string_equal(seen.text, "index a;index b/ghost;");
    assert_int_equal(v.wrong, 2);
    diskv *store = store_in(dir);
    assert_walk(store, "", "b/c b/d"); /* drops the other and has the directory read again */
    diskv_close(store);
    diskv_close(store_in(dir));

    index_edit(dir, false, "b/ghost");
    v = verify(dir, true, &seen);
    assert_string_equal(seen.text, "+index a;+index b/ghost;");
    assert_int_equal(v.repaired, 2);
    store = store_in(dir);
    assert_walk(store, "", "a b/c b/d");
    diskv_close(store);
    tempdir_remove(dir);
}

static void an_index_behind_a_changed_directory_is_well(void **state)
{
    char dir[TEMPDIR_SIZE], path[STORE_PATH_SIZE];
    struct seen seen;
    (void)state;
    store_make(dir);
    file_path(dir, "b/c", path);
    assert_int_equal(unlink(path), 0);
    file_path(dir, "b/new", path);
    close(open(path, O_CREAT | O_WRONLY, 0666));
    struct diskv_verified v = verify(dir, true, &seen);
    assert_string_equal(seen.text, "");
    assert_int_equal(v.unverified, 1);
    tempdir_remove(dir);
}

static void a_store_that_is_open_is_verified_without_its_index(void **state)
{
    char dir[TEMPDIR_SIZE], path[STORE_PATH_SIZE];
    struct seen seen;
    (void)state;
    store_make(dir);
    diskv *store = store_in(dir);
    file_path(dir, ".diskv/tmp/1.2", path);
    close(open(path, O_CREAT | O_WRONLY, 0666));
    struct diskv_verified v = verify(dir, true, &seen);
    assert_string_equal(seen.text, "");
    assert_true(v.served);
    assert_int_equal(v.values, 3);
    assert_int_equal(access(path, F_OK), 0);
    diskv_close(store);
    v = verify(dir, true, &seen);
    assert_string_equal(seen.text, "+leftover .diskv/tmp/1.2;");
    assert_int_equal(access(path, F_OK), -1);
    tempdir_remove(dir);
}

static void a_store_that_scrubs_looks_at_all_and_says_what_is_wrong(void **state)
{
    char dir[TEMPDIR_SIZE], path[STORE_PATH_SIZE];
    struct diskv_stats stats;
    diskv *store;
    (void)state;
    store_make(dir);
    file_path(dir, "b/c", path);
    struct stat before;
    assert_int_equal(stat(path, &before), 0);
    file_write(path, "thrEe");
    const struct timespec times[] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    const struct diskv_options options = {.scrub_seconds = 1};
    assert_int_equal(diskv_open(dir, &options, &store), 0);
    do {
        usleep(10000);
        diskv_stats(store, &stats);
    } while (!stats.scrubbed_all_at);
    assert_in_range(stats.scrubbed, 3, 4);
    assert_int_equal(stats.scrub_wrong, 1);
    diskv_close(store);
    tempdir_remove(dir);
}

static void what_cannot_be_verified_is_an_error(void **state)
{
    char dir[TEMPDIR_SIZE], path[STORE_PATH_SIZE];
    struct diskv_verified v;
    (void)state;
    tempdir_new(dir);
    file_path(dir, "none", path);
    assert_int_equal(diskv_verify(path, NULL, &v), DISKV_ENOTFOUND);
    const struct diskv_verify_options options = {.store =
                                                     &(struct diskv_options){.layout = "round"}};
    assert_int_equal(diskv_verify(dir, &options, &v), DISKV_EINVAL);
    assert_int_equal(diskv_verify(dir, NULL, &v), 0);
    assert_int_equal(v.values, 0);
    tempdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_store_is_counted_and_nothing_is_found),
        cmocka_unit_test(an_index_that_differs_is_found_and_made_anew),
        cmocka_unit_test(an_index_behind_a_changed_directory_is_well),
        cmocka_unit_test(a_store_that_is_open_is_verified_without_its_index),
        cmocka_unit_test(a_store_that_scrubs_looks_at_all_and_says_what_is_wrong),
        cmocka_unit_test(what_cannot_be_verified_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
