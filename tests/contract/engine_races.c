/* What every engine owes to threads that change and read the same keys at once. */
#include "engine_kinds.h"
#include "random.h"

#include <pthread.h>
#include <stdatomic.h>

struct racer {
    struct engine *engine;
    unsigned number;
    int failed, won;
};

static void *race_for_absent(void *arg)
{
    struct racer *r = arg;
    char value[16];
    snprintf(value, sizeof value, "%u", r->number);
    const struct engine_commit absent = {.guard = only_if_absent};
    int rc = engine_put(r->engine, "race/k", 6, value, strlen(value), absent, NULL);
    r->won = rc == 0;
    r->failed = rc && rc != DISKV_EPRECONDITION;
    return NULL;
}

static void run_racers(struct engine *e, void *(*race)(void *), struct racer *racers, size_t n)
{
    pthread_t threads[32];
    for (size_t i = 0; i < n; i++) {
        racers[i] = (struct racer){.engine = e, .number = (unsigned)i};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(racers[i].failed, 0);
}

static void of_racing_guarded_writes_exactly_one_wins(void **state)
{
    struct engine *e = engine_of(state);
    for (int round = 0; round < 10; round++) {
        struct racer racers[16];
        run_racers(e, race_for_absent, racers, array_len(racers));
        int winners = 0;
        char value[16] = "";
        for (size_t i = 0; i < array_len(racers); i++) {
            winners += racers[i].won;
            if (racers[i].won)
                snprintf(value, sizeof value, "%zu", i);
        }
        assert_int_equal(winners, 1);
        assert_value(e, "race/k", value);
        assert_int_equal(erase(e, "race/k"), 0);
    }
}

/* Each racer has keys of its own in directories that all share, so that they come and go all the
 * time; its last change decides what is there. */
static void *race_in_shared_directories(void *arg)
{
    struct racer *r = arg;
    struct random random = {r->number + 1};
    static const char *const dirs[] = {"", "d/", "d/e/", "d/e/f/", "d/x"};
    for (int i = 0; i < 300 && !r->failed; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%u", dirs[random_below(&random, array_len(dirs))], r->number);
        bool writes = random_below(&random, 2);
        int rc = writes ? put(r->engine, key, key) : erase(r->engine, key);
        char *value = engine_get(r->engine, key, strlen(key));
        if (writes ? rc || !value || strcmp(value, key) != 0
                   : (rc && rc != DISKV_ENOTFOUND) || value)
            r->failed = 1;
        free(value);
    }
    return NULL;
}

static void writes_and_erases_that_share_directories_do_not_disturb_each_other(void **state)
{
    struct racer racers[8];
    run_racers(engine_of(state), race_in_shared_directories, racers, array_len(racers));
}

/* Even racers own keys "s/N", the directories of which are the values "s" and "s/N" of odd ones. */
static void *race_value_against_directory(void *arg)
{
    struct racer *r = arg;
    char key[64];
    snprintf(key, sizeof key, r->number % 2 ? "s/%u" : "s/%u/deep/er", r->number / 2);
    for (int i = 0; i < 100 && !r->failed; i++) {
        char value[32];
        snprintf(value, sizeof value, "%u.%d", r->number, i);
        r->failed = put(r->engine, key, value) != 0;
        char *got = engine_get(r->engine, key, strlen(key));
        r->failed |= !got || strcmp(got, value) != 0;
        free(got);
        if (i % 3 == 0)
            r->failed |= erase(r->engine, key) != 0;
    }
    return NULL;
}

static void a_key_and_keys_below_it_come_and_go_without_conflict(void **state)
{
    struct racer racers[8];
    run_racers(engine_of(state), race_value_against_directory, racers, array_len(racers));
}

static atomic_bool reading;

static void *read_always(void *arg)
{
    struct racer *r = arg;
    while (atomic_load(&reading) && !r->failed) {
        char *value = engine_get(r->engine, "a", 1);
        r->failed = !value || strcmp(value, "value of a") != 0;
        free(value);
    }
    return NULL;
}

static void a_reader_never_misses_a_value_that_becomes_a_directory(void **state)
{
    struct engine *e = engine_of(state);
    struct racer racer = {.engine = e};
    pthread_t thread;
    assert_int_equal(put(e, "a", "value of a"), 0);
    atomic_store(&reading, true);
    assert_int_equal(pthread_create(&thread, NULL, read_always, &racer), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(put(e, "a/b", "x"), 0);
        assert_int_equal(put(e, "a", "value of a"), 0);
        assert_int_equal(erase(e, "a/b"), 0);
        assert_int_equal(put(e, "a", "value of a"), 0);
    }
    atomic_store(&reading, false);
    pthread_join(thread, NULL);
    assert_int_equal(racer.failed, 0);
}

#define LAYOUT_CASES(setup)                                                          \
    CASE(setup, writes_and_erases_that_share_directories_do_not_disturb_each_other), \
        CASE(setup, a_key_and_keys_below_it_come_and_go_without_conflict)
#define CASES(setup)                                                                     \
    CASE(setup, of_racing_guarded_writes_exactly_one_wins),                              \
        CASE(setup, writes_and_erases_that_share_directories_do_not_disturb_each_other), \
        CASE(setup, a_key_and_keys_below_it_come_and_go_without_conflict),               \
        CASE(setup, a_reader_never_misses_a_value_that_becomes_a_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(memory_setup),
        CASES(fs_setup),
        LAYOUT_CASES(fs_flat_setup),
        LAYOUT_CASES(fs_split_1_setup),
        LAYOUT_CASES(fs_split_3_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
