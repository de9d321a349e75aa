/* What a store is opened with: modes of files, the directory of what is being written, and what is
 * synced. Links the layers, to count the syncs. */
#include "store_helpers.h"
#include "sys.h"
#include "tempdir.h"

#include <stdatomic.h>
#include <sys/wait.h>

#define LARGE   (1024 * 1024) /* more than a writer's buffer */
#define SHM_DIR "/dev/shm/diskv-test-XXXXXX"

static atomic_uint syncs;

int __real_sys_fsync(int fd);
int __wrap_sys_fsync(int fd);
int __wrap_sys_fsync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return __real_sys_fsync(fd);
}

int __real_sys_syncfs(int fd);
int __wrap_sys_syncfs(int fd);
int __wrap_sys_syncfs(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return __real_sys_syncfs(fd);
}

struct fixture {
    diskv *store;
    mode_t umask;
    char base[TEMPDIR_SIZE];
    char dir[STORE_PATH_SIZE];    /* the store's */
    char temp[STORE_PATH_SIZE];   /* a directory beside it */
    char source[STORE_PATH_SIZE]; /* a file beside it */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->umask = umask(022);
    tempdir_new(f->base);
    path_join(f->dir, f->base, "store");
    path_join(f->temp, f->base, "temp");
    path_join(f->source, f->base, "source");
    file_write(f->source, "imported");
    return mkdir(f->temp, 0777);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    umask(f->umask);
    tempdir_remove(f->base);
    free(f);
    return 0;
}

static void open_store(struct fixture *f, struct diskv_options options)
{
    assert_int_equal(diskv_open(f->dir, &options, &f->store), 0);
}

static void close_store(struct fixture *f)
{
    diskv_close(f->store);
    f->store = NULL;
}

/* --- Modes --- */

static void assert_mode(const struct fixture *f, const char *name, mode_t expected)
{
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, name);
    assert_int_equal(file_stat(path).st_mode & 07777, expected);
}

