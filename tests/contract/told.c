/* What is told of values that change while the store is about a change of its own. */
#include "store_helpers.h"
#include "sys.h"
#include "tempdir.h"

#include <errno.h>

#define TRIES     1000
#define TRIES_FEW 50 /* for what may not come */

static void pause_short(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

struct fixture {
    char dir[TEMPDIR_SIZE];
    diskv *store;
    uint64_t first; /* number of the first change */
};

/* --- What happens right after a call of the store's, once --- */

enum call { LINK, EXCHANGE, DIR_SYNC, CALLS };

/* Is given what the call returned, and says what it is to return. */
static int (*hooks[CALLS])(const struct fixture *f, int rc);
static const struct fixture *hooked;

static int hook_run(enum call call, int rc)
{
    int (*hook)(const struct fixture *f, int rc) = hooks[call];
    hooks[call] = NULL;
    return hook ? hook(hooked, rc) : rc;
}

int __real_sys_linkat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_sys_linkat(int from_fd, const char *from, int to_fd, const char *to);
int __real_sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __real_sys_fsync(int fd);
int __wrap_sys_fsync(int fd);
int __real_sys_syncfs(int fd);
int __wrap_sys_syncfs(int fd);

int __wrap_sys_linkat(int from_fd, const char *from, int to_fd, const char *to)
{
    return hook_run(LINK, __real_sys_linkat(from_fd, from, to_fd, to));
}

int __wrap_sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (flags == RENAME_EXCHANGE && hooks[EXCHANGE])
        return hook_run(EXCHANGE, __real_sys_renameat2(from_fd, from, to_fd, to, flags));
    return __real_sys_renameat2(from_fd, from, to_fd, to, flags);
}

int __wrap_sys_fsync(int fd)
{
    struct stat st;
    int rc = __real_sys_fsync(fd);
    bool is_dir = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    return is_dir ? hook_run(DIR_SYNC, rc) : rc;
}

int __wrap_sys_syncfs(int fd)
{
    return hook_run(DIR_SYNC, __real_sys_syncfs(fd));
}

/* --- The store --- */

static int setup(void **state)
{
    const struct diskv_options options = {.watch = true, .sync = DISKV_SYNC_ALWAYS};
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    int rc = diskv_open(f->dir, &options, &f->store);
    if (!rc)
        f->first = diskv_changes_next(f->store);
    hooked = f;
    return rc;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static int sh(const struct fixture *f, const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "cd %s && %s", f->dir, command);
    return system(line);
}

struct last {
    const char *key;
    size_t count; /* of its changes */
    char etag[DISKV_ETAG_MAX + 1];
};

static int last_take(void *ctx, const struct diskv_change *change)
{
    struct last *last = ctx;
    if (change->len != strlen(last->key))
        return 0;
    last->count++;
    snprintf(last->etag, sizeof last->etag, "%s", change->erased ? "" : change->etag);
    return 0;
}

/* What was told last. */
static struct last last_of(const struct fixture *f, const char *key)
{
    struct last last = {.key = key};
    uint64_t next = f->first;
    diskv_changes_now(f->store, &next, key, strlen(key), last_take, &last);
    return last;
}

/* Waits until more than `count` changes are told of, but not for ever. */
static void told_await(const struct fixture *f, const char *key, size_t count)
{
    for (int tries = 0; last_of(f, key).count <= count && tries < TRIES_FEW; tries++)
        pause_short();
}

/* Sooner or later the last that is told of a value is what it is. */
static void assert_told(const struct fixture *f, const char *key)
{
    for (int tries = 0; strcmp(last_of(f, key).etag, store_stat(f->store, key).etag) != 0;
         tries++) {
        assert_in_range(tries, 0, TRIES);
        pause_short();
    }
}

static void assert_listed(const struct fixture *f, const char *expected)
{
    struct diskv_stats stats = {0};
    for (int tries = 0; stats.keys == 0; tries++) {
        assert_in_range(tries, 0, TRIES);
        pause_short();
        diskv_stats(f->store, &stats);
    }
    assert_walk(f->store, "", expected);
}

