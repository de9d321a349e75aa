#include "store.h"

#include "error.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often `.diskv` may be gone again before the lock is made in it. */
#define LOCK_TRIES 100

/* Makes `dir` durable in the directory above it. */
static int parent_sync(int dir_fd)
{
    int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : -errno;
    int rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

static int dir_open(const char *dir)
{
    bool made = mkdir(dir, 0777) == 0;
    if (!made && errno != EEXIST)
        return -errno;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = made ? parent_sync(fd) : 0;
    if (rc)
        close(fd);
    return rc ? rc : fd;
}

static int lock_open(int dir_fd)
{
    if (mkdirat(dir_fd, LAYOUT_STORE_DIR, 0777) && errno != EEXIST)
        return -errno;
    int private_fd =
        openat(dir_fd, LAYOUT_STORE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (private_fd < 0)
        return -errno;
    int fd = openat(private_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    int rc = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) ? -errno : 0;
    close(private_fd);
    if (rc && fd >= 0)
        close(fd);
    return rc ? rc : fd;
}

int home_look(const char *dir, int *dir_fd)
{
    *dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *dir_fd < 0 ? error_from_errno(errno) : 0;
}

int home_open(const char *dir, int *dir_fd, int *lock_fd)
{
    *dir_fd = dir_open(dir);
    if (*dir_fd < 0) {
        log_error("cannot open %s: %s", dir, strerror(-*dir_fd));
        return error_from_errno(-*dir_fd);
    }
    *lock_fd = -ENOENT; /* where a detached store removes `.diskv` at the same time */
    for (int tries = 0; *lock_fd == -ENOENT && tries < LOCK_TRIES; tries++)
        *lock_fd = lock_open(*dir_fd);
    if (*lock_fd >= 0)
        return 0;
    close(*dir_fd);
    if (*lock_fd == -EWOULDBLOCK) {
        log_error("another process serves %s", dir);
        return DISKV_EBUSY;
    }
    log_error("cannot write in %s: %s", dir, strerror(-*lock_fd));
    return error_from_errno(-*lock_fd);
}
