/* The cache while a value is written and read by many. */
#include "cached_helpers.h"
#include "store_kinds.h"

#include <pthread.h>
#include <stdatomic.h>

#define READERS  3
#define VERSIONS 1000

KIND(plain, .sync = DISKV_SYNC_NONE, .cache_bytes = 1 << 20)
KIND(gzip, .sync = DISKV_SYNC_NONE, .cache_bytes = 1 << 20, .compress = "gzip")

struct race {
    const struct fixture *f;
    void (*write)(const struct fixture *f, const char *text);
    atomic_uint version; /* that was written whole */
    atomic_bool ended;
    atomic_uint wrong;
};

static void write_through_the_store(const struct fixture *f, const char *text)
{
    assert_int_equal(store_put(f->store, "k", text), 0);
}

static void write_by_rename(const struct fixture *f, const char *text)
{
    replace(f->dir, "k", text);
}

/* What is read is never older than what was there before the read began. */
static void *race_read(void *arg)
{
    struct race *race = arg;
    while (!atomic_load(&race->ended)) {
        unsigned least = atomic_load(&race->version);
        void *data;
        size_t size;
        int rc = diskv_get(race->f->store, "k", 1, &data, &size);
        bool right = !rc && size == 8 && strtoul(data, NULL, 10) >= least;
        if (!rc)
            free(data);
        if (!right)
            atomic_fetch_add(&race->wrong, 1);
    }
    return NULL;
}

static void race_run(const struct fixture *f, void (*write)(const struct fixture *, const char *))
{
    struct race race = {.f = f, .write = write};
    pthread_t threads[READERS];
    write(f, "00000000");
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_read, &race), 0);
    for (unsigned version = 1; version <= VERSIONS; version++) {
        char text[16];
        snprintf(text, sizeof text, "%08u", version);
        write(f, text);
        atomic_store(&race.version, version);
        if (version % (VERSIONS / 4) == 0)
            rest();
    }
    atomic_store(&race.ended, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&race.wrong), 0);
}

static void no_reader_meets_an_older_value_than_was_there_when_it_began(void **state)
{
    race_run(*state, write_through_the_store);
    race_run(*state, write_by_rename);
    struct diskv_stats stats;
    diskv_stats(((struct fixture *)*state)->store, &stats);
    assert_true(stats.cache_hits > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF(plain, no_reader_meets_an_older_value_than_was_there_when_it_began),
        CASE_OF(gzip, no_reader_meets_an_older_value_than_was_there_when_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
