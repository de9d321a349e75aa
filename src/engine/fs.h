/* The parts of the plain-file engine.
 *
 * One committer thread makes every change to names (renames, unlinks, directories made and
 * removed), so that within this process none races with another; other programs' changes are met by
 * looking again. Whatever else may wait (creating, writing, cold reads) runs on the workers. */
#ifndef FS_H
#define FS_H

#include "engine.h"
#include "layout.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define FS_POINTS  "user.diskv.points"
#define FS_PRIVATE LAYOUT_STORE_DIR

struct fs {
    struct engine engine;
    const struct layout *layout;
    int dir_fd;
    bool detached;
    char *temp_dir;           /* the user's for temporary files, or NULL */
    atomic_int tmp_fd;        /* DIR/.diskv/tmp, or in `temp_dir`; detached: -1 before fs_tmp */
    char own[24];             /* detached: its name in `.diskv`, "" before it is made */
    pthread_mutex_t own_lock; /* while tmp is made */
    mode_t file_perm, path_perm;
    bool exact_perm;
    bool unsynced;  /* there may be directories that no sync has seen; for the committer thread */
    bool replacing; /* the last commit replaced a value; for the committer thread */
    atomic_bool blind;         /* the file system cannot tell what is in memory, as a look found */
    struct workers *workers;   /* not ours */
    struct workers *committer; /* one thread */
    struct workers *closer;    /* one thread */
    atomic_ullong next_tmp;
    pid_t pid;
    struct fs_kept *kept;
    struct fs_watch *watch; /* or NULL */
};

/* From this size on what is done to a whole value takes too long for the committer: a worker does
 * it. */
#define FS_LARGE (1024 * 1024)

/* Up to this size a new value is written where it is given its name, if it need not be synced: to
 * hand it over would take longer. What is to be synced is left to the sync of its batch. */
#define FS_SMALL (64 * 1024)

/* How much a large value gathers in the page cache before the kernel is asked to write it out,
 * which it would do some time later anyway: a sync that follows then finds little left. */
#define FS_WRITEBACK_STEP (8 * 1024 * 1024)

#define FS_TMP_NAME 48

/* How often a change starts over when other programs remove directories under it. */
#define FS_TRIES_MAX 10000

/* --- fs_tmp.c --- */

/* A name that no other temporary file of this process has. */
void fs_tmp_name(struct fs *fs, char name[static FS_TMP_NAME]);

/* Opens the directory for temporary files, made where it is missing, and at the start emptied of
 * what an earlier process left. A descriptor, or a negative errno with a line in the log. */
int fs_tmp_open(struct fs *fs);

/* Opens the store's own directory, made where it is missing. A negative errno. */
int fs_private_open(struct fs *fs);

/* --- fs_own.c: temporary files of one process among others --- */

/* What the names of such directories begin with. */
#define FS_OWN_PREFIX "tmp-"

/* The directory for temporary files: `tmp_fd`, which from then on is set. Whoever makes anything in
 * it asks here first, or when that fails: it is made again where another program removed it. May
 * wait. A negative errno. */
int fs_tmp(struct fs *fs);

/* Removes the directories of processes that are no more. */
void fs_own_sweep(struct fs *fs, int private_fd);

/* Removes this process's, which is empty. */
void fs_own_remove(struct fs *fs);

/* --- fs_empty.c --- */

/* Removes all that lies in a directory, as far as it can be; else a negative errno. */
int fs_empty(struct fs *fs, int dir_fd);

/* --- fs_dirs.c: directories whose entries changed and are to be synced, each once --- */

#define FS_DIRS_MAX 128

/* From so many files or directories on, one sync of the file system costs less than one of each:
 * every fsync makes the disk flush its cache. */
#define FS_SYNC_TOGETHER 4

struct fs_dirs {
    struct fs *fs;
    bool sync; /* the changes being made are to be durable: else nothing is kept */
    int rc;    /* the first error of a sync */
    size_t count;
    struct {
        int fd;
        dev_t dev;
        ino_t ino;
    } items[FS_DIRS_MAX];
};

