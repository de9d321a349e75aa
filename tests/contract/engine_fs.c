/* What the engine of plain files owes beyond the contract: where the files lie, and manners towards
 * what other programs put beside them. */
#include "engine_fs_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/xattr.h>

static void each_value_is_one_plain_file(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *key, *path;
    } files[] = {
        {"photo.jpg", "photo.jpg"},
        {"docs/2024/plan.txt", "docs/2024/plan.txt"},
        {"100%", "100%25"},
        {"x/..", "x/%2E%2E"},
        {".diskv", "%2Ediskv"},
        {"x//y", "x/%_/y"},
        {"z/", "z/%_"},
        {"tab\there", "tab%09here"},
    };
    for (size_t i = 0; i < array_len(files); i++) {
        assert_int_equal(put(f, files[i].key, files[i].key), 0);
        assert_file(f, files[i].path, files[i].key);
    }
}

static void metadata_rides_in_extended_attributes(void **state)
{
    struct fixture *f = *state;
    const struct engine_commit commit = {.type = "text/css", .record = "{\"x\":1}"};
    char value[64] = "", path[128];
    assert_int_equal(engine_put(f->engine, "k", 1, "v", 1, commit, NULL), 0);
    snprintf(path, sizeof path, "%s/k", f->dir);
    assert_int_equal(getxattr(path, "user.mime_type", value, sizeof value), 8);
    assert_string_equal(value, "text/css");
    assert_int_equal(getxattr(path, "user.diskv", value, sizeof value), 7);
}

static void a_value_moves_into_the_directory_that_takes_its_name(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a", "one"), 0);
    assert_int_equal(put(f, "a/b", "two"), 0);
    assert_file(f, "a/%value", "one");
    assert_file(f, "a/b", "two");
    assert_int_equal(put(f, "a", "three"), 0);
    assert_file(f, "a/%value", "three");
    assert_int_equal(erase(f, "a"), 0);
    assert_value(f, "a", NULL);
    assert_file(f, "a/b", "two");
}

static void directories_go_with_their_last_value_and_no_sooner(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a/b/c/d", "1"), 0);
    assert_int_equal(put(f, "a/x", "2"), 0);
    assert_int_equal(erase(f, "a/b/c/d"), 0);
    assert_int_equal(file_type(f, "a/b"), 0);
    assert_int_equal(file_type(f, "a/x"), S_IFREG);
    file_write(f, "a/other program's %", "foreign");
    assert_int_equal(erase(f, "a/x"), 0);
    assert_int_equal(file_type(f, "a"), S_IFDIR);
}

static bool settled(struct fixture *f, const char *key)
{
    struct engine_info info;
    assert_int_equal(f->engine->ops->stat(f->engine, key, strlen(key), &info), 0);
    return info.quiet_ns >= 2000000000;
}

static void a_value_settles_once_its_times_are_past(void **state)
{
    struct fixture *f = *state;
    const struct timespec future[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1LL << 33}};
    assert_int_equal(put(f, "future", "v"), 0);
    assert_int_equal(utimensat(f->fd, "future", future, 0), 0);
    assert_int_equal(put(f, "k", "v"), 0);
    while (!settled(f, "k"))
        usleep(50000);
    assert_false(settled(f, "future"));
    file_write(f, "k", "w");
    struct timespec now;
    struct stat st;
    bool is = settled(f, "k");
    clock_gettime(CLOCK_REALTIME, &now);
    assert_int_equal(fstatat(f->fd, "k", &st, 0), 0);
    assert_true(!is || now.tv_sec - st.st_ctim.tv_sec >= 2);
}

static void what_another_program_writes_is_true_at_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "k", "ours"), 0);
    file_write(f, "k", "theirs");
    assert_value(f, "k", "theirs");
    assert_int_equal(mkdirat(f->fd, "d", 0777), 0);
    file_write(f, "d/new", "by hand");
    assert_value(f, "d/new", "by hand");
    assert_int_equal(unlinkat(f->fd, "k", 0), 0);
    assert_value(f, "k", NULL);
}

