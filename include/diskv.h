/* diskv: a key-value store whose values are plain files.
 *
 * Keys are 1 to DISKV_KEY_MAX bytes of valid UTF-8 without NUL; they are passed with their length
 * and need no terminator. Sizes and offsets are bytes, times are UTC.
 *
 * Functions return 0 (or a count) on success and a negative `enum diskv_error` otherwise. Those
 * that take a `diskv_done` never wait: they return at once and call `done(ctx, rc)` exactly once,
 * on any thread, perhaps before they return. What was passed to them must stay as it is until then.
 * The others may wait for the disk, unless their name ends in `_now`; they must not be called from
 * a `diskv_done` or a `diskv_guard`. A `diskv` may be used by any number of threads at once; a
 * reader, a writer or an iterator by one at a time, and each must be closed before the store is.
 *
 * Where a call stands for one of the Go package diskv, version 3, it says so. */
#ifndef DISKV_H
#define DISKV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* the library hides everything else */

#define DISKV_KEY_MAX  1000  /* bytes of a key */
#define DISKV_ETAG_MAX 32    /* bytes of an entity tag, without its quotes */
#define DISKV_TYPE_MAX 255   /* bytes of a media type */
#define DISKV_META_MAX 2048  /* bytes of all that is kept beside a value, with its frame of JSON */
#define DISKV_LIST_MAX 10000 /* items of a page */

#define DISKV_SIZE_UNKNOWN UINT64_MAX /* of a value that another program compressed */

/* The one list of errors: name, code, text. */
#define DISKV_ERRORS(X)                                                          \
    X(ENOTFOUND, -1, "no such key")                                              \
    X(EPRECONDITION, -2, "a precondition failed")                                \
    X(ENOSPACE, -3, "no space left on the disk")                                 \
    X(EUNAVAILABLE, -4, "the storage is unavailable; nothing was changed")       \
    X(EINDOUBT, -5, "the storage did not answer; the change may have been made") \
    X(ESTALE, -6, "the value being read is gone")                                \
    X(EIO, -7, "input/output error")                                             \
    X(ENOMEM, -8, "out of memory")                                               \
    X(EKEY, -9, "a key is 1 to 1000 bytes of valid UTF-8 without NUL")           \
    X(EINVAL, -10, "invalid argument")                                           \
    X(ETOOLARGE, -11, "the value is larger than this store takes")               \
    X(EMETADATA, -12, "the metadata is larger than 2048 bytes")                  \
    X(ENOTSUP, -13, "the file system cannot keep metadata")                      \
    X(EACCESS, -14, "permission denied by the file system")                      \
    X(ECONFLICT, -15, "a file that is not the store's is in the way")            \
    X(EAGAIN, -16, "this would wait for the disk")                               \
    X(EBUSY, -17, "another process serves this directory")                       \
    X(ECORRUPT, -18, "the index is damaged")                                     \
    X(EDECODE, -19, "the value's file cannot be decompressed")

enum diskv_error {
#define DISKV_ERROR_CODE(name, code, text) DISKV_##name = code,
    DISKV_ERRORS(DISKV_ERROR_CODE)
#undef DISKV_ERROR_CODE
};

/* A constant text for a code; never NULL. Thread-safe. */
const char *diskv_strerror(int rc);

/* True when `key` may name a value. Pure. */
bool diskv_key_valid(const char *key, size_t len);

typedef struct diskv diskv;
typedef struct diskv_reader diskv_reader;
typedef struct diskv_writer diskv_writer;
typedef struct diskv_iter diskv_iter;
typedef void diskv_done(void *ctx, int rc);

enum diskv_sync {
    DISKV_SYNC_DEFAULT, /* of a store: ALWAYS; of a write: as the store was opened */
    DISKV_SYNC_ALWAYS,  /* a change is on stable storage before it is reported done */
    DISKV_SYNC_NONE, /* the kernel writes when it likes; a power cut may undo what was reported */
};

/* A user's layout: where the file of a key lies, and back. Both are called by any number of threads
 * at once, those that serve connections among them, so they must not wait, nor call the store; the
 * strings are theirs for the call alone. The same key must always have the same path.
 *
 * Writes the path below the store's directory, relative and NUL-terminated, to `path` (`size`
 * bytes). Its components are 1 to 255 bytes, none is `.`, `..` or `%value`, and the first is not
 * `.diskv`. No two keys may have one path; where the path of one key is a directory of another's,
 * the value lies in it as `%value`, of which these functions see nothing. Non-zero: the key can
 * have no file. In Go: AdvancedTransform. */
typedef int diskv_to_path(void *ctx, const char *key, size_t len, char *path, size_t size);

