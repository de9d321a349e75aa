/* The parts of the store, the only layer that sees engine, index, cache and codec together. */
#ifndef STORE_H
#define STORE_H

#include "buf.h"
#include "cache.h"
#include "changes.h"
#include "codec.h"
#include "diskv.h"
#include "engine.h"
#include "fields.h"
#include "index.h"
#include "layout.h"
#include "rows.h"
#include "serial.h"
#include "workers.h"

#include <pthread.h>
#include <stdatomic.h>

#define CODECS_MAX 3 /* gzip, zlib and the user's */

/* Keys share so many numbers of the changes that were noted. */
#define NOTED_SLOTS 1024

/* How old a listing may be where some places are not watched. */
#define MEND_MS 1000

/* How long those who follow the changes may there not be told that a value became another. */
#define BREAK_MS 10000

/* What the index may have missed: nothing; what changed the stamp of a place; anything. */
enum stale { STALE_NOT, STALE_STAMPS, STALE_ALL };

/* What keeps other servers off a directory: a lock of the directory itself, and one of the file
 * `.diskv/lock` for file systems that lock no directories and for older versions. -1 where none. */
struct home_lock {
    int dir_fd, file_fd;
};

struct diskv {
    struct home_lock lock; /* held while the directory is ours; none in memory */
    struct workers *workers;
    struct layout layout;
    struct engine *engine;
    struct index *index;
    bool byte_order;     /* keys are in the order of their bytes */
    struct cache *cache; /* or NULL */
    struct rows *rows;   /* or NULL */
    struct codec *codecs[CODECS_MAX];
    const struct codec *codec; /* the one of `codecs` that values are written with, or NULL */
    bool sync;
    bool detached;
    uint64_t max_value_bytes;

    pthread_mutex_t sync_lock; /* one rescan at a time */
    struct serial mends;       /* what has to wait for one, of which one worker at a time does */
    atomic_bool indexing;      /* the index is not in step for the first time yet */
    atomic_bool damaged;       /* the index, which the next start makes anew */
    atomic_bool closing;       /* whatever is long is to end */
    atomic_int index_stale;    /* an enum stale */
    atomic_bool mending;       /* and that it was is being mended */
    atomic_bool unwatched;     /* some place is not watched: every MEND_MS all are looked at */
    atomic_llong mended_ms;    /* when the last look at all began */
    atomic_ullong foreign;
    struct live *live;   /* NULL where nothing is watched */
    struct scrub *scrub; /* or NULL */
    struct background *background;

    pthread_mutex_t places_lock; /* of what is noted of places */
    pthread_mutex_t note_lock;   /* of changes to the index that go by what a key has */
    struct noting *first_noting; /* those that are not noted yet, oldest first */
    struct noting **last_noting;
    atomic_uint noted[NOTED_SLOTS]; /* the number of the last change */
    atomic_uint note_number;        /* of the last of all */
    atomic_uint dropping;           /* of the last look for keys that places have no more */
    struct changes *changes;
    int64_t broken_ms; /* when it was last said that some changes are not known */

    atomic_uint second_buffers; /* of writers */
    atomic_ullong writes, erases, reads, bytes_written, bytes_read;
};

/* --- home.c --- */

/* Opens directory `dir`, made where it is missing, and locks it: EBUSY where another process holds
 * the lock. Sets the directory's descriptor and the lock. */
int home_open(const char *dir, int *dir_fd, struct home_lock *lock);

/* Opens directory `dir`, which is there, and no more. */
int home_look(const char *dir, int *dir_fd);

/* Locks a directory as home_open does, but makes nothing in it. EBUSY. */
int home_lock(int dir_fd, struct home_lock *lock);

/* Lets go of what is held; nothing is fine. */
void home_unlock(struct home_lock *lock);

/* --- record.c --- */

#define RECORD_HASH_LEN 16

/* The store's own record of a value it wrote, kept beside the file (`user.diskv`): a checksum of
 * the value and how it is compressed, which holds as long as the file's size and mtime fit. */
struct record {
    bool hashed;
    uint8_t hash[RECORD_HASH_LEN]; /* XXH3-128 of the value, canonical form */
    uint64_t size;                 /* of the file */
    struct timespec mtime;
    char codec[CODEC_NAME_SIZE]; /* "" where the file is the value */
    uint64_t length;             /* of the value */
    bool retyped;                /* where `was_type` is still kept, `type` is meant */
    char was_type[DISKV_TYPE_MAX + 1];
    char type[DISKV_TYPE_MAX + 1];
};

/* The entity tag of bytes with this hash, this media type and these fields: the same on every
 * server. */
void record_etag(const uint8_t hash[static RECORD_HASH_LEN], const char *type,
                 const diskv_fields *fields, char etag[static DISKV_ETAG_MAX + 1]);

/* The tag of what has no record, by its file's identity. */
void record_etag_of_file(const uint8_t ident[static ENGINE_IDENT_LEN], const char *type,
                         const diskv_fields *fields, char etag[static DISKV_ETAG_MAX + 1]);

/* Writes the record and the fields as JSON text, where there is a hash as
 * {"":"<hash>:<size>:<mtime in ns>", …} in hexadecimal; EMETADATA where they have no room. */
int record_format(const struct record *record, const diskv_fields *fields,
                  char out[static ENGINE_RECORD_MAX + 1]);

/* What an engine's info means. Nothing in it is trusted: a tag that does not fit the file is
 * replaced by one made from the file's identity, a type that is no header value by "". False where
 * there is no record of the value as it is; `record` is set where there is. `fields` and `record`
 * may be NULL. */
bool info_from_engine(const diskv *store, const struct engine_info *from, struct diskv_info *out,
                      diskv_fields *fields, struct record *record);

