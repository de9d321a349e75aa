/* A page of folders costs a few steps of the index for each, however many keys lie in them. */
#include "store_helpers.h"
#include "tempdir.h"

#include <lmdb.h>
#include <stdatomic.h>

static atomic_uint steps;

int __real_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op)
{
    atomic_fetch_add(&steps, 1);
    return __real_mdb_cursor_get(cursor, key, data, op);
}

static void fill(diskv *store, const char *folder, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s/%u", folder, i);
        assert_int_equal(store_put(store, key, ""), 0);
    }
}

/* Lists the folders that begin with `prefix`, which are to be `count`: how many steps it took. */
static unsigned steps_to_list(diskv *store, const char *prefix, size_t count)
{
    struct diskv_list_options options = {.from = "",
                                         .prefix = prefix,
                                         .prefix_len = strlen(prefix),
                                         .delimiter = "/",
                                         .delimiter_len = 1,
                                         .limit = 1000};
    struct diskv_page *page;
    unsigned before = atomic_load(&steps);
    assert_int_equal(diskv_list_wait(store, &options, &page), 0);
    unsigned taken = atomic_load(&steps) - before;
    assert_int_equal(page->count, count);
    assert_null(page->next);
    for (size_t i = 0; i < count; i++)
        assert_true(page->items[i].is_prefix);
    diskv_page_free(page);
    return taken;
}

static void a_folder_is_passed_with_a_seek_whatever_lies_in_it(void **state)
{
    (void)state;
    char dir[TEMPDIR_SIZE];
    struct diskv_options options = {.sync = DISKV_SYNC_NONE};
    diskv *store;
    tempdir_new(dir);
    assert_int_equal(diskv_open(dir, &options, &store), 0);
    for (unsigned i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "few%u", i);
        fill(store, name, 2);
        snprintf(name, sizeof name, "many%u", i);
        fill(store, name, 300);
    }
    unsigned few = steps_to_list(store, "few", 10), many = steps_to_list(store, "many", 10);
    assert_true(few > 0);
    assert_in_range(many, 1, 2 * few);
    assert_in_range(steps_to_list(store, "", 20), 1, 2 * (few + many));
    diskv_close(store);
    tempdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_passed_with_a_seek_whatever_lies_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
