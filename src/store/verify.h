/* The parts of verifying a store. */
#ifndef VERIFY_H
#define VERIFY_H

#include "store.h"

#include <xxhash.h>

#define VERIFY_PIECE (256 * 1024)

/* What it takes to look at one value. */
struct scratch {
    struct scratch *next;
    XXH3_state_t *hash;
    char in[VERIFY_PIECE], out[VERIFY_PIECE];
};

struct verify {
    diskv *store;
    const struct diskv_verify_options *options;
    const char *index_dir;

    struct workers *workers;
    unsigned under_way_max;

    atomic_bool stopping; /* what is under way is of no more interest */

    pthread_mutex_t lock; /* of what follows */
    struct diskv_verified found;
    struct scratch *idle;
    pthread_cond_t ended; /* values, so that there is room, or none is left */
    unsigned under_way;   /* values */
    int rc;               /* the first error that ends it all */
};

/* --- verify.c --- */

/* The last one's `next` is NULL. */
struct scratch *scratch_new(void);
void scratches_free(struct scratch *first);

/* Tells of a finding and counts it. Thread-safe. */
void verify_tell(struct verify *v, const struct diskv_finding *finding);

/* --- verify_walk.c --- */

/* Who is told of a store's files; the functions return non-zero to end the walk, which is then
 * returned. */
struct walker {
    void *ctx;
    int (*place)(void *ctx, const char *name); /* before what is in it; or NULL */
    int (*key)(void *ctx, const char *key, size_t len);
    int (*foreign)(void *ctx, const char *name, const char *what); /* or NULL */
    int (*closed)(void *ctx, const char *name, int rc); /* a place cannot be read; or NULL */
};

/* Visits every key, in no order; what vanishes meanwhile may be left out. */
int verify_walk(struct engine *engine, const struct walker *walker);

/* --- verify_value.c --- */

/* Looks at a value, tells of what is wrong with it and counts it. ENOMEM, EAGAIN once it is to
 * stop. Thread-safe. */
int verify_value(struct verify *v, struct scratch *scratch, const char *key, size_t len);

/* --- verify_index.c; for whoever holds the store's lock --- */

/* Holds the index against the names of the files. */
int verify_index(struct verify *v);

/* Writes the name of the layout that the index in `dir` was made for; "" where it says none. */
void verify_index_layout(const char *dir, char name[static LAYOUT_NAME_SIZE]);

#endif