/* The inverse: writes the key whose file `path` is to `key` (`size` bytes), without a terminator,
 * and its length to `*len`. Non-zero: the file is no key's. In Go: InverseTransform. */
typedef int diskv_to_key(void *ctx, const char *path, char *key, size_t size, size_t *len);

/* True for the name of a layout that needs no functions of the user's. Pure. */
bool diskv_layout_valid(const char *name);

/* Memory that a codec takes from and gives to: both ends move past what was taken and given. */
struct diskv_coding {
    const void *in;
    size_t in_len;
    void *out;
    size_t out_len;
};

/* A user's codec: turns the bytes of a value into those of its file, and back. The functions are
 * called by any number of threads at once, those of one encoder or decoder by one at a time. They
 * return 0 or one of diskv's errors. In Go: Compression. */
struct diskv_codec {
    const char *name; /* kept with each value: at most 15 characters of a-z, 0-9 and `-`, none that
                       * is built in */
    void *ctx;        /* theirs, must live as long as the store, as must this struct */
    int (*encoder_new)(void *ctx, void **encoder);
    int (*decoder_new)(void *ctx, void **decoder);

    /* Takes and gives as much as there is; 0 when it wants more of either. After `end` no more
     * comes in: 1 once everything was given. */
    int (*encode)(void *encoder, struct diskv_coding *io, bool end);

    /* Likewise; 1 at the end of the value. EDECODE for what no encoder made. */
    int (*decode)(void *decoder, struct diskv_coding *io);

    void (*encoder_free)(void *encoder);
    void (*decoder_free)(void *decoder);

    /* Whether a file that the store did not write is encoded, by its first bytes (up to 512, fewer
     * only where it is shorter); NULL: every one is. */
    bool (*recognises)(void *ctx, const void *head, size_t len);
};

/* True for the name of a built-in codec, as `diskv_options.compress` takes it. Pure. */
bool diskv_codec_valid(const char *name);

/* The order of a store's keys: negative, 0 or positive. Called by any number of threads at once.
 * Any bytes may come, not only keys. Keys it calls equal are ordered by their bytes. In Go:
 * LessFunction. */
typedef int diskv_compare(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len);

/* A user's index: an ordered set of keys. Called by any number of threads at once. Functions return
 * 0 or one of diskv's errors. What it holds when the store is opened is brought in step with the
 * files. In Go: Index. */
struct diskv_index {
    void *ctx; /* theirs, must live as long as the store, as must this struct */
    int (*insert)(void *ctx, const char *key, size_t len); /* what is there already: no error */
    int (*erase)(void *ctx, const char *key, size_t len);  /* what is not there: no error */

    /* Writes the first key that is `from` or comes after it, or with `after` only what comes after
     * it, to `key` (DISKV_KEY_MAX bytes), and its length to `*len`. `from` need not be a key; ""
     * comes before all. ENOTFOUND past the last. */
    int (*seek)(void *ctx, const char *from, size_t from_len, bool after, char *key, size_t *len);

    uint64_t (*count)(void *ctx);
};

/* All zeroes is a good default. */
struct diskv_options {
    const char *engine; /* "fs" (NULL means it) or "memory" */

    /* Where files lie: "path" (NULL means it), "flat", "split:1" to "split:16" (a directory for
     * each whole group of so many characters), or with the two functions, a name for them, at most
     * 58 bytes or NULL. The index is built anew when the name is another than last time. What the
     * functions say is checked: a path that is not as they must give it, or that does not lead back
     * to the key, makes diskv_writer_commit return EINVAL, and to reads such a key is ENOTFOUND.
     * diskv_open returns EINVAL for another name and for one function without the other. In Go:
     * Transform, or with the functions AdvancedTransform and InverseTransform. */
    const char *layout;
    diskv_to_path *to_path;
    diskv_to_key *to_key;
    void *layout_ctx; /* theirs, must live as long as the store */

    /* How values are compressed in their files: "none" (NULL means it), "gzip" or "zlib", each also
     * with a level from 0 to 9 ("gzip:9"); or a codec of the user's. A value that the store wrote
     * is read as it was written, whatever these say now. A file of another program is taken for
     * compressed where it begins as the codec's files do. The dictionary, which is copied, is a
     * preset one (RFC 1950) of "zlib": who reads needs the same. In Go: Compression,
     * NewGzipCompressionLevel, NewZlibCompressionLevelDict. */
    const char *compress;
    const void *dictionary;
    size_t dictionary_len;
    const struct diskv_codec *codec;