/* True where the value's identity tells of every change from now on, so that what is known of it
 * may be kept. `recorded` is what info_from_engine said. */
bool info_settled(const struct engine_info *info, bool recorded);

/* True where `type` may stand in a header field (RFC 9110, section 5.5) and fits. */
bool type_valid(const char *type);

/* --- decode.c: reading a value that is compressed in its file --- */

struct decoding;

/* Decodes what `reader` reads, on `workers`; all outlive it. Nothing is read yet. `size` is that of
 * the value: what turns out to have another is EDECODE. */
int decoding_new(const struct codec *codec, struct engine_reader *reader, uint64_t size,
                 struct workers *workers, struct decoding **out);

/* Nothing may be under way. NULL is fine. */
void decoding_free(struct decoding *decoding);

/* Reads up to `len` bytes at `offset` of the value; when `done` gets 0, `*got` is the count, less
 * than `len` only at the value's end. Never waits. */
void decoding_read(struct decoding *decoding, void *buf, size_t len, uint64_t offset, size_t *got,
                   diskv_done *done, void *ctx);

/* The value's size; DISKV_SIZE_UNKNOWN, where it was that, until the end was read. */
uint64_t decoding_size(const struct decoding *decoding);

/* --- index_note.c: what the index has of single keys --- */

/* A change of values that has ended. */
struct noting {
    struct index_change changes[2]; /* what it did to the keys */
    size_t count;
    unsigned since; /* the number of the last that was noted before the change was made */
    const struct diskv_info *info; /* of what was written */
    int rc;                        /* in doubt the index is stale, else changes nothing */
    void (*noted)(struct noting *n);
    struct noting *next;
};

/* Notes what a change of any kind did, and calls `noted`. With `more` another one is noted next by
 * the same thread, and this one may wait for it: those that end together cost one change of the
 * index. Where the index fails it is stale from then on. Keys of which something was
 * noted since the change was made are looked at again where files are followed: what was found may
 * have come behind it. */
void index_note(diskv *store, struct noting *n, bool more);

/* Brings what the index has of some keys in step with the files, and logs what was not known.
 * `keys` is `size` bytes, each key with its NUL. What is noted meanwhile stands. Waits for the
 * disk. */
int index_check(diskv *store, const char *keys, size_t size);

/* Inserts keys whose files were there after change number `since`, in one go; but those of which
 * something was noted after that are added to `doubtful`, for index_check. At most
 * INDEX_INSERT_MAX. */
#define INDEX_INSERT_MAX 1000
int index_insert(diskv *store, const char *keys, size_t size, unsigned since, struct buf *doubtful);

/* True where the index has the key; false in doubt. */
bool index_has(diskv *store, const char *key, size_t len);

/* What the index has is about to be looked through for keys that are gone. Those that are noted
 * later, of changes made before, are looked at again as index_note does. */
void index_dropping(diskv *store);

/* Makes the index at least this stale, until it is mended. */
void index_doubt(diskv *store, enum stale stale);

/* Names the note that holds the layout's name; no place has this one. */
#define LAYOUT_NOTE LAYOUT_STORE_DIR

/* --- place_note.c --- */

/* What is noted of a place: behind `foreign` its stamp from before it was read. A note of no bytes
 * is of a place that is to be read. */
struct place_note {
    uint64_t foreign;
    uint8_t stamp[ENGINE_STAMP_MAX];
};

#define PLACE_NOTE_HEAD offsetof(struct place_note, stamp)

/* A place is about to be read: 0 and what is noted of it, which is `*len` bytes; 1 where it was not
 * known, and is from now on. */
int place_note_begin(diskv *store, const char *name, size_t name_len, struct place_note *note,
                     size_t *len);

/* It was read: notes that, unless the note is gone with the place meanwhile. */
int place_note_end(diskv *store, const char *name, size_t name_len, const struct place_note *note,
                   size_t len);

/* Drops the stamp, if there is one. */
int place_note_doubt(diskv *store, const char *name, size_t name_len);

int place_note_erase(diskv *store, const char *name, size_t name_len);

/* --- sync.c: what the index has of places --- */

/* Brings the index in step with the files, as far as it is stale, at least `stale` or some places
 * are not watched and the last look is too long ago. Waits for the disk, and for another's mending
 * where that is needed. */
int index_mend(diskv *store, enum stale stale);

/* True where index_mend has something to do, with STALE_NOT too. */
bool index_is_stale(diskv *store);

/* Reads places, and those in them that are not known. `names` is `size` bytes, each with its NUL.
 * Waits for the disk. */
int index_read(diskv *store, const char *names, size_t size);

/* --- background.c --- */

/* Has a thread bring the index in step, as stale as it is, and look through all files. NULL is fine
 * for close, which the store's `closing` comes before. */
int background_open(diskv *store, enum stale stale);
void background_close(struct background *background);

/* --- live.c --- */

/* Has the engine watch, and what it tells of followed. NULL is fine for close, before which every
 * operation must have ended. */
int live_open(diskv *store);
void live_close(struct live *live);

/* Has it look at a key. */
void live_look(struct live *live, const char *key, size_t len);

/* Has it look whether the index is stale. */
void live_wake(struct live *live);

/* Milliseconds of a clock that is never set. */
int64_t clock_ms_monotonic(void);

/* --- scrub.c --- */

/* Has a thread verify all values, again and again, once in so many seconds. NULL is fine for the
 * others; close before anything else. */
int scrub_open(diskv *store, unsigned seconds);
void scrub_close(struct scrub *scrub);

/* Adds its numbers to `out`. */
void scrub_stats(struct scrub *scrub, struct diskv_stats *out);

#endif
