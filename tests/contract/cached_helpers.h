/* What the tests of the cache share. */
#ifndef CACHED_HELPERS_H
#define CACHED_HELPERS_H

#include "store_helpers.h"

#include <time.h>

/* Waits until what was written is cached when it is read: not while the file system's clock may
 * hide another change behind it. */
static inline void rest(void)
{
    const struct timespec pause = {.tv_nsec = 200000000};
    nanosleep(&pause, NULL);
}

/* What another program does that writes a file anew. */
static inline void replace(const char *dir, const char *name, const char *text)
{
    char path[STORE_PATH_SIZE], fresh[STORE_PATH_SIZE];
    path_join(path, dir, name);
    path_join(fresh, dir, "fresh");
    file_write(fresh, text);
    assert_int_equal(rename(fresh, path), 0);
}

#endif
