#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size of what is read from a file; of a pipe it is not known. */
static uint64_t size_of(int fd)
{
    struct stat st;
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= at)
        return DISKV_SIZE_UNKNOWN;
    return (uint64_t)(st.st_size - at);
}

static bool fd_put(struct store *store, const struct words *words, int fd, struct report *report)
{
    struct content content = {.fd = fd, .size = size_of(fd), .type = words->type};
    if (!isatty(fd))
        content.progress = &report->progress;
    if (content.size != DISKV_SIZE_UNKNOWN)
        progress_total(&report->progress, 1, content.size);
    return store_takes_key(store, words->rest[0]) &&
           store->ops->put(store, words->rest[0], &content);
}

static bool put_run(struct store *store, const struct words *words, struct report *report)
{
    const char *path = words->rest_count > 1 ? words->rest[1] : "-";
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        report_failure(report, path, strerror(errno));
        return false;
    }
    bool fine = fd_put(store, words, fd, report);
    if (!fine)
        report_failure(report, words->rest[0], store->problem);
    if (fd != STDIN_FILENO)
        close(fd);
    return fine;
}

const struct command put_command = {
    .name = "put",
    .line = "[OPTION]... STORE KEY [FILE|-]",
    .what = "store a file or standard input",
    .help = "Makes what is in FILE, or comes on standard input, the value of KEY. Whatever goes "
            "wrong,\n"
            "KEY keeps the value that it had.\n",
    .takes = TAKES_TYPE,
    .min = 1,
    .max = 2,
    .makes = true,
    .run = put_run,
};
