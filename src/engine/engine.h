/* Where bytes live. An engine keeps values under keys, each with two small attributes, and knows
 * nothing of what the bytes mean. Paths, descriptors and errno stay inside it.
 *
 * What may wait is asynchronous: the caller embeds an `engine_op` in a struct that says what to do
 * and has room for the result, and the engine calls `done(op, rc)` exactly once, on any thread,
 * perhaps before the call returns. Until then the struct belongs to the engine. Functions whose
 * names end in
 * `_now` never wait; they say EAGAIN instead. The others (stat, stamp, scan) wait and are for
 * workers.
 *
 * Outcomes: 0; ENOTFOUND; what a guard said; ENOSPACE; EUNAVAILABLE (surely not applied); EINDOUBT
 * (may have been applied); ESTALE (the value under this reader is gone); EIO; and of the less
 * common EKEY, ENOMEM, EACCESS, ECONFLICT, ENOTSUP, EMETADATA. Keys are valid (diskv_key_valid). */
#ifndef ENGINE_H
#define ENGINE_H

#include "diskv.h"
#include "workers.h"

struct layout;

#define ENGINE_IDENT_LEN  40   /* bytes of a value's identity */
#define ENGINE_RECORD_MAX 2048 /* bytes of a record */
#define ENGINE_PLACE_MAX  4096 /* bytes of a place's name with its NUL */
#define ENGINE_STAMP_MAX  64
#define ENGINE_POINTS_MAX 1536 /* bytes of a value's points */

/* What an engine knows of a value without reading it. */
struct engine_info {
    uint64_t size;
    struct timespec mtime;
    uint8_t ident[ENGINE_IDENT_LEN]; /* differs whenever the value may differ */
    int64_t quiet_ns; /* since it last changed: a clock that ticks slower may hide another change */
    char type[DISKV_TYPE_MAX + 1];      /* media type, "" where none is kept */
    char record[ENGINE_RECORD_MAX + 1]; /* the store's own JSON, "" where none is kept */
};

/* Decides on a change from the value as it is, NULL where there is none: 0, or what refuses it.
 * Called so that nothing comes between its answer and the change; perhaps more than once. Must not
 * wait. */
typedef int engine_guard(void *ctx, const struct engine_info *current);

struct engine_op {
    void (*done)(struct engine_op *op, int rc);
    bool sync;             /* of a change: on stable storage before `done` */
    bool more;             /* out, of a change: another is reported next, by the same thread */
    struct engine *engine; /* the engine's own, from here on */
    struct job job;
    unsigned kind;
    int rc;
};

/* What each engine embeds first. */
struct engine {
    const struct engine_ops *ops;
};

struct engine_reader {
    struct engine *engine;
    struct engine_info info;
};

struct engine_writer {
    struct engine *engine;
    bool early; /* for whoever begins it to set: a sync will follow, so have it written out now */
};

struct engine_open {
    struct engine_op op;
    const char *key;
    size_t len;
    bool keep; /* one that others opened will do, and this one may be kept open for others … */
    uint64_t keep_from;           /* … if its value has so many bytes */
    struct engine_reader *reader; /* out: the caller's, for close */
};

struct engine_read {
    struct engine_op op;
    struct engine_reader *reader;
    void *buf;
    size_t len;
    uint64_t offset;
    size_t got; /* out: less than `len` only at the end of the value */
};

struct engine_fill {
    struct engine_op op;
    struct engine_writer *writer; /* nothing was written to it */
    const char *path;             /* a regular file of the machine's; must live until `done` */
    const char *key;              /* that the commit will be for */
    size_t len;
    bool share; /* its blocks may be the file's own: the caller removes it after the commit */
};

struct engine_copy {
    struct engine_op op;
    struct engine_writer *writer; /* nothing was written to it */
    struct engine_reader *reader; /* of this engine; stays the caller's */
};

