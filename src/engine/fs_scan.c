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
    int rc = fd < 0 ? fd : 0;
    if (!rc && fs->watch)
        rc = fs_watch_add(fs->watch, place, fd);
    struct timespec looked = fs_now();
    struct stat st;
    if (!rc)
        rc = sys_stat(fd, "", &st);
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

/* In layout `path` the key that a directory's name stands for, if it is not cut, is what those of
 * all that lies in it go on from. */
void fs_prefix(struct engine *engine, const char *place, char *key, size_t *len)
{
    const struct layout *layout = engine_to_fs(engine)->layout;
    char path[LAYOUT_PATH_SIZE], own[DISKV_KEY_MAX + 1];
    bool known = layout->to_path == layout_path.to_path;
    size_t path_len = known ? strlen(place) : 0;
    *len = 0;
    for (; path_len > 0 && path_len < sizeof path; path_len--) {
        if (place[path_len] != '/' && place[path_len] != '\0')
            continue;
        memcpy(path, place, path_len);
        path[path_len] = '\0';
        if (layout->to_key(layout, path, own, len) == 0) {
            memcpy(key, own, *len);
            return;
        }
        *len = 0;
    }
}

mode_t fs_entry_look(const char *place, int dir_fd, const struct dirent *e,
                     char path[static LAYOUT_PATH_SIZE])
{
    struct stat st;
    path[0] = '\0';
    if (!*place && strcmp(e->d_name, FS_PRIVATE) == 0)
        return S_IFDIR;
    int len = snprintf(path, LAYOUT_PATH_SIZE, "%s%s%s", place, *place ? "/" : "", e->d_name);
    if (len < 0 || len >= LAYOUT_PATH_SIZE)
        return 0;
    if (e->d_type != DT_UNKNOWN)
        return DTTOIF(e->d_type);
    return sys_stat(dir_fd, e->d_name, &st) ? 0 : st.st_mode & S_IFMT;
}

/* Visits the entries of the open directory, which it closes: all that are there now, of which btrfs
 * shows no more than were there when it was opened unless it begins anew. */
static int entries_visit(int fd, bool (*visit)(void *ctx, int dir_fd, const struct dirent *entry),
                         void *ctx)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    struct dirent *e;
    rewinddir(dir);
    do {
        errno = 0;
        e = readdir(dir);
    } while (e &&
             (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || visit(ctx, fd, e)));
    int rc = e ? 0 : -errno;
    closedir(dir);
    return rc;
}

int fs_entries(int dir_fd, const char *name,
               bool (*visit)(void *ctx, int dir_fd, const struct dirent *entry), void *ctx)
{
    int fd = sys_open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 ? fd : entries_visit(fd, visit, ctx);
}

struct scan {
    const struct fs *fs;
    const char *place;
    const struct engine_visitor *visitor;
    struct engine_place *out;
    int rc; /* of the visitor */
};

const char *fs_what_is(mode_t type)
{
    switch (type) {
    case S_IFREG:
        return "a file whose name is no key's";
    case S_IFDIR:
        return "a directory whose name is no key's";
    case S_IFLNK:
        return "a symbolic link";
    case S_IFSOCK:
        return "a socket";
    case S_IFIFO:
        return "a pipe";
    default:
        return "a device";
    }
}

/* Reports one directory entry: a key, a place below, or something foreign. */
static bool scan_visit(void *ctx, int dir_fd, const struct dirent *e)
{
    struct scan *s = ctx;
    const struct layout *layout = s->fs->layout;
    char path[LAYOUT_PATH_SIZE], key[DISKV_KEY_MAX + 1];
    size_t key_len;
    mode_t type = fs_entry_look(s->place, dir_fd, e, path);
    if (!*path)
        return true;
    if (type == S_IFREG && !layout->to_key(layout, path, key, &key_len))
        s->rc = s->visitor->key(s->visitor->ctx, key, key_len);
    else if (type == S_IFDIR && layout->has_dir(layout, path))
        s->rc = s->visitor->place(s->visitor->ctx, path, strlen(path));
    else {
        s->out->foreign++;
        if (s->visitor->foreign && type)
            s->rc = s->visitor->foreign(s->visitor->ctx, path, fs_what_is(type));
    }
    return !s->rc;
}

int fs_scan(struct engine *engine, const char *place, const struct engine_visitor *visitor,
            struct engine_place *out)
{
    struct fs *fs = engine_to_fs(engine);
    int fd = place_open(fs, place, out);
    if (fd < 0)
        return fd;
    struct scan scan = {fs, place, visitor, out, 0};
    int rc = entries_visit(fd, scan_visit, &scan);
    return rc ? error_from_errno(-rc) : scan.rc;
}
