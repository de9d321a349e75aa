/* What an engine tells of other programs' changes, and what the store makes of it: also where the
 * kernel has no watch left, or drops what happened. */
#include "engine.h"
#include "layout.h"
#include "store_helpers.h"
#include "sys.h"
#include "tempdir.h"
#include "util.h"

#include <errno.h>
#include <pthread.h>
#include <sys/inotify.h>

static void pause_short(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

/* --- System calls that can be made to fail --- */

static atomic_int watches_left = INT32_MAX;
static atomic_bool no_queue, overflow;
static enum { HELD_NOT, HELD_NEXT, HELD_NOW } _Atomic held; /* who finds that file k is not there */

int __real_sys_inotify_init(void);
int __wrap_sys_inotify_init(void);
int __real_sys_inotify_add(int fd, int dir_fd, uint32_t mask);
int __wrap_sys_inotify_add(int fd, int dir_fd, uint32_t mask);
int __real_sys_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);
int __wrap_sys_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);
int64_t __real_sys_read(int fd, void *buf, size_t len);
int64_t __wrap_sys_read(int fd, void *buf, size_t len);

int __wrap_sys_inotify_init(void)
{
    return atomic_load(&no_queue) ? -EMFILE : __real_sys_inotify_init();
}

int __wrap_sys_inotify_add(int fd, int dir_fd, uint32_t mask)
{
    if (atomic_load(&watches_left) <= 0)
        return -ENOSPC;
    atomic_fetch_sub(&watches_left, 1);
    return __real_sys_inotify_add(fd, dir_fd, mask);
}

int __wrap_sys_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
    int fd = __real_sys_open_beneath(dir_fd, path, flags, mode);
    if (fd == -ENOENT && strcmp(path, "k") == 0 && atomic_load(&held) == HELD_NEXT) {
        atomic_store(&held, HELD_NOW);
        while (atomic_load(&held) == HELD_NOW)
            pause_short();
    }
    return fd;
}

/* Drops what is in the queue, and says so as the kernel does. */
int64_t __wrap_sys_read(int fd, void *buf, size_t len)
{
    int64_t n = __real_sys_read(fd, buf, len);
    if (n <= 0 || !atomic_exchange(&overflow, false))
        return n;
    memcpy(buf, &(struct inotify_event){.wd = -1, .mask = IN_Q_OVERFLOW},
           sizeof(struct inotify_event));
    return sizeof(struct inotify_event);
}

/* --- Waiting --- */

#define TRIES 2000

#define wait_until(condition)                        \
    do {                                             \
        for (int tries = 0; !(condition); tries++) { \
            assert_in_range(tries, 0, TRIES);        \
            pause_short();                           \
        }                                            \
    } while (0)

/* --- The engine --- */

struct told {
    pthread_mutex_t lock;
    char text[65536]; /* each as "key NAME\n" or "place NAME\n" */
    size_t len;
    atomic_bool lost;
};

static void told_add(struct told *t, const char *kind, const char *name, size_t len)
{
    pthread_mutex_lock(&t->lock);
    int n = snprintf(t->text + t->len, sizeof t->text - t->len, "%s %.*s\n", kind, (int)len, name);
    t->len += (size_t)n;
    assert_true(t->len < sizeof t->text);
    pthread_mutex_unlock(&t->lock);
}

static void told_key(void *ctx, const char *key, size_t len)
{
    told_add(ctx, "key", key, len);
}

static void told_place(void *ctx, const char *name, size_t len)
{
    told_add(ctx, "place", name, len);
}

static void told_lost(void *ctx)
{
    struct told *t = ctx;
    atomic_store(&t->lost, true);
}

static bool is_told(struct told *t, const char *line)
{
    pthread_mutex_lock(&t->lock);
    bool found = strstr(t->text, line);
    pthread_mutex_unlock(&t->lock);
    return found;
}

static void told_forget(struct told *t)
{
    pthread_mutex_lock(&t->lock);
    t->len = 0;
    t->text[0] = '\0';
    pthread_mutex_unlock(&t->lock);
}

struct fixture {
    char dir[TEMPDIR_SIZE];
    struct workers *workers;
    struct engine *engine;
    struct told told;
};

