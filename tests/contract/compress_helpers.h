/* Stores, files and bytes for the tests of values that are compressed in their files. */
#ifndef COMPRESS_HELPERS_H
#define COMPRESS_HELPERS_H

#include "diskv.h"
#include "random.h"
#include "tempdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cmocka.h>

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define PATH_SIZE 512
#define MIB       (1u << 20)

#define RECORD "user.diskv"
#define POINTS "user.diskv.points"

struct bytes {
    char *data; /* for free() */
    size_t size;
};

/* --- A directory for each test --- */

static inline int setup(void **state)
{
    *state = malloc(TEMPDIR_SIZE);
    tempdir_new(*state);
    return 0;
}

static inline int teardown(void **state)
{
    tempdir_remove(*state);
    free(*state);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* --- Bytes --- */

/* Lines of a log, of which no two are equal. */
static inline struct bytes text_new(size_t size)
{
    struct bytes text = {malloc(size + 1), size};
    struct random r = {size};
    assert_non_null(text.data);
    for (size_t at = 0; at < size;)
        at += (size_t)snprintf(text.data + at, size + 1 - at, "%09zu GET /keys/%x 200 no play\n",
                               at, (unsigned)random_next(&r));
    return text;
}

/* Bytes that nothing makes shorter. */
static inline struct bytes noise_new(size_t size)
{
    struct bytes noise = {malloc(size + 1), size};
    struct random r = {size};
    assert_non_null(noise.data);
    for (size_t at = 0; at < size; at++)
        noise.data[at] = (char)random_next(&r);
    return noise;
}

static inline void assert_bytes(const void *data, size_t size, const struct bytes *expected)
{
    assert_int_equal(size, expected->size);
    assert_true(memcmp(data, expected->data, size) == 0); /* does not print a megabyte */
}

/* --- Files --- */

static inline void path_of(char out[static PATH_SIZE], const char *dir, const char *name)
{
    int n = snprintf(out, PATH_SIZE, "%s/%s", dir, name);
    assert_in_range(n, 1, PATH_SIZE - 1);
}

static inline struct bytes file_read(const char *dir, const char *name)
{
    char path[PATH_SIZE];
    struct stat st;
    path_of(path, dir, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    struct bytes content = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
    assert_int_equal(fread(content.data, 1, content.size, file), content.size);
    fclose(file);
    return content;
}

/* Writes a file as another program does: a new one, or over the bytes of an old one. */
static inline void file_write(const char *dir, const char *name, const void *data, size_t size)
{
    char path[PATH_SIZE];
    path_of(path, dir, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Changes one byte as a disk that decays does, which leaves the file's time as it was. */
static inline void file_decay(const char *dir, const char *name, size_t at)
{
    char path[PATH_SIZE];
    struct stat st;
    unsigned char byte;
    path_of(path, dir, name);
    int fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    const struct timespec times[] = {st.st_atim, st.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static inline void attribute_drop(const char *dir, const char *name, const char *attribute)
{
    char path[PATH_SIZE];
    path_of(path, dir, name);
    assert_int_equal(removexattr(path, attribute), 0);
}

/* --- Stores --- */

static inline diskv *open_store(const char *dir, const struct diskv_options *options)
{
    diskv *store;
    assert_int_equal(diskv_open(dir, options, &store), 0);
    return store;
}

static inline diskv *open_compressing(const char *dir, const char *compress)
{
    const struct diskv_options options = {
        .sync = DISKV_SYNC_NONE, .layout = "flat", .compress = compress};
    return open_store(dir, &options);
}

static inline int put(diskv *store, const char *key, const struct bytes *value)
{
    return diskv_put(store, key, strlen(key), value->data, value->size, NULL);
}

static inline int get(diskv *store, const char *key, struct bytes *out)
{
    void *data = NULL;
    int rc = diskv_get(store, key, strlen(key), &data, &out->size);
    out->data = data;
    return rc;
}

static inline void assert_value(diskv *store, const char *key, const struct bytes *expected)
{
    struct bytes value;
    assert_int_equal(get(store, key, &value), 0);
    assert_bytes(value.data, value.size, expected);
    free(value.data);
}

static inline void assert_text(diskv *store, const char *key, const char *expected)
{
    char *text = strdup(expected);
    assert_value(store, key, &(struct bytes){text, strlen(text)});
    free(text);
}

static inline diskv_reader *open_reader(diskv *store, const char *key)
{
    diskv_reader *reader;
    assert_int_equal(diskv_reader_open_wait(store, key, strlen(key), DISKV_READ_CACHED, &reader),
                     0);
    return reader;
}

#endif
