/* Files that become values: the same cases over each kind of store, moved and copied. */
#include "store_helpers.h"
#include "tempdir.h"

#include <sys/xattr.h>

#define LARGE   (3 * 1024 * 1024) /* many pieces of an import's, and the most that is taken */
#define SHM_DIR "/dev/shm/diskv-test-XXXXXX"

struct fixture {
    diskv *store;
    char base[TEMPDIR_SIZE];
    char dir[STORE_PATH_SIZE];    /* the store's */
    char source[STORE_PATH_SIZE]; /* a file beside it, on the same file system */
    char other[STORE_PATH_SIZE];  /* a name in /dev/shm */
    char shm[sizeof SHM_DIR];
};

static int setup(void **state, const struct diskv_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->base);
    path_join(f->dir, f->base, "store");
    path_join(f->source, f->base, "source");
    memcpy(f->shm, SHM_DIR, sizeof SHM_DIR);
    if (mkdtemp(f->shm))
        path_join(f->other, f->shm, "source");
    return diskv_open(f->dir, options, &f->store);
}

#define KIND(name, ...)                                                               \
    static int name(void **state)                                                     \
    {                                                                                 \
        const struct diskv_options options = {.max_value_bytes = LARGE, __VA_ARGS__}; \
        return setup(state, &options);                                                \
    }

KIND(fs, .sync = DISKV_SYNC_NONE)
KIND(fs_with_cache, .cache_bytes = 16 << 20, .sync = DISKV_SYNC_NONE)
KIND(fs_with_gzip_and_cache, .compress = "gzip", .cache_bytes = 16 << 20)
KIND(fs_split, .layout = "split:2")
KIND(memory, .engine = "memory")
KIND(memory_with_zlib, .engine = "memory", .compress = "zlib")

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->base);
    tempdir_remove(f->shm);
    free(f);
    return 0;
}

static int import(struct fixture *f, const char *key, const char *path, bool move)
{
    return diskv_import(f->store, key, strlen(key), path, move, NULL);
}

/* --- Over every kind --- */

static void a_copied_file_is_the_value_and_stays(void **state)
{
    struct fixture *f = *state;
    file_write(f->source, "hello");
    assert_int_equal(store_has(f->store, "a/k"), 0);
    assert_int_equal(import(f, "a/k", f->source, false), 0);
    assert_value(f->store, "a/k", "hello");
    assert_walk(f->store, "", "a/k");
    assert_file(f->source, "hello");
    assert_int_equal(store_stat(f->store, "a/k").size, 5);
}

static void a_moved_file_is_the_value_and_is_gone_from_where_it_was(void **state)
{
    struct fixture *f = *state;
    file_write(f->source, "hello");
    assert_int_equal(import(f, "a/k", f->source, true), 0);
    assert_value(f->store, "a/k", "hello");
    assert_walk(f->store, "", "a/k");
    assert_false(file_exists(f->source));
    assert_int_equal(store_stat(f->store, "a/k").size, 5);
}

static void what_is_done_to_a_copied_file_later_does_not_change_the_value(void **state)
{
    struct fixture *f = *state;
    file_write(f->source, "hello");
    assert_int_equal(import(f, "k", f->source, false), 0);
    file_write(f->source, "HELLO");
    assert_value(f->store, "k", "hello");
    assert_int_equal(unlink(f->source), 0);
    assert_value(f->store, "k", "hello");
}

static void an_imported_value_is_written_over_and_erased_as_any_other(void **state)
{
    struct fixture *f = *state;
    file_write(f->source, "imported");
    assert_int_equal(import(f, "k", f->source, true), 0);
    assert_int_equal(store_put(f->store, "k", "written"), 0);
    assert_value(f->store, "k", "written");
    file_write(f->source, "again");
    assert_int_equal(import(f, "k", f->source, false), 0);
    assert_int_equal(store_erase(f->store, "k"), 0);
    assert_walk(f->store, "", "");
}

static void an_empty_file_is_an_empty_value(void **state)
{
    struct fixture *f = *state;
    file_write(f->source, "");
    assert_int_equal(import(f, "copied", f->source, false), 0);
    assert_int_equal(import(f, "moved", f->source, true), 0);
    assert_value(f->store, "copied", "");
    assert_value(f->store, "moved", "");
    assert_false(file_exists(f->source));
}

