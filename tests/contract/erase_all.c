/* Erasing every value at once. */
#include "store_helpers.h"
#include "tempdir.h"

#include <pthread.h>
#include <stdatomic.h>

struct fixture {
    diskv *store;
    struct diskv_options options;
    char base[TEMPDIR_SIZE];
    char dir[STORE_PATH_SIZE];
};

static int setup(void **state, const struct diskv_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->base);
    path_join(f->dir, f->base, "store");
    f->options = *options;
    return diskv_open(f->dir, options, &f->store);
}

#define KIND(name, ...)                                     \
    static int name(void **state)                           \
    {                                                       \
        const struct diskv_options options = {__VA_ARGS__}; \
        return setup(state, &options);                      \
    }

KIND(fs, .engine = "fs")
KIND(fs_with_gzip_and_cache, .compress = "gzip", .cache_bytes = 16 << 20)
KIND(fs_split, .layout = "split:2", .sync = DISKV_SYNC_NONE)
KIND(fs_flat, .layout = "flat", .sync = DISKV_SYNC_NONE)
KIND(memory, .engine = "memory")
KIND(memory_with_cache, .engine = "memory", .cache_bytes = 16 << 20)

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->base);
    free(f);
    return 0;
}

static void close_store(struct fixture *f)
{
    diskv_close(f->store);
    f->store = NULL;
}

static void reopen(struct fixture *f)
{
    close_store(f);
    assert_int_equal(diskv_open(f->dir, &f->options, &f->store), 0);
}

/* Keys at the top, in directories, and one that is a directory of another's. */
static void put_some(diskv *store)
{
    static const char *const keys[] = {"a", "a/b", "a/b/c", "dir/k", "dir/l", "z"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_int_equal(store_put(store, keys[i], keys[i]), 0);
        assert_value(store, keys[i], keys[i]);
    }
}

#define SOME "a a/b a/b/c dir/k dir/l z"

/* --- Over every kind --- */

static void everything_is_gone_at_once(void **state)
{
    struct fixture *f = *state;
    struct diskv_stats before, stats;
    diskv_stats(f->store, &before);
    put_some(f->store);
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    diskv_stats(f->store, &stats);
    assert_int_equal(stats.keys, 0);
    assert_int_equal(stats.cache_bytes, before.cache_bytes);
    assert_walk(f->store, "", "");
    assert_int_equal(store_has(f->store, "a"), 0);
    assert_int_equal(store_has(f->store, "a/b/c"), 0);
}

static void a_store_is_used_on_after_everything_went(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 3; round++) {
        put_some(f->store);
        assert_walk(f->store, "", SOME);
        assert_int_equal(diskv_erase_all(f->store, round == 1), 0);
    }
    assert_int_equal(store_put(f->store, "a", "new"), 0);
    assert_value(f->store, "a", "new");
    assert_walk(f->store, "", "a");
}

static void an_empty_store_stays_empty(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    assert_int_equal(diskv_erase_all(f->store, true), 0);
    assert_walk(f->store, "", "");
}

static void a_reader_keeps_its_bytes(void **state)
{
    struct fixture *f = *state;
    put_some(f->store);
    diskv_reader *first = store_reader(f->store, "a/b"), *second = store_reader(f->store, "z");
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    assert_int_equal(store_put(f->store, "z", "new"), 0);
    assert_reads(first, "a/b");
    assert_reads(second, "z");
}

static void a_writer_that_is_open_commits_afterwards(void **state)
{
    struct fixture *f = *state;
    char *large = calloc(1, 1 << 20);
    diskv_writer *writer;
    put_some(f->store);
    assert_int_equal(diskv_writer_open(f->store, "dir/k", 5, NULL, &writer), 0);
    assert_int_equal(diskv_writer_append_wait(writer, large, 1 << 20), 0);
    assert_int_equal(diskv_erase_all(f->store, true), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_int_equal(store_stat(f->store, "dir/k").size, 1 << 20);
    assert_walk(f->store, "", "dir/k");
    free(large);
}

struct writing {
    diskv *store;
    atomic_bool stop;
    atomic_uint rounds;
    atomic_int rc;
};

static void *writing_main(void *arg)
{
    struct writing *w = arg;
    while (!w->rc && !atomic_load(&w->stop)) {
        char key[32];
        snprintf(key, sizeof key, "d%u/k%u", atomic_load(&w->rounds) % 3,
                 atomic_load(&w->rounds) % 20);
        w->rc = store_put(w->store, key, key);
        atomic_fetch_add(&w->rounds, 1);
    }
    return NULL;
}

/* Every key of the listing has its value, and no other key has one. */
static void assert_whole(diskv *store)
{
    char listed[4096] = " ";
    size_t len = 1;
    diskv_iter *iter;
    const struct diskv_item *item;
    assert_int_equal(diskv_iter_open(store, "", 0, &iter), 0);
    while (diskv_iter_next(iter, &item) == 1)
        len += (size_t)snprintf(listed + len, sizeof listed - len, "%.*s ", (int)item->len,
                                item->name);
    diskv_iter_close(iter);
    for (unsigned i = 0; i < 60; i++) {
        char key[32], word[40];
        snprintf(key, sizeof key, "d%u/k%u", i % 3, i % 20);
        snprintf(word, sizeof word, " %s ", key);
        int has = store_has(store, key);
        assert_int_equal(has, strstr(listed, word) != NULL);
        if (has)
            assert_value(store, key, key);
    }
}

static void what_is_written_meanwhile_is_erased_or_stays_whole(void **state)
{
    struct fixture *f = *state;
    struct writing writing = {.store = f->store};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, writing_main, &writing), 0);
    for (int i = 0; i < 20; i++) {
        unsigned seen = atomic_load(&writing.rounds);
        assert_int_equal(diskv_erase_all(f->store, i % 2), 0);
        while (!writing.rc && atomic_load(&writing.rounds) < seen + 5)
            usleep(100);
    }
    atomic_store(&writing.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(writing.rc, 0);
    assert_whole(f->store);
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    assert_walk(f->store, "", "");
}

