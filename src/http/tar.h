/* The tar format (POSIX.1-2017, pax; ustar and GNU's long names within it): bytes from entries, and
 * entries from bytes that come in pieces. Nothing here waits, and no more memory is taken than
 * TAR_EXTENSION_MAX for what goes before an entry. Thread-safe for different readers. */
#ifndef TAR_H
#define TAR_H

#include "buf.h"
#include <stdbool.h>
#include <stdint.h>

#define TAR_BLOCK         512
#define TAR_RECORD        (20 * TAR_BLOCK) /* archives end at a multiple of it */
#define TAR_EXTENSION_MAX (64 * 1024)      /* bytes of a pax header, or of a long name */

enum tar_type {
    TAR_FILE,
    TAR_DIRECTORY,
    TAR_LINK, /* hard or symbolic */
    TAR_OTHER /* devices, fifos, sparse files, what is unknown: its content comes all the same */
};

struct tar_entry {
    const char *name; /* as it stands in the tar, without terminator */
    size_t name_len;
    enum tar_type type;
    uint64_t size;   /* of the content that follows */
    const char *pax; /* the pax records that apply to it alone, valid as a whole */
    size_t pax_len;  /* in bytes */
};

/* A pax record, without terminators. */
struct tar_record {
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};

/* --- Writing: each appends, ENOMEM leaves what is whole blocks --- */

/* Appends a pax record, for what the header of an entry is to bear. */
int tar_add_record(struct buf *pax, const char *key, const char *value, size_t len);

/* The header of a file, as GNU tar makes it with `--format=ustar --numeric-owner --owner=0
 * --group=0
 * --mode=0644`; before it a pax header with `entry->pax` and whatever ustar has no room for.
 * `mtime` is in seconds since 1970. The content goes behind it, and then tar_pad. */
int tar_add_header(struct buf *out, const struct tar_entry *entry, int64_t mtime);

/* Fills up the last block of `size` bytes. */
int tar_pad(struct buf *out, uint64_t size);

/* The end of an archive that has `size` bytes so far. */
int tar_add_end(struct buf *out, uint64_t size);

/* --- Reading --- */

/* Takes the next record off the front of `*pax`: 1, 0 at the end, EINVAL where it is malformed. */
int tar_next_record(const char **pax, size_t *len, struct tar_record *out);

/* The value of an entry's last record of that key; false where there is none. */
bool tar_find_record(const struct tar_entry *entry, const char *key, struct tar_record *out);

/* What is called as an archive is read. Each returns 0, or an error that ends the reading. */
struct tar_events {
    int (*begin)(void *ctx, const struct tar_entry *entry); /* it lives for the call */
    int (*data)(void *ctx, const char *data, size_t len);   /* of the entry that began */
    int (*end)(void *ctx);                                  /* all of it came */
};

/* All zeroes but for `events` and `ctx` at first. */
struct tar_reader {
    const struct tar_events *events;
    void *ctx;
    const char *fault; /* what is wrong with the archive, after EINVAL */
    uint64_t content;  /* bytes of the present header's content that are still to come */
    unsigned padding;  /* bytes behind it, up to a whole block */
    enum { TAR_NOTHING, TAR_IGNORED, TAR_EVENTS, TAR_PAX, TAR_NAME } goes_to; /* the content */
    bool in_map;          /* blocks of a sparse file's map come before its content */
    unsigned zero_blocks; /* in a row; two are the end */
    size_t block_len;     /* bytes of a block that came in parts */
    struct buf pax;       /* the records for the next entry */
    struct buf name;      /* GNU's long name for it */
    char block[TAR_BLOCK];
};

/* Takes the next piece of an archive, of any length. What follows its end is passed over. EINVAL
 * with `fault` set where it is damaged, ENOMEM, or what an event returned; after an error only
 * tar_reader_free may follow. */
int tar_read(struct tar_reader *t, const char *data, size_t len);

/* No more pieces come: EINVAL with `fault` set where the archive did not come to its end. */
int tar_read_end(struct tar_reader *t);

void tar_reader_free(struct tar_reader *t);

#endif