    /* Memory for values that are read often, in bytes with all that goes with them; 0 for none. A
     * hit costs a look at the file and is never stale; the least used make room. A quarter as much
     * goes, likewise, to what listings told of values. In Go: CacheSizeMax. */
    uint64_t cache_bytes;

    /* The order of the keys, NULL for that of their bytes. With another the index is kept in memory
     * and filled from the files at each start; or a user's index, whose order is its own business.
     * In Go: IndexLess, Index. */
    diskv_compare *compare;
    void *compare_ctx;
    const struct diskv_index *index;

    /* The modes of files and directories that the store makes for values; 0 means 0666 and 0777.
     * The process's umask is taken from them, unless `exact_perm`. In Go: FilePerm, PathPerm. */
    unsigned file_perm, path_perm;
    bool exact_perm;

    /* Where values are until they are committed: a directory on the same file system, in which the
     * store makes one of its own; NULL for one in `.diskv`. In Go: TempDir. */
    const char *temp_dir;

    /* Whether a thread watches the directories (inotify(7)), one watch each, so that listings follow
     * what other programs do within a second. What cannot be watched is looked through as often;
     * while that is not done, a listing waits for it. Without, listings take in what other programs
     * did when the store is opened and at diskv_rescan; what they removed is left out at once. */
    bool watch;

    /* Whether diskv_open leaves it to a thread to bring the index in step. Until that is done
     * diskv_list, iterators and diskv_rescan say EUNAVAILABLE at once; all else works. The thread
     * then looks through all files at leisure, for what the index has wrong all the same. */
    bool background;

    /* Opens the files of a store beside whoever has it open, another process that serves it among
     * them: without a lock and without the lasting index. The directory must be there. Reads and
     * writes are as ever; a store that watches learns of the writes, others when they are opened.
     * The keys are kept in memory, filled from the files by the first listing, and follow other
     * processes only at diskv_rescan. A guard's answer and the change it allows are one step for
     * this process alone: another may come between. Not with `watch`, `background` or `temp_dir`:
     * EINVAL. */
    bool detached;

    /* Has a thread verify every value once in so many seconds, at an even pace, and log what is
     * wrong; 0 for none. */
    unsigned scrub_seconds;

    enum diskv_sync sync;
    unsigned workers;         /* threads for what can wait, 5 nicer than the opener; 0 means 8 */
    uint64_t max_value_bytes; /* 0 means no limit */
};

/* Opens the store in directory `dir`, which is created (not its parents) where it is missing, and
 * brings the index in step with the files. One process at a time: EBUSY for the second.
 * `*out` is the caller's, for diskv_close. In Go: New. */
int diskv_open(const char *dir, const struct diskv_options *options, diskv **out);

/* Waits for what is under way and frees the store. No reader or writer may be left. NULL is fine.
 */
void diskv_close(diskv *store);

/* What is known of a value without reading it. */
struct diskv_info {
    uint64_t size; /* DISKV_SIZE_UNKNOWN until such a value was read to its end */
    struct timespec modified;
    char etag[DISKV_ETAG_MAX + 1]; /* strong (RFC 9110, section 8.8.3), without quotes */
    char type[DISKV_TYPE_MAX + 1]; /* media type, "" where none was given */
};

/* Decides whether a change goes ahead, from the value as it is now (NULL where there is none).
 * Returns 0 or the error that refuses it. Called with the change's atomicity held, perhaps more
 * than once, on any thread: it must not wait and must not call the store. */
typedef int diskv_guard(void *ctx, const struct diskv_info *current);

/* A field that is kept with a value: what the name and the value mean is the caller's business. The
 * name is a token in lower case (RFC 9110, section 5.6.2) of at most 64 bytes; the value is UTF-8
 * without control characters. */
struct diskv_field {
    const char *name;
    const char *value;
};

typedef struct diskv_fields diskv_fields;

/* The fields that a value has, in the order of their names: false where there is none at `index`,
 * from 0. What `*out` points to lives as long as `fields`. */
bool diskv_fields_at(const diskv_fields *fields, size_t index, struct diskv_field *out);

/* What a writer is to store beside the bytes. Copied. Errors: EINVAL for a type or a field that is
 * not as it must be, EMETADATA where they have no room. */
struct diskv_write_options {
    const char *type;                 /* media type, or NULL */
    const struct diskv_field *fields; /* no name twice */
    size_t field_count;
    diskv_guard *guard; /* or NULL */
    void *guard_ctx;    /* must live as long as the writer */
    uint64_t size_hint; /* expected size, 0 where unknown: sizes the buffer */
    enum diskv_sync sync;
    bool probe; /* opening the writer says what the commit is sure to say: ENOSPACE, EACCESS */
};