static void large_file_write(const char *path, char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)((i >> 12) * 31 + i * 7);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void a_file_of_many_pieces_is_imported_whole(void **state)
{
    struct fixture *f = *state;
    char *bytes = malloc(LARGE);
    large_file_write(f->source, bytes, LARGE);
    for (int move = 0; move <= 1; move++) {
        void *data;
        size_t size;
        assert_int_equal(import(f, "k", f->source, move), 0);
        assert_int_equal(diskv_get(f->store, "k", 1, &data, &size), 0);
        assert_int_equal(size, LARGE);
        assert_memory_equal(data, bytes, LARGE);
        free(data);
    }
    assert_false(file_exists(f->source));
    free(bytes);
}

static void a_file_over_the_limit_is_refused_and_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "k", "old"), 0);
    file_write(f->source, "");
    assert_int_equal(truncate(f->source, LARGE + 1), 0);
    assert_int_equal(import(f, "k", f->source, false), DISKV_ETOOLARGE);
    assert_int_equal(import(f, "k", f->source, true), DISKV_ETOOLARGE);
    assert_value(f->store, "k", "old");
    assert_int_equal(file_stat(f->source).st_size, LARGE + 1);
}

static void an_import_replaces_the_value_and_an_open_reader_keeps_the_old_one(void **state)
{
    struct fixture *f = *state;
    for (int move = 0; move <= 1; move++) {
        assert_int_equal(store_put(f->store, "k", "old"), 0);
        assert_value(f->store, "k", "old");
        diskv_reader *reader = store_reader(f->store, "k");
        file_write(f->source, "imported");
        assert_int_equal(import(f, "k", f->source, move), 0);
        assert_reads(reader, "old");
        assert_value(f->store, "k", "imported");
    }
    assert_walk(f->store, "", "k");
}

static void a_guard_that_refuses_leaves_the_file_and_the_value(void **state)
{
    struct fixture *f = *state;
    bool exists;
    const struct diskv_write_options options = {.guard = refuse_saying_exists,
                                                .guard_ctx = &exists};
    assert_int_equal(store_put(f->store, "old", "old"), 0);
    file_write(f->source, "imported");
    for (int move = 0; move <= 1; move++) {
        assert_int_equal(diskv_import(f->store, "old", 3, f->source, move, &options),
                         DISKV_EPRECONDITION);
        assert_true(exists);
        assert_int_equal(diskv_import(f->store, "new", 3, f->source, move, &options),
                         DISKV_EPRECONDITION);
        assert_false(exists);
    }
    assert_value(f->store, "old", "old");
    assert_walk(f->store, "", "old");
    assert_file(f->source, "imported");
}

static void a_type_is_kept_with_an_imported_value(void **state)
{
    struct fixture *f = *state;
    const struct diskv_write_options options = {.type = "text/plain"};
    const struct diskv_write_options bad = {.type = "text\nplain"};
    file_write(f->source, "hello");
    assert_int_equal(diskv_import(f->store, "copied", 6, f->source, false, &options), 0);
    assert_int_equal(diskv_import(f->store, "bad", 3, f->source, true, &bad), DISKV_EINVAL);
    assert_int_equal(diskv_import(f->store, "moved", 5, f->source, true, &options), 0);
    assert_string_equal(store_stat(f->store, "copied").type, "text/plain");
    assert_string_equal(store_stat(f->store, "moved").type, "text/plain");
    assert_walk(f->store, "", "copied moved");
}

static void an_imported_value_has_a_tag_that_changes_with_it(void **state)
{
    struct fixture *f = *state;
    char first[DISKV_ETAG_MAX + 1];
    for (int move = 0; move <= 1; move++) {
        file_write(f->source, "one");
        assert_int_equal(import(f, "k", f->source, move), 0);
        memcpy(first, store_stat(f->store, "k").etag, sizeof first);
        assert_string_not_equal(first, "");
        assert_string_equal(store_stat(f->store, "k").etag, first);
        diskv_reader *reader = store_reader(f->store, "k");
        assert_string_equal(diskv_reader_info(reader)->etag, first);
        diskv_reader_close(reader);
        file_write(f->source, "two");
        assert_int_equal(import(f, "k", f->source, move), 0);
        assert_string_not_equal(store_stat(f->store, "k").etag, first);
    }
}

