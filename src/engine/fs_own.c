/* The directory for temporary files of a process that has the store beside others: its own, in
 * `.diskv`, locked as long as the process lives, so that others know what nobody uses any more. It
 * is made when it is first needed: who only reads leaves no trace. */
#include "fs.h"

#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

/* How often others may remove it before it is locked, or `.diskv` before it is made. */
#define OWN_TRIES 100

static int own_lock(int fd)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB))
        return -errno;
    int rc = sys_stat(fd, "", &st);
    return rc || st.st_nlink ? rc : -ENOENT;
}

/* A descriptor, or a negative errno. */
static int own_make(struct fs *fs, int private_fd)
{
    uint64_t n;
    if (getrandom(&n, sizeof n, 0) != sizeof n)
        return -EIO;
    snprintf(fs->own, sizeof fs->own, FS_OWN_PREFIX "%016" PRIx64, n);
    int rc = sys_mkdirat(private_fd, fs->own, 0777);
    if (rc)
        return rc;
    int fd = sys_open_beneath(private_fd, fs->own, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    rc = own_lock(fd);
    if (rc)
        close(fd);
    return rc ? rc : fd;
}

static int own_open(struct fs *fs)
{
    int private_fd = fs_private_open(fs);
    if (private_fd < 0)
        return private_fd;
    fs_own_sweep(fs, private_fd);
    int fd = own_make(fs, private_fd);
    close(private_fd);
    return fd;
}

static bool tmp_usable(int fd)
{
    struct stat st;
    return fd >= 0 && (sys_stat(fd, "", &st) || st.st_nlink);
}

static int tmp_make(struct fs *fs)
{
    int fd = -ENOENT;
    for (int tries = 0; tries < OWN_TRIES; tries++) {
        fd = fs->detached ? own_open(fs) : fs_tmp_open(fs);
        if (fd != -ENOENT && fd != -EWOULDBLOCK && fd != -EEXIST)
            break;
    }
    return fd;
}

/* Puts the new directory in the place of one that is gone. That keeps its number, which other
 * threads may be using. */
static int tmp_replace(int old_fd, int fd)
{
    if (fd < 0)
        return -EIO; /* no fault of the request, whatever the log says */
    int rc = dup3(fd, old_fd, O_CLOEXEC) < 0 ? -errno : old_fd;
    close(fd);
    return rc;
}

int fs_tmp(struct fs *fs)
{
    int old_fd = atomic_load(&fs->tmp_fd);
    if (tmp_usable(old_fd))
        return old_fd;
    pthread_mutex_lock(&fs->own_lock);
    old_fd = atomic_load(&fs->tmp_fd);
    int fd = tmp_usable(old_fd) ? old_fd : tmp_make(fs);
    if (old_fd >= 0 && fd != old_fd)
        fd = tmp_replace(old_fd, fd);
    if (fd >= 0)
        atomic_store(&fs->tmp_fd, fd);
    pthread_mutex_unlock(&fs->own_lock);
    return fd;
}

static bool sweep_visit(void *ctx, int private_fd, const struct dirent *entry)
{
    struct fs *fs = ctx;
    if (strncmp(entry->d_name, FS_OWN_PREFIX, strlen(FS_OWN_PREFIX)) != 0)
        return true;
    int fd = sys_open_beneath(private_fd, entry->d_name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return true;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fs_empty(fs, fd) == 0)
        sys_unlinkat(private_fd, entry->d_name, AT_REMOVEDIR);
    close(fd);
    return true;
}

void fs_own_sweep(struct fs *fs, int private_fd)
{
    fs_entries(private_fd, ".", sweep_visit, fs);
}

void fs_own_remove(struct fs *fs)
{
    int fd = sys_open_beneath(fs->dir_fd, FS_PRIVATE, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return;
    sys_unlinkat(fd, fs->own, AT_REMOVEDIR);
    close(fd);
    sys_unlinkat(fs->dir_fd, FS_PRIVATE, AT_REMOVEDIR); /* unless something else is in it */
}
