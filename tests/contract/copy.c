/* Values that are made of others: the same cases over each kind of store. */
#include "store_kinds.h"

#include <sys/xattr.h>
#include <time.h>

#define LARGE (3 * 1024 * 1024) /* many pieces, and many points where it is compressed */

/* "by hand\n", as gzip writes it */
static const unsigned char gzipped[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,    2, 3,
                                        0x4b, 0xaa, 0x54, 0xc8, 0x48, 0xcc, 0x4b, 0xe1, 2, 0,
                                        0x1c, 0xe5, 0x65, 0,    8,    0,    0,    0};

KIND(fs, .engine = "fs", .sync = DISKV_SYNC_NONE)
KIND(fs_with_cache, .cache_bytes = 64 << 20, .sync = DISKV_SYNC_NONE)
KIND(fs_with_gzip_and_cache, .compress = "gzip", .cache_bytes = 64 << 20, .sync = DISKV_SYNC_NONE)
KIND(fs_split, .layout = "split:2", .sync = DISKV_SYNC_NONE)
KIND(memory, .engine = "memory")
KIND(memory_with_zlib_and_cache, .engine = "memory", .compress = "zlib", .cache_bytes = 64 << 20)

static void reopen(struct fixture *f, const char *compress, uint64_t max_value_bytes)
{
    diskv_close(f->store);
    f->options.compress = compress;
    f->options.max_value_bytes = max_value_bytes;
    assert_int_equal(diskv_open(f->dir, &f->options, &f->store), 0);
}

/* --- What the cases share --- */

static const struct diskv_field note = {"x-meta-a", "1"};
static const struct diskv_write_options plain,
    noted = {.type = "text/x", .fields = &note, .field_count = 1};

static diskv_reader *reader_of(struct fixture *f, const char *key, enum diskv_read how)
{
    diskv_reader *reader;
    assert_int_equal(diskv_reader_open_wait(f->store, key, strlen(key), how, &reader), 0);
    return reader;
}

/* Makes what a reader reads, which is closed, the value of `key`, and checks what the writer says
 * of it. */
static int copy_reader(struct fixture *f, diskv_reader *reader, const char *key,
                       const struct diskv_write_options *options)
{
    diskv_writer *writer;
    bool existed = store_has(f->store, key);
    assert_int_equal(diskv_writer_open(f->store, key, strlen(key), options, &writer), 0);
    int rc = diskv_writer_copy_wait(writer, reader);
    if (!rc)
        rc = diskv_writer_commit_wait(writer);
    if (!rc) {
        struct diskv_info stored = store_stat(f->store, key);
        const struct diskv_info *said = diskv_writer_info(writer);
        assert_int_equal(diskv_writer_created(writer), !existed);
        assert_string_equal(said->etag, stored.etag);
        assert_string_equal(said->type, stored.type);
        assert_int_equal(said->size, stored.size);
        assert_memory_equal(&said->modified, &stored.modified, sizeof stored.modified);
    }
    diskv_writer_close(writer);
    diskv_reader_close(reader);
    return rc;
}

static int copy(struct fixture *f, const char *from, const char *to,
                const struct diskv_write_options *options)
{
    return copy_reader(f, reader_of(f, from, DISKV_READ_CACHED), to, options);
}

static int put(struct fixture *f, const char *key, const char *value,
               const struct diskv_write_options *options)
{
    return diskv_put(f->store, key, strlen(key), value, strlen(value), options);
}

static void assert_note(struct fixture *f, const char *key)
{
    struct diskv_field field;
    diskv_reader *reader = reader_of(f, key, DISKV_READ_DIRECT);
    assert_string_equal(diskv_reader_info(reader)->type, noted.type);
    assert_true(diskv_fields_at(diskv_reader_fields(reader), 0, &field));
    assert_string_equal(field.name, note.name);
    assert_string_equal(field.value, note.value);
    assert_false(diskv_fields_at(diskv_reader_fields(reader), 1, &field));
    diskv_reader_close(reader);
}

/* Waits until what was written is cached when it is read, and has it cached. */
static void cache(struct fixture *f, const char *key, enum diskv_read how)
{
    const struct timespec pause = {.tv_nsec = 200000000};
    char data[64];
    nanosleep(&pause, NULL);
    diskv_reader *reader = reader_of(f, key, how);
    assert_true(diskv_reader_read_wait(reader, data, sizeof data, 0) >= 0);
    diskv_reader_close(reader);
}

