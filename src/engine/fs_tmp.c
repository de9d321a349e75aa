#include "fs.h"

#include "log.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

void fs_tmp_name(struct fs *fs, char name[static FS_TMP_NAME])
{
    unsigned long long n = atomic_fetch_add_explicit(&fs->next_tmp, 1, memory_order_relaxed);
    snprintf(name, FS_TMP_NAME, "%ld.%llu", (long)fs->pid, n);
}

/* Opens the directory `name`, made where it is missing. */
static int dir_make_open(int parent_fd, const char *name, mode_t mode)
{
    int rc = sys_mkdirat(parent_fd, name, mode);
    if (rc && rc != -EEXIST)
        return rc;
    return sys_open_beneath(parent_fd, name, O_RDONLY | O_DIRECTORY, 0);
}

/* Whether `fd` is the base directory or lies in it, where it would be taken for keys: 1 or 0. In
 * the store's own directory it may lie. */
static int lies_in_base(const struct fs *fs, int fd)
{
    struct stat base, own, dir, above = {0};
    int rc = sys_stat(fs->dir_fd, "", &base);
    if (!rc)
        rc = sys_stat(fs->dir_fd, FS_PRIVATE, &own);
    int at_fd = rc ? rc : sys_openat(fd, ".", O_PATH | O_DIRECTORY);
    for (;;) {
        rc = at_fd < 0 ? at_fd : sys_stat(at_fd, "", &dir);
        bool top = !rc && (fs_same_file(&dir, &own) || fs_same_file(&dir, &above));
        if (rc || top || fs_same_file(&dir, &base))
            break;
        above = dir;
        int up_fd = sys_openat(at_fd, "..", O_PATH | O_DIRECTORY);
        close(at_fd);
        at_fd = up_fd;
    }
    if (at_fd >= 0)
        close(at_fd);
    return rc ? rc : fs_same_file(&dir, &base);
}

/* Why the directory cannot be the user's for temporary files, NULL where it can. Between mounts
 * nothing is renamed, not even on one file system: the kernel says so before it looks at the names,
 * and would rename nothing. */
static const char *temp_refused(const struct fs *fs, int fd)
{
    struct stat base, temp;
    if (sys_stat(fs->dir_fd, "", &base) || sys_stat(fd, "", &temp))
        return "it cannot be looked at";
    if (base.st_dev != temp.st_dev ||
        sys_renameat2(fd, FS_PRIVATE, fs->dir_fd, FS_PRIVATE, RENAME_NOREPLACE) == -EXDEV)
        return "it is on another file system than the store";
    int inside = lies_in_base(fs, fd);
    if (inside < 0)
        return "what it lies in cannot be looked at";
    return inside ? "it lies in the store's directory" : NULL;
}

/* Opens the directory of this store's own in a user's; `*why` is set where that is refused. */
static int temp_open(const struct fs *fs, const char *temp_dir, const char **why)
{
    int fd = sys_openat(AT_FDCWD, temp_dir, O_RDONLY | O_DIRECTORY);
    *why = fd < 0 ? strerror(-fd) : temp_refused(fs, fd);
    int own_fd = -EINVAL;
    struct stat st;
    if (!*why && sys_stat(fs->dir_fd, "", &st) == 0) {
        char name[64];
        snprintf(name, sizeof name, "diskv-%jx-%jx", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        own_fd = dir_make_open(fd, name, 0700);
    }
    if (own_fd >= 0 && (sys_stat(own_fd, "", &st) || st.st_uid != geteuid())) {
        *why = "what has the name of the store's directory is another user's";
        close(own_fd);
        own_fd = -EINVAL;
    }
    if (fd >= 0)
        close(fd);
    return own_fd;
}

int fs_private_open(struct fs *fs)
{
    return dir_make_open(fs->dir_fd, FS_PRIVATE, 0777);
}

int fs_tmp_open(struct fs *fs)
{
    const char *temp_dir = fs->temp_dir, *why = NULL;
    int private_fd = fs_private_open(fs);
    int fd = private_fd;
    if (private_fd >= 0) {
        fs_own_sweep(fs, private_fd);
        fd = temp_dir ? temp_open(fs, temp_dir, &why) : dir_make_open(private_fd, "tmp", 0777);
        close(private_fd);
    }
    if (fd < 0) {
        log_error("cannot keep temporary files in %s: %s", temp_dir ? temp_dir : FS_PRIVATE "/tmp",
                  why ? why : strerror(-fd));
        return fd;
    }
    int rc = fs->tmp_fd < 0 ? fs_empty(fs, fd) : 0;
    if (rc)
        log_warning("cannot remove all old temporary files: %s", strerror(-rc));
    return fd;
}