static void links_and_special_files_are_never_read_replaced_or_erased(void **state)
{
    struct fixture *f = *state;
    struct engine_info info;
    assert_int_equal(symlinkat("/etc/passwd", f->fd, "link"), 0);
    assert_int_equal(symlinkat("/tmp", f->fd, "linkdir"), 0);
    assert_int_equal(mkfifoat(f->fd, "fifo", 0666), 0);
    static const char *const keys[] = {"link", "fifo", "linkdir", "linkdir/x", "link/x"};
    for (size_t i = 0; i < array_len(keys); i++) {
        assert_value(f, keys[i], NULL);
        assert_int_equal(f->engine->ops->stat(f->engine, keys[i], strlen(keys[i]), &info),
                         DISKV_ENOTFOUND);
        assert_int_equal(erase(f, keys[i]), DISKV_ENOTFOUND);
        assert_int_equal(put(f, keys[i], "x"), DISKV_ECONFLICT);
    }
    assert_int_equal(put(f, "fifo/x", "x"), DISKV_ECONFLICT);
    assert_int_equal(file_type(f, "link"), S_IFLNK);
    assert_int_equal(file_type(f, "linkdir"), S_IFLNK);
    assert_int_equal(file_type(f, "fifo"), S_IFIFO);
    assert_int_equal(entries(f, ".diskv/tmp"), 0);
}

static int count_key(void *ctx, const char *key, size_t len)
{
    (void)key;
    (void)len;
    ++*(int *)ctx;
    return 0;
}

static void files_that_are_no_keys_are_counted_as_foreign(void **state)
{
    struct fixture *f = *state;
    int keys = 0;
    const struct engine_visitor visitor = {.ctx = &keys, .key = count_key, .place = count_key};
    struct engine_place place;
    assert_int_equal(put(f, "k", "v"), 0);
    file_write(f, "bad%zz", "");
    file_write(f, "bad\xff", "");
    file_write(f, "%value", "");
    assert_int_equal(symlinkat("k", f->fd, "link"), 0);
    assert_int_equal(f->engine->ops->scan(f->engine, "", &visitor, &place), 0);
    assert_int_equal(keys, 1);
    assert_int_equal(place.foreign, 4);
}

static void a_changed_directory_has_another_stamp(void **state)
{
    struct fixture *f = *state;
    struct engine_place before, after;
    assert_int_equal(put(f, "d/k", "v"), 0);
    do { /* a directory gets a stamp only when its time is past */
        usleep(50000);
        assert_int_equal(f->engine->ops->stamp(f->engine, "d", &before), 0);
    } while (before.stamp_len == 0);
    assert_int_equal(put(f, "d/l", "v"), 0);
    assert_int_equal(f->engine->ops->stamp(f->engine, "d", &after), 0);
    assert_true(after.stamp_len == 0 || memcmp(before.stamp, after.stamp, before.stamp_len) != 0);
}

static void what_a_crash_left_in_tmp_goes_at_the_start(void **state)
{
    struct fixture *f = *state;
    engine_stop(f);
    file_write(f, ".diskv/tmp/77.1", "half");
    assert_int_equal(mkdirat(f->fd, ".diskv/tmp/77.2", 0777), 0);
    file_write(f, ".diskv/tmp/77.2/%value", "aside");
    assert_int_equal(engine_start(f), 0);
    assert_int_equal(entries(f, ".diskv/tmp"), 0);
}

static void nothing_is_left_in_tmp(void **state)
{
    struct fixture *f = *state;
    struct engine_writer *w;
    assert_int_equal(put(f, "a", "1"), 0);
    assert_int_equal(put(f, "a/b", "2"), 0);
    assert_int_equal(f->engine->ops->begin(f->engine, &w), 0);
    assert_int_equal(engine_write_wait(w, "data", 4), 0);
    assert_int_equal(entries(f, ".diskv/tmp"), 1);
    f->engine->ops->abort(w);
    engine_stop(f);
    assert_int_equal(entries(f, ".diskv/tmp"), 0);
    assert_int_equal(engine_start(f), 0);
}

