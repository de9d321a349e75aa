/* What a store does beside its calls once it is open. */
#include "store_helpers.h"
#include "tempdir.h"

#include <pthread.h>

/* An index of a user's that can hold three keys, in this order. It takes in no "lost" and drops no
 * "gone", though it says so, but for the second time. */
static const char *const names[] = {"gone", "here", "lost"};

struct forgetful {
    struct diskv_index index;
    pthread_mutex_t lock;
    bool has[3];
    unsigned inserts, erases; /* of "lost", of "gone" */
};

static int number_of(const char *key, size_t len)
{
    for (int i = 0; i < 3; i++)
        if (strlen(names[i]) == len && memcmp(names[i], key, len) == 0)
            return i;
    fail_msg("another key: %.*s", (int)len, key);
    return 0;
}

static int forgetful_insert(void *ctx, const char *key, size_t len)
{
    struct forgetful *f = ctx;
    int i = number_of(key, len);
    pthread_mutex_lock(&f->lock);
    if (i != 2 || f->inserts++ > 0)
        f->has[i] = true;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static int forgetful_erase(void *ctx, const char *key, size_t len)
{
    struct forgetful *f = ctx;
    int i = number_of(key, len);
    pthread_mutex_lock(&f->lock);
    if (i != 0 || f->erases++ > 0)
        f->has[i] = false;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static int forgetful_seek(void *ctx, const char *from, size_t from_len, bool after, char *key,
                          size_t *len)
{
    struct forgetful *f = ctx;
    int rc = DISKV_ENOTFOUND;
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < 3 && rc; i++) {
        int order = memcmp(names[i], from, from_len < 4 ? from_len : 4);
        if (!f->has[i] || order < 0 || (order == 0 && after && from_len == 4))
            continue;
        *len = 4;
        memcpy(key, names[i], 4);
        rc = 0;
    }
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static uint64_t forgetful_count(void *ctx)
{
    struct forgetful *f = ctx;
    pthread_mutex_lock(&f->lock);
    uint64_t count = (uint64_t)f->has[0] + f->has[1] + f->has[2];
    pthread_mutex_unlock(&f->lock);
    return count;
}

static bool forgetful_has_only(struct forgetful *f, bool gone, bool here, bool lost)
{
    pthread_mutex_lock(&f->lock);
    bool only = f->has[0] == gone && f->has[1] == here && f->has[2] == lost;
    pthread_mutex_unlock(&f->lock);
    return only;
}

static bool is_indexing(diskv *store)
{
    struct diskv_stats stats;
    diskv_stats(store, &stats);
    return stats.indexing;
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static void what_the_index_has_wrong_is_found_at_leisure(void **state)
{
    const char *dir = *state;
    struct forgetful f = {.has = {true, false, false}};
    char path[STORE_PATH_SIZE];
    diskv *store;
    pthread_mutex_init(&f.lock, NULL);
    f.index = (struct diskv_index){&f, forgetful_insert, forgetful_erase, forgetful_seek,
                                   forgetful_count};
    path_join(path, dir, "here");
    file_write(path, "1");
    path_join(path, dir, "lost");
    file_write(path, "2");
    const struct diskv_options options = {.background = true, .index = &f.index};
    assert_int_equal(diskv_open(dir, &options, &store), 0);
    while (is_indexing(store))
        pause_a_little();
    assert_true(forgetful_has_only(&f, true, true, false));
    while (!forgetful_has_only(&f, false, true, true))
        pause_a_little();
    diskv_close(store);
    pthread_mutex_destroy(&f.lock);
}

static void a_store_is_closed_whatever_it_is_doing(void **state)
{
    const struct diskv_options options = {.background = true};
    diskv *store;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(diskv_open(*state, &options, &store), 0);
        if (i % 2)
            pause_a_little();
        diskv_close(store);
    }
}

static void a_detached_store_does_nothing_by_itself(void **state)
{
    const struct diskv_options options = {.background = true, .detached = true};
    diskv *store;
    assert_int_equal(diskv_open(*state, &options, &store), DISKV_EINVAL);
}

static int setup(void **state)
{
    *state = calloc(1, TEMPDIR_SIZE);
    tempdir_new(*state);
    return 0;
}

static int teardown(void **state)
{
    tempdir_remove(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_index_has_wrong_is_found_at_leisure, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_store_is_closed_whatever_it_is_doing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_detached_store_does_nothing_by_itself, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
