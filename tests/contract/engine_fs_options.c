/* What the options of the engine of plain files do: modes, and where temporary files lie. */
#include "engine_fs_fixture.h"

static void assert_modes(struct fixture *f, mode_t umask_, mode_t file, mode_t dir)
{
    mode_t old = umask(umask_);
    int rc = put(f, "a/b", "1") | put(f, "a/b/c", "2") | put(f, "d/e/f", "3");
    umask(old);
    assert_int_equal(rc, 0);
    assert_int_equal(mode(f, "a"), dir);
    assert_int_equal(mode(f, "a/b"), dir);
    assert_int_equal(mode(f, "a/b/%value"), file);
    assert_int_equal(mode(f, "a/b/c"), file);
    assert_int_equal(mode(f, "d/e"), dir);
    assert_int_equal(engine_clear_wait(f->engine, false), 0);
}

static void files_and_directories_get_the_modes_asked_for_less_the_umask(void **state)
{
    struct fixture *f = *state;
    assert_modes(f, 0, 0666, 0777);
    assert_modes(f, 077, 0600, 0700);
    engine_restart(f, (struct engine_fs_options){.file_perm = 0640, .path_perm = 0750});
    assert_modes(f, 0, 0640, 0750);
    assert_modes(f, 077, 0600, 0700);
    engine_restart(f, (struct engine_fs_options){.file_perm = 0444});
    assert_modes(f, 0, 0444, 0777);
    assert_modes(f, 077, 0400, 0700);
}

static void the_umask_does_not_matter_where_modes_are_to_be_exact(void **state)
{
    struct fixture *f = *state;
    engine_restart(
        f, (struct engine_fs_options){.file_perm = 0664, .path_perm = 02775, .exact_perm = true});
    assert_modes(f, 0, 0664, 02775);
    assert_modes(f, 077, 0664, 02775);
}

static void a_directory_for_temporary_files_holds_one_for_each_store(void **state)
{
    struct fixture *f = *state;
    char temp[TEMPDIR_SIZE], own[64], path[256];
    struct stat st;
    struct engine_writer *w;
    const struct engine_commit commit = {.key = "k", .len = 1, .op.sync = true};
    tempdir_new(temp);
    assert_int_equal(fstat(f->fd, &st), 0);
    snprintf(own, sizeof own, "diskv-%jx-%jx", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    engine_restart(f, (struct engine_fs_options){.temp_dir = temp});
    assert_int_equal(f->engine->ops->begin(f->engine, &w), 0);
    assert_int_equal(engine_write_wait(w, "data", 4), 0);
    snprintf(path, sizeof path, "%s/%s", temp, own);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(entries(f, path), 1);
    assert_int_equal(entries(f, ".diskv"), 1);
    assert_int_equal(engine_commit_wait(w, commit, NULL), 0);
    assert_int_equal(entries(f, path), 0);
    assert_file(f, "k", "data");
    engine_stop(f);
    snprintf(path, sizeof path, "%s/%s/old", temp, own);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/other", temp);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(engine_start(f), 0);
    assert_int_equal(entries(f, temp), 2);
    snprintf(path, sizeof path, "%s/%s", temp, own);
    assert_int_equal(entries(f, path), 0);
    tempdir_remove(temp);
}

static void
only_a_directory_outside_the_store_but_on_its_file_system_is_for_temporary_files(void **state)
{
    struct fixture *f = *state;
    char path[TEMPDIR_SIZE + 16];
    struct engine *e;
    assert_int_equal(put(f, "sub/dir/file", ""), 0);
    static const char *const refused[] = {"", "/sub", "/sub/dir", "/sub/dir/file", "/none"};
    struct engine_fs_options options = f->options;
    options.temp_dir = path;
    for (size_t i = 0; i < array_len(refused); i++) {
        snprintf(path, sizeof path, "%s%s", f->dir, refused[i]);
        assert_int_equal(engine_fs_open(f->fd, &options, &e), DISKV_EINVAL);
    }
    struct stat base, other;
    assert_int_equal(fstat(f->fd, &base), 0);
    options.temp_dir = "/dev/shm";
    if (stat("/dev/shm", &other) == 0 && other.st_dev != base.st_dev)
        assert_int_equal(engine_fs_open(f->fd, &options, &e), DISKV_EINVAL);
    assert_int_equal(entries(f, "."), 2);
    assert_int_equal(entries(f, "sub/dir"), 1);
    snprintf(path, sizeof path, "%s/.diskv", f->dir);
    engine_restart(f, (struct engine_fs_options){.temp_dir = path});
    assert_int_equal(put(f, "k", "v"), 0);
    assert_file(f, "k", "v");
    f->options.temp_dir = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(files_and_directories_get_the_modes_asked_for_less_the_umask),
        CASE(the_umask_does_not_matter_where_modes_are_to_be_exact),
        CASE(a_directory_for_temporary_files_holds_one_for_each_store),
        CASE(only_a_directory_outside_the_store_but_on_its_file_system_is_for_temporary_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
