/* An ordered set of keys, and a few notes kept and lost together with it. The index is a cache of
 * the truth, which is the files: it may be thrown away at any time.
 *
 * Keys are valid diskv keys; order is that of their bytes, or the user's. Every function may be
 * called by any thread at any time, a cursor by one at a time. All return 0 or an error of diskv's
 * table. */
#ifndef INDEX_H
#define INDEX_H

#include "diskv.h"

#define INDEX_NOTE_NAME_MAX  4096 /* bytes of a note's name; "" is a name */
#define INDEX_NOTE_VALUE_MAX 256  /* bytes of a note */

struct index_change {
    bool erase; /* else insert */
    const char *key;
    size_t len;
};

/* What each kind of index embeds first. */
struct index {
    const struct index_ops *ops;
};

struct index_cursor {
    const struct index_ops *ops;
};

struct index_ops {
    const char *name;

    /* Closes the index and frees it. No cursor may be open. */
    void (*free)(struct index *index);

    /* Makes all of `changes`, in their order, or none. Inserting what is there and erasing what is
     * not change nothing and are no error. */
    int (*apply)(struct index *index, const struct index_change *changes, size_t count);

    /* How many keys there are. */
    uint64_t (*count)(struct index *index);

    /* A cursor sees the index as it was when opened, or later; each key that is there throughout is
     * met exactly once, in order. It must be closed soon: it may keep writers or memory waiting. */
    int (*cursor_open)(struct index *index, struct index_cursor **out);

    /* Moves to the first key at or after `key` (any bytes, not only a valid key: "" is before all,
     * in any order; at most DISKV_KEY_MAX + 2 bytes). ENOTFOUND past the last. */
    int (*cursor_seek)(struct index_cursor *cursor, const char *key, size_t len);

    /* Moves to the next key; ENOTFOUND past the last. */
    int (*cursor_next)(struct index_cursor *cursor);

    /* The key it is at; valid until the cursor moves. */
    void (*cursor_key)(const struct index_cursor *cursor, const char **key, size_t *len);

    void (*cursor_close)(struct index_cursor *cursor);

    /* Notes: name to value. `get` writes at most INDEX_NOTE_VALUE_MAX bytes; ENOTFOUND. Setting
     * what is there replaces it, `erase` of what is not there is no error. `each` visits all, in no
     * order, until `visit` returns non-zero, which it returns; the visitor must not call the
     * index. */
    int (*note_get)(struct index *index, const char *name, size_t name_len, void *value,
                    size_t *len);
    int (*note_set)(struct index *index, const char *name, size_t name_len, const void *value,
                    size_t len);
    int (*note_erase)(struct index *index, const char *name, size_t name_len);
    int (*note_each)(struct index *index,
                     int (*visit)(void *ctx, const char *name, size_t name_len, const void *value,
                                  size_t len),
                     void *ctx);
};

/* In memory, gone with the process. `compare` may be NULL for the order of bytes. */
int index_memory_new(diskv_compare *compare, void *ctx, struct index **out);

/* A user's functions, with notes in memory. What fails half-way leaves some changes made. */
int index_user_new(const struct diskv_index *user, struct index **out);

/* LMDB in directory `dir`, made (not its parents) where it is missing. `*fresh` says whether the
 * index is empty because it was missing, damaged, of another format or left by another boot of the
 * machine. What is there is read by a child process, which damage may crash, and copied: opening
 * takes time and space in proportion to it. One process at a time. */
int index_lmdb_open(const char *dir, bool *fresh, struct index **out);

struct index_visitor {
    void *ctx;
    int (*key)(void *ctx, const char *key, size_t len); /* non-zero stops, and is returned */
    int (*note)(void *ctx, const char *name, size_t name_len, const void *value, size_t len);
};

/* Visits all that the LMDB index in `dir` holds, the notes first, and changes nothing. What was
 * visited counts only where 0 is returned. With `key` NULL the notes alone are read, and nothing is
 * checked: another process may have the index open. ENOTFOUND where there is none, or one that the
 * next index_lmdb_open will throw away for its age; ECORRUPT. */
int index_lmdb_read(const char *dir, const struct index_visitor *visitor);

/* Removes the LMDB index in `dir`, which no process has open. What is not there is no error. */
int index_lmdb_remove(const char *dir);

#endif
