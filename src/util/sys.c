#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifdef SYS_sendfile64
#define SYS_SENDFILE SYS_sendfile64
#else
#define SYS_SENDFILE SYS_sendfile
#endif

/* Evaluates a call until it is not interrupted; its value, or a negative errno. */
#define SYS_RETRY(type, call)                      \
    do {                                           \
        type result;                               \
        do {                                       \
            result = (type)(call);                 \
        } while (result < 0 && errno == EINTR);    \
        return result < 0 ? (type)-errno : result; \
    } while (0)

static int open_resolved(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve,
    };
    SYS_RETRY(int, syscall(SYS_openat2, dir_fd, path, &how, sizeof how));
}

int sys_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
    return open_resolved(dir_fd, path, flags, mode, 0);
}

int sys_open_beneath_now(int dir_fd, const char *path, int flags)
{
    return open_resolved(dir_fd, path, flags, 0, RESOLVE_CACHED);
}

int64_t sys_pread(int fd, void *buf, size_t len, uint64_t offset)
{
    SYS_RETRY(int64_t, pread(fd, buf, len, (off_t)offset));
}

int64_t sys_pread_now(int fd, void *buf, size_t len, uint64_t offset)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    SYS_RETRY(int64_t, preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT));
}

/* Not by the name that libc has for it, which may be defined elsewhere in this program. */
int64_t sys_sendfile(int socket, int fd, uint64_t offset, size_t len)
{
    off64_t at = (off64_t)offset;
    SYS_RETRY(int64_t, syscall(SYS_SENDFILE, socket, fd, &at, len));
}

int64_t sys_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
    SYS_RETRY(int64_t, pwrite(fd, buf, len, (off_t)offset));
}

int sys_fsync(int fd)
{
    SYS_RETRY(int, fsync(fd));
}

int sys_syncfs(int fd)
{
    SYS_RETRY(int, syncfs(fd));
}

void sys_start_writeback(int fd, uint64_t offset, uint64_t len)
{
    sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

int sys_openat(int dir_fd, const char *path, int flags)
{
    SYS_RETRY(int, openat(dir_fd, path, flags | O_CLOEXEC));
}

int sys_mkdirat(int dir_fd, const char *name, mode_t mode)
{
    SYS_RETRY(int, mkdirat(dir_fd, name, mode));
}

int sys_linkat(int from_fd, const char *from, int to_fd, const char *to)
{
    SYS_RETRY(int, linkat(from_fd, from, to_fd, to, 0));
}

int sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    SYS_RETRY(int, renameat2(from_fd, from, to_fd, to, flags));
}

int sys_unlinkat(int dir_fd, const char *name, int flags)
{
    SYS_RETRY(int, unlinkat(dir_fd, name, flags));
}

int sys_fsetxattr(int fd, const char *name, const void *value, size_t len)
{
    SYS_RETRY(int, fsetxattr(fd, name, value, len, 0));
}

int sys_fremovexattr(int fd, const char *name)
{
    SYS_RETRY(int, fremovexattr(fd, name));
}

int sys_fgetxattr(int fd, const char *name, void *value, size_t len)
{
    SYS_RETRY(int, fgetxattr(fd, name, value, len));
}

int sys_flistxattr(int fd, char *names, size_t len)
{
    SYS_RETRY(int, flistxattr(fd, names, len));
}

int sys_fchmod(int fd, mode_t mode)
{
    SYS_RETRY(int, fchmod(fd, mode));
}

int sys_set_mtime(int fd, struct timespec mtime)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime};
    SYS_RETRY(int, futimens(fd, times));
}

int sys_clone(int to_fd, int from_fd)
{
    SYS_RETRY(int, ioctl(to_fd, FICLONE, from_fd));
}

int64_t sys_copy_file_range(int from_fd, int to_fd, uint64_t offset, size_t len)
{
    off64_t from = (off64_t)offset, to = from;
    SYS_RETRY(int64_t, copy_file_range(from_fd, &from, to_fd, &to, len, 0));
}

int sys_may_write(int fd)
{
    SYS_RETRY(int, syscall(SYS_faccessat2, fd, "", W_OK, AT_EACCESS | AT_EMPTY_PATH));
}

int sys_inotify_init(void)
{
    SYS_RETRY(int, inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

int sys_inotify_add(int fd, int dir_fd, uint32_t mask)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", dir_fd);
    SYS_RETRY(int, inotify_add_watch(fd, path, mask));
}

int sys_inotify_remove(int fd, int watch)
{
    SYS_RETRY(int, inotify_rm_watch(fd, watch));
}

int64_t sys_read(int fd, void *buf, size_t len)
{
    SYS_RETRY(int64_t, read(fd, buf, len));
}

int sys_stat(int dir_fd, const char *name, struct stat *out)
{
    int empty = *name ? 0 : AT_EMPTY_PATH; /* a name that may be empty is looked at twice */
    SYS_RETRY(int, fstatat(dir_fd, name, out, AT_SYMLINK_NOFOLLOW | empty));
}