/* --- Whole values --- */

/* Makes `size` bytes at `data` (NULL is fine for none) the value of `key`, in place of any it had.
 * `options` may be NULL; its size_hint is not looked at. Errors as diskv_writer_append and
 * diskv_writer_commit. In Go: Write, WriteString. */
int diskv_put(diskv *store, const char *key, size_t len, const void *data, size_t size,
              const struct diskv_write_options *options);

/* Reads the value of `key` into memory: `*size` bytes at `*data`, and a NUL behind them that is not
 * counted. `*data` is the caller's, for free(). ENOTFOUND; ESTALE when another program cut the file
 * short meanwhile. In Go: Read, ReadString. */
int diskv_get(diskv *store, const char *key, size_t len, void **data, size_t *size);

/* 1 where `key` has a value, 0 where it has none, or an error. In Go: Has. */
int diskv_has(diskv *store, const char *key, size_t len);

/* What is known of the value of `key`. ENOTFOUND. */
int diskv_stat(diskv *store, const char *key, size_t len, struct diskv_info *out);

/* Takes the file at `path` for the value of `key`, in place of any it had. With `move` the file is
 * gone from there afterwards. Where it can be the file itself is moved, or shared block by block,
 * else it is copied; a store that compresses reads it through. A moved file keeps its time and what
 * rides on it. `options` may be NULL; its size_hint is not looked at. ENOTFOUND where there is no
 * file, EINVAL where it is no regular one; errors as diskv_put. In Go: Import. */
int diskv_import(diskv *store, const char *key, size_t len, const char *path, bool move,
                 const struct diskv_write_options *options);

/* Erases every value. Where files lie among them that are not the store's: ECONFLICT, and nothing
 * was erased; but with `foreign` everything in the directory goes, except `.diskv`. Values written
 * meanwhile are erased or stay. In Go: EraseAll. */
int diskv_erase_all(diskv *store, bool foreign);

/* --- Reading ---
 * A reader sees the value as it was when opened, whatever is written meanwhile through a store. It
 * reads at any offset: to seek is to read elsewhere, which in a value that the store compressed
 * costs a part of it, and in one that another program compressed all that lies before. */

enum diskv_read {
    DISKV_READ_CACHED,
    DISKV_READ_ONCE,   /* from the cache, which does not keep what it lacks */
    DISKV_READ_DIRECT, /* past the cache, which drops what it has of the key */
    DISKV_READ_STORED, /* as the file has it, compressed perhaps; `size` is that of the file */
};

/* Opens `key` if that needs no waiting, else EAGAIN; ENOTFOUND, EKEY, … as they come. */
int diskv_reader_open_now(diskv *store, const char *key, size_t len, enum diskv_read how,
                          diskv_reader **out);

/* Opens `key`; `*out` is set when `done` gets 0. `key` is copied. */
void diskv_reader_open(diskv *store, const char *key, size_t len, enum diskv_read how,
                       diskv_reader **out, diskv_done *done, void *ctx);

/* diskv_reader_open, waiting. In Go: ReadStream, with diskv_reader_read_wait. */
int diskv_reader_open_wait(diskv *store, const char *key, size_t len, enum diskv_read how,
                           diskv_reader **out);

/* What the value is; lives as long as the reader. */
const struct diskv_info *diskv_reader_info(const diskv_reader *reader);

/* The name of the codec that the value is compressed with in its file, "" for none; lives as long
 * as the reader. With DISKV_READ_STORED it is what the reader's bytes are compressed with. */
const char *diskv_reader_codec(const diskv_reader *reader);

/* A number that the cache gave what the reader has, 0 where that is not from the cache: readers of
 * one store with the same number have the same value, and know the same of it, in the same form. */
uint64_t diskv_reader_version(const diskv_reader *reader);

/* The fields kept with the value; they live as long as the reader. */
const diskv_fields *diskv_reader_fields(const diskv_reader *reader);

/* Reads up to `len` bytes at `offset` if they are in memory: a count, 0 at the end, EAGAIN.
 * EDECODE. */
int64_t diskv_reader_read_now(diskv_reader *reader, void *buf, size_t len, uint64_t offset);

/* The same bytes where they lie, if the cache has all of them: valid as long as the reader. Else
 * NULL. */
const void *diskv_reader_view(diskv_reader *reader, size_t len, uint64_t offset);

/* What DISKV_READ_ONCE says holds from now on, where the value is its file's bytes and may be sent
 * as such: see diskv_reader_sendable_now. */
void diskv_reader_once(diskv_reader *reader);

