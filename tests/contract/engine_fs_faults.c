/* Every call that storage depends on fails in turn: an error comes back, the old value stands,
 * nothing leaks and nothing is left behind. */
#include "engine_helpers.h"
#include "error.h"
#include "layout.h"
#include "sys.h"
#include "tempdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_int calls_left; /* until the one that fails; 0 for none */
static atomic_int fault_errno;
static atomic_bool fault_hit;

static bool fault(void)
{
    if (atomic_load(&calls_left) == 0 || atomic_fetch_sub(&calls_left, 1) != 1)
        return false;
    atomic_store(&fault_hit, true);
    return true;
}

#define WRAP(type, name, parameters, arguments)                                \
    type __real_##name parameters;                                             \
    type __wrap_##name parameters;                                             \
    type __wrap_##name parameters                                              \
    {                                                                          \
        return fault() ? -atomic_load(&fault_errno) : __real_##name arguments; \
    }

WRAP(int, sys_open_beneath, (int fd, const char *path, int flags, mode_t mode),
     (fd, path, flags, mode))
WRAP(int64_t, sys_pwrite, (int fd, const void *buf, size_t len, uint64_t offset),
     (fd, buf, len, offset))
WRAP(int, sys_fsync, (int fd), (fd))
WRAP(int, sys_syncfs, (int fd), (fd))
WRAP(int, sys_mkdirat, (int fd, const char *name, mode_t mode), (fd, name, mode))
WRAP(int, sys_linkat, (int from_fd, const char *from, int to_fd, const char *to),
     (from_fd, from, to_fd, to))
WRAP(int, sys_unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
WRAP(int, sys_fsetxattr, (int fd, const char *name, const void *value, size_t len),
     (fd, name, value, len))
WRAP(int, sys_fremovexattr, (int fd, const char *name), (fd, name))
WRAP(int, sys_openat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int64_t, sys_pread, (int fd, void *buf, size_t len, uint64_t offset), (fd, buf, len, offset))
WRAP(int, sys_fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, sys_clone, (int to_fd, int from_fd), (to_fd, from_fd))
WRAP(int64_t, sys_copy_file_range, (int from_fd, int to_fd, uint64_t offset, size_t len),
     (from_fd, to_fd, offset, len))
WRAP(int, sys_may_write, (int fd), (fd))
WRAP(int, sys_set_mtime, (int fd, struct timespec mtime), (fd, mtime))
WRAP(int, sys_stat, (int fd, const char *name, struct stat *out), (fd, name, out))

/* The file system cannot tell renames to replace nothing. */
static atomic_bool replaces_always;

/* How many renames to come find that another program has removed `n/e/f` of `removals_fd`. */
static atomic_int removals_left;
static atomic_int removals_fd;

int __real_sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (atomic_load(&removals_left) > 0 && atomic_fetch_sub(&removals_left, 1) > 0) {
        unlinkat(atomic_load(&removals_fd), "n/e/f", AT_REMOVEDIR);
        unlinkat(atomic_load(&removals_fd), "n/e", AT_REMOVEDIR);
        unlinkat(atomic_load(&removals_fd), "n", AT_REMOVEDIR);
    }
    if (flags == RENAME_NOREPLACE && atomic_load(&replaces_always))
        return -EINVAL;
    return fault() ? -atomic_load(&fault_errno)
                   : __real_sys_renameat2(from_fd, from, to_fd, to, flags);
}

/* A store in `store`, and a file beside it for it to take. */
struct world {
    char dir[TEMPDIR_SIZE];
    char source[TEMPDIR_SIZE + 8];
    int fd; /* of the store */
    struct workers *workers;
    struct engine *engine;
};

static const struct engine_commit attributes = {.type = "text/plain",
                                                .record = "{}",
                                                .must_keep = true,
                                                .points = "points",
                                                .points_len = 6,
                                                .op.sync = true};