struct engine_commit {
    struct engine_op op;
    struct engine_writer *writer; /* gone when `done` is called, whatever the outcome */
    const void *data;             /* its last bytes, behind what was written before */
    size_t data_len;
    const void *patch; /* written over what is there, all of which was written before */
    size_t patch_len;
    uint64_t patch_offset;
    const char *key;
    size_t len;
    struct timespec mtime; /* the value's from now on */
    const char *type;      /* "" for none */
    const char *record;
    bool must_keep;      /* ENOTSUP where type and record cannot be kept, else they are lost */
    const void *points;  /* lost where they cannot be kept; the store's own, for whoever asks */
    size_t points_len;   /* 0 to ENGINE_POINTS_MAX */
    engine_guard *guard; /* or NULL */
    void *guard_ctx;
    bool created;   /* out: there was no value */
    bool same;      /* out: what was filled in is the value's own file: nothing changed */
    uint8_t *ident; /* out: the value's identity from now on; NULL where it is not wanted */
};

struct engine_erase {
    struct engine_op op;
    const char *key;
    size_t len;
    engine_guard *guard; /* or NULL; not asked where there is no value */
    void *guard_ctx;
};

/* What is kept beside a value, in place of what there was. */
struct engine_notes {
    const char *between; /* the record until the type is changed; NULL where it is not */
    const char *type;    /* where it or the record cannot be kept: ENOTSUP */
    const char *record;
};

struct engine_annotate {
    struct engine_op op;
    const char *key;
    size_t len;
    engine_guard *guard; /* sets `notes`; not asked where there is no value */
    void *guard_ctx;
    struct engine_notes notes;
    struct engine_info info; /* out: of the value as it is now */
};

struct engine_move {
    struct engine_op op;
    const char *from, *to; /* two keys */
    size_t from_len, to_len;
    engine_guard *from_guard;  /* or NULL; may set `notes`; not asked where there is no value */
    engine_guard *to_guard;    /* or NULL */
    void *guard_ctx;           /* of both */
    struct engine_notes notes; /* where its type is NULL, all stays as it is */
    struct engine_info info;   /* out: of the value as it is now */
    bool created;              /* out: `to` had no value */
};

struct engine_clear {
    struct engine_op op;
    bool foreign; /* what is no value goes too */
};

/* A place holds some of the keys and some other places; "" holds what no other does. Whatever adds
 * or removes a key changes the stamp of its place, unless the place is gone. */
struct engine_place {
    uint8_t stamp[ENGINE_STAMP_MAX];
    size_t stamp_len; /* 0 where a change might leave no trace: not to be relied on */
    uint64_t foreign; /* out of scan: files in it that are no value */
};

struct engine_visitor {
    void *ctx;
    int (*key)(void *ctx, const char *key, size_t len);    /* non-zero stops the scan */
    int (*place)(void *ctx, const char *name, size_t len); /* likewise */

    /* What is no value, by the name it goes by, and what it is instead; likewise, or NULL. */
    int (*foreign)(void *ctx, const char *name, const char *what);
};

/* What an engine that watches tells of, whoever made the change: hints, of which none is left out
 * and some come late or twice. Called on any thread, perhaps within a call of the engine's; to be
 * taken down, no more. */
struct engine_watcher {
    void *ctx;
    void (*key)(void *ctx, const char *key, size_t len); /* it may have another value, or none */

    /* The place may be another one, or none, or be new: it is to be scanned. Places in it that were
     * watched are told of too. */
    void (*place)(void *ctx, const char *name, size_t len);
    void (*lost)(void *ctx); /* anything may have changed, and nothing is watched any more */
};

struct engine_watching {
    uint64_t places;  /* that are watched */
    uint64_t refused; /* how often one could not be: told of by nobody, so to be looked at again */
};

/* Where the last look was, for looks at keys that lie beside each other. Zero at first; the
 * engine's own. */
struct engine_near {
    size_t looks, len;
    int fd;
    char dir[ENGINE_PLACE_MAX];
};

/* A walk over what lies among the values and is none. */
struct engine_foreign {
    struct engine *engine;
};