/* --- Over every kind --- */

static void a_copy_has_the_value_and_the_tag_of_its_source_which_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a", "value", &noted), 0);
    assert_int_equal(copy(f, "a", "d/copy", &noted), 0);
    assert_value(f->store, "a", "value");
    assert_value(f->store, "d/copy", "value");
    assert_note(f, "a");
    assert_note(f, "d/copy");
    assert_string_equal(store_stat(f->store, "d/copy").etag, store_stat(f->store, "a").etag);
    assert_int_equal(store_stat(f->store, "d/copy").size, 5);
    assert_walk(f->store, "", "a d/copy");
}

static void a_copy_keeps_what_its_writer_says_and_nothing_of_its_source(void **state)
{
    struct fixture *f = *state;
    struct diskv_field field;
    assert_int_equal(put(f, "plain", "value", &plain), 0);
    assert_int_equal(put(f, "noted", "value", &noted), 0);
    assert_int_equal(copy(f, "plain", "a", &noted), 0);
    assert_int_equal(copy(f, "noted", "b", &plain), 0);
    assert_note(f, "a");
    diskv_reader *reader = reader_of(f, "b", DISKV_READ_CACHED);
    assert_string_equal(diskv_reader_info(reader)->type, "");
    assert_false(diskv_fields_at(diskv_reader_fields(reader), 0, &field));
    diskv_reader_close(reader);
    assert_string_equal(store_stat(f->store, "a").etag, store_stat(f->store, "noted").etag);
    assert_string_equal(store_stat(f->store, "b").etag, store_stat(f->store, "plain").etag);
}

static void a_copy_replaces_a_value_and_its_open_reader_keeps_the_old_one(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "new"), 0);
    assert_int_equal(store_put(f->store, "b", "old"), 0);
    diskv_reader *reader = store_reader(f->store, "b");
    assert_int_equal(copy(f, "a", "b", NULL), 0);
    assert_reads(reader, "old");
    assert_value(f->store, "b", "new");
    assert_int_equal(store_put(f->store, "a", "changed"), 0);
    assert_value(f->store, "b", "new");
    assert_int_equal(store_erase(f->store, "a"), 0);
    assert_value(f->store, "b", "new");
    assert_walk(f->store, "", "b");
}

static void a_value_is_copied_onto_itself_and_into_its_own_directory(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    assert_int_equal(copy(f, "a", "a", &noted), 0);
    assert_value(f->store, "a", "value");
    assert_note(f, "a");
    assert_int_equal(copy(f, "a", "a/b", NULL), 0);
    assert_int_equal(copy(f, "a/b", "a", NULL), 0);
    assert_value(f->store, "a", "value");
    assert_value(f->store, "a/b", "value");
    assert_walk(f->store, "", "a a/b");
}

static void an_empty_value_is_copied(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", ""), 0);
    assert_int_equal(copy(f, "a", "b", NULL), 0);
    cache(f, "a", DISKV_READ_CACHED);
    assert_int_equal(copy(f, "a", "c", NULL), 0);
    assert_value(f->store, "b", "");
    assert_value(f->store, "c", "");
}

static void large_fill(char *bytes)
{
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)('a' + ((i >> 12) * 31 + i * i) % 23);
    bytes[LARGE] = '\0';
}

static void a_value_of_many_pieces_is_copied_whole(void **state)
{
    struct fixture *f = *state;
    char *bytes = malloc(LARGE + 1);
    large_fill(bytes);
    assert_int_equal(store_put(f->store, "a", bytes), 0);
    assert_int_equal(copy(f, "a", "b", NULL), 0);
    assert_value(f->store, "b", bytes);
    assert_string_equal(store_stat(f->store, "b").etag, store_stat(f->store, "a").etag);
    char part[1000];
    diskv_reader *reader = reader_of(f, "b", DISKV_READ_DIRECT);
    assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, LARGE - 500000),
                     sizeof part);
    assert_memory_equal(part, bytes + LARGE - 500000, sizeof part);
    diskv_reader_close(reader);
    free(bytes);
}

