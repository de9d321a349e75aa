/* What is noted of a directory while one thread reads it and another finds that it is gone. */
#include "store_helpers.h"
#include "sys.h"
#include "tempdir.h"

#include <errno.h>
#include <sys/inotify.h>

/* --- System calls that can be held or made to fail --- */

static _Atomic(const char *) held_path; /* who finds next that nothing is there waits */
static atomic_bool is_held, overflow;

int __real_sys_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);
int __wrap_sys_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);
int64_t __real_sys_read(int fd, void *buf, size_t len);
int64_t __wrap_sys_read(int fd, void *buf, size_t len);

static void pause_short(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

#define wait_until(condition)                        \
    do {                                             \
        for (int tries = 0; !(condition); tries++) { \
            assert_in_range(tries, 0, 1000);         \
            pause_short();                           \
        }                                            \
    } while (0)

int __wrap_sys_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
    int fd = __real_sys_open_beneath(dir_fd, path, flags, mode);
    const char *held = atomic_load(&held_path);
    if (fd == -ENOENT && held && strcmp(path, held) == 0 &&
        atomic_compare_exchange_strong(&held_path, &held, NULL)) {
        atomic_store(&is_held, true);
        while (atomic_load(&is_held))
            pause_short();
    }
    return fd;
}

/* Drops what is in the queue, and says so as the kernel does. */
int64_t __wrap_sys_read(int fd, void *buf, size_t len)
{
    int64_t n = __real_sys_read(fd, buf, len);
    if (n <= 0 || !atomic_load(&overflow))
        return n;
    memcpy(buf, &(struct inotify_event){.wd = -1, .mask = IN_Q_OVERFLOW},
           sizeof(struct inotify_event));
    atomic_store(&overflow, false);
    return sizeof(struct inotify_event);
}

/* --- The store --- */

struct fixture {
    char dir[TEMPDIR_SIZE], aside[TEMPDIR_SIZE];
    diskv *store;
};

static int setup(void **state)
{
    const struct diskv_options options = {.watch = true, .sync = DISKV_SYNC_NONE};
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    tempdir_new(f->aside);
    return diskv_open(f->dir, &options, &f->store);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->dir);
    tempdir_remove(f->aside);
    free(f);
    return 0;
}

static uint64_t keys(struct fixture *f)
{
    struct diskv_stats stats;
    diskv_stats(f->store, &stats);
    return stats.keys;
}

/* Runs a shell command in the directory, with the one beside it as $1. */
static void sh(struct fixture *f, const char *command)
{
    char line[512];
    int n = snprintf(line, sizeof line, "set - %s && cd %s && %s", f->aside, f->dir, command);
    assert_in_range(n, 1, sizeof line - 1);
    assert_int_equal(system(line), 0);
}

static void sh_unseen(struct fixture *f, const char *command)
{
    atomic_store(&overflow, true);
    sh(f, command);
    wait_until(!atomic_load(&overflow));
}

/* The thread that follows the files has read p/a and finds that p/a/z is gone from it; then p goes
 * away, which a look at all finds, and comes back, before the thread has noted p/a. */
static void a_directory_that_comes_back_as_it_was_is_read_again(void **state)
{
    struct fixture *f = *state;
    sh(f, "mkdir -p p/a && touch p/a/x p/a/z");
    wait_until(keys(f) == 2);
    assert_int_equal(store_put(f->store, "k", "v"), 0);
    atomic_store(&held_path, "k");
    assert_int_equal(store_erase(f->store, "k"), 0);
    wait_until(atomic_load(&is_held));
    sh(f, "mv p/a $1 && rm $1/a/z && mv $1/a p");
    nanosleep(&(struct timespec){.tv_sec = 3}, NULL); /* from now on its time is relied on */
    atomic_store(&held_path, "p/a/z");
    atomic_store(&is_held, false);
    wait_until(!atomic_load(&held_path) && atomic_load(&is_held));
    sh_unseen(f, "mv p $1");
    assert_int_equal(diskv_rescan_wait(f->store), 0);
    sh_unseen(f, "mv $1/p .");
    atomic_store(&is_held, false);
    wait_until(keys(f) == 1); /* nobody asks for a listing, which would have it mended at once */
    assert_walk(f->store, "", "p/a/x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_directory_that_comes_back_as_it_was_is_read_again, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