/* Whether `len` bytes at `offset`, all of which the value has, can be sent from its file: 0; EAGAIN
 * where they are not in memory, as far as one look tells; ENOTSUP where the value is not its file's
 * bytes, or is in the cache or on its way there; ESTALE where the file has become shorter. A `len`
 * of 0 looks at nothing, and gets ENOTSUP too where looks were found to tell nothing on the file
 * system. */
int diskv_reader_sendable_now(diskv_reader *reader, size_t len, uint64_t offset);

/* Sends bytes that were found to be sendable to a socket that does not block, without a copy in
 * this process: a count, 0 where the socket has no room. ENOTSUP, ESTALE. Waits for the disk where
 * they left memory meanwhile. What another program writes into the file may show in bytes that were
 * sent before and not received yet. */
int64_t diskv_reader_send_now(diskv_reader *reader, int socket, size_t len, uint64_t offset);

/* Reads up to `len` bytes at `offset`; when `done` gets 0, `*got` is the count (0 at the end). */
void diskv_reader_read(diskv_reader *reader, void *buf, size_t len, uint64_t offset, size_t *got,
                       diskv_done *done, void *ctx);

/* Reads `len` bytes at `offset`, waiting: a count, less than `len` only at the end of the value. */
int64_t diskv_reader_read_wait(diskv_reader *reader, void *buf, size_t len, uint64_t offset);

/* Closes the reader, which must have nothing under way. NULL is fine. Never waits. */
void diskv_reader_close(diskv_reader *reader);

/* --- Writing --- */

/* Begins a value. Touches no file yet. The writer is the caller's, for diskv_writer_close. `key` is
 * copied; NULL where it is not known yet: diskv_writer_name must come before the commit, and
 * nothing is probed. */
int diskv_writer_open(diskv *store, const char *key, size_t len,
                      const struct diskv_write_options *options, diskv_writer **out);

/* Says what key the commit is for, in place of any said before. Copied. EKEY. */
int diskv_writer_name(diskv_writer *writer, const char *key, size_t len);

/* Copies as much of `data` as the writer's buffer takes and returns how much that was; less than
 * `len` means: flush, then go on. ETOOLARGE past max_value_bytes. Never waits. */
int64_t diskv_writer_append(diskv_writer *writer, const void *data, size_t len);

/* An append without its copy: where the writer's buffer takes how many of `len` bytes. They are
 * put at `*space` before any other call for the writer, and count once diskv_writer_filled says how
 * many they are, which may be fewer. 0 where the buffer is full, or diskv_writer_append would fail.
 * Never waits. */
size_t diskv_writer_space(diskv_writer *writer, size_t len, void **space);
void diskv_writer_filled(diskv_writer *writer, size_t len);

/* Makes room: the buffer's content is in storage or on its way there, in which case a failure shows
 * at the next flush or at the commit. */
void diskv_writer_flush(diskv_writer *writer, diskv_done *done, void *ctx);

/* Makes room where that needs no wait; false where diskv_writer_flush must do it, or say what
 * failed. */
bool diskv_writer_flush_now(diskv_writer *writer);

/* diskv_writer_flush, waiting: the caller's own thread does the work, and leaves nothing under way. */
int diskv_writer_flush_wait(diskv_writer *writer);

/* Appends all of `data`, flushing as often as that takes. After an error the writer can only be
 * closed. In Go: WriteStream, with diskv_writer_commit_wait at its end. */
int diskv_writer_append_wait(diskv_writer *writer, const void *data, size_t len);

/* Makes the content of `reader`, which is of the same store and stays the caller's, what the writer
 * is to commit: the value's file as it is, with its checksum, however it is compressed; its blocks
 * are shared where the file system can, else copied. Type and fields are the writer's own. EINVAL
 * where anything was appended or copied before, nor may it be after; ETOOLARGE; ESTALE when another
 * program changed the file meanwhile, or when the reader, opened with DISKV_READ_STORED, has only
 * what is cached of a file that is gone. After an error the writer can only be closed. */
void diskv_writer_copy(diskv_writer *writer, diskv_reader *reader, diskv_done *done, void *ctx);

/* diskv_writer_copy, waiting. */
int diskv_writer_copy_wait(diskv_writer *writer, diskv_reader *reader);

/* Makes what was appended the key's value, atomically. Whatever the outcome the writer can only be
 * closed afterwards. EPRECONDITION (or what the guard said) and every other error leave the old
 * value, except EINDOUBT. */
void diskv_writer_commit(diskv_writer *writer, diskv_done *done, void *ctx);

/* diskv_writer_commit, waiting. */
int diskv_writer_commit_wait(diskv_writer *writer);

