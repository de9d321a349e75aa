/* Files that are kept open for who reads them next: what is read is never that of another file or
 * of another time, and what is removed does not keep its space. */
#include "engine_fs_fixture.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#define DESCRIPTORS 256 /* that this process may have */
#define LATER       60  /* seconds by which the clock is ahead: files have settled */

static atomic_int opens;
static atomic_bool early; /* the clock is right */
static atomic_bool aging; /* what waits for a time has waited long enough */

int __real_sys_open_beneath_now(int dir_fd, const char *path, int flags);
int __wrap_sys_open_beneath_now(int dir_fd, const char *path, int flags);
int __wrap_sys_open_beneath_now(int dir_fd, const char *path, int flags)
{
    atomic_fetch_add(&opens, 1);
    return __real_sys_open_beneath_now(dir_fd, path, flags);
}

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    int rc = __real_clock_gettime(clock, out);
    if (clock == CLOCK_REALTIME && !atomic_load(&early))
        out->tv_sec += LATER;
    return rc;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    (void)until;
    return atomic_load(&aging) ? ETIMEDOUT : pthread_cond_wait(cond, lock);
}

static struct engine_reader *reader_new(const struct fixture *f, const char *key)
{
    const struct engine_ops *ops = f->engine->ops;
    struct engine_open o = {.key = key, .len = strlen(key), .keep = true};
    int rc = ops->open_now(f->engine, &o);
    if (rc == DISKV_EAGAIN) { /* names that are not in memory; then they are */
        assert_int_equal(ops->stat(f->engine, key, o.len, NULL), 0);
        rc = ops->open_now(f->engine, &o);
    }
    assert_int_equal(rc, 0);
    return o.reader;
}

static void assert_reads(struct engine_reader *r, const char *expected)
{
    char buf[64];
    size_t got;
    assert_int_equal(engine_read_wait(r, buf, sizeof buf, 0, &got), 0);
    assert_int_equal(got, strlen(expected));
    assert_memory_equal(buf, expected, got);
    assert_int_equal(r->info.size, got);
}

/* Reads the value, which must be as expected, and says whether its file was opened for that. */
static bool is_opened(const struct fixture *f, const char *key, const char *expected)
{
    int before = atomic_load(&opens);
    struct engine_reader *r = reader_new(f, key);
    assert_reads(r, expected);
    f->engine->ops->close(r);
    return atomic_load(&opens) > before;
}

/* Has the file of a value kept open. */
static void put_kept(struct fixture *f, const char *key, const char *value)
{
    assert_int_equal(put(f, key, value), 0);
    is_opened(f, key, value);
    assert_false(is_opened(f, key, value));
}

static int descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* Waits for what happens by itself, in a time that is not told. */
static void descriptors_wait(int n)
{
    for (int i = 0; i < 600 && descriptors() != n; i++)
        poll(NULL, 0, 50);
    assert_int_equal(descriptors(), n);
}

static void a_file_that_is_read_again_is_not_opened_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "k", "value"), 0);
    assert_true(is_opened(f, "k", "value"));
    assert_false(is_opened(f, "k", "value"));
}

static void readers_of_one_file_do_not_end_with_each_other(void **state)
{
    struct fixture *f = *state;
    put_kept(f, "k", "value");
    struct engine_reader *one = reader_new(f, "k"), *other = reader_new(f, "k");
    f->engine->ops->close(one);
    assert_int_equal(erase(f, "k"), 0);
    assert_reads(other, "value");
    f->engine->ops->close(other);
}

static void a_value_that_is_written_again_is_the_new_one(void **state)
{
    struct fixture *f = *state;
    put_kept(f, "k", "one");
    assert_int_equal(put(f, "k", "two"), 0);
    assert_true(is_opened(f, "k", "two"));
}

static void a_file_that_another_program_edits_is_as_it_is_now(void **state)
{
    struct fixture *f = *state;
    put_kept(f, "k", "one");
    int fd = openat(f->fd, "k", O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "longer", 6), 6);
    close(fd);
    assert_true(is_opened(f, "k", "longer"));
}

static void a_file_that_another_program_replaces_is_the_new_one(void **state)
{
    struct fixture *f = *state;
    put_kept(f, "k", "one");
    int fd = openat(f->fd, "new", O_WRONLY | O_CREAT, 0666);
    assert_int_equal(write(fd, "two", 3), 3);
    close(fd);
    assert_int_equal(renameat(f->fd, "new", f->fd, "k"), 0);
    assert_true(is_opened(f, "k", "two"));
}

