/* The kinds of engines that cases are run over, each with an engine of its own. */
#ifndef ENGINE_KINDS_H
#define ENGINE_KINDS_H

#include "engine_helpers.h"
#include "layout.h"
#include "tempdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct engine *engine;
    struct workers *workers;
    struct layout layout;
    char dir[TEMPDIR_SIZE];
};

static inline int memory_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    return f ? engine_memory_new(&f->engine) : -1;
}

static inline int fs_layout_setup(void **state, const char *layout)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    if (workers_new(4, &f->workers) || layout_parse(layout, &f->layout))
        return -1;
    int fd = open(f->dir, O_RDONLY | O_DIRECTORY);
    const struct engine_fs_options options = {.layout = &f->layout, .workers = f->workers};
    int rc = engine_fs_open(fd, &options, &f->engine);
    close(fd);
    return rc;
}

static inline int fs_setup(void **state)
{
    return fs_layout_setup(state, "path");
}

static inline int fs_flat_setup(void **state)
{
    return fs_layout_setup(state, "flat");
}

static inline int fs_split_1_setup(void **state)
{
    return fs_layout_setup(state, "split:1");
}

static inline int fs_split_3_setup(void **state)
{
    return fs_layout_setup(state, "split:3");
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    workers_free(f->workers);
    f->engine->ops->free(f->engine);
    if (*f->dir)
        tempdir_remove(f->dir);
    free(f);
    return 0;
}

static inline struct engine *engine_of(void **state)
{
    return ((struct fixture *)*state)->engine;
}

static inline int put(struct engine *e, const char *key, const char *value)
{
    return engine_put(e, key, strlen(key), value, strlen(value), (struct engine_commit){0}, NULL);
}

static inline int erase(struct engine *e, const char *key)
{
    return engine_erase_wait(e, key, strlen(key), NULL, NULL);
}

static inline void assert_value(struct engine *e, const char *key, const char *expected)
{
    char *value = engine_get(e, key, strlen(key));
    if (expected) {
        assert_non_null(value);
        assert_string_equal(value, expected);
    } else {
        assert_null(value);
    }
    free(value);
}

static inline int only_if_absent(void *ctx, const struct engine_info *current)
{
    (void)ctx;
    return current ? DISKV_EPRECONDITION : 0;
}

#define CASE(setup, name)                              \
    {                                                  \
#setup ": " #name, name, setup, teardown, NULL \
    }

#endif
