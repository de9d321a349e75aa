/* Memory that runs out, at each place where some is asked for. Each case is run again and again,
 * with one allocation more going well each time, until all of them do. Links the layers, to refuse
 * what these allocate and to count what they free. */
#include "store_helpers.h"
#include "tempdir.h"

#include <errno.h>
#include <stdatomic.h>

#define LARGE 400000 /* more than a writer's buffer */

/* --- Allocations --- */

static atomic_bool armed;
static atomic_bool refused;
static atomic_long until_refused;
static atomic_long live; /* allocated and not freed */

static bool refuse(void)
{
    if (!atomic_load(&armed) || atomic_fetch_sub(&until_refused, 1) != 1)
        return false;
    atomic_store(&refused, true);
    errno = ENOMEM;
    return true;
}

static void *counted(void *allocated)
{
    if (allocated)
        atomic_fetch_add(&live, 1);
    return allocated;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : counted(__real_malloc(size));
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : counted(__real_calloc(count, size));
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    if (refuse())
        return NULL;
    return old ? __real_realloc(old, size) : counted(__real_realloc(old, size));
}

void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    if (refuse())
        return NULL;
    return old ? __real_reallocarray(old, count, size)
               : counted(__real_reallocarray(old, count, size));
}

void __real_free(void *allocated);
void __wrap_free(void *allocated);
void __wrap_free(void *allocated)
{
    if (allocated)
        atomic_fetch_sub(&live, 1);
    __real_free(allocated);
}

/* --- What the store should hold --- */

enum { SMALL, BIG, ERASED, COPIED, MOVED, CLONE, RENAMED, KEYS };

/* A value is `size` times one character. */
static const struct {
    const char *key;
    size_t size;
} keys[KEYS] = {{"small", 10},
                {"dir/big", LARGE},
                {"erased", 5},
                {"copied", 20},
                {"dir/moved", 20},
                {"dir/clone", LARGE},
                {"dir/big/renamed", LARGE}};

struct fixture {
    diskv *store;
    struct diskv_options options;
    bool memory;
    char is[KEYS]; /* the character of each key's value, 0 where it has none */
    char base[TEMPDIR_SIZE];
    char dir[STORE_PATH_SIZE];
    char source[STORE_PATH_SIZE];
};

static int setup(void **state, const struct diskv_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->base);
    path_join(f->dir, f->base, "store");
    path_join(f->source, f->base, "source");
    f->options = *options;
    f->options.sync = DISKV_SYNC_NONE;
    f->options.workers = 2;
    f->memory = options->engine;
    return 0;
}

#define KIND(name, ...)                                     \
    static int name(void **state)                           \
    {                                                       \
        const struct diskv_options options = {__VA_ARGS__}; \
        return setup(state, &options);                      \
    }

KIND(fs_with_gzip_and_cache, .compress = "gzip:1", .cache_bytes = 4 << 20)
KIND(fs, .compress = "none")
KIND(memory, .engine = "memory")
KIND(memory_with_zlib_and_cache, .engine = "memory", .compress = "zlib:1", .cache_bytes = 4 << 20)

static int teardown(void **state)
{
    struct fixture *f = *state;
    atomic_store(&armed, false);
    diskv_close(f->store);
    tempdir_remove(f->base);
    free(f);
    return 0;
}

static void close_store(struct fixture *f)
{
    diskv_close(f->store);
    f->store = NULL;
}

static bool all_are(const char *data, size_t size, char c)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != c)
            return false;
    return true;
}

static void assert_listing(const struct fixture *f)
{
    static const int sorted[KEYS] = {COPIED, BIG, RENAMED, CLONE, MOVED, ERASED, SMALL};
    char expected[128] = "";
    size_t len = 0;
    for (size_t i = 0; i < KEYS; i++)
        if (f->is[sorted[i]])
            len += (size_t)snprintf(expected + len, sizeof expected - len, "%s%s", len ? " " : "",
                                    keys[sorted[i]].key);
    assert_walk(f->store, "", expected);
}

static void assert_all_is_as_it_should_be(const struct fixture *f)
{
    for (size_t i = 0; i < KEYS; i++) {
        void *data;
        size_t size;
        int rc = diskv_get(f->store, keys[i].key, strlen(keys[i].key), &data, &size);
        assert_int_equal(rc, f->is[i] ? 0 : DISKV_ENOTFOUND);
        if (rc)
            continue;
        assert_int_equal(size, keys[i].size);
        assert_true(all_are(data, size, f->is[i]));
        free(data);
    }
    assert_listing(f);
}

/* --- One run --- */

/* Every call may fail for want of memory and in no other way. */
static bool went_well(int64_t rc)
{
    if (rc != DISKV_ENOMEM)
        assert_true(rc >= 0);
    return rc >= 0;
}