/* Takes over `fd`. */
void fs_dirs_add(struct fs_dirs *dirs, int fd);

/* Closes those that another program removed, for a change that starts over: however often it does,
 * it holds few descriptors. */
void fs_dirs_drop_removed(struct fs_dirs *dirs);

/* Syncs and closes all, the whole file system where a directory that they lie in may not be synced;
 * the first error there was, as a negative errno. */
int fs_dirs_sync(struct fs_dirs *dirs);

/* --- fs_path.c: names; for the committer thread, errors are negative errnos --- */

/* Where a value lies or is to lie: the open directory and the name in it. */
struct fs_slot {
    int fd;
    const char *name; /* points into the path it was made from, or is LAYOUT_VALUE_NAME */
    bool exists;
    struct stat stat;       /* of the value, where it exists */
    struct timespec looked; /* when it was looked at, or before */
};

/* Opens the directory that `path` lies in; `*name` is the rest of the path. With `make`, as
 * fs_slot_open does. */
int fs_parent_open(struct fs *fs, const char *path, bool make, struct fs_dirs *dirs,
                   const char **name);

/* Finds the slot of `path`, through `%value` where the path is a directory. With `make`,
 * directories that are missing are made and files in their place become directories holding them;
 * `dirs` gets what changed. -ENOENT where there is none, -ELOOP where a foreign file has the name.
 */
int fs_slot_open(struct fs *fs, const char *path, bool make, struct fs_dirs *dirs,
                 struct fs_slot *out);
void fs_slot_close(struct fs_slot *slot);

/* True for two looks at one file or directory. */
bool fs_same_file(const struct stat *a, const struct stat *b);

/* Removes the directories that `path` lies in as far as they are empty; `dirs` gets the one left.
 */
void fs_prune(struct fs *fs, const char *path, struct fs_dirs *dirs);

/* --- fs_read.c --- */

/* Shared by those who read the same file; what it says is never changed. */
struct fs_reader {
    struct engine_reader reader;
    atomic_uint refs;
    int fd;
};

struct fs_reader *fs_reader_ref(struct fs_reader *reader);

/* The last one closes the file. NULL is fine. */
void fs_reader_unref(struct fs_reader *reader);

struct timespec fs_now(void);

int64_t fs_nanoseconds(struct timespec t);

/* True where a later change is sure to set another time than `changed`, which is not so for one
 * that is young or in the future. `looked` is when that time was read, or before. */
bool fs_settled(struct timespec changed, struct timespec looked);

void fs_ident(const struct stat *stat, uint8_t out[static ENGINE_IDENT_LEN]);

/* Describes an open value. */
void fs_info(int fd, const struct stat *stat, struct timespec looked, struct engine_info *out);

/* Describes an open value as it is now. A negative errno. */
int fs_info_now(int fd, struct engine_info *out);

/* Opens the value of a key for reading, waiting, and describes it: a descriptor or a negative
 * errno. */
int fs_value_open(struct fs *fs, const char *key, size_t len, struct stat *out);

/* Closes a file that has lost its name, on a worker: the last close frees its blocks, which takes a
 * second for some GiB. */
void fs_close_later(struct fs *fs, int fd);

int fs_open_now(struct engine *engine, struct engine_open *o);
void fs_open(struct engine *engine, struct engine_open *o);
int64_t fs_read_now(struct engine_reader *reader, void *buf, size_t len, uint64_t offset);
void fs_read(struct engine_read *r);
int fs_points(struct engine_reader *reader, void *buf);
int fs_points_drop(struct engine_reader *reader);
int fs_reader_fd(struct engine_reader *reader);
void fs_close(struct engine_reader *reader);
int fs_identify(struct engine *engine, const char *key, size_t len,
                uint8_t ident[static ENGINE_IDENT_LEN]);
