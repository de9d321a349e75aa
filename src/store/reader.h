/* What a reader holds: for the files that open and read. */
#ifndef READER_H
#define READER_H

#include "store.h"

/* What is known of the value; the cache keeps it as far as the fields go. */
struct known {
    struct diskv_info info;
    char codec[CODEC_NAME_SIZE]; /* of the file */
    diskv_fields fields;
};

struct diskv_reader {
    diskv *store;
    struct cache_entry *cached; /* the whole value, or NULL and … */
    struct engine_reader *engine_reader;
    struct decoding *decoding; /* NULL where the file is the value */
    bool cacheable;
    struct cache_entry *filling; /* what is to be cached, as far as it was read */
    size_t filled;
    enum diskv_read how;
    char *head; /* the file's first bytes while it is not known whether it is compressed */
    union {
        struct engine_open open;
        struct engine_read read;
    } under_way;
    diskv_done *done;
    void *ctx;
    union {
        diskv_reader **reader;
        size_t *got;
    } out;
    char *buf;
    uint64_t offset;
    size_t len;
    struct known known;
    char key[]; /* with a NUL: the cache keeps what files have, where that is not the value, under
                 * that name */
};

#endif
