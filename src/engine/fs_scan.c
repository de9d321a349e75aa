#include "fs.h"

#include "sys.h"
#include "error.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct fs *engine_to_fs(struct engine *engine)
{
    return container_of(engine, struct fs, engine);
}

/* A stamp of a directory, none where its time is too young or lies in the future. */
static void stamp_set(const struct stat *st, struct timespec looked, struct engine_place *out)
{
    const int64_t stamp[] = {(int64_t)st->st_dev, (int64_t)st->st_ino, fs_nanoseconds(st->st_mtim),
                             fs_nanoseconds(st->st_ctim)};
    _Static_assert(sizeof stamp <= ENGINE_STAMP_MAX, "a stamp has room");
    out->stamp_len = 0;
    if (!fs_settled(st->st_ctim, looked))
        return;
    memcpy(out->stamp, stamp, sizeof stamp);
    out->stamp_len = sizeof stamp;
}

/* Opens a place and describes it. A descriptor or a code of diskv's table. */
static int place_open(struct fs *fs, const char *place, struct engine_place *out)
{
    *out = (struct engine_place){0};
    if (!fs->layout->has_dir(fs->layout, place))
        return DISKV_ENOTFOUND;
    int fd = sys_open_beneath(fs->dir_fd, *place ? place : ".", O_RDONLY | O_DIRECTORY, 0);
    struct timespec looked = fs_now();
    struct stat st;
    int rc = fd < 0 ? fd : sys_stat(fd, "", &st);
    if (rc < 0) {
        if (fd >= 0)
            close(fd);
        return rc == -ELOOP ? DISKV_ENOTFOUND : error_from_errno(-rc);
    }
    stamp_set(&st, looked, out);
    return fd;
}

int fs_stamp(struct engine *engine, const char *place, struct engine_place *out)
{
    int fd = place_open(engine_to_fs(engine), place, out);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int fs_locate(struct engine *engine, const char *key, size_t len, char *place, size_t *outer)
{
    _Static_assert(ENGINE_PLACE_MAX >= LAYOUT_PATH_SIZE, "a place has room");
    const struct layout *layout = engine_to_fs(engine)->layout;
    if (layout->to_path(layout, key, len, place))
        return DISKV_ENOTFOUND;
    const char *slash = strrchr(place, '/');
    *outer = slash ? (size_t)(slash - place) : 0;
    return 0;
}

static mode_t entry_type(int dir_fd, const struct dirent *e)
{
    struct stat st;
    if (e->d_type != DT_UNKNOWN)
        return DTTOIF(e->d_type);
    return sys_stat(dir_fd, e->d_name, &st) ? 0 : st.st_mode & S_IFMT;
}

/* Reports one directory entry: a key, a place below, or something foreign. */
static int entry_visit(const struct fs *fs, const char *place, int dir_fd, const struct dirent *e,
                       const struct engine_visitor *visitor, struct engine_place *out)
{
    char path[LAYOUT_PATH_SIZE];
    int n = snprintf(path, sizeof path, "%s%s%s", place, *place ? "/" : "", e->d_name);
    char key[DISKV_KEY_MAX + 1];
    size_t len;
    if (n > 0 && (size_t)n < sizeof path) {
        mode_t type = entry_type(dir_fd, e);
        if (type == S_IFREG && !fs->layout->to_key(fs->layout, path, key, &len))
            return visitor->key(visitor->ctx, key, len);
        if (type == S_IFDIR && fs->layout->has_dir(fs->layout, path))
            return visitor->place(visitor->ctx, path, (size_t)n);
    }
    out->foreign++;
    return 0;
}

static bool entry_skipped(const char *place, const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           (!*place && strcmp(name, FS_PRIVATE) == 0);
}

int fs_scan(struct engine *engine, const char *place, const struct engine_visitor *visitor,
            struct engine_place *out)
{
    struct fs *fs = engine_to_fs(engine);
    int fd = place_open(fs, place, out);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return DISKV_ENOMEM;
    }
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (!e) {
            rc = errno ? error_from_errno(errno) : 0;
            break;
        }
        if (entry_skipped(place, e->d_name))
            continue;
        rc = entry_visit(fs, place, fd, e, visitor, out);
        if (rc)
            break;
    }
    closedir(dir);
    return rc;
}
