/* The system calls that storage depends on, all in one place: tests make them fail from here, by
 * linking with `--wrap=sys_…`. Each returns what the call does, or a negative errno; EINTR is
 * retried. Thread-safe. */
#ifndef SYS_H
#define SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* Opens `path` below `dir_fd` and nowhere else, through no symbolic link; O_CLOEXEC is added. */
int sys_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

/* The same, but EAGAIN where that is not known without waiting. */
int sys_open_beneath_now(int dir_fd, const char *path, int flags);

int64_t sys_pread(int fd, void *buf, size_t len, uint64_t offset);

/* EAGAIN where nothing of it is in memory. */
int64_t sys_pread_now(int fd, void *buf, size_t len, uint64_t offset);

/* Sends from a file at `offset` to a socket, which is not waited for: EAGAIN. */
int64_t sys_sendfile(int socket, int fd, uint64_t offset, size_t len);

int64_t sys_pwrite(int fd, const void *buf, size_t len, uint64_t offset);

int sys_fsync(int fd);

/* Syncs the whole file system that `fd` lies on. */
int sys_syncfs(int fd);

/* Has the kernel begin to write the range out; a hint, never an error. */
void sys_start_writeback(int fd, uint64_t offset, uint64_t len);

/* Opens what any path names; O_CLOEXEC is added. */
int sys_openat(int dir_fd, const char *path, int flags);

int sys_mkdirat(int dir_fd, const char *name, mode_t mode);
int sys_linkat(int from_fd, const char *from, int to_fd, const char *to);
int sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int sys_unlinkat(int dir_fd, const char *name, int flags);
int sys_fsetxattr(int fd, const char *name, const void *value, size_t len);
int sys_fremovexattr(int fd, const char *name);
int sys_fgetxattr(int fd, const char *name, void *value, size_t len);
int sys_flistxattr(int fd, char *names, size_t len);
int sys_fchmod(int fd, mode_t mode);
int sys_set_mtime(int fd, struct timespec mtime);

/* Makes a file's content that of another, whose blocks they share from then on. */
int sys_clone(int to_fd, int from_fd);

/* Copies up to `len` bytes from and to `offset`; a count, 0 at the end. */
int64_t sys_copy_file_range(int from_fd, int to_fd, uint64_t offset, size_t len);

/* EACCES where this process may not change the open file's content and attributes. */
int sys_may_write(int fd);

/* A queue of what happens in watched directories, read without waiting. */
int sys_inotify_init(void);

/* Watches the open directory for what `mask` says; a number for it, the one it has already where it
 * is watched. */
int sys_inotify_add(int fd, int dir_fd, uint32_t mask);
int sys_inotify_remove(int fd, int watch);

int64_t sys_read(int fd, void *buf, size_t len);

/* `name` "" means `dir_fd` itself; a symbolic link is not followed. */
int sys_stat(int dir_fd, const char *name, struct stat *out);

#endif