static void a_missing_file_is_not_found_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char below[STORE_PATH_SIZE];
    path_join(below, f->source, "none");
    assert_int_equal(store_put(f->store, "k", "old"), 0);
    for (int move = 0; move <= 1; move++) {
        assert_int_equal(import(f, "k", f->source, move), DISKV_ENOTFOUND);
        assert_int_equal(import(f, "k", below, move), DISKV_ENOTFOUND);
        assert_int_equal(import(f, "new", f->source, move), DISKV_ENOTFOUND);
    }
    assert_value(f->store, "k", "old");
    assert_walk(f->store, "", "k");
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
    struct fixture *f = *state;
    char dir[STORE_PATH_SIZE], fifo[STORE_PATH_SIZE], link[STORE_PATH_SIZE];
    path_join(dir, f->base, "dir");
    path_join(fifo, f->base, "fifo");
    path_join(link, f->base, "link");
    file_write(f->source, "hello");
    assert_int_equal(mkdir(dir, 0777), 0);
    assert_int_equal(mkfifo(fifo, 0666), 0);
    assert_int_equal(symlink("source", link), 0);
    for (int move = 0; move <= 1; move++) {
        assert_int_equal(import(f, "k", dir, move), DISKV_EINVAL);
        assert_int_equal(import(f, "k", fifo, move), DISKV_EINVAL);
        assert_int_equal(import(f, "k", link, move), DISKV_EINVAL);
        assert_int_equal(import(f, "k", "/dev/null", move), DISKV_EINVAL);
    }
    assert_walk(f->store, "", "");
    assert_file(link, "hello");
    assert_true(file_exists(dir) && file_exists(fifo) && file_exists("/dev/null"));
}

static void what_is_no_key_is_refused_and_the_file_stays(void **state)
{
    struct fixture *f = *state;
    file_write(f->source, "hello");
    assert_int_equal(import(f, "", f->source, true), DISKV_EKEY);
    assert_int_equal(import(f, "\xff", f->source, true), DISKV_EKEY);
    assert_file(f->source, "hello");
}

static void a_file_that_cannot_be_written_is_imported(void **state)
{
    struct fixture *f = *state;
    const struct diskv_write_options options = {.type = "text/plain"};
    file_write(f->source, "hello");
    assert_int_equal(chmod(f->source, 0444), 0);
    assert_int_equal(diskv_import(f->store, "copied", 6, f->source, false, &options), 0);
    assert_int_equal(diskv_import(f->store, "moved", 5, f->source, true, &options), 0);
    assert_value(f->store, "copied", "hello");
    assert_value(f->store, "moved", "hello");
    assert_string_equal(store_stat(f->store, "moved").type, "text/plain");
    assert_false(file_exists(f->source));
    assert_int_equal(store_put(f->store, "moved", "written"), 0);
    assert_value(f->store, "moved", "written");
}

static void a_file_of_another_file_system_is_imported(void **state)
{
    struct fixture *f = *state;
    struct stat here = file_stat(f->base), there;
    if (!*f->other || lstat(f->shm, &there) || there.st_dev == here.st_dev) {
        print_message("skipped: /dev/shm is no other file system\n");
        skip();
    }
    file_write(f->other, "hello");
    assert_int_equal(import(f, "a/copied", f->other, false), 0);
    assert_file(f->other, "hello");
    assert_int_equal(import(f, "a/moved", f->other, true), 0);
    assert_false(file_exists(f->other));
    assert_value(f->store, "a/copied", "hello");
    assert_value(f->store, "a/moved", "hello");
    assert_walk(f->store, "", "a/copied a/moved");
}

/* --- Where a file is a value as it is --- */