/* Makes a file with mode 0444 and an old time beside the store, and says where. */
static struct stat source_make(struct fixture *f, char path[TEMPDIR_SIZE + 8])
{
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    struct stat st;
    snprintf(path, TEMPDIR_SIZE + 8, "%s.source", f->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    assert_int_equal(write(fd, "text", 4), 4);
    assert_int_equal(fchmod(fd, 0444) | futimens(fd, times) | fstat(fd, &st), 0);
    close(fd);
    return st;
}

static struct stat value_stat(struct fixture *f, const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st;
}

static const struct engine_commit at_2000 = {.mtime = {.tv_sec = 2000}, .op.sync = true};

static void a_copied_file_gets_the_time_and_the_mode_of_a_value(void **state)
{
    struct fixture *f = *state;
    char path[TEMPDIR_SIZE + 8];
    struct stat source = source_make(f, path);
    engine_restart(f, (struct engine_fs_options){.file_perm = 0640, .exact_perm = true});
    assert_int_equal(engine_import(f->engine, "k", 1, path, false, at_2000), 0);
    struct stat value = value_stat(f, "k");
    assert_true(value.st_ino != source.st_ino);
    assert_int_equal(value.st_mtim.tv_sec, 2000);
    assert_int_equal(value.st_mode & 07777, 0640);
    assert_int_equal(unlink(path), 0);
    assert_file(f, "k", "text");
}

static void a_shared_file_keeps_its_time_and_unless_modes_are_exact_its_mode(void **state)
{
    struct fixture *f = *state;
    char path[TEMPDIR_SIZE + 8];
    struct stat source = source_make(f, path);
    assert_int_equal(engine_import(f->engine, "k", 1, path, true, at_2000), 0);
    struct stat value = value_stat(f, "k");
    if (geteuid() == 0) /* others may not write to it, and so copy */
        assert_int_equal(value.st_ino, source.st_ino);
    if (value.st_ino == source.st_ino) {
        assert_int_equal(value.st_mtim.tv_sec, 1000);
        assert_int_equal(value.st_mode & 07777, 0444);
    }
    engine_restart(f, (struct engine_fs_options){.file_perm = 0640, .exact_perm = true});
    assert_int_equal(engine_import(f->engine, "l", 1, path, true, at_2000), 0);
    assert_int_equal(mode(f, "l"), 0640);
    assert_int_equal(unlink(path), 0);
    assert_file(f, "k", "text");
}

static void a_file_on_another_file_system_is_copied(void **state)
{
    struct fixture *f = *state;
    char path[] = "/dev/shm/diskv-test-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        skip();
    assert_int_equal(write(fd, "far", 3), 3);
    close(fd);
    assert_int_equal(engine_import(f->engine, "k", 1, path, true, at_2000), 0);
    assert_int_equal(unlink(path), 0);
    assert_file(f, "k", "far");
    assert_int_equal(value_stat(f, "k").st_mtim.tv_sec, 2000);
}

static void a_value_that_is_filled_from_its_own_file_is_a_copy_of_it(void **state)
{
    struct fixture *f = *state;
    char path[TEMPDIR_SIZE + 8];
    assert_int_equal(put(f, "k", "own"), 0);
    struct stat before = value_stat(f, "k");
    snprintf(path, sizeof path, "%s/k", f->dir);
    assert_int_equal(engine_import(f->engine, "k", 1, path, true, at_2000), 0);
    assert_true(value_stat(f, "k").st_ino != before.st_ino);
    assert_file(f, "k", "own");
}

static void a_file_that_two_writers_share_leaves_nothing_in_tmp(void **state)
{
    struct fixture *f = *state;
    char path[TEMPDIR_SIZE + 8];
    struct engine_writer *w[2];
    const struct engine_fill fill = {.path = path, .key = "k", .len = 1, .share = true};
    source_make(f, path);
    for (size_t i = 0; i < array_len(w); i++) {
        assert_int_equal(f->engine->ops->begin(f->engine, &w[i]), 0);
        assert_int_equal(engine_fill_wait(w[i], fill), 0);
    }
    for (size_t i = 0; i < array_len(w); i++) {
        struct op_commit o;
        struct engine_commit commit = at_2000;
        commit.key = "k";
        commit.len = 1;
        engine_commit_start(&o, w[i], commit);
        assert_int_equal(waiter_wait(&o.waiter), 0);
        assert_int_equal(o.commit.same, geteuid() == 0 && i == 1);
    }
    assert_int_equal(entries(f, ".diskv/tmp"), 0);
    assert_int_equal(unlink(path), 0);
    assert_file(f, "k", "text");
}

static void clearing_refuses_where_foreign_files_lie_among_the_values(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a/b/c", "1"), 0);
    assert_int_equal(mkdirat(f->fd, "empty %zz", 0777), 0);
    assert_int_equal(mkdirat(f->fd, "empty %zz/empty", 0777), 0);
    static const char *const foreign[] = {"bad%zz", "a/b/bad%zz", "empty %zz/empty/k", "%value"};
    for (size_t i = 0; i < array_len(foreign); i++) {
        file_write(f, foreign[i], "");
        assert_int_equal(engine_clear_wait(f->engine, false), DISKV_ECONFLICT);
        assert_int_equal(unlinkat(f->fd, foreign[i], 0), 0);
    }
    assert_int_equal(symlinkat("a", f->fd, "link"), 0);
    assert_int_equal(engine_clear_wait(f->engine, false), DISKV_ECONFLICT);
    assert_value(f, "a/b/c", "1");
    assert_int_equal(unlinkat(f->fd, "link", 0), 0);
    assert_int_equal(engine_clear_wait(f->engine, false), 0);
    assert_int_equal(entries(f, "."), 1);
}

/* Makes a directory in a directory in a directory, …, too deep for a path, with a file in the last.
 */
static void deep_make(int dir_fd, int depth)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(fd, "deep", 0777), 0);
        int next_fd = openat(fd, "deep", O_RDONLY | O_DIRECTORY);
        close(fd);
        fd = next_fd;
    }
    close(openat(fd, "file", O_WRONLY | O_CREAT, 0666));
    close(fd);
}