static int engine_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    pthread_mutex_init(&f->told.lock, NULL);
    if (workers_new(1, &f->workers))
        return -1;
    const struct engine_fs_options options = {.layout = &layout_path, .workers = f->workers};
    int fd = open(f->dir, O_RDONLY | O_DIRECTORY);
    int rc = engine_fs_open(fd, &options, &f->engine);
    close(fd);
    const struct engine_watcher watcher = {&f->told, told_key, told_place, told_lost};
    return rc ? rc : f->engine->ops->watch(f->engine, &watcher);
}

static int engine_teardown(void **state)
{
    struct fixture *f = *state;
    workers_free(f->workers);
    f->engine->ops->unwatch(f->engine);
    f->engine->ops->free(f->engine);
    pthread_mutex_destroy(&f->told.lock);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

/* Runs a shell command in the directory. */
static void sh(const char *dir, const char *command)
{
    char line[1024];
    int n = snprintf(line, sizeof line, "cd %s && %s", dir, command);
    assert_in_range(n, 1, sizeof line - 1);
    assert_int_equal(system(line), 0);
}

static int visit_any(void *ctx, const char *name, size_t len)
{
    (void)ctx;
    (void)name;
    (void)len;
    return 0;
}

static int scan(struct fixture *f, const char *place)
{
    const struct engine_visitor visitor = {.key = visit_any, .place = visit_any};
    struct engine_place out;
    return f->engine->ops->scan(f->engine, place, &visitor, &out);
}

static uint64_t watched(struct fixture *f)
{
    struct engine_watching watching;
    f->engine->ops->watching(f->engine, &watching);
    return watching.places;
}

static void each_change_of_a_file_is_told_of_by_its_key(void **state)
{
    static const char *const changes[] = {
        "echo x > k",     "echo y >> k", "truncate -s 1 k",      "chmod 600 k",
        "ln k b && rm k", "mv b k",      "echo z > n && mv n k", "rm k"};
    struct fixture *f = *state;
    assert_int_equal(scan(f, ""), 0);
    sh(f->dir, "echo foreign > %zz");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        told_forget(&f->told);
        sh(f->dir, changes[i]);
        wait_until(is_told(&f->told, "key k\n"));
    }
    assert_false(is_told(&f->told, "zz"));
}

static void a_value_in_its_own_directory_is_told_of_by_its_key(void **state)
{
    struct fixture *f = *state;
    sh(f->dir, "mkdir -p a/b");
    assert_int_equal(scan(f, "a/b"), 0);
    sh(f->dir, "echo x > a/b/%value");
    wait_until(is_told(&f->told, "key a/b\n"));
}

static void a_directory_is_told_of_with_those_in_it_that_were_watched(void **state)
{
    struct fixture *f = *state;
    sh(f->dir, "mkdir -p a/b/c a/d");
    assert_int_equal(scan(f, ""), 0);
    assert_int_equal(scan(f, "a"), 0);
    assert_int_equal(scan(f, "a/b"), 0);
    assert_int_equal(scan(f, "a/b/c"), 0);
    assert_int_equal(watched(f), 4);
    sh(f->dir, "mv a e");
    wait_until(is_told(&f->told, "place e\n"));
    assert_true(is_told(&f->told, "place a\n"));
    assert_true(is_told(&f->told, "place a/b\n"));
    assert_true(is_told(&f->told, "place a/b/c\n"));
    wait_until(watched(f) == 1);
    assert_int_equal(scan(f, "a"), DISKV_ENOTFOUND);
    assert_int_equal(scan(f, "e"), 0);
    assert_int_equal(scan(f, "e/b"), 0);
    told_forget(&f->told);
    sh(f->dir, "echo x > e/b/new");
    wait_until(is_told(&f->told, "key e/b/new\n"));
    assert_false(is_told(&f->told, "place"));
}

static void a_directory_watched_after_one_in_it_takes_that_along(void **state)
{
    static const char *const orders[][4] = {{"a/b/c", "a", "a/b", ""}, {"", "a/b/c", "a/b", "a"}};
    struct fixture *f = *state;
    for (size_t i = 0; i < array_len(orders); i++) {
        sh(f->dir, "mkdir -p a/b/c");
        for (size_t n = 0; n < array_len(orders[i]); n++)
            assert_int_equal(scan(f, orders[i][n]), 0);
        told_forget(&f->told);
        sh(f->dir, "mv a/b d");
        wait_until(is_told(&f->told, "place a/b\n") && is_told(&f->told, "place a/b/c\n"));
        sh(f->dir, "rm -r a d");
        wait_until(watched(f) == 1);
    }
}