static int put(struct fixture *f, int key, char c)
{
    char *data = __real_malloc(keys[key].size);
    memset(data, c, keys[key].size);
    int rc = diskv_put(f->store, keys[key].key, strlen(keys[key].key), data, keys[key].size, NULL);
    __real_free(data);
    if (went_well(rc))
        f->is[key] = c;
    return rc;
}

static void erase(struct fixture *f, int key)
{
    int rc = store_erase(f->store, keys[key].key);
    if (rc != DISKV_ENOTFOUND && went_well(rc))
        f->is[key] = 0;
}

static void import(struct fixture *f, int key, bool move)
{
    if (went_well(
            diskv_import(f->store, keys[key].key, strlen(keys[key].key), f->source, move, NULL)))
        f->is[key] = 'i';
    assert_int_equal(file_exists(f->source), !(move && f->is[key]));
}

/* Without a key until all is copied. */
static void copy(struct fixture *f, int from, int to, enum diskv_read how)
{
    diskv_reader *reader;
    diskv_writer *writer;
    if (!went_well(
            diskv_reader_open_wait(f->store, keys[from].key, strlen(keys[from].key), how, &reader)))
        return;
    if (went_well(diskv_writer_open(f->store, NULL, 0, NULL, &writer))) {
        if (went_well(diskv_writer_copy_wait(writer, reader)) &&
            went_well(diskv_writer_name(writer, keys[to].key, strlen(keys[to].key))) &&
            went_well(diskv_writer_commit_wait(writer)))
            f->is[to] = f->is[from];
        diskv_writer_close(writer);
    }
    diskv_reader_close(reader);
}

static void move(struct fixture *f, int from, int to)
{
    const struct diskv_write_options metadata = {.type = "text/plain"};
    struct diskv_move m = {.from = keys[from].key,
                           .from_len = strlen(keys[from].key),
                           .to = keys[to].key,
                           .to_len = strlen(keys[to].key),
                           .metadata = &metadata};
    int rc = diskv_move_wait(f->store, &m);
    if (rc == DISKV_ENOTFOUND || !went_well(rc))
        return;
    f->is[to] = f->is[from];
    f->is[from] = 0;
}

/* Reads a value at its end, in its middle and at its start, twice: the second time it is cached. */
static void read_in_parts(const struct fixture *f, int key, enum diskv_read how)
{
    const size_t offsets[] = {keys[key].size - 1, keys[key].size / 2, 0};
    for (int round = 0; round < 2; round++) {
        char part[1000];
        diskv_reader *reader;
        if (!went_well(diskv_reader_open_wait(f->store, keys[key].key, strlen(keys[key].key), how,
                                              &reader)))
            continue;
        assert_int_equal(diskv_reader_info(reader)->size, keys[key].size);
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
            int64_t n = diskv_reader_read_wait(reader, part, sizeof part, offsets[i]);
            if (!went_well(n))
                break;
            size_t left = keys[key].size - offsets[i];
            assert_int_equal(n, left < sizeof part ? left : sizeof part);
            assert_true(all_are(part, (size_t)n, f->is[key]));
        }
        diskv_reader_close(reader);
    }
}

static void get_and_stat(const struct fixture *f, int key)
{
    void *data;
    size_t size;
    struct diskv_info info;
    if (went_well(diskv_get(f->store, keys[key].key, strlen(keys[key].key), &data, &size))) {
        assert_int_equal(size, keys[key].size);
        assert_true(all_are(data, size, f->is[key]));
        free(data);
    }
    if (went_well(diskv_stat(f->store, keys[key].key, strlen(keys[key].key), &info)))
        assert_int_equal(info.size, keys[key].size);
}

/* A listing also says that the index cannot be mended now. */
static bool listed(int rc)
{
    return rc != DISKV_EUNAVAILABLE && went_well(rc);
}

static void list(const struct fixture *f)
{
    const struct diskv_list_options options = {
        .from = "", .prefix = "", .delimiter = "/", .delimiter_len = 1, .limit = 100};
    struct diskv_page *page;
    diskv_iter *iter;
    const struct diskv_item *item;
    if (listed(diskv_list_wait(f->store, &options, &page))) {
        assert_in_range(page->count, 1, 4);
        diskv_page_free(page);
    }
    if (!went_well(diskv_iter_open(f->store, "", 0, &iter)))
        return;
    int rc;
    size_t met = 0, expected = 0;
    while ((rc = diskv_iter_next(iter, &item)) == 1)
        met++;
    for (size_t i = 0; i < KEYS; i++)
        expected += f->is[i] != 0;
    if (listed(rc))
        assert_int_equal(met, expected);
    diskv_iter_close(iter);
}