static void world_start(struct world *w)
{
    assert_int_equal(workers_new(2, &w->workers), 0);
    const struct engine_fs_options options = {
        .layout = &layout_path, .workers = w->workers, .exact_perm = true};
    assert_int_equal(engine_fs_open(w->fd, &options, &w->engine), 0);
}

static void world_stop(struct world *w)
{
    workers_free(w->workers);
    w->engine->ops->free(w->engine);
}

static int put(struct world *w, const char *key, const char *value)
{
    return engine_put(w->engine, key, strlen(key), value, strlen(value), attributes, NULL);
}

static void world_new(struct world *w)
{
    tempdir_new(w->dir);
    int dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(dir_fd, "store", 0777), 0);
    w->fd = openat(dir_fd, "store", O_RDONLY | O_DIRECTORY);
    int fd = openat(dir_fd, "source", O_WRONLY | O_CREAT, 0666);
    assert_int_equal(write(fd, "new", 3), 3);
    close(fd);
    close(dir_fd);
    snprintf(w->source, sizeof w->source, "%s/source", w->dir);
    world_start(w);
    assert_int_equal(put(w, "a", "old"), 0);
    assert_int_equal(put(w, "d/k", "old"), 0);
    assert_int_equal(put(w, "e", "new"), 0);
}

static void world_free(struct world *w)
{
    world_stop(w);
    close(w->fd);
    tempdir_remove(w->dir);
}

static size_t entries(int dir_fd, const char *path)
{
    size_t n = 0;
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY);
    DIR *dir = fdopendir(fd);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* The key's value is `expected`, NULL for none. */
static bool value_is(struct world *w, const char *key, const char *expected)
{
    char *value = engine_get(w->engine, key, strlen(key));
    bool is = expected ? value && strcmp(value, expected) == 0 : !value;
    free(value);
    return is;
}

static bool source_stands(const struct world *w)
{
    char text[8] = "";
    int fd = open(w->source, O_RDONLY);
    bool read_it = fd >= 0 && read(fd, text, sizeof text - 1) == 3;
    if (fd >= 0)
        close(fd);
    return read_it && strcmp(text, "new") == 0;
}

/* A change of `key` from `old` to `new`, NULL for none. */
struct change {
    int (*make)(struct world *w, const char *key);
    const char *key, *old, *new;
};

static int write_new(struct world *w, const char *key)
{
    return put(w, key, "new");
}

static int erase(struct world *w, const char *key)
{
    return engine_erase_wait(w->engine, key, strlen(key), NULL, NULL);
}

static int import_copy(struct world *w, const char *key)
{
    return engine_import(w->engine, key, strlen(key), w->source, false, attributes);
}

static int import_share(struct world *w, const char *key)
{
    return engine_import(w->engine, key, strlen(key), w->source, true, attributes);
}

/* Copies the value of "e". */
static int copy(struct world *w, const char *key)
{
    uint8_t ident[ENGINE_IDENT_LEN];
    struct engine_commit commit = attributes;
    commit.ident = ident;
    struct engine_reader *r;
    int rc = engine_open_wait(w->engine, "e", 1, &r);
    if (rc)
        return rc;
    rc = engine_copy(r, key, strlen(key), commit);
    atomic_store(&calls_left, 0); /* what closing does is no part of it */
    w->engine->ops->close(r);
    return rc;
}

static void change_try(struct world *w, const struct change *c, int n, int error)
{
    atomic_store(&fault_hit, false);
    atomic_store(&fault_errno, error);
    atomic_store(&calls_left, n);
    int rc = c->make(w, c->key);
    atomic_store(&calls_left, 0);
    assert_true(rc == 0 || rc == error_from_errno(error) || rc == DISKV_EINDOUBT);
    if (!atomic_load(&fault_hit))
        assert_int_equal(rc, 0);
    bool is_new = value_is(w, c->key, c->new), is_old = value_is(w, c->key, c->old);
    assert_true(rc == 0 ? is_new : rc == DISKV_EINDOUBT ? is_new || is_old : is_old);
}