static void a_watched_directory_with_other_times_and_modes_is_not_told_of(void **state)
{
    struct fixture *f = *state;
    sh(f->dir, "mkdir -p a/b");
    assert_int_equal(scan(f, ""), 0);
    assert_int_equal(scan(f, "a"), 0);
    assert_int_equal(scan(f, "a/b"), 0);
    sh(f->dir, "touch -m -d @1 a; touch -d @2 a; chmod 700 a; echo x > a/b/k; rm a/b/k");
    sh(f->dir, "echo x > a/last");
    wait_until(is_told(&f->told, "key a/last\n"));
    assert_false(is_told(&f->told, "place"));
    assert_int_equal(watched(f), 3);
}

static void what_is_done_right_after_a_scan_is_told_of(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        char path[STORE_PATH_SIZE], name[32], line[64];
        snprintf(name, sizeof name, "d%d", i);
        path_join(path, f->dir, name);
        assert_int_equal(mkdir(path, 0777), 0);
        assert_int_equal(scan(f, name), 0);
        snprintf(name, sizeof name, "d%d/k", i);
        path_join(path, f->dir, name);
        file_write(path, "x");
        snprintf(line, sizeof line, "key d%d/k\n", i);
        wait_until(i % 50 || is_told(&f->told, line));
    }
    wait_until(is_told(&f->told, "key d199/k\n"));
    for (int i = 0; i < 200; i++) {
        char line[64];
        snprintf(line, sizeof line, "key d%d/k\n", i);
        assert_true(is_told(&f->told, line));
    }
}

static void directories_swapped_are_both_told_of(void **state)
{
    struct fixture *f = *state;
    sh(f->dir, "mkdir -p a/x b/y");
    assert_int_equal(scan(f, ""), 0);
    assert_int_equal(scan(f, "a"), 0);
    assert_int_equal(scan(f, "b"), 0);
    char a[STORE_PATH_SIZE], b[STORE_PATH_SIZE];
    path_join(a, f->dir, "a");
    path_join(b, f->dir, "b");
    assert_int_equal(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0);
    wait_until(is_told(&f->told, "place a\n") && is_told(&f->told, "place b\n"));
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    assert_int_equal(scan(f, "a"), 0);
    assert_int_equal(scan(f, "b"), 0);
    told_forget(&f->told);
    sh(f->dir, "echo x > a/k; echo x > b/l");
    wait_until(is_told(&f->told, "key a/k\n") && is_told(&f->told, "key b/l\n"));
}

static void a_linked_directory_is_never_watched(void **state)
{
    struct fixture *f = *state;
    sh(f->dir, "mkdir real && ln -s real link");
    assert_int_equal(scan(f, "link"), DISKV_ENOTFOUND);
    assert_int_equal(watched(f), 0);
}

static void what_cannot_be_watched_is_counted_and_scanned_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct engine_watching watching;
    sh(f->dir, "mkdir a b");
    atomic_store(&watches_left, 1);
    int rc = scan(f, "a") || scan(f, "b");
    atomic_store(&watches_left, INT32_MAX);
    assert_int_equal(rc, 0);
    f->engine->ops->watching(f->engine, &watching);
    assert_int_equal(watching.places, 1);
    assert_int_equal(watching.refused, 1);
    assert_int_equal(scan(f, "b"), 0);
    assert_int_equal(watched(f), 2);
}

static void after_a_loss_nothing_is_watched_until_it_is_scanned(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scan(f, ""), 0);
    atomic_store(&overflow, true);
    sh(f->dir, "echo x > k");
    wait_until(atomic_load(&f->told.lost));
    assert_int_equal(watched(f), 0);
    assert_int_equal(scan(f, ""), 0);
    sh(f->dir, "echo x > l");
    wait_until(is_told(&f->told, "key l\n"));
}

/* --- The store --- */

struct live {
    char dir[TEMPDIR_SIZE];
    diskv *store;
};

static void store_open(struct live *l)
{
    const struct diskv_options options = {.watch = true, .sync = DISKV_SYNC_NONE};
    assert_int_equal(diskv_open(l->dir, &options, &l->store), 0);
}