static void clearing_takes_foreign_files_along_but_follows_no_link(void **state)
{
    struct fixture *f = *state;
    char outside[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 8];
    tempdir_new(outside);
    snprintf(path, sizeof path, "%s/file", outside);
    close(open(path, O_WRONLY | O_CREAT, 0666));
    assert_int_equal(put(f, "a/b/c", "1"), 0);
    assert_int_equal(mkfifoat(f->fd, "a/fifo", 0666), 0);
    assert_int_equal(symlinkat(outside, f->fd, "a/b/link"), 0);
    assert_int_equal(symlinkat(outside, f->fd, "link"), 0);
    deep_make(f->fd, 900);
    assert_int_equal(engine_clear_wait(f->engine, false), DISKV_ECONFLICT);
    assert_int_equal(engine_clear_wait(f->engine, true), 0);
    assert_int_equal(entries(f, "."), 1);
    engine_stop(f);
    assert_int_equal(entries(f, ".diskv/tmp"), 0);
    assert_int_equal(engine_start(f), 0);
    assert_int_equal(access(path, F_OK), 0);
    tempdir_remove(outside);
}

static void trees_of_any_depth_in_tmp_go_at_the_start(void **state)
{
    struct fixture *f = *state;
    engine_stop(f);
    int fd = openat(f->fd, ".diskv/tmp", O_RDONLY | O_DIRECTORY);
    deep_make(fd, 900);
    close(fd);
    assert_int_equal(engine_start(f), 0);
    assert_int_equal(entries(f, ".diskv/tmp"), 0);
}

static atomic_bool removing;

static void *remove_directories(void *arg)
{
    const struct fixture *f = arg;
    while (atomic_load(&removing)) {
        unlinkat(f->fd, "d/e/f", AT_REMOVEDIR);
        unlinkat(f->fd, "d/e", AT_REMOVEDIR);
        unlinkat(f->fd, "d", AT_REMOVEDIR);
    }
    return NULL;
}

static void a_write_succeeds_while_another_program_removes_its_directories(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    atomic_store(&removing, true);
    assert_int_equal(pthread_create(&thread, NULL, remove_directories, f), 0);
    int failed = 0;
    for (int i = 0; i < 500 && !failed; i++) {
        failed = put(f, "d/e/f/k", "v");
        if (!failed)
            failed = erase(f, "d/e/f/k");
    }
    atomic_store(&removing, false);
    pthread_join(thread, NULL);
    assert_string_equal(failed ? diskv_strerror(failed) : "", "");
}

static int identify_near(struct fixture *f, struct engine_near *near, const char *key, uint8_t *out)
{
    return f->engine->ops->identify_near(f->engine, near, key, strlen(key), out);
}

/* The same, which must be as by its whole path. */
static int look_beside(struct fixture *f, struct engine_near *near, const char *key)
{
    uint8_t beside[ENGINE_IDENT_LEN] = {0}, alone[ENGINE_IDENT_LEN] = {0};
    int rc = identify_near(f, near, key, beside);
    assert_int_equal(f->engine->ops->identify(f->engine, key, strlen(key), alone), rc);
    assert_memory_equal(beside, alone, sizeof alone);
    return rc;
}

