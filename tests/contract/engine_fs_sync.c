/* What is synced for a change: enough for a durable one, nothing for another. */
#include "engine_helpers.h"
#include "layout.h"
#include "sys.h"
#include "tempdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_int fsyncs, syncfss;
static atomic_ullong written_out;

int __real_sys_fsync(int fd);
int __wrap_sys_fsync(int fd);
int __wrap_sys_fsync(int fd)
{
    atomic_fetch_add(&fsyncs, 1);
    return __real_sys_fsync(fd);
}

int __real_sys_syncfs(int fd);
int __wrap_sys_syncfs(int fd);
int __wrap_sys_syncfs(int fd)
{
    atomic_fetch_add(&syncfss, 1);
    return __real_sys_syncfs(fd);
}

void __real_sys_start_writeback(int fd, uint64_t offset, uint64_t len);
void __wrap_sys_start_writeback(int fd, uint64_t offset, uint64_t len);
void __wrap_sys_start_writeback(int fd, uint64_t offset, uint64_t len)
{
    atomic_fetch_add(&written_out, len);
    __real_sys_start_writeback(fd, offset, len);
}

struct fixture {
    struct engine *engine;
    struct workers *workers;
    char dir[TEMPDIR_SIZE];
};

static int put(struct fixture *f, const char *key, bool sync)
{
    const struct engine_commit commit = {.op.sync = sync};
    return engine_put(f->engine, key, strlen(key), "v", 1, commit, NULL);
}

static void assert_syncs(int files_and_directories, int file_systems)
{
    assert_int_equal(atomic_exchange(&fsyncs, 0), files_and_directories);
    assert_int_equal(atomic_exchange(&syncfss, 0), file_systems);
}

static int setup_new(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    if (workers_new(2, &f->workers))
        return -1;
    const struct engine_fs_options options = {.layout = &layout_path, .workers = f->workers};
    int fd = open(f->dir, O_RDONLY | O_DIRECTORY);
    int rc = engine_fs_open(fd, &options, &f->engine);
    close(fd);
    atomic_store(&fsyncs, 0);
    atomic_store(&syncfss, 0);
    return rc;
}

/* An engine that has nothing left to sync. */
static int setup(void **state)
{
    int rc = setup_new(state);
    if (!rc)
        rc = put(*state, "d/e/k", true);
    atomic_store(&fsyncs, 0);
    atomic_store(&syncfss, 0);
    return rc;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    workers_free(f->workers);
    f->engine->ops->free(f->engine);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static void a_durable_write_syncs_its_file_and_its_directory(void **state)
{
    assert_int_equal(put(*state, "d/e/k", true), 0);
    assert_syncs(2, 0);
}

static void a_durable_write_syncs_each_directory_that_got_a_new_one(void **state)
{
    assert_int_equal(put(*state, "d/x/k", true), 0);
    assert_syncs(3, 0);
}

static void a_durable_erase_syncs_the_directory(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "d/e/l", true), 0);
    assert_syncs(2, 0);
    assert_int_equal(engine_erase_wait(f->engine, "d/e/k", 5, NULL, NULL), 0);
    assert_syncs(1, 0);
}

static int move(struct fixture *f, const char *from, const char *to, bool sync)
{
    const struct engine_move move = {
        .from = from, .to = to, .from_len = strlen(from), .to_len = strlen(to), .op.sync = sync};
    return engine_move_wait(f->engine, move);
}

static void a_durable_move_syncs_the_file_and_both_directories(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "d/e/l", true), 0);
    assert_syncs(2, 0);
    assert_int_equal(move(f, "d/e/l", "d/m", true), 0);
    assert_syncs(3, 0);
    assert_int_equal(move(f, "d/m", "d/n", true), 0);
    assert_syncs(2, 0);
}

static void a_durable_move_of_a_value_that_was_not_makes_it_so(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "d/e/l", false), 0);
    assert_int_equal(move(f, "d/e/l", "d/e/m", true), 0);
    assert_syncs(2, 0);
}

static void changes_that_need_not_be_durable_sync_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "d/e/k", false), 0);
    assert_int_equal(put(f, "x/y/z", false), 0);
    const struct engine_erase erase = {.key = "x/y/z", .len = 5};
    assert_int_equal(move(f, "d/e/k", "x/k", false), 0);
    assert_int_equal(engine_erase_with(f->engine, erase), 0);
    assert_syncs(0, 0);
}