/* Makes value k as another program does. */
static void value_make(const struct fixture *f)
{
    assert_int_equal(sh(f, "echo v > k"), 0);
    for (int tries = 0; last_of(f, "k").count == 0; tries++) {
        assert_in_range(tries, 0, TRIES);
        pause_short();
    }
    assert_told(f, "k");
    pause_short(); /* what changes it now sets another time */
}

/* --- A value that becomes a directory, for which its file has two names for a while --- */

static int is_looked_at(const struct fixture *f, int rc)
{
    told_await(f, "k", last_of(f, "k").count);
    return rc;
}

static void a_value_that_was_put_into_a_directory_is_told_of_as_it_is_there(void **state)
{
    const struct fixture *f = *state;
    value_make(f);
    hooks[EXCHANGE] = is_looked_at;
    assert_int_equal(store_put(f->store, "k/x", "w"), 0);
    assert_null(hooks[EXCHANGE]);
    assert_told(f, "k");
}

static int goes_elsewhere(const struct fixture *f, int rc)
{
    sh(f, "mv k moved");
    told_await(f, "moved", 0);
    return rc;
}

static void so_is_one_that_was_moved_before_it_was(void **state)
{
    const struct fixture *f = *state;
    value_make(f);
    hooks[LINK] = goes_elsewhere;
    assert_int_equal(store_put(f->store, "k/x", "w"), 0);
    assert_null(hooks[LINK]);
    assert_told(f, "moved");
}

static int fails(const struct fixture *f, int rc)
{
    (void)f;
    (void)rc;
    return -EIO;
}

static void so_is_one_that_could_not_be(void **state)
{
    const struct fixture *f = *state;
    value_make(f);
    hooks[DIR_SYNC] = fails;
    assert_int_equal(store_put(f->store, "k/x", "w"), DISKV_EIO);
    assert_null(hooks[DIR_SYNC]);
    assert_told(f, "k");
}

/* --- Another program's change that is looked at before the store's own is noted --- */

static int is_made_anew(const struct fixture *f, int rc)
{
    size_t count = last_of(f, "k").count;
    sh(f, "echo another > k");
    told_await(f, "k", count);
    return rc;
}

static void what_is_done_to_a_value_that_was_just_put_is_told_of(void **state)
{
    const struct fixture *f = *state;
    value_make(f);
    hooks[DIR_SYNC] = is_made_anew;
    assert_int_equal(store_put(f->store, "k", "w"), 0);
    assert_null(hooks[DIR_SYNC]);
    assert_told(f, "k");
}

static void what_was_made_where_a_value_was_just_erased_is_told_of_and_listed(void **state)
{
    const struct fixture *f = *state;
    value_make(f);
    hooks[DIR_SYNC] = is_made_anew;
    assert_int_equal(store_erase(f->store, "k"), 0);
    assert_null(hooks[DIR_SYNC]);
    assert_told(f, "k");
    assert_listed(f, "k");
}

static int goes_with_its_directory(const struct fixture *f, int rc)
{
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "d/x");
    remove(path);
    path_join(path, f->dir, "d");
    remove(path);
    sh(f, "echo z > z");
    told_await(f, "z", 0); /* then d was looked at too */
    return rc;
}

static void what_was_just_put_in_a_new_directory_that_goes_is_told_to_be_gone(void **state)
{
    const struct fixture *f = *state;
    value_make(f);
    hooks[DIR_SYNC] = goes_with_its_directory;
    assert_int_equal(store_put(f->store, "d/x", "w"), 0);
    assert_null(hooks[DIR_SYNC]);
    for (int tries = 0; *last_of(f, "d/x").etag; tries++) {
        assert_in_range(tries, 0, TRIES);
        pause_short();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_that_was_put_into_a_directory_is_told_of_as_it_is_there),
        TEST(so_is_one_that_was_moved_before_it_was),
        TEST(so_is_one_that_could_not_be),
        TEST(what_is_done_to_a_value_that_was_just_put_is_told_of),
        TEST(what_was_made_where_a_value_was_just_erased_is_told_of_and_listed),
        TEST(what_was_just_put_in_a_new_directory_that_goes_is_told_to_be_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