/* Cached or not, for a reader sees the value as it was. */
static void a_value_that_was_replaced_or_erased_is_copied_as_its_reader_opened_it(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a", "old", &noted), 0);
    struct diskv_info old = store_stat(f->store, "a");
    for (int cached = 0; cached <= 1; cached++) {
        assert_int_equal(put(f, "a", "old", &noted), 0);
        if (cached)
            cache(f, "a", DISKV_READ_CACHED);
        diskv_reader *replaced = store_reader(f->store, "a");
        assert_int_equal(store_put(f->store, "a", "new"), 0);
        assert_int_equal(copy_reader(f, replaced, "b", &noted), 0);
        assert_value(f->store, "b", "old");
        assert_string_equal(store_stat(f->store, "b").etag, old.etag);
        diskv_reader *erased = store_reader(f->store, "a");
        assert_int_equal(store_erase(f->store, "a"), 0);
        assert_int_equal(copy_reader(f, erased, "c", NULL), 0);
        assert_value(f->store, "c", "new");
    }
}

static void a_copy_of_what_is_annotated_meanwhile_is_made(void **state)
{
    struct fixture *f = *state;
    for (int cached = 0; cached <= 1; cached++) {
        assert_int_equal(store_put(f->store, "a", "value"), 0);
        if (cached)
            cache(f, "a", DISKV_READ_CACHED);
        diskv_reader *reader = store_reader(f->store, "a");
        assert_int_equal(diskv_annotate_wait(f->store, "a", 1, &noted, NULL), 0);
        assert_int_equal(copy_reader(f, reader, "b", &noted), 0);
        assert_string_equal(store_stat(f->store, "b").etag, store_stat(f->store, "a").etag);
        assert_value(f->store, "b", "value");
    }
}

static void a_guard_that_refuses_leaves_everything_as_it_was(void **state)
{
    struct fixture *f = *state;
    bool exists;
    const struct diskv_write_options options = {.guard = refuse_saying_exists,
                                                .guard_ctx = &exists};
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    assert_int_equal(store_put(f->store, "b", "old"), 0);
    assert_int_equal(copy(f, "a", "b", &options), DISKV_EPRECONDITION);
    assert_true(exists);
    assert_int_equal(copy(f, "a", "c/d", &options), DISKV_EPRECONDITION);
    assert_false(exists);
    assert_value(f->store, "b", "old");
    assert_walk(f->store, "", "a b");
}

static void a_value_that_is_larger_than_the_store_takes_is_etoolarge(void **state)
{
    struct fixture *f = *state;
    char *bytes = malloc(LARGE + 1);
    memset(bytes, 'a', LARGE);
    bytes[LARGE] = '\0';
    reopen(f, "gzip", 0);
    assert_int_equal(store_put(f->store, "a", bytes), 0);
    assert_int_equal(store_put(f->store, "b", "small"), 0);
    reopen(f, NULL, LARGE - 1);
    for (int cached = 0; cached <= 1; cached++) {
        assert_int_equal(copy(f, "a", "c", NULL), DISKV_ETOOLARGE);
        assert_value(f->store, "a", bytes);
    }
    assert_int_equal(copy(f, "b", "d", NULL), 0);
    assert_walk(f->store, "", "a b d");
    free(bytes);
}

static void a_writer_that_copies_takes_nothing_else(void **state)
{
    struct fixture *f = *state;
    diskv_writer *writer;
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    diskv_reader *reader = store_reader(f->store, "a");
    assert_int_equal(diskv_writer_open(f->store, NULL, 0, NULL, &writer), 0);
    assert_int_equal(diskv_writer_copy_wait(writer, reader), 0);
    assert_int_equal(diskv_writer_append(writer, "more", 4), DISKV_EINVAL);
    assert_int_equal(diskv_writer_copy_wait(writer, reader), DISKV_EINVAL);
    assert_int_equal(diskv_writer_name(writer, "b", 1), 0);
    assert_int_equal(diskv_writer_commit_wait(writer), 0);
    diskv_writer_close(writer);
    assert_value(f->store, "b", "value");
    assert_int_equal(diskv_writer_open(f->store, "c", 1, NULL, &writer), 0);
    assert_int_equal(diskv_writer_append(writer, "more", 4), 4);
    assert_int_equal(diskv_writer_copy_wait(writer, reader), DISKV_EINVAL);
    diskv_writer_close(writer);
    diskv_reader_close(reader);
}