/* What is there before memory may run out. */
static void prepare(struct fixture *f)
{
    char text[21] = "iiiiiiiiiiiiiiiiiiii";
    file_write(f->source, text);
    assert_int_equal(put(f, SMALL, 'o'), 0);
    assert_int_equal(put(f, BIG, 'o'), 0);
    assert_int_equal(put(f, ERASED, 'o'), 0);
    erase(f, COPIED);
    erase(f, MOVED);
    erase(f, CLONE);
    erase(f, RENAMED);
    f->is[COPIED] = f->is[MOVED] = f->is[CLONE] = f->is[RENAMED] = 0;
}

static void change_and_read(struct fixture *f)
{
    list(f);
    put(f, SMALL, 'n');
    get_and_stat(f, SMALL);
    put(f, BIG, 'n');
    read_in_parts(f, BIG, DISKV_READ_CACHED);
    get_and_stat(f, BIG);
    read_in_parts(f, BIG, DISKV_READ_DIRECT);
    erase(f, ERASED);
    import(f, COPIED, false);
    import(f, MOVED, true);
    copy(f, BIG, CLONE, DISKV_READ_CACHED);
    copy(f, BIG, CLONE, DISKV_READ_DIRECT);
    move(f, CLONE, RENAMED);
    list(f);
}

static void erase_all(struct fixture *f)
{
    if (went_well(diskv_erase_all(f->store, false)))
        memset(f->is, 0, sizeof f->is);
    put(f, SMALL, 'n');
}

/* Opens a store, in which the n-th allocation fails, or one behind that, and does something. */
static void run_once(struct fixture *f, long n, void (*script)(struct fixture *f))
{
    long before = atomic_load(&live);
    atomic_store(&refused, false);
    atomic_store(&until_refused, n);
    atomic_store(&armed, true);
    bool opened = went_well(diskv_open(f->dir, &f->options, &f->store));
    atomic_store(&armed, false);
    if (opened) {
        prepare(f);
        atomic_store(&armed, true);
        script(f);
        atomic_store(&armed, false);
        assert_all_is_as_it_should_be(f);
        close_store(f);
    }
    assert_int_equal(atomic_load(&live), before);
    if (opened && !f->memory)
        assert_nothing_left_in_tmp(f->dir);
}

/* The same files in a store that has memory. */
static void assert_files_are_as_they_should_be(struct fixture *f)
{
    assert_int_equal(diskv_open(f->dir, &f->options, &f->store), 0);
    assert_all_is_as_it_should_be(f);
    close_store(f);
}

static void run_until_nothing_fails(struct fixture *f, void (*script)(struct fixture *f),
                                    long least)
{
    long n = 0;
    do {
        run_once(f, ++n, script);
        if (!f->memory)
            assert_files_are_as_they_should_be(f);
    } while (atomic_load(&refused));
    assert_true(n > least);
}

/* --- The cases --- */

static void every_call_does_what_it_should_or_says_that_there_is_no_memory(void **state)
{
    run_until_nothing_fails(*state, change_and_read, 40);
}

static void everything_is_erased_or_the_call_says_that_there_is_no_memory(void **state)
{
    run_until_nothing_fails(*state, erase_all, 10);
}

/* What the record says of a value must not be overlooked. */
static void values_are_decompressed_or_the_call_says_that_there_is_no_memory(void **state)
{
    struct fixture *f = *state;
    struct diskv_options other = f->options;
    other.compress = "zlib:1";
    assert_int_equal(diskv_open(f->dir, &other, &f->store), 0);
    prepare(f);
    close_store(f);
    long n = 0;
    do {
        atomic_store(&refused, false);
        assert_int_equal(diskv_open(f->dir, &f->options, &f->store), 0);
        atomic_store(&until_refused, ++n);
        atomic_store(&armed, true);
        read_in_parts(f, BIG, DISKV_READ_CACHED);
        get_and_stat(f, BIG);
        get_and_stat(f, SMALL);
        list(f);
        atomic_store(&armed, false);
        assert_all_is_as_it_should_be(f);
        close_store(f);
    } while (atomic_load(&refused));
    assert_true(n > 20);
}

#define CASES(setup)                                                                \
    CASE_OF(setup, every_call_does_what_it_should_or_says_that_there_is_no_memory), \
        CASE_OF(setup, everything_is_erased_or_the_call_says_that_there_is_no_memory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(fs_with_gzip_and_cache),
        CASES(fs),
        CASES(memory),
        CASES(memory_with_zlib_and_cache),
        CASE_OF(fs, values_are_decompressed_or_the_call_says_that_there_is_no_memory),
        CASE_OF(fs_with_gzip_and_cache,
                values_are_decompressed_or_the_call_says_that_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