int fs_stat(struct engine *engine, const char *key, size_t len, struct engine_info *out);

/* --- fs_near.c --- */

int fs_identify_near(struct engine *engine, struct engine_near *near, const char *key, size_t len,
                     uint8_t ident[static ENGINE_IDENT_LEN]);
int fs_exists_near(struct engine *engine, struct engine_near *near, const char *key, size_t len);
void fs_near_end(struct engine *engine, struct engine_near *near);

/* --- fs_kept.c: readers that are kept open for a short time. Thread-safe --- */

/* ENOMEM; EUNAVAILABLE where there can be no thread. */
int fs_kept_new(struct fs_kept **out);
void fs_kept_free(struct fs_kept *kept);

/* Another reference to the key's reader, which may be of a file as it was; or NULL. */
struct fs_reader *fs_kept_get(struct fs_kept *kept, const char *key, size_t len);

/* Keeps a reader of a value whose identity tells of every change from now on; in a full table in
 * place of another. */
void fs_kept_add(struct fs_kept *kept, const char *key, size_t len, struct fs_reader *reader);

/* Lets go of the key's. Its file, where it is about to be removed, has its space free once nobody
 * reads it. */
void fs_kept_drop(struct fs_kept *kept, const char *key, size_t len);

/* Lets go of all. */
void fs_kept_clear(struct fs_kept *kept);

/* --- fs_send.c --- */

int fs_sendable_now(struct engine_reader *reader, size_t len, uint64_t offset);
int64_t fs_send_now(struct engine_reader *reader, int socket, size_t len, uint64_t offset);

/* --- fs_write.c --- */

struct fs_writer {
    struct engine_writer writer;
    struct job job; /* of abort */
    int fd;         /* -1 until the first write */
    bool prepared;  /* ready to be given its name */
    bool synced;
    bool shared; /* the file had a name before, and is open for reading only */
    uint64_t size;
    char name[FS_TMP_NAME]; /* in tmp */
};

int fs_begin(struct engine *engine, struct engine_writer **out);
int fs_probe(struct engine *engine, const char *key, size_t len, uint64_t size);
int fs_write(struct engine_writer *writer, const void *data, size_t len);
void fs_abort(struct engine_writer *writer);
void fs_commit(struct engine_commit *c);

/* Writes what a commit brings and sets what rides on the file. A code of diskv's table. */
int fs_commit_prepare(struct fs *fs, struct engine_commit *c);

/* For workers, errors are negative errnos: makes the writer's file, appends to it, and tells that
 * it has grown by `len`. */
int fs_file_make(struct fs *fs, struct fs_writer *writer);
int fs_file_append(struct fs *fs, struct fs_writer *writer, const char *data, size_t len);
void fs_file_grown(struct fs_writer *writer, size_t len);

/* Closes the writer and, unless it was `renamed`, removes its file. */
void fs_writer_end(struct fs_writer *writer, bool renamed);

/* --- fs_fill.c --- */

/* Makes the content of an open file that of a writer that has none. A negative errno. */
int fs_file_copy(struct fs *fs, struct fs_writer *writer, int fd);

void fs_fill(struct engine_fill *f);

/* --- fs_copy.c --- */

void fs_copy(struct engine_copy *c);

/* --- fs_batch.c: changes to names, on the committer thread --- */

/* Takes the commit over from the workers, who have written its file. */
void fs_commit_post(struct engine_commit *c);
void fs_erase(struct engine *engine, struct engine_erase *e);
void fs_clear(struct engine *engine, struct engine_clear *c);
void fs_annotate(struct engine *engine, struct engine_annotate *a);
void fs_move_post(struct engine *engine, struct engine_move *m);

/* --- fs_commit.c: a change of each kind, made; a code of diskv's table --- */

int fs_commit_apply(struct fs *fs, struct engine_commit *c, struct fs_dirs *dirs);
int fs_erase_apply(struct fs *fs, struct engine_erase *e, struct fs_dirs *dirs);