static void looks_at_values_beside_each_other_tell_what_looks_by_path_do(void **state)
{
    static const char *const keys[] = {"a", "b", "d/a", "d/b", "d/c", "d/c/e", "e/a"};
    struct fixture *f = *state;
    struct engine_near near = {0};
    for (size_t i = 0; i < array_len(keys); i++)
        assert_int_equal(put(f, keys[i], keys[i]), 0);
    assert_int_equal(symlinkat("d", f->fd, "l"), 0);
    assert_int_equal(symlinkat("a", f->fd, "d/l"), 0);
    for (size_t i = 0; i < array_len(keys); i++)
        assert_int_equal(look_beside(f, &near, keys[i]), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(look_beside(f, &near, "d/none"), DISKV_ENOTFOUND);
        assert_int_equal(look_beside(f, &near, "d/l"), DISKV_ENOTFOUND);
    }
    for (int i = 0; i < 3; i++)
        look_beside(f, &near, "l/a");
    f->engine->ops->near_end(f->engine, &near);
}

static void a_directory_that_is_another_one_now_is_found_by_those_that_look_beside(void **state)
{
    struct fixture *f = *state;
    struct engine_near near = {0};
    assert_int_equal(put(f, "d/a", "old"), 0);
    assert_int_equal(put(f, "d/b", "old"), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(look_beside(f, &near, "d/a"), 0);
    assert_int_equal(erase(f, "d/a"), 0);
    assert_int_equal(erase(f, "d/b"), 0);
    assert_int_equal(look_beside(f, &near, "d/a"), DISKV_ENOTFOUND);
    assert_int_equal(put(f, "d/b", "new"), 0);
    assert_int_equal(look_beside(f, &near, "d/b"), 0);
    f->engine->ops->near_end(f->engine, &near);
}

static void looks_beside_leave_no_directory_open(void **state)
{
    struct fixture *f = *state;
    struct engine_near near = {0};
    char key[16];
    for (int i = 0; i < 200; i++) { /* more than there may be descriptors */
        snprintf(key, sizeof key, "d%d/a", i);
        assert_int_equal(put(f, key, "value"), 0);
        for (int j = 0; j < 3; j++)
            assert_int_equal(look_beside(f, &near, key), 0);
        if (i % 2)
            f->engine->ops->near_end(f->engine, &near);
    }
    f->engine->ops->near_end(f->engine, &near);
    int fd = openat(f->fd, "d0/a", O_RDONLY);
    assert_true(fd >= 0 && fd < 60);
    close(fd);
}

int main(void)
{
    /* few descriptors do, however deep a tree is */
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &limit);
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(each_value_is_one_plain_file),
        CASE(metadata_rides_in_extended_attributes),
        CASE(a_value_moves_into_the_directory_that_takes_its_name),
        CASE(directories_go_with_their_last_value_and_no_sooner),
        CASE(a_value_settles_once_its_times_are_past),
        CASE(what_another_program_writes_is_true_at_once),
        CASE(links_and_special_files_are_never_read_replaced_or_erased),
        CASE(files_that_are_no_keys_are_counted_as_foreign),
        CASE(a_changed_directory_has_another_stamp),
        CASE(what_a_crash_left_in_tmp_goes_at_the_start),
        CASE(nothing_is_left_in_tmp),
        CASE(a_copied_file_gets_the_time_and_the_mode_of_a_value),
        CASE(a_shared_file_keeps_its_time_and_unless_modes_are_exact_its_mode),
        CASE(a_file_on_another_file_system_is_copied),
        CASE(a_value_that_is_filled_from_its_own_file_is_a_copy_of_it),
        CASE(a_file_that_two_writers_share_leaves_nothing_in_tmp),
        CASE(clearing_refuses_where_foreign_files_lie_among_the_values),
        CASE(clearing_takes_foreign_files_along_but_follows_no_link),
        CASE(trees_of_any_depth_in_tmp_go_at_the_start),
        CASE(looks_at_values_beside_each_other_tell_what_looks_by_path_do),
        CASE(a_directory_that_is_another_one_now_is_found_by_those_that_look_beside),
        CASE(looks_beside_leave_no_directory_open),
        CASE(a_write_succeeds_while_another_program_removes_its_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