static void a_value_that_becomes_a_directory_stays_durable(void **state)
{
    assert_int_equal(put(*state, "d/e/k/below", false), 0);
    assert_syncs(1, 0);
}

static void a_durable_write_into_a_directory_that_was_not_synced_syncs_the_file_system(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "x/y/1", false), 0);
    assert_int_equal(put(f, "x/y/2", true), 0);
    assert_syncs(1, 1);
    assert_int_equal(put(f, "x/y/3", true), 0);
    assert_syncs(2, 0);
}

static void a_durable_write_beside_one_that_is_not_syncs_no_more_than_its_own(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "d/e/1", false), 0);
    assert_int_equal(put(f, "d/e/2", true), 0);
    assert_syncs(2, 0);
}

static void the_first_durable_write_syncs_what_an_earlier_process_did_not(void **state)
{
    assert_int_equal(put(*state, "k", true), 0);
    assert_syncs(1, 1);
}

struct mixed {
    struct op_commit ops[8];
    struct engine_writer *writers[8];
    char keys[8][4];
};

/* All are under way at once, so that they may share batches. */
static void durable_writes_among_others_are_synced_with_the_directories_those_make(void **state)
{
    struct fixture *f = *state;
    struct mixed m = {0};
    for (size_t i = 0; i < array_len(m.ops); i++) {
        snprintf(m.keys[i], sizeof m.keys[i], "x/%zu", i);
        assert_int_equal(f->engine->ops->begin(f->engine, &m.writers[i]), 0);
        assert_int_equal(engine_write_wait(m.writers[i], "v", 1), 0);
    }
    for (size_t i = 0; i < array_len(m.ops); i++) {
        const struct engine_commit commit = {.key = m.keys[i], .len = 3, .op.sync = i == 5};
        engine_commit_start(&m.ops[i], m.writers[i], commit);
    }
    for (size_t i = 0; i < array_len(m.ops); i++)
        assert_int_equal(waiter_wait(&m.ops[i].waiter), 0);
    if (atomic_load(&syncfss))
        assert_syncs(1, 1);
    else
        assert_syncs(3, 0); /* it was ahead of all others */
}

static void a_large_value_is_written_out_as_it_comes_where_a_sync_will_follow(void **state)
{
    enum { STEP = 1 << 20, STEPS = 20 };
    struct fixture *f = *state;
    char *data = calloc(1, STEP);
    assert_non_null(data);
    for (int early = 0; early < 2; early++) {
        struct engine_writer *w;
        assert_int_equal(f->engine->ops->begin(f->engine, &w), 0);
        w->early = early;
        atomic_store(&written_out, 0);
        for (int i = 0; i < STEPS; i++)
            assert_int_equal(engine_write_wait(w, data, STEP), 0);
        unsigned long long out = atomic_load(&written_out);
        assert_in_range(out, early ? STEP : 0, early ? STEPS * STEP : 0);
        f->engine->ops->abort(w);
    }
    free(data);
}

int main(void)
{
#define CASE(setup, name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(setup, a_durable_write_syncs_its_file_and_its_directory),
        CASE(setup, a_large_value_is_written_out_as_it_comes_where_a_sync_will_follow),
        CASE(setup, a_durable_write_syncs_each_directory_that_got_a_new_one),
        CASE(setup, a_durable_erase_syncs_the_directory),
        CASE(setup, a_durable_move_syncs_the_file_and_both_directories),
        CASE(setup, a_durable_move_of_a_value_that_was_not_makes_it_so),
        CASE(setup, changes_that_need_not_be_durable_sync_nothing),
        CASE(setup, a_value_that_becomes_a_directory_stays_durable),
        CASE(setup, a_durable_write_into_a_directory_that_was_not_synced_syncs_the_file_system),
        CASE(setup, a_durable_write_beside_one_that_is_not_syncs_no_more_than_its_own),
        CASE(setup_new, the_first_durable_write_syncs_what_an_earlier_process_did_not),
        CASE(setup, durable_writes_among_others_are_synced_with_the_directories_those_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