/* After a successful commit: what was stored, and whether the key is new. */
const struct diskv_info *diskv_writer_info(const diskv_writer *writer);
bool diskv_writer_created(const diskv_writer *writer);

/* Frees the writer, dropping what was not committed. Nothing may be under way. NULL is fine.
 * Never waits. */
void diskv_writer_close(diskv_writer *writer);

/* Erases a key; ENOTFOUND where there is none. `guard`, which may be NULL, is not asked then. `key`
 * is copied. */
void diskv_erase(diskv *store, const char *key, size_t len, diskv_guard *guard, void *guard_ctx,
                 diskv_done *done, void *ctx);

/* diskv_erase, waiting. In Go: Erase. */
int diskv_erase_wait(diskv *store, const char *key, size_t len, diskv_guard *guard,
                     void *guard_ctx);

/* A value that gets another key. */
struct diskv_move {
    const char *from;
    size_t from_len;
    const char *to; /* another key; its value is replaced */
    size_t to_len;
    diskv_guard *from_guard; /* or NULL; not asked where there is no value */
    void *from_guard_ctx;
    diskv_guard *to_guard; /* or NULL */
    void *to_guard_ctx;
    const struct diskv_write_options *metadata; /* whose type and fields replace the value's own,
                                                 * the rest is not looked at; NULL keeps them */
    enum diskv_sync sync;
    struct diskv_info info; /* out: of the value as it is now */
    bool created;           /* out: `to` had no value */
};

/* Moves a value in one step: nobody sees it under both keys or under none. Its bytes and the time of
 * their last change stay. Where its metadata are replaced too, a crash may leave it where it was
 * with those. `move` must live until `done`. ENOTFOUND; EINVAL where both keys are the same;
 * ECONFLICT also where one of them lies on a file system that is mounted in the store's directory;
 * errors as diskv_writer_commit. */
void diskv_move(diskv *store, struct diskv_move *move, diskv_done *done, void *ctx);

/* diskv_move, waiting. */
int diskv_move_wait(diskv *store, struct diskv_move *move);

/* --- What is kept beside a value --- */

/* Puts the type and the fields of `options`, which is copied, in place of those that `key` has, in
 * one step; the bytes and the time of their last change stay, the ETag changes. `*out`, which may
 * be NULL, is set when `done` gets 0. The guard is not asked where there is no value: ENOTFOUND. */
void diskv_annotate(diskv *store, const char *key, size_t len,
                    const struct diskv_write_options *options, struct diskv_info *out,
                    diskv_done *done, void *ctx);

/* diskv_annotate, waiting. */
int diskv_annotate_wait(diskv *store, const char *key, size_t len,
                        const struct diskv_write_options *options, struct diskv_info *out);

/* Says what is to be kept beside a value from what is kept now: sets type and fields of `*notes`,
 * which point to what stays until it is asked again or the change is done. Else as diskv_guard. */
typedef int diskv_amender(void *ctx, const struct diskv_info *current, const diskv_fields *fields,
                          struct diskv_write_options *notes);

/* diskv_annotate with what `amender` makes: where changes meet, none is lost. */
void diskv_amend(diskv *store, const char *key, size_t len, diskv_amender *amender,
                 void *amender_ctx, struct diskv_info *out, diskv_done *done, void *ctx);

/* diskv_amend, waiting. */
int diskv_amend_wait(diskv *store, const char *key, size_t len, diskv_amender *amender,
                     void *amender_ctx, struct diskv_info *out);

/* --- Listing --- */

/* The strings are "" where they are not wanted, never NULL. */
struct diskv_list_options {
    const char *from; /* only what comes strictly after it; need not be a key */
    size_t from_len;
    const char *prefix; /* only keys that begin so */
    size_t prefix_len;
    const char
        *delimiter; /* fold what follows its first occurrence after the prefix; "" for none */
    size_t delimiter_len;
    size_t limit; /* entries and folded prefixes together, 1 to DISKV_LIST_MAX */
    bool bare;    /* no info, for a fraction of the time: nobody looks at the values, so that keys
                   * whose files other programs have just removed are listed too */
};

/* One item of a page, in order of `name`. */
struct diskv_item {
    const char *name;
    size_t len;
    bool is_prefix; /* a folded prefix: no info */
    struct diskv_info info;
};

struct diskv_page {
    const struct diskv_item *items;
    size_t count;
    const char *next; /* pass as `from` for the next page; NULL where nothing follows */
    size_t next_len;
};

/* Lists a page; `*out` is set when `done` gets 0 and is the caller's, for diskv_page_free. Every
 * key that exists throughout appears exactly once over the pages. The strings of `options` must
 * live until `done`. EUNAVAILABLE while the index is being rebuilt. Where the store has an order of
 * the user's, "after" is by it, a prefix costs a look at every key behind `from`, and a delimiter
 * is EINVAL. */
