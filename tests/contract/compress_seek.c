/* How much of the file is read for a part of a compressed value, and what is read where that cannot
 * be known. */
#include "compress_helpers.h"
#include "sys.h"

#include <stdatomic.h>

#define LARGE       ((size_t)64 * MIB)
#define SMALL       ((size_t)4 * MIB)
#define SPACING     ((size_t)256 * 1024) /* of the points, in bytes of the value */
#define PART        1024
#define FEW         (400 * 1024) /* bytes of the file for a part of the value */
#define POINTS_SIZE 1536

/* --- Bytes that are read of files --- */

static atomic_ullong bytes_read;

static int64_t count(int64_t n)
{
    atomic_fetch_add(&bytes_read, n > 0 ? (unsigned long long)n : 0);
    return n;
}

#define WRAP(name)                                                         \
    int64_t __real_##name(int fd, void *buf, size_t len, uint64_t offset); \
    int64_t __wrap_##name(int fd, void *buf, size_t len, uint64_t offset); \
    int64_t __wrap_##name(int fd, void *buf, size_t len, uint64_t offset)  \
    {                                                                      \
        return count(__real_##name(fd, buf, len, offset));                 \
    }

WRAP(sys_pread)
WRAP(sys_pread_now)

/* --- A store with a large value and two small ones, for all tests; each mends what it breaks ---
 */

struct world {
    char dir[TEMPDIR_SIZE];
    diskv *store;
    struct bytes large, small, other;
};

static int world_new(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    *state = w;
    tempdir_new(w->dir);
    w->store = open_compressing(w->dir, "gzip:1");
    w->large = text_new(LARGE);
    w->small = text_new(SMALL);
    w->other = text_new(SMALL - 1);
    return put(w->store, "large", &w->large) || put(w->store, "small", &w->small) ||
           put(w->store, "other", &w->other);
}

static int world_free(void **state)
{
    struct world *w = *state;
    diskv_close(w->store);
    tempdir_remove(w->dir);
    free(w->large.data);
    free(w->small.data);
    free(w->other.data);
    free(w);
    return 0;
}

/* Reads a part of the value with a reader of its own, and returns how much of the file that took.
 */
static size_t assert_part(const struct world *w, const char *key, const struct bytes *value,
                          size_t at, size_t len)
{
    char *part = malloc(len);
    size_t left = value->size - at, expected = left < len ? left : len;
    diskv_reader *reader = open_reader(w->store, key);
    assert_int_equal(diskv_reader_info(reader)->size, value->size);
    unsigned long long before = atomic_load(&bytes_read);
    assert_int_equal(diskv_reader_read_wait(reader, part, len, at), expected);
    size_t read = (size_t)(atomic_load(&bytes_read) - before);
    assert_true(memcmp(part, value->data + at, expected) == 0);
    diskv_reader_close(reader);
    free(part);
    return read;
}

static size_t file_size(const struct world *w, const char *key)
{
    char path[PATH_SIZE];
    struct stat st;
    path_of(path, w->dir, key);
    assert_int_equal(stat(path, &st), 0);
    return (size_t)st.st_size;
}

static size_t points_get(const struct world *w, const char *key, char points[static POINTS_SIZE])
{
    char path[PATH_SIZE];
    path_of(path, w->dir, key);
    ssize_t n = getxattr(path, POINTS, points, POINTS_SIZE);
    assert_in_range(n, 1, POINTS_SIZE);
    return (size_t)n;
}

static void points_set(const struct world *w, const char *key, const char *points, size_t size)
{
    char path[PATH_SIZE];
    path_of(path, w->dir, key);
    assert_int_equal(setxattr(path, POINTS, points, size, 0), 0);
}

/* --- With points --- */

static void a_part_of_a_large_value_takes_little_of_its_file(void **state)
{
    const struct world *w = *state;
    assert_in_range(file_size(w, "large"), 20 * FEW, LARGE / 2);
    assert_in_range(assert_part(w, "large", &w->large, LARGE / 2 + 12345, PART), 1, FEW);
    assert_in_range(assert_part(w, "large", &w->large, LARGE - 1, PART), 1, FEW);
    assert_in_range(assert_part(w, "large", &w->large, 0, PART), 1, FEW);
}

static void parts_at_random_places_are_the_value_s(void **state)
{
    const struct world *w = *state;
    struct random r = random_new();
    for (int i = 0; i < 300; i++) {
        size_t read = assert_part(w, "large", &w->large, random_below(&r, LARGE), PART);
        assert_in_range(read, 1, FEW);
    }
    for (int i = 0; i < 30; i++)
        assert_part(w, "large", &w->large, random_below(&r, LARGE), random_below(&r, 4 * MIB) + 1);
}

static void one_reader_goes_to_and_fro(void **state)
{
    const struct world *w = *state;
    struct random r = random_new();
    char part[3 * PART];
    diskv_reader *reader = open_reader(w->store, "large");
    size_t at = 0;
    for (int i = 0; i < 500; i++) {
        if (i % 3 == 0) /* else where the last part ended */
            at = random_below(&r, LARGE - 3 * sizeof part);
        assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, at), sizeof part);
        assert_memory_equal(part, w->large.data + at, sizeof part);
        at += sizeof part;
    }
    assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, LARGE), 0);
    assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, LARGE - 10), 10);
    assert_memory_equal(part, w->large.data + LARGE - 10, 10);
    assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, UINT64_MAX - 1), 0);
    diskv_reader_close(reader);
}