static int store_setup(void **state)
{
    struct live *l = calloc(1, sizeof *l);
    *state = l;
    tempdir_new(l->dir);
    store_open(l);
    return 0;
}

static int store_teardown(void **state)
{
    struct live *l = *state;
    atomic_store(&no_queue, false);
    atomic_store(&watches_left, INT32_MAX);
    diskv_close(l->store);
    tempdir_remove(l->dir);
    free(l);
    return 0;
}

static uint64_t keys(struct live *l)
{
    struct diskv_stats stats;
    diskv_stats(l->store, &stats);
    return stats.keys;
}

static enum diskv_watching watching(struct live *l)
{
    struct diskv_stats stats;
    diskv_stats(l->store, &stats);
    return stats.watching;
}

static void listings_follow_the_files(void **state)
{
    struct live *l = *state;
    sh(l->dir, "mkdir -p a/b/c && echo x > a/b/c/x && echo y > y");
    wait_until(keys(l) == 2);
    assert_walk(l->store, "", "a/b/c/x y");
    sh(l->dir, "mv a/b d && ln y d/y");
    wait_until(keys(l) == 3);
    assert_walk(l->store, "", "d/c/x d/y y");
    sh(l->dir, "rm -r d");
    wait_until(keys(l) == 1);
    assert_walk(l->store, "", "y");
}

static void a_store_does_not_watch_unless_asked(void **state)
{
    struct live *l = *state;
    diskv_close(l->store);
    assert_int_equal(diskv_open(l->dir, NULL, &l->store), 0);
    assert_int_equal(watching(l), DISKV_WATCHING_NOT);
    sh(l->dir, "echo x > x");
    assert_int_equal(diskv_rescan_wait(l->store), 0);
    assert_walk(l->store, "", "x");
}

static void without_watches_listings_are_never_older_than_a_look_at_all(void **state)
{
    struct live *l = *state;
    diskv_close(l->store);
    atomic_store(&watches_left, 0);
    store_open(l);
    assert_int_equal(watching(l), DISKV_WATCHING_PARTLY);
    sh(l->dir, "mkdir d && echo x > d/x");
    wait_until(keys(l) == 1);
    assert_walk(l->store, "", "d/x");
    atomic_store(&watches_left, INT32_MAX);
    wait_until(watching(l) == DISKV_WATCHING);
    sh(l->dir, "echo y > d/y");
    wait_until(keys(l) == 2);
}

static int visit_none(void *ctx, const struct diskv_change *change)
{
    (void)ctx;
    (void)change;
    return 0;
}

/* True where changes are not known since the last time. */
static bool is_broken(struct live *l, uint64_t *next)
{
    if (diskv_changes_now(l->store, next, "", 0, visit_none, NULL) != DISKV_ESTALE)
        return false;
    *next = diskv_changes_next(l->store);
    return true;
}

/* There the same place is watched and not watched by turns, sooner than is told each time. */
static void who_follows_is_told_of_the_look_after_which_all_is_watched(void **state)
{
    struct live *l = *state;
    sh(l->dir, "mkdir d && echo 1 > d/x");
    wait_until(keys(l) == 1);
    uint64_t next = diskv_changes_next(l->store);
    for (int i = 0; i < 3; i++) {
        atomic_store(&watches_left, 0);
        sh(l->dir, "mv d e && mv e d");
        wait_until(watching(l) == DISKV_WATCHING_PARTLY);
        is_broken(l, &next);
        atomic_store(&watches_left, INT32_MAX);
        wait_until(watching(l) == DISKV_WATCHING);
        assert_true(is_broken(l, &next));
    }
}

static void a_queue_that_was_not_to_be_had_is_asked_for_again(void **state)
{
    struct live *l = *state;
    diskv_close(l->store);
    atomic_store(&no_queue, true);
    store_open(l);
    assert_int_equal(watching(l), DISKV_WATCHING_PARTLY);
    sh(l->dir, "echo x > x");
    wait_until(keys(l) == 1);
    atomic_store(&no_queue, false);
    wait_until(watching(l) == DISKV_WATCHING);
}

