/* batch DIR SECONDS: what the file system allows a store of durable small files. Creates and writes
 * files of 4 KiB, 64 at a time, makes them durable with one syncfs, renames them and syncs the
 * directory. Prints how many there were and the processor time spent, in microseconds. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, SIZE = 4096 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void write_file(int dir, const char *name, const void *bytes)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, bytes, SIZE) != SIZE || close(fd))
        err(1, "%s", name);
}

static void write_batch(int dir, long first, const void *bytes)
{
    char temporary[32], name[32];
    for (long i = first; i < first + BATCH; i++) {
        snprintf(temporary, sizeof temporary, "temporary.%ld", i);
        write_file(dir, temporary, bytes);
    }
    if (syncfs(dir))
        err(1, "syncfs");
    for (long i = first; i < first + BATCH; i++) {
        snprintf(temporary, sizeof temporary, "temporary.%ld", i);
        snprintf(name, sizeof name, "%ld", i);
        if (renameat(dir, temporary, dir, name))
            err(1, "%s", name);
    }
    if (fsync(dir))
        err(1, "fsync");
}

int main(int argc, char **argv)
{
    char bytes[SIZE];
    struct rusage used;
    if (argc != 3)
        errx(2, "usage: batch DIR SECONDS");
    int dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || getrandom(bytes, SIZE, 0) != SIZE)
        err(1, "%s", argv[1]);
    double start = now(), end = start + strtod(argv[2], NULL);
    long count = 0;
    for (; now() < end; count += BATCH)
        write_batch(dir, count, bytes);
    double seconds = now() - start;
    getrusage(RUSAGE_SELF, &used);
    printf("%ld %.3f %ld\n", count, seconds,
           (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
               used.ru_stime.tv_usec);
}