static void parts_in_order_read_the_file_once(void **state)
{
    const struct world *w = *state;
    char *part = malloc(MIB);
    diskv_reader *reader = open_reader(w->store, "large");
    unsigned long long before = atomic_load(&bytes_read);
    for (size_t at = 0; at < LARGE; at += MIB)
        assert_int_equal(diskv_reader_read_wait(reader, part, MIB, at), MIB);
    size_t read = (size_t)(atomic_load(&bytes_read) - before);
    assert_in_range(read, file_size(w, "large"), file_size(w, "large") + 100);
    diskv_reader_close(reader);
    free(part);
}

/* --- Without --- */

static void without_points_a_part_is_the_same_and_takes_the_file_up_to_it(void **state)
{
    const struct world *w = *state;
    char points[POINTS_SIZE];
    size_t size = points_get(w, "large", points);
    attribute_drop(w->dir, "large", POINTS);
    size_t read = assert_part(w, "large", &w->large, LARGE / 2 + 12345, PART);
    assert_in_range(read, file_size(w, "large") / 3, file_size(w, "large"));
    assert_in_range(assert_part(w, "large", &w->large, 0, PART), 1, FEW);
    points_set(w, "large", points, size);
    assert_in_range(assert_part(w, "large", &w->large, LARGE / 2 + 12345, PART), 1, FEW);
}

static void points_that_are_garbage_are_not_believed(void **state)
{
    const struct world *w = *state;
    struct random r = random_new();
    char points[POINTS_SIZE], garbage[POINTS_SIZE];
    size_t size = points_get(w, "small", points);
    for (int i = 0; i < 50; i++) {
        size_t len = random_below(&r, POINTS_SIZE) + 1;
        for (size_t k = 0; k < len; k++)
            garbage[k] = (char)random_next(&r);
        points_set(w, "small", garbage, len);
        assert_part(w, "small", &w->small, random_below(&r, SMALL), PART);
    }
    points_set(w, "small", points, size);
}

static void points_with_one_wrong_byte_are_not_believed(void **state)
{
    const struct world *w = *state;
    char points[POINTS_SIZE];
    size_t size = points_get(w, "small", points);
    for (size_t i = 0; i < size; i++) {
        points[i] ^= 1;
        points_set(w, "small", points, size);
        assert_part(w, "small", &w->small, SMALL - 100000, PART);
        points[i] ^= 1;
    }
    points_set(w, "small", points, size / 2);
    assert_part(w, "small", &w->small, SMALL - 100000, PART);
    points_set(w, "small", points, size);
}

static void another_value_s_points_are_not_believed(void **state)
{
    const struct world *w = *state;
    char own[POINTS_SIZE], others[POINTS_SIZE];
    size_t own_size = points_get(w, "small", own), others_size = points_get(w, "other", others);
    points_set(w, "small", others, others_size);
    for (size_t at = 0; at < SMALL; at += SMALL / 10)
        assert_part(w, "small", &w->small, at, PART);
    points_set(w, "small", own, own_size);
}

/* --- Damage --- */

/* The file offset of the n-th flush point, which follows an empty stored block. */
static size_t flush_point(const struct bytes *file, size_t n)
{
    static const char marker[] = {0, 0, (char)0xFF, (char)0xFF};
    const char *at = file->data;
    for (size_t i = 0; i < n; i++) {
        at = memmem(at, file->size - (size_t)(at - file->data), marker, sizeof marker);
        assert_non_null(at);
        at += sizeof marker;
    }
    return (size_t)(at - file->data);
}

/* A read begins at a good point and meets a bad one: what it says is an error, or right. */
static void damage_behind_a_good_point_gives_no_wrong_bytes(void **state)
{
    const struct world *w = *state;
    char *part = malloc(SMALL);
    struct bytes file = file_read(w->dir, "small");
    size_t at = flush_point(&file, 8) - 1;
    file_decay(w->dir, "small", at);
    for (size_t len = SPACING / 2; len < 6 * SPACING; len += SPACING / 2) {
        diskv_reader *reader = open_reader(w->store, "small");
        int64_t n = diskv_reader_read_wait(reader, part, len, 3 * SPACING + 1);
        if (n >= 0)
            assert_true(n == (int64_t)len &&
                        memcmp(part, w->small.data + 3 * SPACING + 1, len) == 0);
        else
            assert_int_equal(n, DISKV_EDECODE);
        assert_true((n < 0) == (3 * SPACING + 1 + len > 8 * SPACING));
        diskv_reader_close(reader);
    }
    file_decay(w->dir, "small", at); /* and back */
    assert_value(w->store, "small", &w->small);
    free(file.data);
    free(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_a_large_value_takes_little_of_its_file),
        cmocka_unit_test(parts_at_random_places_are_the_value_s),
        cmocka_unit_test(one_reader_goes_to_and_fro),
        cmocka_unit_test(parts_in_order_read_the_file_once),
        cmocka_unit_test(without_points_a_part_is_the_same_and_takes_the_file_up_to_it),
        cmocka_unit_test(points_that_are_garbage_are_not_believed),
        cmocka_unit_test(points_with_one_wrong_byte_are_not_believed),
        cmocka_unit_test(another_value_s_points_are_not_believed),
        cmocka_unit_test(damage_behind_a_good_point_gives_no_wrong_bytes),
    };
    return cmocka_run_group_tests(tests, world_new, world_free);
}