void diskv_list(diskv *store, const struct diskv_list_options *options, struct diskv_page **out,
                diskv_done *done, void *ctx);
void diskv_page_free(struct diskv_page *page);

/* diskv_list, waiting. In Go: Index.Keys, whose `from` must be a key. */
int diskv_list_wait(diskv *store, const struct diskv_list_options *options,
                    struct diskv_page **out);

/* Begins a walk over the keys that begin with `prefix` (copied; "" for all keys), in byte order.
 * Keys may be written and erased meanwhile, by the walker too: every key that exists throughout
 * comes exactly once. `*out` is the caller's, for diskv_iter_close. EINVAL where the prefix is
 * longer than a key. In Go: KeysPrefix; Keys. */
int diskv_iter_open(diskv *store, const char *prefix, size_t len, diskv_iter **out);

/* Moves to the next key: 1, and `*out` lives until the next call; 0 at the end; or an error, after
 * which the iterator can only be closed. EUNAVAILABLE, ENOMEM. */
int diskv_iter_next(diskv_iter *iter, const struct diskv_item **out);

/* Ends the walk, wherever it is: in Go, closing the cancel channel. NULL is fine. Never waits. */
void diskv_iter_close(diskv_iter *iter);

/* Has every directory read, and the index brought in step with the files. */
void diskv_rescan(diskv *store, diskv_done *done, void *ctx);

/* diskv_rescan, waiting. */
int diskv_rescan_wait(diskv *store);

/* --- Changes ---
 * The store logs what changes, whoever changes it, from the first of these calls on. What other
 * programs do is learnt by a store that watches, and by any store where it looks at the files. The
 * log has its bounds: the oldest changes go first. */

/* One that took effect, or was found to have. */
struct diskv_change {
    uint64_t number; /* later changes have higher ones; those of another run of the store differ */
    const char *key;
    size_t len;
    bool erased;
    struct timespec time; /* when it was logged */

    /* Of the key's value from then on; none where it was erased. */
    uint64_t size; /* or DISKV_SIZE_UNKNOWN */
    struct timespec modified;
    const char *etag;
};

/* What is called with a change, which lives for the call alone: 0 to go on, more than 0 to stop
 * behind this change, or an error to stop before it. Must not wait and must not call the store. */
typedef int diskv_change_visit(void *ctx, const struct diskv_change *change);

/* The number that the next change will have: from here on a caller follows all of them. */
uint64_t diskv_changes_next(diskv *store);

/* Visits the changes from number `*next` on of keys that begin with `prefix`, those of one key in
 * the order in which they took effect, until there is no more or `visit` stops it, which is then
 * returned; `*next` moves past what was visited. A value that was changed twice in short time may
 * come once, as it was last. ESTALE where the log does not have all changes since: it reaches back
 * less far, `*next` is of another run, or some are not known, as where the system had no room to
 * tell of them or not every directory can be watched. Then what the store holds has to be listed
 * again, from behind a new diskv_changes_next. Never waits. */
int diskv_changes_now(diskv *store, uint64_t *next, const char *prefix, size_t prefix_len,
                      diskv_change_visit *visit, void *ctx);

/* Who wants to be told when there is something new: the caller's own, from watch to unwatch, after
 * which `news` is called no more. It is called on any thread, must not wait and must not call the
 * store. */
struct diskv_changes_watch {
    void (*news)(void *ctx);
    void *ctx;
    struct diskv_changes_watch *next; /* the store's own */
};

void diskv_changes_watch(diskv *store, struct diskv_changes_watch *watch);
void diskv_changes_unwatch(diskv *store, struct diskv_changes_watch *watch);

/* --- Verifying --- */

/* The one list of what may be found: name, word. All but FOREIGN are wrong. */
#define DISKV_PROBLEMS(X)                                                                        \
    X(CHECKSUM, "checksum")     /* the bytes are not those that were stored */                   \
    X(LENGTH, "length")         /* there are fewer or more */                                    \
    X(DECODE, "decode")         /* the file cannot be decompressed */                            \
    X(CODEC, "codec")           /* what it is compressed with is not known */                    \
    X(UNREADABLE, "unreadable") /* the system does not let it be read */                         \
    X(POINTS, "points")         /* `user.diskv.points` does not fit; can be repaired: removed */ \
    X(INDEX, "index")           /* is damaged or not as the files; can be repaired: made anew */ \
    X(LEFTOVER, "leftover")     /* of a process that was cut off; can be repaired: removed */    \
    X(FOREIGN, "foreign")       /* a file that is no value, which is nothing wrong */