static void a_reader_of_another_store_is_einval(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.options = {.engine = "memory"}};
    diskv_writer *writer;
    assert_int_equal(diskv_open("", &other.options, &other.store), 0);
    assert_int_equal(store_put(other.store, "a", "value"), 0);
    diskv_reader *reader = store_reader(other.store, "a");
    assert_int_equal(diskv_writer_open(f->store, "b", 1, NULL, &writer), 0);
    assert_int_equal(diskv_writer_copy_wait(writer, reader), DISKV_EINVAL);
    diskv_writer_close(writer);
    diskv_reader_close(reader);
    diskv_close(other.store);
}

/* --- Files --- */

static void file_bytes(struct fixture *f, const char *name, char *out, size_t size, size_t *len)
{
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    *len = fread(out, 1, size, file);
    fclose(file);
}

static void assert_files_equal(struct fixture *f, const char *a, const char *b)
{
    char *bytes = malloc(2 * LARGE);
    size_t a_len, b_len;
    file_bytes(f, a, bytes, LARGE, &a_len);
    file_bytes(f, b, bytes + LARGE, LARGE, &b_len);
    assert_int_equal(a_len, b_len);
    assert_memory_equal(bytes, bytes + LARGE, a_len);
    free(bytes);
}

static void assert_points_equal(struct fixture *f, const char *a, const char *b)
{
    char path[STORE_PATH_SIZE], a_points[2000], b_points[2000];
    path_join(path, f->dir, a);
    ssize_t n = getxattr(path, "user.diskv.points", a_points, sizeof a_points);
    assert_true(n > 0);
    path_join(path, f->dir, b);
    assert_int_equal(getxattr(path, "user.diskv.points", b_points, sizeof b_points), n);
    assert_memory_equal(a_points, b_points, (size_t)n);
}

static void a_compressed_value_stays_as_it_is_whatever_the_store_compresses_with_now(void **state)
{
    static const char *const codecs[] = {NULL, "zlib", "gzip"};
    struct fixture *f = *state;
    char *bytes = malloc(LARGE + 1);
    large_fill(bytes);
    reopen(f, "gzip", 0);
    assert_int_equal(store_put(f->store, "a", bytes), 0);
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        reopen(f, codecs[i], 0);
        for (int cached = 0; cached <= 1; cached++) {
            assert_int_equal(copy(f, "a", "b", NULL), 0);
            assert_value(f->store, "b", bytes);
            assert_files_equal(f, "a", "b");
            assert_points_equal(f, "a", "b");
            diskv_reader *reader = store_reader(f->store, "b");
            assert_string_equal(diskv_reader_codec(reader), "gzip");
            diskv_reader_close(reader);
            assert_value(f->store, "a", bytes);
        }
    }
    free(bytes);
}

static void what_a_stored_reader_reads_is_copied_as_the_value(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    assert_int_equal(copy_reader(f, reader_of(f, "a", DISKV_READ_STORED), "b", NULL), 0);
    cache(f, "a", DISKV_READ_STORED);
    assert_int_equal(copy_reader(f, reader_of(f, "a", DISKV_READ_STORED), "c", NULL), 0);
    assert_value(f->store, "b", "value");
    assert_value(f->store, "c", "value");
    assert_files_equal(f, "a", "b");
    assert_files_equal(f, "a", "c");
}

/* What the cache has are the bytes of the file, and what they mean was beside it. */
static void a_cached_stored_reader_of_what_is_gone_is_estale_where_it_is_compressed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    cache(f, "a", DISKV_READ_STORED);
    diskv_reader *reader = reader_of(f, "a", DISKV_READ_STORED);
    assert_int_equal(store_erase(f->store, "a"), 0);
    bool compressed = *diskv_reader_codec(reader);
    assert_int_equal(copy_reader(f, reader, "b", NULL), compressed ? DISKV_ESTALE : 0);
    if (!compressed)
        assert_value(f->store, "b", "value");
}