struct engine_ops {
    const char *name;

    /* Waits for what is under way and frees the engine. No reader or writer may be left. */
    void (*free)(struct engine *engine);

    /* Opens a value for reading: sets `o->reader`. A reader's bytes never change, whatever is
     * committed meanwhile. ENOTFOUND. */
    int (*open_now)(struct engine *engine, struct engine_open *o);
    void (*open)(struct engine *engine, struct engine_open *o);

    /* Reads at an offset; a count, which is less than asked only at the end or where more would
     * wait. */
    int64_t (*read_now)(struct engine_reader *reader, void *buf, size_t len, uint64_t offset);
    void (*read)(struct engine_read *r);

    /* Whether `len` bytes at an offset, all of which the value has, can be sent without waiting for
     * the disk, as far as one look tells: 0; EAGAIN; ESTALE where they are gone; for a `len` of 0
     * ENOTSUP where looks were found to tell nothing. And sends them to a socket that does not
     * block: a count, 0 where the socket has no room. ESTALE. Both NULL where a value is no
     * file. */
    int (*sendable_now)(struct engine_reader *reader, size_t len, uint64_t offset);
    int64_t (*send_now)(struct engine_reader *reader, int socket, size_t len, uint64_t offset);

    /* Reads the value's points into `buf` (ENGINE_POINTS_MAX bytes): a count, 0 where there are
     * none. For workers. */
    int (*points)(struct engine_reader *reader, void *buf);

    /* Forgets the points of an open value, and changes nothing else. For workers. NULL where it
     * has none that others could have spoilt. */
    int (*points_drop)(struct engine_reader *reader);

    void (*close)(struct engine_reader *reader);

    /* Begins a value; waits for nothing. Nobody sees it before commit, which says whose it is. */
    int (*begin)(struct engine *engine, struct engine_writer **out);

    /* Puts bytes behind what was written before. May wait: for workers. */
    int (*write)(struct engine_writer *writer, const void *data, size_t len);

    /* What a value of `size` bytes is sure to fail with at its commit, unless something changes
     * meanwhile: ENOSPACE, EACCESS; else 0. Never waits. NULL where nothing is sure. */
    int (*probe)(struct engine *engine, const char *key, size_t len, uint64_t size);

    /* Makes a file's content what was written: by sharing it where that is asked for and can be
     * done, by sharing its blocks, or by copying. A shared file keeps its own mtime and attributes,
     * those that the commit sets excepted. ENOTFOUND; EINVAL where it is no regular file. */
    void (*fill)(struct engine_fill *f);

    /* Makes the bytes of a reader's value, as the engine keeps them, what was written: by sharing
     * them where that can be done, else by copying. ESTALE where they are not those that the reader
     * opened. */
    void (*copy)(struct engine_copy *c);

    /* Makes what was written the key's value in one step, seen whole or not at all. The
     * completions of changes of one key
     * come in the order in which they took effect, one at a time. */
    void (*commit)(struct engine_commit *c);

    /* Drops a writer that was not committed and has no write under way. */
    void (*abort)(struct engine_writer *writer);

    /* Removes a value in the same way. ENOTFOUND. */
    void (*erase)(struct engine *engine, struct engine_erase *e);

    /* Changes what is kept beside a value, and neither its bytes nor its mtime. The record changes
     * in one step, so does the type. ENOTFOUND. */
    void (*annotate)(struct engine *engine, struct engine_annotate *a);

    /* Gives a value another key in one step: whoever looks at `from` and then at `to` does not miss
     * it. Neither its bytes nor its mtime change. A crash may leave its new notes and the old key.
     * ENOTFOUND; ECONFLICT where its file cannot lie where the other key's does. */
    void (*move)(struct engine *engine, struct engine_move *m);

    /* Removes every value. ECONFLICT, and nothing is removed, where anything else lies among them
     * and `foreign` is not set; where it is, all of that goes too. */
    void (*clear)(struct engine *engine, struct engine_clear *c);