static void what_the_kernel_dropped_is_looked_for(void **state)
{
    struct live *l = *state;
    for (unsigned i = 1; i <= 3; i++) {
        atomic_store(&overflow, true);
        char command[128];
        snprintf(command, sizeof command, "mkdir -p d%u/e && echo x > d%u/e/x", i, i);
        sh(l->dir, command);
        wait_until(keys(l) == i && !atomic_load(&overflow));
        wait_until(watching(l) == DISKV_WATCHING);
    }
    assert_walk(l->store, "", "d1/e/x d2/e/x d3/e/x");
}

/* The thread that follows the files is kept where it has just seen that there is no value. */
static void an_echo_takes_nothing_back_that_was_committed(void **state)
{
    struct live *l = *state;
    assert_int_equal(store_put(l->store, "k", "v"), 0);
    atomic_store(&held, HELD_NEXT);
    assert_int_equal(store_erase(l->store, "k"), 0);
    wait_until(atomic_load(&held) == HELD_NOW);
    assert_int_equal(store_put(l->store, "k", "w"), 0);
    atomic_store(&held, HELD_NOT);
    for (int i = 0; i < 300; i++) {
        assert_walk(l->store, "", "k");
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
}

/* The thread that follows the files is kept until the directories are gone that it would have read.
 */
static void what_was_put_in_new_directories_goes_with_them(void **state)
{
    static const char *const changes[] = {"rm -r a", "rm -r a && mkdir a",
                                          "rm -r a && mkdir -p a/b/c && echo y > a/b/y"};
    struct live *l = *state;
    for (size_t i = 0; i < array_len(changes); i++) {
        assert_int_equal(store_put(l->store, "k", "v"), 0);
        wait_until(keys(l) == 1);
        atomic_store(&held, HELD_NEXT);
        assert_int_equal(store_erase(l->store, "k"), 0);
        wait_until(atomic_load(&held) == HELD_NOW);
        assert_int_equal(store_put(l->store, "a/x", "v"), 0);
        assert_int_equal(store_put(l->store, "a/b/c/x", "v"), 0);
        sh(l->dir, changes[i]);
        atomic_store(&held, HELD_NOT);
        wait_until(keys(l) == i / 2);
        sh(l->dir, "rm -rf a");
        wait_until(keys(l) == 0);
    }
}

static void keys_that_come_and_go_are_listed_once_committed(void **state)
{
    struct live *l = *state;
    for (int i = 0; i < 600; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i % 3);
        if (i >= 3)
            assert_int_equal(store_erase(l->store, key), 0);
        assert_int_equal(store_put(l->store, key, "v"), 0);
        assert_walk(l->store, key, key);
    }
    wait_until(keys(l) == 3);
    assert_walk(l->store, "", "k0 k1 k2");
}

#define ENGINE_TEST(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)
#define STORE_TEST(name)  cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(each_change_of_a_file_is_told_of_by_its_key),
        ENGINE_TEST(a_value_in_its_own_directory_is_told_of_by_its_key),
        ENGINE_TEST(a_directory_is_told_of_with_those_in_it_that_were_watched),
        ENGINE_TEST(a_directory_watched_after_one_in_it_takes_that_along),
        ENGINE_TEST(a_watched_directory_with_other_times_and_modes_is_not_told_of),
        ENGINE_TEST(what_is_done_right_after_a_scan_is_told_of),
        ENGINE_TEST(directories_swapped_are_both_told_of),
        ENGINE_TEST(a_linked_directory_is_never_watched),
        ENGINE_TEST(what_cannot_be_watched_is_counted_and_scanned_all_the_same),
        ENGINE_TEST(after_a_loss_nothing_is_watched_until_it_is_scanned),
        STORE_TEST(listings_follow_the_files),
        STORE_TEST(a_store_does_not_watch_unless_asked),
        STORE_TEST(without_watches_listings_are_never_older_than_a_look_at_all),
        STORE_TEST(who_follows_is_told_of_the_look_after_which_all_is_watched),
        STORE_TEST(a_queue_that_was_not_to_be_had_is_asked_for_again),
        STORE_TEST(what_the_kernel_dropped_is_looked_for),
        STORE_TEST(an_echo_takes_nothing_back_that_was_committed),
        STORE_TEST(what_was_put_in_new_directories_goes_with_them),
        STORE_TEST(keys_that_come_and_go_are_listed_once_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
