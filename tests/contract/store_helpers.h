/* What the tests of the store share. Keys and values are strings here. */
#ifndef STORE_HELPERS_H
#define STORE_HELPERS_H

#include "diskv.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define STORE_PATH_SIZE 512

static inline int store_put(diskv *store, const char *key, const char *value)
{
    return diskv_put(store, key, strlen(key), value, strlen(value), NULL);
}

static inline int store_has(diskv *store, const char *key)
{
    return diskv_has(store, key, strlen(key));
}

static inline int store_erase(diskv *store, const char *key)
{
    return diskv_erase_wait(store, key, strlen(key), NULL, NULL);
}

static inline diskv_reader *store_reader(diskv *store, const char *key)
{
    diskv_reader *reader;
    assert_int_equal(diskv_reader_open_wait(store, key, strlen(key), DISKV_READ_CACHED, &reader),
                     0);
    return reader;
}

static inline struct diskv_info store_stat(diskv *store, const char *key)
{
    struct diskv_info info;
    assert_int_equal(diskv_stat(store, key, strlen(key), &info), 0);
    return info;
}

static inline void assert_value(diskv *store, const char *key, const char *expected)
{
    void *data;
    size_t size;
    assert_int_equal(diskv_get(store, key, strlen(key), &data, &size), 0);
    assert_string_equal(data, expected);
    assert_int_equal(size, strlen(expected));
    free(data);
}

/* The rest of what a reader opened, which it closes. */
static inline void assert_reads(diskv_reader *reader, const char *expected)
{
    char data[64];
    int64_t n = diskv_reader_read_wait(reader, data, sizeof data, 0);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(data, expected, (size_t)n);
    diskv_reader_close(reader);
}

/* Walks over the keys that begin with `prefix`: they must be the words of `expected`, in order. */
static inline void assert_walk(diskv *store, const char *prefix, const char *expected)
{
    char met[4096] = "";
    size_t len = 0;
    diskv_iter *iter;
    const struct diskv_item *item;
    int rc;
    assert_int_equal(diskv_iter_open(store, prefix, strlen(prefix), &iter), 0);
    while ((rc = diskv_iter_next(iter, &item)) == 1 && len < sizeof met)
        len += (size_t)snprintf(met + len, sizeof met - len, "%s%.*s", len ? " " : "",
                                (int)item->len, item->name);
    diskv_iter_close(iter);
    assert_int_equal(rc, 0);
    assert_string_equal(met, expected);
}

static inline void path_join(char out[static STORE_PATH_SIZE], const char *dir, const char *name)
{
    int n = snprintf(out, STORE_PATH_SIZE, "%s/%s", dir, name);
    assert_in_range(n, 1, STORE_PATH_SIZE - 1);
}

static inline void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline void assert_file(const char *path, const char *expected)
{
    char text[256];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(text, expected, n);
}

static inline struct stat file_stat(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st;
}

static inline bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* How many names there are in a directory, except `but`, which may be NULL. */
static inline size_t dir_count(const char *path, const char *but)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                 !(but && strcmp(e->d_name, but) == 0);
    closedir(dir);
    return count;
}

static inline void assert_nothing_left_in_tmp(const char *store_dir)
{
    char path[STORE_PATH_SIZE];
    path_join(path, store_dir, ".diskv/tmp");
    assert_int_equal(dir_count(path, NULL), 0);
}

/* A case of a kind, which is the name of its setup. */
#define CASE_OF(setup, name)                           \
    {                                                  \
#setup ": " #name, name, setup, teardown, NULL \
    }

/* A guard that says into the bool `ctx` whether there was a value. */
static inline int refuse_saying_exists(void *ctx, const struct diskv_info *current)
{
    *(bool *)ctx = current != NULL;
    return DISKV_EPRECONDITION;
}

/* Writes and erases keys between the `keys` that stay, which are a `k` and so many digits. */
struct churn {
    diskv *store;
    size_t keys;
    int digits;
    atomic_bool stop;
    atomic_uint rounds;
    atomic_int rc;
};

/* For a thread of its own, until `stop`; `rc` is the first error. */
static inline void *churn_main(void *arg)
{
    struct churn *c = arg;
    for (size_t i = 0; !c->rc && !atomic_load(&c->stop); i = (i + 7) % c->keys) {
        char key[32];
        snprintf(key, sizeof key, "k%0*zux", c->digits, i);
        c->rc = store_put(c->store, key, "v");
        if (!c->rc)
            c->rc = store_erase(c->store, key);
        atomic_fetch_add(&c->rounds, 1);
    }
    return NULL;
}

#endif