/* Makes the change with its n-th call failing; false when it has fewer calls. */
static bool fail_nth(const struct change *c, int n, int error)
{
    struct world w;
    world_new(&w);
    size_t descriptors = entries(AT_FDCWD, "/proc/self/fd");
    change_try(&w, c, n, error);
    bool hit = atomic_load(&fault_hit);
    assert_true(strcmp(c->key, "d/k") == 0 || value_is(&w, "d/k", "old"));
    assert_true(strcmp(c->key, "a") == 0 || value_is(&w, "a", "old"));
    assert_true(value_is(&w, "e", "new"));
    assert_true(source_stands(&w));
    assert_int_equal(entries(AT_FDCWD, "/proc/self/fd"), descriptors);
    world_stop(&w);
    world_start(&w);
    assert_int_equal(entries(w.fd, ".diskv/tmp"), 2);
    bool erased = !c->new &&value_is(&w, c->key, NULL);
    assert_int_equal(c->make(&w, c->key), erased ? DISKV_ENOTFOUND : 0);
    world_free(&w);
    return hit;
}

static void fail_each(const struct change *c, int least)
{
    static const int errors[] = {EIO, ENOSPC, EACCES};
    for (size_t i = 0; i < array_len(errors); i++) {
        int n = 1;
        while (fail_nth(c, n, errors[i]))
            n++;
        assert_true(n > least);
    }
}

static void a_write_over_a_value(void **state)
{
    (void)state;
    fail_each(&(struct change){write_new, "d/k", "old", "new"}, 8);
}

static void a_write_into_new_directories(void **state)
{
    (void)state;
    fail_each(&(struct change){write_new, "x/y/z", NULL, "new"}, 15);
}

static void a_write_below_a_value(void **state)
{
    (void)state;
    fail_each(&(struct change){write_new, "a/b/c", NULL, "new"}, 20);
}

static void an_erase(void **state)
{
    (void)state;
    fail_each(&(struct change){erase, "d/k", "old", NULL}, 4);
}

static void a_file_that_is_copied(void **state)
{
    (void)state;
    fail_each(&(struct change){import_copy, "d/k", "old", "new"}, 12);
}

static void a_file_that_is_shared(void **state)
{
    (void)state;
    fail_each(&(struct change){import_share, "d/k", "old", "new"}, 12);
}

static void a_value_that_is_copied(void **state)
{
    (void)state;
    fail_each(&(struct change){copy, "d/k", "old", "new"}, 12);
}

static bool keeps(struct world *w, const char *type, const char *record)
{
    struct engine_info info;
    assert_int_equal(w->engine->ops->stat(w->engine, "d/k", 3, &info), 0);
    return strcmp(info.type, type) == 0 && strcmp(info.record, record) == 0;
}

/* Changes what is kept beside a value with the n-th call failing: the old type and record stand. */
static bool fail_nth_of_annotate(const char *type, int n, int error)
{
    struct world w;
    world_new(&w);
    const struct engine_annotate annotate = {
        .key = "d/k",
        .len = 3,
        .notes = {.between = "{\"between\"}", .type = type, .record = "{\"new\"}"}};
    size_t descriptors = entries(AT_FDCWD, "/proc/self/fd");
    atomic_store(&fault_hit, false);
    atomic_store(&fault_errno, error);
    atomic_store(&calls_left, n);
    int rc = engine_annotate_wait(w.engine, annotate);
    atomic_store(&calls_left, 0);
    bool hit = atomic_load(&fault_hit);
    bool is_new = keeps(&w, type, "{\"new\"}"), is_old = keeps(&w, "text/plain", "{}");
    assert_true(rc == 0 ? is_new : rc == DISKV_EINDOUBT ? is_new || is_old : is_old);
    assert_true(rc == 0 || (hit && (rc == error_from_errno(error) || rc == DISKV_EINDOUBT)));
    assert_true(value_is(&w, "d/k", "old"));
    assert_int_equal(entries(AT_FDCWD, "/proc/self/fd"), descriptors);
    assert_int_equal(engine_annotate_wait(w.engine, annotate), 0);
    assert_true(keeps(&w, type, "{\"new\"}"));
    world_free(&w);
    return hit;
}

