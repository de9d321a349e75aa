/* How keys and notes lie in LMDB. Internal to the LMDB index.
 *
 * Table `keys`: LMDB's keys end at 511 bytes, so what a key has beyond goes, behind one constant
 * byte, into a sorted duplicate; that keeps the order of the bytes. Table `notes`: the hash of a
 * name has the name and its value, because names may be longer than keys. */
#ifndef LMDB_TABLES_H
#define LMDB_TABLES_H

#include "diskv.h"
#include "index.h"

#include <lmdb.h>

struct tables {
    MDB_env *env;
    MDB_dbi keys;
    MDB_dbi notes;
};

/* Tells one content from another: the number of keys, the sum of the hashes of keys and notes. */
struct digest {
    uint64_t keys;
    uint64_t low, high;
};

/* One transaction's changes and what the digest is with them. */
struct edit {
    const struct tables *tables;
    MDB_txn *txn;
    struct digest digest;
};

/* Counts a key, and an entry of `notes`, as added or gone. */
void digest_key(struct digest *d, const char *key, size_t len, bool gone);
void digest_note(struct digest *d, const MDB_val *entry, bool gone);

/* The error of diskv's table for one of LMDB's or an errno. Pure. */
int lmdb_error(int rc);

/* Opens (with MDB_RDONLY in `flags`) or creates the tables in the file `path`. */
int tables_open(struct tables *t, const char *path, unsigned flags);

/* Closes them; no transaction may be open. */
void tables_close(struct tables *t);

/* Make a change; 0 where there is nothing to change. */
int edit_key(struct edit *e, const struct index_change *change);
int edit_note_set(struct edit *e, const char *name, size_t name_len, const void *value, size_t len);
int edit_note_erase(struct edit *e, const char *name, size_t name_len);

/* Adds an entry that a cursor on `keys` or `notes` of other tables, read in order, is at. ECORRUPT
 * where it is not well-formed. */
int edit_copy_key(struct edit *e, const MDB_val *head, const MDB_val *tail);
int edit_copy_note(struct edit *e, const MDB_val *hash, const MDB_val *entry);

/* Moves a cursor on `keys` to the first key at or after `key`; 0 or LMDB's code. */
int keys_seek(MDB_cursor *cursor, const char *key, size_t len, MDB_val *head, MDB_val *tail);

/* Joins the two parts of a key (DISKV_KEY_MAX bytes at `key`). ECORRUPT. */
int keys_join(const MDB_val *head, const MDB_val *tail, char *key, size_t *len);

/* The parts of an entry of `notes`. They point into it. ECORRUPT. */
struct note {
    const char *name;
    size_t name_len;
    const char *value;
    size_t len;
};

int note_parse(const MDB_val *entry, struct note *out);

/* ENOTFOUND where there is none. */
int note_find(const struct tables *t, MDB_txn *txn, const char *name, size_t name_len,
              struct note *out);

#endif