static void set_old_time(const char *path)
{
    const struct timespec times[] = {{1000000000, 1}, {1000000000, 123456789}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_moved_file_is_the_same_file_with_its_time(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "a/k");
    file_write(f->source, "hello");
    set_old_time(f->source);
    ino_t inode = file_stat(f->source).st_ino;
    assert_int_equal(import(f, "a/k", f->source, true), 0);
    struct stat now = file_stat(path);
    struct diskv_info info = store_stat(f->store, "a/k");
    assert_int_equal(now.st_ino, inode);
    assert_int_equal(now.st_nlink, 1);
    assert_int_equal(now.st_mtim.tv_sec, 1000000000);
    assert_int_equal(now.st_mtim.tv_nsec, 123456789);
    assert_int_equal(info.modified.tv_sec, 1000000000);
    assert_int_equal(info.modified.tv_nsec, 123456789);
}

static void a_moved_file_keeps_what_rides_on_it(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE], note[8] = "";
    path_join(path, f->dir, "k");
    file_write(f->source, "hello");
    assert_int_equal(setxattr(f->source, "user.note", "mine", 4, 0), 0);
    assert_int_equal(import(f, "k", f->source, true), 0);
    assert_int_equal(getxattr(path, "user.note", note, sizeof note), 4);
    assert_string_equal(note, "mine");
}

static void a_copied_file_is_another_file_with_a_time_of_its_own(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "k");
    file_write(f->source, "hello");
    set_old_time(f->source);
    assert_int_equal(import(f, "k", f->source, false), 0);
    assert_int_not_equal(file_stat(path).st_ino, file_stat(f->source).st_ino);
    assert_int_equal(file_stat(f->source).st_nlink, 1);
    assert_int_equal(file_stat(f->source).st_mtim.tv_sec, 1000000000);
    assert_true(file_stat(path).st_mtim.tv_sec > 1000000000);
}

static void a_value_that_becomes_a_directory_makes_room_for_an_import(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "old"), 0);
    file_write(f->source, "hello");
    assert_int_equal(import(f, "a/b", f->source, true), 0);
    assert_value(f->store, "a", "old");
    assert_value(f->store, "a/b", "hello");
    assert_walk(f->store, "", "a a/b");
}

/* --- Files of the store's own --- */

static void a_value_moved_onto_itself_stays(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "k");
    assert_int_equal(store_put(f->store, "k", "hello"), 0);
    assert_int_equal(import(f, "k", path, true), 0);
    assert_value(f->store, "k", "hello");
    assert_walk(f->store, "", "k");
    assert_int_equal(import(f, "k", path, false), 0);
    assert_value(f->store, "k", "hello");
    assert_nothing_left_in_tmp(f->dir);
}

static void a_value_moved_onto_itself_by_another_name_stays(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE], dotted[STORE_PATH_SIZE];
    path_join(path, f->dir, "k");
    path_join(dotted, f->dir, "../store/./k");
    assert_int_equal(store_put(f->store, "k", "hello"), 0);
    assert_int_equal(import(f, "k", dotted, true), 0);
    assert_value(f->store, "k", "hello");
    assert_int_equal(link(path, f->source), 0);
    assert_int_equal(import(f, "k", f->source, true), 0);
    assert_value(f->store, "k", "hello");
    assert_true(file_exists(path));
    assert_false(file_exists(f->source));
    assert_nothing_left_in_tmp(f->dir);
}

static void the_file_of_another_key_is_moved_and_that_key_is_gone(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "d/from");
    assert_int_equal(store_put(f->store, "d/from", "hello"), 0);
    assert_value(f->store, "d/from", "hello");
    struct diskv_info before = store_stat(f->store, "d/from");
    assert_int_equal(import(f, "d/to", path, true), 0);
    assert_value(f->store, "d/to", "hello");
    assert_string_equal(store_stat(f->store, "d/to").etag, before.etag);
    assert_int_equal(store_has(f->store, "d/from"), 0);
    assert_walk(f->store, "", "d/to");
}

static void the_file_of_another_key_is_copied_and_that_key_stays(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "d/from");
    assert_int_equal(store_put(f->store, "d/from", "hello"), 0);
    assert_int_equal(import(f, "d/to", path, false), 0);
    assert_int_equal(store_put(f->store, "d/from", "other"), 0);
    assert_value(f->store, "d/to", "hello");
    assert_value(f->store, "d/from", "other");
    assert_walk(f->store, "", "d/from d/to");
}