static void a_change_of_what_is_kept(void **state)
{
    (void)state;
    static const char *const types[] = {"text/html", ""};
    static const int errors[] = {EIO, ENOSPC, EACCES};
    for (size_t t = 0; t < array_len(types); t++) {
        for (size_t i = 0; i < array_len(errors); i++) {
            int n = 1;
            while (fail_nth_of_annotate(types[t], n, errors[i]))
                n++;
            assert_true(n > 6);
        }
    }
}

struct move {
    const char *from, *to, *old; /* `to` has the value `old`, NULL for none */
};

/* The value and what is kept beside it are under one key or under the other. */
static bool is_at(struct world *w, const struct move *m, bool moved)
{
    struct engine_info info;
    const char *key = moved ? m->to : m->from;
    return value_is(w, m->from, moved ? NULL : "new") &&
           value_is(w, m->to, moved ? "new" : m->old) &&
           w->engine->ops->stat(w->engine, key, strlen(key), &info) == 0 &&
           strcmp(info.type, moved ? "text/html" : "text/plain") == 0 &&
           strcmp(info.record, moved ? "{\"new\"}" : "{}") == 0;
}

/* Moves a value, to which other notes are given, with the n-th call failing. */
static bool fail_nth_of_move(const struct move *m, int n, int error)
{
    struct world w;
    world_new(&w);
    assert_int_equal(put(&w, m->from, "new"), 0);
    const struct engine_move move = {
        .from = m->from,
        .to = m->to,
        .from_len = strlen(m->from),
        .to_len = strlen(m->to),
        .notes = {.between = "{\"between\"}", .type = "text/html", .record = "{\"new\"}"},
        .op.sync = true};
    size_t descriptors = entries(AT_FDCWD, "/proc/self/fd");
    atomic_store(&fault_hit, false);
    atomic_store(&fault_errno, error);
    atomic_store(&calls_left, n);
    int rc = engine_move_wait(w.engine, move);
    atomic_store(&calls_left, 0);
    bool hit = atomic_load(&fault_hit);
    bool moved = is_at(&w, m, true), stayed = is_at(&w, m, false);
    assert_true(rc == 0 ? moved : rc == DISKV_EINDOUBT ? moved || stayed : stayed);
    assert_true(moved || faccessat(w.fd, "y", F_OK, 0)); /* no directory is left empty */
    assert_true(rc == 0 || (hit && (rc == error_from_errno(error) || rc == DISKV_EINDOUBT)));
    assert_int_equal(entries(AT_FDCWD, "/proc/self/fd"), descriptors);
    world_stop(&w);
    world_start(&w);
    assert_int_equal(entries(w.fd, ".diskv/tmp"), 2);
    assert_int_equal(engine_move_wait(w.engine, move), moved ? DISKV_ENOTFOUND : 0);
    assert_true(is_at(&w, m, true));
    world_free(&w);
    return hit;
}

static void fail_each_of_move(const struct move *m, int least)
{
    static const int errors[] = {EIO, EXDEV};
    for (size_t i = 0; i < array_len(errors); i++) {
        int n = 1;
        while (fail_nth_of_move(m, n, errors[i]))
            n++;
        assert_true(n > least);
    }
}

static void a_move_over_a_value(void **state)
{
    (void)state;
    fail_each_of_move(&(struct move){"x/y", "d/k", "old"}, 15);
}

static void a_move_into_new_directories(void **state)
{
    (void)state;
    fail_each_of_move(&(struct move){"x", "y/z/k", NULL}, 20);
}

static void a_move_into_the_directory_of_its_own_name_and_out_of_it(void **state)
{
    (void)state;
    fail_each_of_move(&(struct move){"x", "x/y", NULL}, 20);
    fail_each_of_move(&(struct move){"a/y", "a", "old"}, 15);
}

