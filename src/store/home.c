#include "store.h"

#include "error.h"
#include "log.h"
#include "sys.h"

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

/* The descriptor whose lock is the directory's own, which stays when `.diskv` is removed. Where the
 * file system has no such lock (NFS has none for what cannot be opened for writing) it holds none,
 * and the lock of the file stands alone. */
static int dir_lock(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int rc = -errno;
    if (rc == -EBADF || rc == -ENOLCK || rc == -EOPNOTSUPP)
        return fd;
    close(fd);
    return rc;
}

static int file_make(int dir_fd)
{
    if (mkdirat(dir_fd, LAYOUT_STORE_DIR, 0777) && errno != EEXIST)
        return -errno;
    int private_fd =
        openat(dir_fd, LAYOUT_STORE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (private_fd < 0)
        return -errno;
    int fd = openat(private_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    int rc = fd < 0 ? -errno : fd;
    close(private_fd);
    return rc;
}

static int file_lock(int dir_fd, bool make)
{
    int fd =
        make ? file_make(dir_fd) : sys_open_beneath(dir_fd, LAYOUT_STORE_DIR "/lock", O_RDONLY, 0);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int rc = make ? -errno : -EWOULDBLOCK; /* what cannot be locked may be */
    close(fd);
    return rc;
}

/* A negative errno. */
static int lock_take(int dir_fd, bool make, struct home_lock *lock)
{
    lock->file_fd = -1;
    lock->dir_fd = dir_lock(dir_fd);
    if (lock->dir_fd < 0)
        return lock->dir_fd;
    int rc = -ENOENT; /* where a detached store removes `.diskv` at the same time */
    for (int tries = 0; rc == -ENOENT && tries < (make ? LOCK_TRIES : 1); tries++)
        rc = file_lock(dir_fd, make);
    if (rc >= 0)
        lock->file_fd = rc;
    else if (make || rc != -ENOENT)
        home_unlock(lock);
    return rc < 0 && lock->dir_fd < 0 ? rc : 0;
}

int home_lock(int dir_fd, struct home_lock *lock)
{
    int rc = lock_take(dir_fd, false, lock);
    return rc == -EWOULDBLOCK ? DISKV_EBUSY : rc ? error_from_errno(-rc) : 0;
}

void home_unlock(struct home_lock *lock)
{
    if (lock->file_fd >= 0)
        close(lock->file_fd);
    if (lock->dir_fd >= 0)
        close(lock->dir_fd);
    *lock = (struct home_lock){-1, -1};
}

int home_look(const char *dir, int *dir_fd)
{
    *dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *dir_fd < 0 ? error_from_errno(errno) : 0;
}

int home_open(const char *dir, int *dir_fd, struct home_lock *lock)
{
    *dir_fd = dir_open(dir);
    if (*dir_fd < 0) {
        log_error("cannot open %s: %s", dir, strerror(-*dir_fd));
        return error_from_errno(-*dir_fd);
    }
    int rc = lock_take(*dir_fd, true, lock);
    if (!rc)
        return 0;
    close(*dir_fd);
    if (rc == -EWOULDBLOCK)
        return DISKV_EBUSY;
    log_error("cannot write in %s: %s", dir, strerror(-rc));
    return error_from_errno(-rc);
}
