/* Trees and files become values. */
#include "command.h"
#include "crew.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* How often a file is taken again that another program changes meanwhile. */
#define TRIES 3

struct import {
    struct store *store;
    const struct words *words;
    struct report *report;
    struct crew *crew;
    bool fresh; /* the store has no such key: nothing to compare with */
    uint64_t files, bytes;
};

static bool is_after(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* True where the store has the file: a value of its size that was written after the file last
 * changed, by both of its times, of which ctime cannot be set back. The clock can: a value from the
 * future says nothing. */
static bool has_file(const struct held *held, const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return held->found && held->size == (uint64_t)st->st_size && is_after(&now, &held->since) &&
           is_after(&held->since, &st->st_mtim) && is_after(&held->since, &st->st_ctim);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           memcmp(&a->st_mtim, &b->st_mtim, sizeof a->st_mtim) == 0;
}

/* What is copied while another program writes it is copied again. */
static bool file_store(struct import *im, struct store *store, const char *key, const char *path,
                       struct stat *st)
{
    bool move = im->words->move;
    for (int tries = 0; tries < TRIES; tries++) {
        struct stat was = *st;
        if (!store->ops->import(store, key, path, move, &im->report->progress))
            return false;
        if (move || (lstat(path, st) == 0 && same_file(&was, st)))
            return true;
    }
    return store_fails(store, "another program changes it");
}

/* A file that is moved is not compared: it must be gone in the end. */
static bool file_import(struct import *im, struct store *store, const char *key, const char *path)
{
    struct stat st;
    struct held held = {0};
    if (!store_takes_key(store, key))
        return false;
    if (lstat(path, &st))
        return store_fails(store, "%s", strerror(errno));
    if (!im->fresh && !im->words->move && !store->ops->look(store, key, &held))
        return false;
    if (!has_file(&held, &st))
        return file_store(im, store, key, path, &st);
    progress_add(&im->report->progress, 0, (uint64_t)st.st_size);
    return true;
}

static void import_work(void *ctx, struct store *store, const char *key, const char *path)
{
    struct import *im = ctx;
    if (!file_import(im, store, key, path))
        report_failure(im->report, path, store->problem);
    progress_add(&im->report->progress, 1, 0);
}

/* --- The walk --- */

typedef void file_visit(struct import *im, const FTSENT *entry);

/* What is a store's own, at the top of a tree, is not imported, nor is the store itself. */
static bool is_left_out(const struct import *im, const FTSENT *e)
{
    return (e->fts_level == 1 && strcmp(e->fts_name, ".diskv") == 0) ||
           (e->fts_level > 0 && im->store->ops->is_dir(im->store, e->fts_statp));
}

/* Visits the regular files, and reports what else there is where `im->crew` is at work. */
static void entry_visit(struct import *im, FTS *walk, FTSENT *e, file_visit *visit)
{
    if (e->fts_info == FTS_D && is_left_out(im, e))
        fts_set(walk, e, FTS_SKIP);
    else if (e->fts_info == FTS_F)
        visit(im, e);
    else if (!im->crew || e->fts_info == FTS_D || e->fts_info == FTS_DP)
        return;
    else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
        report_failure(im->report, e->fts_path, strerror(e->fts_errno));
    else
        report_failure(im->report, e->fts_path, "it is no regular file");
}

static void tree_walk(struct import *im, char *path, file_visit *visit)
{
    char *const roots[] = {path, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    errno = walk ? 0 : errno;
    for (FTSENT *e; walk && (e = fts_read(walk));)
        entry_visit(im, walk, e, visit);
    if (errno && im->crew)
        report_failure(im->report, path, strerror(errno));
    if (walk)
        fts_close(walk);
}

static void all_walk(struct import *im, file_visit *visit)
{
    for (int i = 0; i < im->words->rest_count; i++)
        tree_walk(im, im->words->rest[i], visit);
}

static void file_count(struct import *im, const FTSENT *e)
{
    im->files++;
    im->bytes += (uint64_t)e->fts_statp->st_size;
}

/* The path of an entry below the one that the walk began at; of that one, its name. */
static const char *path_below(const FTSENT *e)
{
    const FTSENT *root = e;
    while (root->fts_level > 0)
        root = root->fts_parent;
    const char *path = e->fts_path + root->fts_pathlen;
    if (root == e)
        return e->fts_name;
    return path + strspn(path, "/");
}

static void file_import_later(struct import *im, const FTSENT *e)
{
    const char *below = path_below(e), *prefix = im->words->prefix ? im->words->prefix : "";
    char *key = NULL;
    char *real = e->fts_level == 0 ? realpath(e->fts_path, NULL) : NULL; /* it may be a link */
    const char *path = real ? real : e->fts_path;
    if (asprintf(&key, "%s%s", prefix, below) < 0 || !crew_add(im->crew, key, path))
        report_failure(im->report, path, diskv_strerror(DISKV_ENOMEM));
    free(key);
    free(real);
}

static bool any_visit(void *ctx, const struct item *item)
{
    (void)item;
    *(bool *)ctx = true;
    return false;
}

static bool import_run(struct store *store, const struct words *words, struct report *report)
{
    struct import im = {.store = store, .words = words, .report = report};
    const char *prefix = words->prefix ? words->prefix : "";
    bool any = false;
    if (store->ops->far && !store->ops->list(store, prefix, true, any_visit, &any)) {
        report_failure(report, words->place.name, store->problem);
        return false;
    }
    im.fresh = store->ops->far && !any;
    if (report_is_seen(report))
        all_walk(&im, file_count);
    progress_total(&report->progress, im.files, im.bytes);
    im.crew = crew_new(store, import_work, &im, report);
    if (!im.crew)
        return false;
    all_walk(&im, file_import_later);
    crew_finish(im.crew);
    if (!store->ops->flush(store))
        report_failure(report, words->place.name, store->problem);
    return true;
}

const struct command import_command = {
    .name = "import",
    .line = "[OPTION]... STORE PATH...",
    .what = "store files and whole trees of them",
    .help =
        "Stores each PATH: a file under its name, a directory's files under their paths below it,\n"
        "behind P. Blocks are shared where the file system can. What the store has is left alone:\n"
        "a value of the file's size that was written after the file last changed (by its mtime\n"
        "and ctime; in a server's store two seconds after that); so the same command again goes "
        "on\n"
        "where one was cut off. Links and special files are failures, `.diskv` is left out. All "
        "is\n"
        "on stable storage at the end, each file of --move before it is removed.\n",
    .takes = TAKES_PREFIX | TAKES_MOVE,
    .min = 1,
    .max = INT_MAX,
    .makes = true,
    .bulk = true,
    .run = import_run,
};