/* Clears with the n-th call failing: each value is there or not, and a second time it works. */
static bool fail_nth_of_clear(int n, int error)
{
    struct world w;
    world_new(&w);
    size_t descriptors = entries(AT_FDCWD, "/proc/self/fd");
    atomic_store(&fault_hit, false);
    atomic_store(&fault_errno, error);
    atomic_store(&calls_left, n);
    int rc = engine_clear_wait(w.engine, false);
    world_stop(&w);
    atomic_store(&calls_left, 0);
    bool hit = atomic_load(&fault_hit);
    assert_true(rc == 0 || (hit && (rc == error_from_errno(error) || rc == DISKV_EINDOUBT)));
    world_start(&w);
    assert_int_equal(entries(w.fd, ".diskv/tmp"), 2);
    assert_int_equal(entries(AT_FDCWD, "/proc/self/fd"), descriptors);
    assert_true(value_is(&w, "a", NULL) || (rc && value_is(&w, "a", "old")));
    assert_true(value_is(&w, "d/k", NULL) || (rc && value_is(&w, "d/k", "old")));
    assert_int_equal(engine_clear_wait(w.engine, false), 0);
    assert_true(value_is(&w, "a", NULL) && value_is(&w, "d/k", NULL));
    world_free(&w);
    return hit;
}

static void a_clear(void **state)
{
    (void)state;
    int n = 1;
    while (fail_nth_of_clear(n, EIO))
        n++;
    assert_true(n > 15);
    for (n = 1; fail_nth_of_clear(n, EACCES);)
        n++;
}

static void a_write_that_starts_over_many_times_holds_few_descriptors(void **state)
{
    (void)state;
    struct world w;
    struct rlimit was, few;
    world_new(&w);
    getrlimit(RLIMIT_NOFILE, &was);
    few = was;
    few.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &few);
    atomic_store(&removals_fd, w.fd);
    atomic_store(&removals_left, 1000);
    int rc =
        engine_put(w.engine, "n/e/f/k", 7, "v", 1, (struct engine_commit){.op.sync = true}, NULL);
    setrlimit(RLIMIT_NOFILE, &was);
    assert_int_equal(rc, 0);
    assert_true(atomic_load(&removals_left) <= 0);
    assert_true(value_is(&w, "n/e/f/k", "v"));
    world_free(&w);
}

static void writes_where_a_rename_cannot_be_told_to_replace_nothing(void **state)
{
    (void)state;
    struct world w;
    world_new(&w);
    atomic_store(&replaces_always, true);
    for (int i = 0; i < 4; i++) {
        bool created;
        int rc = engine_put(w.engine, i < 2 ? "n" : "m/k", i < 2 ? 1 : 3, i % 2 ? "two" : "one", 3,
                            attributes, &created);
        assert_int_equal(rc, 0);
        assert_int_equal(created, i % 2 == 0);
    }
    atomic_store(&replaces_always, false);
    assert_true(value_is(&w, "n", "two"));
    assert_true(value_is(&w, "m/k", "two"));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_over_a_value),
        cmocka_unit_test(a_write_into_new_directories),
        cmocka_unit_test(a_write_below_a_value),
        cmocka_unit_test(a_write_that_starts_over_many_times_holds_few_descriptors),
        cmocka_unit_test(writes_where_a_rename_cannot_be_told_to_replace_nothing),
        cmocka_unit_test(an_erase),
        cmocka_unit_test(a_file_that_is_copied),
        cmocka_unit_test(a_file_that_is_shared),
        cmocka_unit_test(a_value_that_is_copied),
        cmocka_unit_test(a_change_of_what_is_kept),
        cmocka_unit_test(a_clear),
        cmocka_unit_test(a_move_over_a_value),
        cmocka_unit_test(a_move_into_new_directories),
        cmocka_unit_test(a_move_into_the_directory_of_its_own_name_and_out_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