enum diskv_problem {
#define DISKV_PROBLEM_NAME(name, word) DISKV_PROBLEM_##name,
    DISKV_PROBLEMS(DISKV_PROBLEM_NAME)
#undef DISKV_PROBLEM_NAME
};

/* The word of a problem. Pure. */
const char *diskv_problem_word(enum diskv_problem problem);

struct diskv_finding {
    enum diskv_problem problem;
    const char *key; /* of the value, or NULL */
    size_t len;
    const char *path;   /* where it is no value's, below the directory; or NULL */
    const char *detail; /* a text for people */
    bool repaired;
};

/* All zeroes is a good default. The functions may be NULL; they are called on any thread, `finding`
 * by one at a time. */
struct diskv_verify_options {
    const struct diskv_options *store; /* NULL for the defaults; looked at for layout, codec and
                                        * dictionary. Without a layout it is the index's. */
    unsigned jobs;                     /* threads; 0 means one per processor */
    bool repair;                       /* what can be; a value's bytes never change */
    void *ctx;
    void (*finding)(void *ctx, const struct diskv_finding *finding); /* lives for the call alone */
    void (*total)(void *ctx, uint64_t values, uint64_t bytes); /* what there is to do; costs a look
                                                                * at every file more */
    void (*done)(void *ctx, uint64_t values, uint64_t bytes);  /* so much more is */
};

struct diskv_verified {
    uint64_t values, bytes; /* that were read; bytes as the files have them */
    uint64_t unverified;    /* of these values: no checksum, as another program wrote the file */
    uint64_t indexed;       /* keys that the index has */
    uint64_t foreign, leftovers;
    uint64_t wrong, repaired; /* findings; none of FOREIGN */
    bool served; /* another process has the store: index and leftovers were not looked at */
};

/* Reads every value in directory `dir` and holds it against what is kept beside it, then what lies
 * there beside the values, and the index. Changes nothing but what `repair` says. The store may be
 * open and written to meanwhile: a value that changes while it is read is looked at again. 0 also
 * where something is wrong. ENOTFOUND where there is no directory; EINVAL for the options. */
int diskv_verify(const char *dir, const struct diskv_verify_options *options,
                 struct diskv_verified *out);

/* --- Numbers --- */

enum diskv_watching {
    DISKV_WATCHING_NOT,
    DISKV_WATCHING_PARTLY, /* the rest is looked through every second or so */
    DISKV_WATCHING,
};

struct diskv_stats {
    uint64_t keys;    /* in the index */
    uint64_t foreign; /* files that are no value, when their directories were last read */
    uint64_t writes;  /* values committed since the store was opened */
    uint64_t erases;
    uint64_t reads; /* readers opened */
    uint64_t bytes_written;
    uint64_t bytes_read;
    uint64_t cache_bytes; /* memory the cache takes now */
    uint64_t cache_hits;
    uint64_t cache_misses;        /* also where the cache is not to keep the value */
    enum diskv_watching watching; /* other programs' changes */
    uint64_t watches;             /* directories that are */
    uint64_t scrubbed;            /* values verified since the store was opened */
    uint64_t scrub_wrong;         /* what was wrong with them */
    int64_t scrubbed_all_at;      /* when all had been, in seconds of the Unix clock; 0: not yet */
    bool indexing; /* the index is not in step for the first time yet: see `background` */
    bool index_damaged; /* nothing is listed until the next diskv_open makes the index anew */
};

void diskv_stats(diskv *store, struct diskv_stats *out);

/* --- Foreign files ---
 * What lies in the store's directory and is no value: never served, listed or changed. */

struct diskv_foreign {
    const char *path; /* relative to the store's directory: any bytes but NUL */
    size_t len;
    const char *why; /* a constant text: what it is in place of a value, or what is wrong with it */
};

typedef struct diskv_foreign_iter diskv_foreign_iter;

/* Begins a walk through the directory as it is, which takes a descriptor for each level it goes
 * down. `*out` is the caller's, for diskv_foreign_close. */
int diskv_foreign_open(diskv *store, diskv_foreign_iter **out);

/* Moves to the next: 1, and `*out` holds until the next call; 0 at the end; EAGAIN where many files
 * were looked at and none was foreign: to be called again; or another error, after which the walk
 * can only be closed. Of directories that may not be read, or whose names are no key's, nothing
 * below is told. */
int diskv_foreign_next(diskv_foreign_iter *iter, struct diskv_foreign *out);

/* NULL is fine. */
void diskv_foreign_close(diskv_foreign_iter *iter);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
