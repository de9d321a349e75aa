/* A directory of a test's own, on a disk, which /tmp need not be. */
#ifndef TEMPDIR_H
#define TEMPDIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEMPDIR_SIZE 64

/* Makes it and writes its path, or ends the program. */
static inline void tempdir_new(char path[TEMPDIR_SIZE])
{
    snprintf(path, TEMPDIR_SIZE, "/var/tmp/diskv-test-XXXXXX");
    if (!mkdtemp(path)) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static inline int tempdir_visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Removes it with all that is in it. */
static inline void tempdir_remove(const char *path)
{
    nftw(path, tempdir_visit, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