    /* What a value's identity is now, for no more than a look at memory where it was looked at
     * lately. Never allocates. ENOTFOUND. */
    int (*identify)(struct engine *engine, const char *key, size_t len,
                    uint8_t ident[static ENGINE_IDENT_LEN]);

    /* The same for less where keys that lie in one place are asked for one after the other, until
     * near_end: what is told then may have been true when the first of them was asked for, and be
     * so no more. exists_near says what stat does with no `out`, and ENOTFOUND only where that is
     * true now. All NULL where no look costs less. */
    int (*identify_near)(struct engine *engine, struct engine_near *near, const char *key,
                         size_t len, uint8_t ident[static ENGINE_IDENT_LEN]);
    int (*exists_near)(struct engine *engine, struct engine_near *near, const char *key,
                       size_t len);
    void (*near_end)(struct engine *engine, struct engine_near *near);

    /* What is known of a value now; `out` may be NULL, to learn that there is one. */
    int (*stat)(struct engine *engine, const char *key, size_t len, struct engine_info *out);

    /* Says where a key's value may lie: in the place whose name it writes to `place`
     * (ENGINE_PLACE_MAX bytes), or in the one that the first `*outer` bytes of that name. Asks no
     * file. ENOTFOUND where the key can have no value. */
    int (*locate)(struct engine *engine, const char *key, size_t len, char *place, size_t *outer);

    /* Describes a place as it is. ENOTFOUND where it is gone. */
    int (*stamp)(struct engine *engine, const char *place, struct engine_place *out);

    /* Visits the keys and the places that lie in a place, in no order; not those in places below.
     * `out` has the stamp from before the first was read. */
    int (*scan)(struct engine *engine, const char *place, const struct engine_visitor *visitor,
                struct engine_place *out);

    /* Writes what every key begins with that lies in a place or below it, to `key` (DISKV_KEY_MAX
     * bytes); "" where no more is known. NULL where it never is. */
    void (*prefix)(struct engine *engine, const char *place, char *key, size_t *len);

    /* Visits what processes that are no more left half done, by its name, and with `remove` removes
     * it before, as far as that can be done. Waits. For whoever holds the store's lock. NULL where
     * nothing can be left. */
    int (*leftovers)(struct engine *engine, bool remove,
                     int (*visit)(void *ctx, const char *name, bool removed), void *ctx);

    /* A walk as diskv_foreign_open and its like tell of. NULL where there can be nothing. */
    int (*foreign_open)(struct engine *engine, struct engine_foreign **out);
    int (*foreign_next)(struct engine_foreign *walk, struct diskv_foreign *out);
    void (*foreign_close)(struct engine_foreign *walk);

    /* Watches each place from when it is next described or scanned, before that is done, so that
     * nothing falls between. Once, before the first; `watcher` is copied. NULL where the engine
     * cannot. EUNAVAILABLE, ENOMEM. */
    int (*watch)(struct engine *engine, const struct engine_watcher *watcher);
    void (*watching)(struct engine *engine, struct engine_watching *out);

    /* Ends it, and calls the watcher no more. No call may be under way that describes or scans a
     * place. */
    void (*unwatch)(struct engine *engine);
};

/* In memory, gone with the process: for tests. */
int engine_memory_new(struct engine **out);

struct engine_fs_options {
    const struct layout *layout;
    struct workers *workers;       /* run what waits */
    unsigned file_perm, path_perm; /* modes of what is made for values */
    bool exact_perm;               /* the umask is not taken from them */
    const char *temp_dir;          /* of the same file system, not below `dir_fd`; or NULL */
    bool detached;                 /* others may have the same files; without a `temp_dir` */
};

/* Plain files below directory `dir_fd` (copied), where the layout says. Layout and workers outlive
 * the engine. EINVAL for a temp_dir that will not do, with a line in the log. */
int engine_fs_open(int dir_fd, const struct engine_fs_options *options, struct engine **out);

#endif
