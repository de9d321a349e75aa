/* Values become files of a directory, which is written as a store is: whatever the keys are,
 * nothing lands outside it, through a link or half. */
#include "command.h"
#include "crew.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct export
{
    const struct words *words;
    struct report *report;
    struct crew *crew;
    diskv *to;
    size_t skip; /* bytes of a key that do not count: the prefix up to its last slash */
    uint64_t items, bytes;
};

/* A value on its way. */
struct flow {
    struct export *ex;
    struct store *from;
    diskv_writer *writer;
};

static bool flow_take(void *ctx, const void *data, size_t len)
{
    struct flow *f = ctx;
    int rc = diskv_writer_append_wait(f->writer, data, len);
    progress_add(&f->ex->report->progress, 0, len);
    return !rc || store_fails(f->from, "cannot write: %s", diskv_strerror(rc));
}

static bool value_export(struct export *ex, struct store *from, const char *key)
{
    struct flow flow = {.ex = ex, .from = from};
    const struct sink sink = {.take = flow_take, .ctx = &flow};
    const char *name = key + ex->skip;
    if (!*name)
        return store_fails(from, "nothing is left of the key for a name");
    int rc = diskv_writer_open(ex->to, name, strlen(name), NULL, &flow.writer);
    if (rc)
        return store_fails_rc(from, rc);
    bool fine = from->ops->get(from, key, &sink);
    if (fine && (rc = diskv_writer_commit_wait(flow.writer)))
        fine = store_fails(from, "cannot write: %s", diskv_strerror(rc));
    diskv_writer_close(flow.writer);
    return fine;
}

static void export_work(void *ctx, struct store *store, const char *key, const char *none)
{
    struct export *ex = ctx;
    (void)none;
    if (!value_export(ex, store, key))
        report_failure(ex->report, key, store->problem);
    progress_add(&ex->report->progress, 1, 0);
}

static bool count_visit(void *ctx, const struct item *item)
{
    struct export *ex = ctx;
    ex->items++;
    ex->bytes += item->size == DISKV_SIZE_UNKNOWN ? 0 : item->size;
    return true;
}

static bool key_visit(void *ctx, const struct item *item)
{
    struct export *ex = ctx;
    if (!crew_add(ex->crew, item->key, ""))
        report_failure(ex->report, item->key, diskv_strerror(DISKV_ENOMEM));
    return true;
}

static bool keys_export(struct export *ex, struct store *store, const char *prefix)
{
    bool fine =
        !report_is_seen(ex->report) || store->ops->list(store, prefix, false, count_visit, ex);
    progress_total(&ex->report->progress, ex->items, ex->bytes);
    ex->crew = fine ? crew_new(store, export_work, ex, ex->report) : NULL;
    if (ex->crew) {
        fine = store->ops->list(store, prefix, true, key_visit, ex);
        crew_finish(ex->crew);
    }
    if (!fine)
        report_failure(ex->report, ex->words->place.name, store->problem);
    return fine && ex->crew;
}

/* Why a directory cannot be exported to, NULL where it can and is there. */
static const char *directory_refused(struct store *store, const char *path)
{
    struct stat st;
    if ((mkdir(path, 0777) && errno != EEXIST) || stat(path, &st))
        return strerror(errno);
    return store->ops->is_dir(store, &st) ? "it is the store's own" : NULL;
}

static bool export_run(struct store *store, const struct words *words, struct report *report)
{
    const struct diskv_options options = {.detached = true, .sync = DISKV_SYNC_NONE};
    const char *directory = words->rest[0], *prefix = words->prefix ? words->prefix : "";
    const char *slash = strrchr(prefix, '/');
    struct export ex = {
        .words = words, .report = report, .skip = slash ? (size_t)(slash - prefix) + 1 : 0};
    const char *refused = directory_refused(store, directory);
    int rc = refused ? 0 : diskv_open(directory, &options, &ex.to);
    if (refused || rc) {
        report_failure(report, directory, refused ? refused : diskv_strerror(rc));
        return false;
    }
    bool fine = keys_export(&ex, store, prefix);
    diskv_close(ex.to);
    return fine;
}

const struct command export_command = {
    .name = "export",
    .line = "[OPTION]... STORE DIRECTORY",
    .what = "write values to files of a directory",
    .help =
        "Writes each value to a file below DIRECTORY, made where it is missing, in place of any\n"
        "there is. Its path is the key, with --prefix what is behind the last slash of P. Keys\n"
        "that are no plain path (`../x`, `a//b`, `a` beside `a/b`) have the file names that "
        "layout\n"
        "path gives them: nothing is written outside DIRECTORY.\n",
    .takes = TAKES_PREFIX,
    .min = 1,
    .max = 1,
    .run = export_run,
};