static void a_type_that_another_program_sets_is_told(void **state)
{
    struct fixture *f = *state;
    put_kept(f, "k", "value");
    int fd = openat(f->fd, "k", O_RDONLY);
    assert_int_equal(fsetxattr(fd, "user.mime_type", "text/plain", 10, 0), 0);
    close(fd);
    struct engine_reader *r = reader_new(f, "k");
    assert_string_equal(r->info.type, "text/plain");
    f->engine->ops->close(r);
}

static void a_file_that_another_program_removes_is_gone(void **state)
{
    struct fixture *f = *state;
    int before = descriptors();
    put_kept(f, "k", "value");
    assert_int_equal(unlinkat(f->fd, "k", 0), 0);
    struct engine_open o = {.key = "k", .len = 1, .keep = true};
    assert_int_equal(f->engine->ops->open_now(f->engine, &o), DISKV_ENOTFOUND);
    descriptors_wait(before);
}

static void a_file_is_not_kept_while_a_change_might_leave_no_trace(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "k", "value"), 0);
    atomic_store(&early, true);
    assert_true(is_opened(f, "k", "value"));
    assert_true(is_opened(f, "k", "value"));
    atomic_store(&early, false);
}

static void a_file_smaller_than_asked_for_is_not_kept(void **state)
{
    struct fixture *f = *state;
    struct engine_open o = {.key = "k", .len = 1, .keep = true};
    int before = descriptors();
    assert_int_equal(put(f, "k", "value"), 0);
    for (o.keep_from = 6; o.keep_from >= 5; o.keep_from--) {
        assert_int_equal(f->engine->ops->open_now(f->engine, &o), 0);
        f->engine->ops->close(o.reader);
        assert_int_equal(descriptors(), before + (o.keep_from == 5));
    }
}

static void a_file_is_kept_for_a_short_time_only(void **state)
{
    struct fixture *f = *state;
    int before = descriptors();
    atomic_store(&aging, true);
    assert_int_equal(put(f, "k", "value"), 0);
    struct engine_reader *r = reader_new(f, "k");
    assert_int_equal(unlinkat(f->fd, "k", 0), 0);
    f->engine->ops->close(r);
    descriptors_wait(before);
    atomic_store(&aging, false);
}

static void what_the_store_replaces_or_erases_is_let_go_of_at_once(void **state)
{
    struct fixture *f = *state;
    const char *const keys[] = {"replaced", "erased", "moved-over"};
    int before = descriptors();
    for (size_t i = 0; i < 3; i++)
        put_kept(f, keys[i], "value");
    assert_int_equal(descriptors(), before + 3);
    assert_int_equal(put(f, "replaced", "new"), 0);
    assert_int_equal(descriptors(), before + 2);
    assert_int_equal(erase(f, "erased"), 0);
    assert_int_equal(descriptors(), before + 1);
    const struct engine_move move = {
        .from = "replaced", .to = "moved-over", .from_len = 8, .to_len = 10};
    assert_int_equal(engine_move_wait(f->engine, move), 0);
    assert_int_equal(descriptors(), before);
}

static void clearing_lets_go_of_all(void **state)
{
    struct fixture *f = *state;
    int before = descriptors();
    put_kept(f, "d/k", "value");
    assert_int_equal(engine_clear_wait(f->engine, false), 0);
    descriptors_wait(before);
}

static void of_many_files_no_more_are_kept_than_a_part_of_the_descriptors(void **state)
{
    struct fixture *f = *state;
    int before = descriptors();
    for (int i = 0; i < 2 * DESCRIPTORS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(put(f, key, "value"), 0);
        is_opened(f, key, "value");
        assert_in_range(descriptors(), before, before + DESCRIPTORS / 8);
    }
}

int main(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(a_file_that_is_read_again_is_not_opened_again),
        CASE(readers_of_one_file_do_not_end_with_each_other),
        CASE(a_value_that_is_written_again_is_the_new_one),
        CASE(a_file_that_another_program_edits_is_as_it_is_now),
        CASE(a_file_that_another_program_replaces_is_the_new_one),
        CASE(a_type_that_another_program_sets_is_told),
        CASE(a_file_that_another_program_removes_is_gone),
        CASE(a_file_is_not_kept_while_a_change_might_leave_no_trace),
        CASE(a_file_smaller_than_asked_for_is_not_kept),
        CASE(a_file_is_kept_for_a_short_time_only),
        CASE(what_the_store_replaces_or_erases_is_let_go_of_at_once),
        CASE(clearing_lets_go_of_all),
        CASE(of_many_files_no_more_are_kept_than_a_part_of_the_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
