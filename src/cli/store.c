#include "store.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

bool store_is_far(const char *name)
{
    return strncasecmp(name, "http://", 7) == 0 || strncasecmp(name, "https://", 8) == 0;
}

struct store *store_open(const struct store_place *place)
{
    char problem[512] = "out of memory";
    struct store *store = store_is_far(place->name) ? remote_open(place, problem, sizeof problem)
                                                    : local_open(place, problem, sizeof problem);
    if (!store)
        fprintf(stderr, "diskv: %s: %s\n", place->name, problem);
    return store;
}

bool store_fails(struct store *store, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(store->problem, sizeof store->problem, format, args);
    va_end(args);
    return false;
}

bool store_fails_rc(struct store *store, int rc)
{
    return store_fails(store, "%s", diskv_strerror(rc));
}

bool store_takes_key(struct store *store, const char *key)
{
    return diskv_key_valid(key, strlen(key)) || store_fails_rc(store, DISKV_EKEY);
}

/* Removes a file that was sent, unless the name is another's by now. */
static bool sent_remove(struct store *store, const char *path, const struct stat *sent)
{
    struct stat st;
    if (lstat(path, &st) || st.st_dev != sent->st_dev || st.st_ino != sent->st_ino)
        return true;
    return unlink(path) == 0 || store_fails(store, "stored, but not removed: %s", strerror(errno));
}

bool store_put_file(struct store *store, const char *key, const char *path, bool move,
                    struct progress *progress)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return store_fails(store, "%s", strerror(errno));
    bool fine = fstat(fd, &st) == 0 || store_fails(store, "%s", strerror(errno));
    if (fine && !S_ISREG(st.st_mode))
        fine = store_fails(store, "it is no regular file");
    const struct content content = {.fd = fd, .size = (uint64_t)st.st_size, .progress = progress};
    fine = fine && store->ops->put(store, key, &content);
    close(fd);
    return fine && (!move || sent_remove(store, path, &st));
}