static void foreign_write(struct fixture *f, const char *name, const void *data, size_t size)
{
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Of a file of another program's, compressed or not, in a store that compresses or does not. */
static void a_file_of_another_program_is_copied_as_it_is_and_reads_as_its_source(void **state)
{
    static const char *const codecs[] = {NULL, "zlib", "gzip"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        reopen(f, codecs[i], 0);
        foreign_write(f, "plain", "plain", 5);
        foreign_write(f, "gz", gzipped, sizeof gzipped);
        assert_int_equal(copy(f, "plain", "b", NULL), 0);
        assert_int_equal(copy(f, "plain", "c", &noted), 0);
        assert_value(f->store, "b", "plain");
        assert_value(f->store, "c", "plain");
        assert_note(f, "c");
        assert_int_equal(copy(f, "gz", "d", NULL), 0);
        assert_int_equal(copy(f, "gz", "e", &noted), 0);
        assert_files_equal(f, "gz", "d");
        assert_files_equal(f, "gz", "e");
        assert_note(f, "e");
        if (codecs[i] && strcmp(codecs[i], "gzip") == 0) {
            assert_value(f->store, "d", "by hand\n");
            assert_value(f->store, "e", "by hand\n");
        }
    }
}

static void a_value_that_was_edited_before_it_is_opened_is_copied_as_edited(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "a", "value", &noted), 0);
    foreign_write(f, "a", "edited", 6);
    assert_int_equal(copy(f, "a", "b", &noted), 0);
    assert_value(f->store, "b", "edited");
    assert_note(f, "b");
}

static void a_value_that_is_edited_after_it_is_opened_is_estale(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    assert_int_equal(store_put(f->store, "b", "old"), 0);
    diskv_reader *reader = reader_of(f, "a", DISKV_READ_DIRECT);
    foreign_write(f, "a", "other", 5);
    assert_int_equal(copy_reader(f, reader, "b", NULL), DISKV_ESTALE);
    reader = reader_of(f, "a", DISKV_READ_DIRECT);
    foreign_write(f, "a", "longer", 6);
    assert_int_equal(copy_reader(f, reader, "b", NULL), DISKV_ESTALE);
    assert_value(f->store, "b", "old");
}

#define CASES(setup)                                                                           \
    CASE_OF(setup, a_copy_has_the_value_and_the_tag_of_its_source_which_stays),                \
        CASE_OF(setup, a_copy_keeps_what_its_writer_says_and_nothing_of_its_source),           \
        CASE_OF(setup, a_copy_replaces_a_value_and_its_open_reader_keeps_the_old_one),         \
        CASE_OF(setup, a_value_is_copied_onto_itself_and_into_its_own_directory),              \
        CASE_OF(setup, an_empty_value_is_copied),                                              \
        CASE_OF(setup, a_value_of_many_pieces_is_copied_whole),                                \
        CASE_OF(setup, a_value_that_was_replaced_or_erased_is_copied_as_its_reader_opened_it), \
        CASE_OF(setup, a_copy_of_what_is_annotated_meanwhile_is_made),                         \
        CASE_OF(setup, a_guard_that_refuses_leaves_everything_as_it_was),                      \
        CASE_OF(setup, a_writer_that_copies_takes_nothing_else),                               \
        CASE_OF(setup, a_reader_of_another_store_is_einval)
#define FILE_CASES(setup)                                                                        \
    CASE_OF(setup, a_compressed_value_stays_as_it_is_whatever_the_store_compresses_with_now),    \
        CASE_OF(setup, a_value_that_is_larger_than_the_store_takes_is_etoolarge),                \
        CASE_OF(setup, what_a_stored_reader_reads_is_copied_as_the_value),                       \
        CASE_OF(setup, a_cached_stored_reader_of_what_is_gone_is_estale_where_it_is_compressed), \
        CASE_OF(setup, a_file_of_another_program_is_copied_as_it_is_and_reads_as_its_source),    \
        CASE_OF(setup, a_value_that_was_edited_before_it_is_opened_is_copied_as_edited),         \
        CASE_OF(setup, a_value_that_is_edited_after_it_is_opened_is_estale)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(fs),
        CASES(fs_with_cache),
        CASES(fs_with_gzip_and_cache),
        CASES(fs_split),
        CASES(memory),
        CASES(memory_with_zlib_and_cache),
        FILE_CASES(fs),
        FILE_CASES(fs_with_cache),
        FILE_CASES(fs_with_gzip_and_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