static void what_was_imported_is_there_after_a_new_start(void **state)
{
    struct fixture *f = *state;
    file_write(f->source, "hello");
    assert_int_equal(import(f, "copied", f->source, false), 0);
    assert_int_equal(import(f, "moved", f->source, true), 0);
    assert_nothing_left_in_tmp(f->dir);
    diskv_close(f->store);
    f->store = NULL;
    assert_int_equal(diskv_open(f->dir, NULL, &f->store), 0);
    assert_value(f->store, "copied", "hello");
    assert_value(f->store, "moved", "hello");
    assert_walk(f->store, "", "copied moved");
}

/* --- Compressed on the way --- */

static void a_store_that_compresses_compresses_an_imported_file(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE], text[4001];
    unsigned char head[2];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int move = 0; move <= 1; move++) {
        file_write(f->source, text);
        assert_int_equal(import(f, "k", f->source, move), 0);
        path_join(path, f->dir, "k");
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
        fclose(file);
        assert_memory_equal(head, "\x1f\x8b", 2);
        assert_in_range(file_stat(path).st_size, 1, 1000);
        assert_int_equal(store_stat(f->store, "k").size, sizeof text - 1);
        assert_value(f->store, "k", text);
        assert_int_equal(file_exists(f->source), !move);
    }
}

#define CASES(setup)                                                                       \
    CASE_OF(setup, a_copied_file_is_the_value_and_stays),                                  \
        CASE_OF(setup, a_moved_file_is_the_value_and_is_gone_from_where_it_was),           \
        CASE_OF(setup, what_is_done_to_a_copied_file_later_does_not_change_the_value),     \
        CASE_OF(setup, an_imported_value_is_written_over_and_erased_as_any_other),         \
        CASE_OF(setup, an_empty_file_is_an_empty_value),                                   \
        CASE_OF(setup, a_file_of_many_pieces_is_imported_whole),                           \
        CASE_OF(setup, a_file_over_the_limit_is_refused_and_stays),                        \
        CASE_OF(setup, an_import_replaces_the_value_and_an_open_reader_keeps_the_old_one), \
        CASE_OF(setup, a_guard_that_refuses_leaves_the_file_and_the_value),                \
        CASE_OF(setup, a_type_is_kept_with_an_imported_value),                             \
        CASE_OF(setup, an_imported_value_has_a_tag_that_changes_with_it),                  \
        CASE_OF(setup, a_missing_file_is_not_found_and_changes_nothing),                   \
        CASE_OF(setup, what_is_no_regular_file_is_refused_without_waiting),                \
        CASE_OF(setup, what_is_no_key_is_refused_and_the_file_stays),                      \
        CASE_OF(setup, a_file_that_cannot_be_written_is_imported),                         \
        CASE_OF(setup, a_file_of_another_file_system_is_imported)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(fs),
        CASES(fs_with_cache),
        CASES(fs_with_gzip_and_cache),
        CASES(fs_split),
        CASES(memory),
        CASES(memory_with_zlib),
        CASE_OF(fs, a_moved_file_is_the_same_file_with_its_time),
        CASE_OF(fs, a_moved_file_keeps_what_rides_on_it),
        CASE_OF(fs, a_copied_file_is_another_file_with_a_time_of_its_own),
        CASE_OF(fs, a_value_that_becomes_a_directory_makes_room_for_an_import),
        CASE_OF(fs, a_value_moved_onto_itself_stays),
        CASE_OF(fs_with_cache, a_value_moved_onto_itself_stays),
        CASE_OF(fs, a_value_moved_onto_itself_by_another_name_stays),
        CASE_OF(fs, the_file_of_another_key_is_moved_and_that_key_is_gone),
        CASE_OF(fs_with_cache, the_file_of_another_key_is_moved_and_that_key_is_gone),
        CASE_OF(fs, the_file_of_another_key_is_copied_and_that_key_stays),
        CASE_OF(fs, what_was_imported_is_there_after_a_new_start),
        CASE_OF(fs_with_gzip_and_cache, a_store_that_compresses_compresses_an_imported_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
