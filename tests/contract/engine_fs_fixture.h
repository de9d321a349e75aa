/* An engine of plain files in a directory of its own, and looks at what lies there. */
#ifndef ENGINE_FS_FIXTURE_H
#define ENGINE_FS_FIXTURE_H

#include "engine_helpers.h"
#include "layout.h"
#include "tempdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct engine *engine;
    struct workers *workers;
    struct engine_fs_options options;
    char dir[TEMPDIR_SIZE];
    int fd;
};

static inline int engine_start(struct fixture *f)
{
    if (workers_new(4, &f->workers))
        return -1;
    f->options.layout = &layout_path;
    f->options.workers = f->workers;
    return engine_fs_open(f->fd, &f->options, &f->engine);
}

static inline void engine_stop(struct fixture *f)
{
    workers_free(f->workers);
    f->engine->ops->free(f->engine);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    f->fd = open(f->dir, O_RDONLY | O_DIRECTORY);
    return engine_start(f);
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    engine_stop(f);
    close(f->fd);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static inline int put(struct fixture *f, const char *key, const char *value)
{
    return engine_put(f->engine, key, strlen(key), value, strlen(value), (struct engine_commit){0},
                      NULL);
}

static inline int erase(struct fixture *f, const char *key)
{
    return engine_erase_wait(f->engine, key, strlen(key), NULL, NULL);
}

static inline mode_t file_type(struct fixture *f, const char *path)
{
    struct stat st;
    return fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_mode & S_IFMT;
}

static inline void assert_file(struct fixture *f, const char *path, const char *expected)
{
    char text[64] = "";
    int fd = openat(f->fd, path, O_RDONLY | O_NOFOLLOW);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) >= 0);
    close(fd);
    assert_string_equal(text, expected);
}

static inline void file_write(struct fixture *f, const char *path, const char *text)
{
    int fd = openat(f->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static inline void assert_value(struct fixture *f, const char *key, const char *expected)
{
    char *value = engine_get(f->engine, key, strlen(key));
    if (expected) {
        assert_non_null(value);
        assert_string_equal(value, expected);
    } else {
        assert_null(value);
    }
    free(value);
}

static inline size_t entries(struct fixture *f, const char *path)
{
    int fd = openat(f->fd, path, O_RDONLY | O_DIRECTORY);
    DIR *dir = fdopendir(fd);
    size_t n = 0;
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static inline mode_t mode(struct fixture *f, const char *path)
{
    struct stat st;
    assert_int_equal(fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

/* Starts the engine with these options in place of its own. */
static inline void engine_restart(struct fixture *f, struct engine_fs_options options)
{
    engine_stop(f);
    f->options = options;
    assert_int_equal(engine_start(f), 0);
}

#endif