/* Opens a store under a umask and has it make files and directories in every way that there is. */
static void assert_modes(struct fixture *f, mode_t mask, struct diskv_options options, mode_t file,
                         mode_t dir)
{
    umask(mask);
    options.sync = DISKV_SYNC_NONE;
    open_store(f, options);
    assert_int_equal(store_put(f->store, "k", "v"), 0);
    assert_int_equal(store_put(f->store, "k", "again"), 0);
    assert_int_equal(store_put(f->store, "d/e/k", "v"), 0);
    assert_int_equal(store_put(f->store, "a", "v"), 0);
    assert_int_equal(store_put(f->store, "a/b/c", "v"), 0);
    assert_int_equal(diskv_import(f->store, "i", 1, f->source, false, NULL), 0);
    static const char *const files[] = {"k", "d/e/k", "a/%value", "a/b/c", "i"};
    static const char *const dirs[] = {"d", "d/e", "a", "a/b"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_mode(f, files[i], file);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        assert_mode(f, dirs[i], dir);
}

static void modes_are_what_the_umask_leaves_of_everything(void **state)
{
    assert_modes(*state, 022, (struct diskv_options){0}, 0644, 0755);
}

static void modes_are_everything_where_there_is_no_umask(void **state)
{
    assert_modes(*state, 0, (struct diskv_options){0}, 0666, 0777);
}

static void modes_are_as_asked_for(void **state)
{
    const struct diskv_options options = {.file_perm = 0640, .path_perm = 0750};
    assert_modes(*state, 0, options, 0640, 0750);
}

static void the_umask_is_taken_from_what_is_asked_for(void **state)
{
    const struct diskv_options options = {.file_perm = 0664, .path_perm = 0775};
    assert_modes(*state, 027, options, 0640, 0750);
}

static void exact_modes_are_so_whatever_the_umask(void **state)
{
    const struct diskv_options options = {.file_perm = 0664, .path_perm = 0775, .exact_perm = true};
    assert_modes(*state, 077, options, 0664, 0775);
}

static void exact_modes_are_everything_by_default(void **state)
{
    assert_modes(*state, 077, (struct diskv_options){.exact_perm = true}, 0666, 0777);
}

static void modes_are_the_same_where_values_are_compressed_and_lie_in_temp_dir_first(void **state)
{
    struct fixture *f = *state;
    const struct diskv_options options = {.file_perm = 0660,
                                          .path_perm = 0770,
                                          .exact_perm = true,
                                          .compress = "gzip",
                                          .temp_dir = f->temp};
    assert_modes(f, 077, options, 0660, 0770);
}

static void directories_of_a_split_layout_have_the_mode_too(void **state)
{
    struct fixture *f = *state;
    umask(077);
    open_store(f,
               (struct diskv_options){.layout = "split:2", .path_perm = 0750, .exact_perm = true});
    assert_int_equal(store_put(f->store, "abcde", "v"), 0);
    assert_mode(f, "ab", 0750);
    assert_mode(f, "ab/cd", 0750);
    assert_mode(f, "ab/cd/abcde", 0666);
}

/* --- The directory of what is being written --- */

/* A writer of key `w` with some of its bytes in storage. */
static diskv_writer *begin_large(diskv *store)
{
    diskv_writer *writer;
    char *bytes = calloc(1, LARGE);
    assert_int_equal(diskv_writer_open(store, "w", 1, NULL, &writer), 0);
    assert_int_equal(diskv_writer_append_wait(writer, bytes, LARGE), 0);
    free(bytes);
    return writer;
}

/* The path of the only name in `dir` that is not `but`. */
static void only_name(char out[static STORE_PATH_SIZE], const char *path, const char *but)
{
    assert_int_equal(dir_count(path, but), 1);
    DIR *dir = opendir(path);
    for (const struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && !(but && strcmp(e->d_name, but) == 0))
            path_join(out, path, e->d_name);
    closedir(dir);
}

static void a_value_lies_in_temp_dir_until_it_is_committed(void **state)
{
    struct fixture *f = *state;
    char own[STORE_PATH_SIZE], file[STORE_PATH_SIZE];
    open_store(f, (struct diskv_options){.temp_dir = f->temp});
    diskv_writer *writer = begin_large(f->store);
    only_name(own, f->temp, NULL);
    only_name(file, own, NULL);
    assert_true(file_stat(file).st_size > 0);
    ino_t inode = file_stat(file).st_ino;
    assert_int_equal(dir_count(f->dir, ".diskv"), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_int_equal(dir_count(own, NULL), 0);
    path_join(file, f->dir, "w");
    assert_int_equal(file_stat(file).st_ino, inode);
    assert_int_equal(store_stat(f->store, "w").size, LARGE);
}

static void what_is_not_committed_leaves_temp_dir(void **state)
{
    struct fixture *f = *state;
    char own[STORE_PATH_SIZE];
    open_store(f, (struct diskv_options){.temp_dir = f->temp});
    diskv_writer *writer = begin_large(f->store);
    only_name(own, f->temp, NULL);
    diskv_writer_close(writer);
    close_store(f);
    if (file_exists(own))
        assert_int_equal(dir_count(own, NULL), 0);
}

static void every_change_works_with_a_temp_dir(void **state)
{
    struct fixture *f = *state;
    open_store(f, (struct diskv_options){.temp_dir = f->temp});
    assert_int_equal(store_put(f->store, "a", "v"), 0);
    assert_int_equal(store_put(f->store, "a/b", "v"), 0);
    assert_int_equal(diskv_import(f->store, "copied", 6, f->source, false, NULL), 0);
    assert_int_equal(diskv_import(f->store, "moved", 5, f->source, true, NULL), 0);
    assert_int_equal(store_erase(f->store, "a"), 0);
    assert_walk(f->store, "", "a/b copied moved");
    assert_value(f->store, "moved", "imported");
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    assert_walk(f->store, "", "");
    assert_int_equal(dir_count(f->dir, ".diskv"), 0);
}

/* Leaves behind what a process does that is killed while it writes. */
static void die_while_writing(struct fixture *f)
{
    pid_t child = fork();
    if (child == 0) {
        diskv *store;
        const struct diskv_options options = {.temp_dir = f->temp};
        _exit(diskv_open(f->dir, &options, &store) || !begin_large(store));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_start_removes_what_was_left_there_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    char own[STORE_PATH_SIZE], mine[STORE_PATH_SIZE], dir[STORE_PATH_SIZE], file[STORE_PATH_SIZE];
    die_while_writing(f);
    only_name(own, f->temp, NULL);
    assert_int_equal(dir_count(own, NULL), 1);
    path_join(mine, f->temp, "mine");
    file_write(mine, "mine");
    path_join(dir, f->temp, "dir");
    assert_int_equal(mkdir(dir, 0777), 0);
    path_join(file, dir, "file");
    file_write(file, "mine");
    open_store(f, (struct diskv_options){.temp_dir = f->temp});
    assert_int_equal(dir_count(own, NULL), 0);
    assert_int_equal(store_has(f->store, "w"), 0);
    assert_file(mine, "mine");
    assert_file(file, "mine");
}

static void stores_that_share_a_temp_dir_leave_each_others_files_alone(void **state)
{
    struct fixture *f = *state;
    char other_dir[STORE_PATH_SIZE];
    diskv *other;
    const struct diskv_options options = {.temp_dir = f->temp};
    path_join(other_dir, f->base, "other");
    open_store(f, options);
    diskv_writer *writer = begin_large(f->store);
    assert_int_equal(diskv_open(other_dir, &options, &other), 0);
    diskv_writer *others = begin_large(other);
    assert_int_equal(dir_count(f->temp, NULL), 2);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    assert_int_equal(diskv_writer_commit_wait(others), 0);
    diskv_writer_close(writer);
    diskv_writer_close(others);
    assert_int_equal(store_stat(f->store, "w").size, LARGE);
    assert_int_equal(store_stat(other, "w").size, LARGE);
    diskv_close(other);
}

static void a_temp_dir_that_cannot_be_used_is_refused_when_the_store_is_opened(void **state)
{
    struct fixture *f = *state;
    char missing[STORE_PATH_SIZE];
    struct diskv_options options = {.temp_dir = missing};
    path_join(missing, f->base, "missing");
    int rc = diskv_open(f->dir, &options, &f->store);
    assert_true(rc == DISKV_ENOTFOUND || rc == DISKV_EINVAL);
    assert_null(f->store);
    options.temp_dir = f->source;
    assert_true(diskv_open(f->dir, &options, &f->store) < 0);
    assert_file(f->source, "imported");
    options.temp_dir = f->temp;
    open_store(f, options);
}

static void a_temp_dir_on_another_file_system_is_refused(void **state)
{
    struct fixture *f = *state;
    char shm[] = SHM_DIR;
    struct stat there;
    if (!mkdtemp(shm) || stat(shm, &there) || there.st_dev == file_stat(f->base).st_dev) {
        print_message("skipped: /dev/shm is no other file system\n");
        tempdir_remove(shm);
        skip();
    }
    const struct diskv_options options = {.temp_dir = shm};
    int rc = diskv_open(f->dir, &options, &f->store);
    size_t left = dir_count(shm, NULL);
    tempdir_remove(shm);
    assert_int_equal(rc, DISKV_EINVAL);
    assert_int_equal(left, 0);
}

/* --- What is synced --- */

static unsigned syncs_taken(void)
{
    return atomic_exchange(&syncs, 0);
}

static int put_with(diskv *store, const char *key, enum diskv_sync sync)
{
    const struct diskv_write_options options = {.sync = sync};
    atomic_store(&syncs, 0);
    return diskv_put(store, key, strlen(key), "v", 1, &options);
}

static int import_with(struct fixture *f, const char *key, bool move, enum diskv_sync sync)
{
    const struct diskv_write_options options = {.sync = sync};
    atomic_store(&syncs, 0);
    return diskv_import(f->store, key, strlen(key), f->source, move, &options);
}

/* A file and the directories that lead to it. */
#define DURABLE 2

static void a_write_is_durable_by_default(void **state)
{
    struct fixture *f = *state;
    open_store(f, (struct diskv_options){0});
    assert_int_equal(put_with(f->store, "k", DISKV_SYNC_DEFAULT), 0);
    assert_true(syncs_taken() >= DURABLE);
    assert_int_equal(store_put(f->store, "d/k", "v"), 0);
    assert_true(syncs_taken() >= DURABLE + 1);
    assert_int_equal(store_erase(f->store, "k"), 0);
    assert_true(syncs_taken() >= 1);
}

static void a_store_that_need_not_sync_does_not(void **state)
{
    struct fixture *f = *state;
    open_store(f, (struct diskv_options){.sync = DISKV_SYNC_NONE});
    assert_int_equal(put_with(f->store, "k", DISKV_SYNC_DEFAULT), 0);
    assert_int_equal(store_put(f->store, "d/k", "v"), 0);
    assert_int_equal(diskv_import(f->store, "i", 1, f->source, true, NULL), 0);
    assert_int_equal(store_erase(f->store, "k"), 0);
    assert_int_equal(diskv_erase_all(f->store, false), 0);
    assert_int_equal(syncs_taken(), 0);
}

static void one_write_may_do_without_a_sync(void **state)
{
    struct fixture *f = *state;
    open_store(f, (struct diskv_options){.sync = DISKV_SYNC_ALWAYS});
    assert_int_equal(put_with(f->store, "d/k", DISKV_SYNC_NONE), 0);
    assert_int_equal(syncs_taken(), 0);
    assert_int_equal(import_with(f, "i", false, DISKV_SYNC_NONE), 0);
    assert_int_equal(syncs_taken(), 0);
    assert_int_equal(put_with(f->store, "d/k", DISKV_SYNC_DEFAULT), 0);
    assert_true(syncs_taken() >= DURABLE);
}

static void one_write_may_ask_for_a_sync(void **state)
{
    struct fixture *f = *state;
    open_store(f, (struct diskv_options){.sync = DISKV_SYNC_NONE});
    assert_int_equal(put_with(f->store, "k", DISKV_SYNC_ALWAYS), 0);
    assert_true(syncs_taken() >= DURABLE);
    assert_int_equal(import_with(f, "copied", false, DISKV_SYNC_ALWAYS), 0);
    assert_true(syncs_taken() >= DURABLE);
    assert_int_equal(import_with(f, "moved", true, DISKV_SYNC_ALWAYS), 0);
    assert_true(syncs_taken() >= DURABLE);
    assert_int_equal(put_with(f->store, "k", DISKV_SYNC_DEFAULT), 0);
    assert_int_equal(syncs_taken(), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(modes_are_what_the_umask_leaves_of_everything),
        CASE(modes_are_everything_where_there_is_no_umask),
        CASE(modes_are_as_asked_for),
        CASE(the_umask_is_taken_from_what_is_asked_for),
        CASE(exact_modes_are_so_whatever_the_umask),
        CASE(exact_modes_are_everything_by_default),
        CASE(modes_are_the_same_where_values_are_compressed_and_lie_in_temp_dir_first),
        CASE(directories_of_a_split_layout_have_the_mode_too),
        CASE(a_value_lies_in_temp_dir_until_it_is_committed),
        CASE(what_is_not_committed_leaves_temp_dir),
        CASE(every_change_works_with_a_temp_dir),
        CASE(a_start_removes_what_was_left_there_and_nothing_else),
        CASE(stores_that_share_a_temp_dir_leave_each_others_files_alone),
        CASE(a_temp_dir_that_cannot_be_used_is_refused_when_the_store_is_opened),
        CASE(a_temp_dir_on_another_file_system_is_refused),
        CASE(a_write_is_durable_by_default),
        CASE(a_store_that_need_not_sync_does_not),
        CASE(one_write_may_do_without_a_sync),
        CASE(one_write_may_ask_for_a_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