/* --- What is left in the directory --- */

static void only_the_stores_own_directory_is_left(void **state)
{
    struct fixture *f = *state;
    char own[STORE_PATH_SIZE];
    path_join(own, f->dir, ".diskv");
    put_some(f->store);
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    assert_int_equal(dir_count(f->dir, ".diskv"), 0);
    assert_true(file_exists(own));
    close_store(f);
    assert_nothing_left_in_tmp(f->dir);
}

static void a_later_start_finds_nothing(void **state)
{
    struct fixture *f = *state;
    put_some(f->store);
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    reopen(f);
    assert_walk(f->store, "", "");
    assert_int_equal(store_has(f->store, "a/b"), 0);
}

/* --- Files that are not the store's --- */

static void symlink_at(const struct fixture *f, const char *name, const char *target)
{
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, name);
    assert_int_equal(symlink(target, path), 0);
}

static void assert_refused_until_foreign_files_go_too(struct fixture *f, const char *foreign)
{
    char path[STORE_PATH_SIZE];
    struct stat st;
    path_join(path, f->dir, foreign);
    assert_int_equal(diskv_erase_all(f->store, false), DISKV_ECONFLICT);
    assert_walk(f->store, "", SOME);
    assert_value(f->store, "a/b/c", "a/b/c");
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(diskv_erase_all(f->store, true), 0);
    assert_walk(f->store, "", "");
    assert_int_equal(dir_count(f->dir, ".diskv"), 0);
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    close_store(f);
    assert_nothing_left_in_tmp(f->dir);
}

static void a_symlink_at_the_top_is_foreign(void **state)
{
    struct fixture *f = *state;
    put_some(f->store);
    symlink_at(f, "link", "a");
    assert_refused_until_foreign_files_go_too(f, "link");
}

static void a_symlink_deep_below_is_foreign(void **state)
{
    struct fixture *f = *state;
    put_some(f->store);
    symlink_at(f, "a/b/link", "/nowhere");
    assert_refused_until_foreign_files_go_too(f, "a/b/link");
}

static void a_fifo_is_foreign(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    put_some(f->store);
    path_join(path, f->dir, "fifo");
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_refused_until_foreign_files_go_too(f, "fifo");
}

static void a_file_whose_name_is_no_keys_is_foreign(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    put_some(f->store);
    path_join(path, f->dir, "notsplit");
    file_write(path, "mine");
    assert_refused_until_foreign_files_go_too(f, "notsplit");
}

static void a_file_in_a_directory_that_can_hold_no_key_is_foreign(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    put_some(f->store);
    path_join(path, f->dir, "subdirectory");
    assert_int_equal(mkdir(path, 0777), 0);
    path_join(path, f->dir, "subdirectory/a");
    file_write(path, "mine");
    assert_refused_until_foreign_files_go_too(f, "subdirectory/a");
}

static void a_symlink_goes_and_what_it_leads_to_stays(void **state)
{
    struct fixture *f = *state;
    char outside[STORE_PATH_SIZE], file[STORE_PATH_SIZE];
    path_join(outside, f->base, "outside");
    path_join(file, outside, "file");
    assert_int_equal(mkdir(outside, 0777), 0);
    file_write(file, "mine");
    put_some(f->store);
    symlink_at(f, "dir/link", outside);
    symlink_at(f, "link", "../outside/file");
    assert_int_equal(diskv_erase_all(f->store, true), 0);
    assert_int_equal(dir_count(f->dir, ".diskv"), 0);
    close_store(f);
    assert_nothing_left_in_tmp(f->dir);
    assert_file(file, "mine");
}

#define CASES(setup)                                                                          \
    CASE_OF(setup, everything_is_gone_at_once),                                               \
        CASE_OF(setup, a_store_is_used_on_after_everything_went),                             \
        CASE_OF(setup, an_empty_store_stays_empty), CASE_OF(setup, a_reader_keeps_its_bytes), \
        CASE_OF(setup, a_writer_that_is_open_commits_afterwards),                             \
        CASE_OF(setup, what_is_written_meanwhile_is_erased_or_stays_whole)
#define FILE_CASES(setup)                                                \
    CASES(setup), CASE_OF(setup, only_the_stores_own_directory_is_left), \
        CASE_OF(setup, a_later_start_finds_nothing),                     \
        CASE_OF(setup, a_symlink_at_the_top_is_foreign), CASE_OF(setup, a_fifo_is_foreign)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_CASES(fs),
        FILE_CASES(fs_with_gzip_and_cache),
        FILE_CASES(fs_split),
        FILE_CASES(fs_flat),
        CASES(memory),
        CASES(memory_with_cache),
        CASE_OF(fs, a_symlink_deep_below_is_foreign),
        CASE_OF(fs, a_symlink_goes_and_what_it_leads_to_stays),
        CASE_OF(fs_split, a_file_whose_name_is_no_keys_is_foreign),
        CASE_OF(fs_split, a_file_in_a_directory_that_can_hold_no_key_is_foreign),
        CASE_OF(fs_flat, a_file_in_a_directory_that_can_hold_no_key_is_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
