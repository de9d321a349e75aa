#include "command.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a value goes. A file has it whole or not at all: it is written under another name first. */
struct output {
    struct store *store;
    struct progress *progress; /* NULL where it would be drawn into the value */
    const char *path;          /* NULL: standard output */
    char *temp;                /* NULL: `path` is no regular file, and written as it is */
    int fd;
};

static bool output_fails(struct output *o)
{
    const char *name = o->path ? o->path : "standard output";
    return store_fails(o->store, "cannot write %s: %s", name, strerror(errno));
}

/* With the mode that the file has, or a new one would have. */
static bool temp_make(struct output *o, mode_t mode)
{
    if (asprintf(&o->temp, "%s.XXXXXX", o->path) < 0) {
        o->temp = NULL;
        return store_fails_rc(o->store, DISKV_ENOMEM);
    }
    o->fd = mkostemp(o->temp, O_CLOEXEC);
    if (o->fd >= 0 && fchmod(o->fd, mode) == 0)
        return true;
    return output_fails(o);
}

/* Not before the value is there. */
static bool output_begin(void *ctx, uint64_t size)
{
    struct output *o = ctx;
    struct stat st;
    if (o->progress)
        progress_total(o->progress, 1, size == DISKV_SIZE_UNKNOWN ? 0 : size);
    if (!o->path)
        return true;
    mode_t mask = umask(0);
    umask(mask);
    if (lstat(o->path, &st))
        return temp_make(o, 0666 & ~mask);
    if (S_ISREG(st.st_mode))
        return temp_make(o, st.st_mode & 0777);
    o->fd = open(o->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return o->fd >= 0 || output_fails(o);
}

static bool output_take(void *ctx, const void *data, size_t len)
{
    struct output *o = ctx;
    const char *at = data;
    while (len) {
        ssize_t n = write(o->fd, at, len);
        if (n < 0 && errno != EINTR)
            return output_fails(o);
        if (n <= 0)
            continue;
        at += n;
        len -= (size_t)n;
        if (o->progress)
            progress_add(o->progress, 0, (uint64_t)n);
    }
    return true;
}

static bool output_end(struct output *o, bool fine)
{
    if (o->path && o->fd >= 0 && close(o->fd) && fine)
        fine = output_fails(o);
    if (fine && o->temp && rename(o->temp, o->path))
        fine = output_fails(o);
    if (!fine && o->temp)
        unlink(o->temp);
    free(o->temp);
    return fine;
}

static bool get_run(struct store *store, const struct words *words, struct report *report)
{
    const char *key = words->rest[0], *path = words->rest_count > 1 ? words->rest[1] : "-";
    bool file = strcmp(path, "-") != 0;
    struct output output = {.store = store,
                            .progress = file || !isatty(STDOUT_FILENO) ? &report->progress : NULL,
                            .path = file ? path : NULL,
                            .fd = file ? -1 : STDOUT_FILENO};
    const struct sink sink = {output_begin, output_take, &output};
    bool fine = store_takes_key(store, key) && store->ops->get(store, key, &sink);
    if (output_end(&output, fine))
        return true;
    report_failure(report, key, store->problem);
    return false;
}

const struct command get_command = {
    .name = "get",
    .line = "[OPTION]... STORE KEY [FILE|-]",
    .what = "write a value to a file or to standard output",
    .help = "Writes the value of KEY to FILE, or to standard output. FILE has it whole or is left "
            "as it\n"
            "was.\n",
    .min = 1,
    .max = 2,
    .run = get_run,
};
