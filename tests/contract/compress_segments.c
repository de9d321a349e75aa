/* Parts of a compressed value with points each 64 KiB, most of which are decoded a segment at a
 * time. */
#include "compress_helpers.h"
#include "sys.h"

#include <errno.h>
#include <stdatomic.h>

#define SIZE    ((size_t)9 * MIB)
#define HINT    ((size_t)1 << 30) /* for which there is a table of points */
#define SPACING ((size_t)64 * 1024)

/* --- Reads that would wait --- */

static atomic_uint share_cold; /* one of so many reads finds nothing in memory, one only a part */

int64_t __real_sys_pread_now(int fd, void *buf, size_t len, uint64_t offset);
int64_t __wrap_sys_pread_now(int fd, void *buf, size_t len, uint64_t offset);
int64_t __wrap_sys_pread_now(int fd, void *buf, size_t len, uint64_t offset)
{
    static atomic_uint reads;
    unsigned share = atomic_load(&share_cold);
    unsigned turn = share ? atomic_fetch_add(&reads, 1) % share : 2;
    if (turn == 0)
        return -EAGAIN;
    return __real_sys_pread_now(fd, buf, turn == 1 && len > 1 ? len / 2 : len, offset);
}

/* --- A store with one value --- */

struct world {
    char dir[TEMPDIR_SIZE];
    diskv *store;
    struct bytes value;
    struct bytes file;
};

static int world_new(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    *state = w;
    tempdir_new(w->dir);
    w->store = open_compressing(w->dir, "gzip:1");
    w->value = text_new(SIZE);
    const struct diskv_write_options options = {.size_hint = HINT};
    diskv_writer *writer;
    assert_int_equal(diskv_writer_open(w->store, "key", 3, &options, &writer), 0);
    assert_int_equal(diskv_writer_append_wait(writer, w->value.data, SIZE), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    w->file = file_read(w->dir, "key");
    return 0;
}

static int world_free(void **state)
{
    struct world *w = *state;
    diskv_close(w->store);
    tempdir_remove(w->dir);
    free(w->value.data);
    free(w->file.data);
    free(w);
    return 0;
}

static void read_part(diskv_reader *reader, const struct bytes *value, size_t at, size_t len)
{
    char *part = malloc(len + 1);
    size_t left = at < value->size ? value->size - at : 0, expected = left < len ? left : len;
    assert_int_equal(diskv_reader_read_wait(reader, part, len, at), expected);
    assert_true(memcmp(part, value->data + at, expected) == 0);
    free(part);
}

/* --- What is read --- */

static void parts_are_the_value_s_whatever_of_the_file_is_in_memory(void **state)
{
    const struct world *w = *state;
    struct random r = random_new();
    for (unsigned share = 0; share <= 5; share++) {
        atomic_store(&share_cold, share);
        for (int i = 0; i < 60; i++) {
            diskv_reader *reader = open_reader(w->store, "key");
            read_part(reader, &w->value, random_below(&r, SIZE), random_below(&r, 4 * SPACING));
            read_part(reader, &w->value, random_below(&r, SIZE), SPACING);
            diskv_reader_close(reader);
        }
        for (size_t n = 1; n < SIZE / SPACING; n += 9) { /* at and around a point */
            diskv_reader *reader = open_reader(w->store, "key");
            read_part(reader, &w->value, n * SPACING, SPACING);
            read_part(reader, &w->value, n * SPACING - 1, SPACING + 2);
            diskv_reader_close(reader);
        }
    }
    atomic_store(&share_cold, 0);
}

static void one_reader_goes_on_in_pieces_of_any_size(void **state)
{
    const struct world *w = *state;
    static const size_t pieces[] = {1000, 16384, 40000, 65536, 65537, 131072, 1000000};
    for (size_t i = 0; i < COUNT(pieces); i++) {
        diskv_reader *reader = open_reader(w->store, "key");
        for (size_t at = 5 * SPACING + 77; at < SIZE; at += pieces[i])
            read_part(reader, &w->value, at, pieces[i]);
        read_part(reader, &w->value, SIZE, 1);
        read_part(reader, &w->value, 7 * SPACING, SPACING); /* and back */
        diskv_reader_close(reader);
    }
}

/* --- Damage --- */

/* Where the n-th flush point lies, which follows an empty stored block. */
static size_t flush_point(const struct bytes *file, size_t n)
{
    static const char marker[] = {0, 0, (char)0xFF, (char)0xFF};
    size_t at =
        10 + 2 +
        ((size_t)(unsigned char)file->data[10] | (size_t)(unsigned char)file->data[11] << 8);
    for (size_t i = 0; i < n; i++) {
        const char *found = memmem(file->data + at, file->size - at, marker, sizeof marker);
        assert_non_null(found);
        at = (size_t)(found - file->data) + sizeof marker;
    }
    return at;
}

static void a_part_of_a_damaged_segment_is_an_error(void **state)
{
    const struct world *w = *state;
    size_t from = flush_point(&w->file, 40), to = flush_point(&w->file, 41);
    const size_t damaged[] = {from, from - 1, to - 1, to - 4}; /* a block's head; markers */
    char *part = malloc(SPACING);
    for (size_t i = 0; i < COUNT(damaged); i++) {
        file_decay(w->dir, "key", damaged[i]);
        diskv_reader *reader = open_reader(w->store, "key");
        assert_int_equal(diskv_reader_read_wait(reader, part, SPACING, 40 * SPACING),
                         DISKV_EDECODE);
        read_part(reader, &w->value, 20 * SPACING + 5, SPACING); /* what lies before is read */
        diskv_reader_close(reader);
        file_decay(w->dir, "key", damaged[i]); /* and back */
    }
    free(part);
}

static void a_segment_that_lacks_its_end_is_an_error(void **state)
{
    const struct world *w = *state;
    size_t size = w->file.size;
    char path[PATH_SIZE], *part = malloc(SPACING);
    path_of(path, w->dir, "key");
    diskv_reader *reader = open_reader(w->store, "key");
    assert_int_equal(truncate(path, (off_t)flush_point(&w->file, 51) - 10), 0);
    assert_true(diskv_reader_read_wait(reader, part, SPACING, 50 * SPACING) < 0);
    diskv_reader_close(reader);
    file_write(w->dir, "key", w->file.data, size);
    free(part);
}

/* With a segment at hand, too, that lies on the way. */
static void who_reads_from_the_start_to_the_end_is_told_of_a_wrong_checksum(void **state)
{
    const struct world *w = *state;
    char *piece = malloc(SPACING);
    file_decay(w->dir, "key", w->file.size - 6);
    diskv_reader *reader = open_reader(w->store, "key");
    read_part(reader, &w->value, 33 * SPACING, SPACING);
    size_t at = 0;
    int64_t n;
    while ((n = diskv_reader_read_wait(reader, piece, SPACING, at)) > 0)
        at += (size_t)n;
    assert_int_equal(n, DISKV_EDECODE);
    diskv_reader_close(reader);
    file_decay(w->dir, "key", w->file.size - 6); /* and back */
    free(piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_the_value_s_whatever_of_the_file_is_in_memory),
        cmocka_unit_test(one_reader_goes_on_in_pieces_of_any_size),
        cmocka_unit_test(a_part_of_a_damaged_segment_is_an_error),
        cmocka_unit_test(who_reads_from_the_start_to_the_end_is_told_of_a_wrong_checksum),
        cmocka_unit_test(a_segment_that_lacks_its_end_is_an_error), /* the last: changes the file */
    };
    return cmocka_run_group_tests(tests, world_new, world_free);
}