/* What moves need of it. Opens the slot to put a value in, once the guard agrees: a refused change
 * makes no directory. A negative errno; `*refused` is what the guard said. */
int fs_slot_claim(struct fs *fs, const char *path, engine_guard *guard, void *guard_ctx,
                  struct fs_dirs *dirs, struct fs_slot *slot, int *refused);

/* Keeps a large value that is about to lose its name from being freed here and now: for
 * fs_value_release; -1 for none. */
int fs_value_hold(const struct fs_slot *slot);
void fs_value_release(struct fs *fs, int fd);

/* Closes a slot that has lost its value, and removes the directories that it leaves empty. */
void fs_slot_leave(struct fs *fs, struct fs_slot *slot, const char *path, struct fs_dirs *dirs);

/* --- fs_annotate.c --- */

int fs_annotate_apply(struct fs *fs, struct engine_annotate *a);

/* Puts the notes in place of the `old` ones, which stand where that fails, but for EINDOUBT. A code
 * of diskv's table. */
int fs_notes_set(int fd, const struct engine_notes *notes, const struct engine_info *old);

/* Takes that back. A negative errno. */
int fs_notes_restore(int fd, const struct engine_info *old);

/* --- fs_move.c --- */

void fs_move(struct engine *engine, struct engine_move *m);
int fs_move_apply(struct fs *fs, struct engine_move *m, struct fs_dirs *dirs);

/* --- fs_clear.c --- */

int fs_clear_apply(struct fs *fs, const struct engine_clear *c, struct fs_dirs *dirs);

/* --- fs_foreign.c --- */

int fs_foreign_open(struct engine *engine, struct engine_foreign **out);
int fs_foreign_next(struct engine_foreign *walk, struct diskv_foreign *out);
void fs_foreign_close(struct engine_foreign *walk);

/* --- fs_scan.c --- */

/* Calls `visit` for each entry of the directory `name` of `dir_fd`, with a descriptor of it, until
 * it returns false. A negative errno where the directory cannot be read. */
int fs_entries(int dir_fd, const char *name,
               bool (*visit)(void *ctx, int dir_fd, const struct dirent *entry), void *ctx);

/* Writes the path of an entry of directory `place` (its path, "" for the base) and returns its
 * S_IF…, 0 where it is gone or its path too long; S_IFDIR for what is the store's own, with path
 * "". */
mode_t fs_entry_look(const char *place, int dir_fd, const struct dirent *entry,
                     char path[static LAYOUT_PATH_SIZE]);

/* What an entry of that S_IF… is, where it is no value. */
const char *fs_what_is(mode_t type);

int fs_locate(struct engine *engine, const char *key, size_t len, char *place, size_t *outer);
int fs_stamp(struct engine *engine, const char *place, struct engine_place *out);
int fs_scan(struct engine *engine, const char *place, const struct engine_visitor *visitor,
            struct engine_place *out);
void fs_prefix(struct engine *engine, const char *place, char *key, size_t *len);

/* --- fs_leftovers.c --- */

int fs_leftovers(struct engine *engine, bool remove,
                 int (*visit)(void *ctx, const char *name, bool removed), void *ctx);

/* --- fs_watch.c --- */

int fs_watch(struct engine *engine, const struct engine_watcher *watcher);
void fs_watching(struct engine *engine, struct engine_watching *out);
void fs_unwatch(struct engine *engine);

/* Watches the place that `fd` is open on, as far as that can be done. -ENOENT where it lies there
 * no more. */
int fs_watch_add(struct fs_watch *watch, const char *place, int fd);

/* Until fs_watch_go_on what happens is told of by nobody, and no place begins to be watched: for
 * while a file has a second name, since the kernel says nothing of what that does to its times.
 * `path`, which it had, is told of then. NULL is fine. */
void fs_watch_hold(struct fs_watch *watch);
void fs_watch_go_on(struct fs_watch *watch, const char *path);

#endif
