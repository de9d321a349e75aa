/* What a writer holds: for the files that write. */
#ifndef WRITER_H
#define WRITER_H

#include "store.h"

#include <stdatomic.h>
#include <xxhash.h>

/* A copy that is under way. */
struct copying {
    diskv_reader *from;
    struct engine_reader *opened; /* for a reader that has no file but what is cached of it */
    union {
        struct engine_open open;
        struct engine_copy copy;
        struct job write;
    };
};

/* A write that the caller does not wait for. */
enum behind {
    BEHIND_NONE,
    BEHIND_UNDER_WAY,
    BEHIND_AWAITED, /* whoever ends it goes on with what was asked for */
};

struct diskv_writer {
    diskv *store;
    struct engine_writer *engine_writer; /* NULL once committed */
    XXH3_state_t *hash;
    char *buf;
    size_t len, cap;
    uint64_t size, size_hint;
    bool second;      /* counts in the store's second_buffers */
    char *behind_buf; /* the other buffer, perhaps being written */
    size_t behind_len, behind_cap;
    atomic_int behind; /* an enum behind */
    int behind_rc;     /* of what was written so: tells while none is under way */

    struct codec_encoder *encoder; /* NULL before the first byte goes through it */
    char *encoded;                 /* a piece on its way to storage */
    size_t taken;                  /* bytes of the buffer that went into the encoder */
    bool drained;                  /* and all that it has for now is on its way */
    uint64_t stored;               /* bytes of the file */
    bool ending;                   /* a commit follows what is being written */
    bool closing;                  /* or only the end */
    bool as_is;                    /* the content is a file's or a value's, which was not read */

    struct noting noting;
    struct record record;
    diskv_fields fields;
    struct diskv_info info;
    char record_text[ENGINE_RECORD_MAX + 1];
    char points[ENGINE_POINTS_MAX];
    size_t points_len;
    const void *table; /* the encoder's: what goes over the file's beginning */
    size_t table_len;
    uint64_t table_offset;
    uint8_t ident[ENGINE_IDENT_LEN]; /* of what was committed without a hash */
    bool created;
    bool sync;
    diskv_guard *guard;
    void *guard_ctx;
    diskv_done *done;
    void *ctx;
    union {
        struct job job;
        struct engine_fill fill;
        struct copying copying;
        struct engine_commit commit;
    } under_way;
    size_t key_len; /* 0 until the key is known */
    char key[DISKV_KEY_MAX];
};

/* --- write.c --- */

/* What diskv_writer_close does once nothing is under way. */
void writer_free(diskv_writer *w);

/* --- commit.c --- */

/* Has the engine commit what is in storage, and reports that. */
void writer_commit(diskv_writer *w);

/* Puts down the hash of the value. */
void writer_hashed(diskv_writer *w, XXH128_hash_t hash);

/* --- encode.c --- */

/* Runs more of the buffer through the encoder and, where the writer is `ending`, what is left in
 * that: `*len` bytes at `encoded`. `drained` says whether that was all. For workers. */
int writer_encode(diskv_writer *w, size_t *len);

#endif
