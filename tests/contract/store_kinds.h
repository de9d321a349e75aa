/* The kinds of stores that cases are run over, each with a store of its own in a directory of its
 * own. */
#ifndef STORE_KINDS_H
#define STORE_KINDS_H

#include "store_helpers.h"
#include "tempdir.h"

struct fixture {
    diskv *store;
    struct diskv_options options;
    char dir[TEMPDIR_SIZE];
};

static inline int setup(void **state, const struct diskv_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    f->options = *options;
    return diskv_open(f->dir, options, &f->store);
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static inline diskv *store_of(void **state)
{
    return ((struct fixture *)*state)->store;
}

/* A kind: the name of its setup, and its options. */
#define KIND(name, ...)                                     \
    static int name(void **state)                           \
    {                                                       \
        const struct diskv_options options = {__VA_ARGS__}; \
        return setup(state, &options);                      \
    }

#endif
