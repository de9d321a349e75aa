/* A walk through the directories, one open at each level, for what is no value. */
#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Entries that one call looks at. */
#define LOOKS 1000

struct level {
    DIR *dir;
    size_t len; /* of its path */
};

struct walk {
    struct engine_foreign walk;
    const struct fs *fs;
    struct level *levels;
    size_t depth, cap;
    char dir[LAYOUT_PATH_SIZE];                                       /* of the last level */
    char path[LAYOUT_PATH_SIZE + sizeof((struct dirent *)0)->d_name]; /* of the entry */
    size_t path_len;
};

static int levels_reserve(struct walk *w)
{
    if (w->depth < w->cap)
        return 0;
    size_t cap = w->cap ? 2 * w->cap : 16;
    struct level *levels = reallocarray(w->levels, cap, sizeof *levels);
    if (!levels)
        return -ENOMEM;
    w->levels = levels;
    w->cap = cap;
    return 0;
}

/* Goes down into a directory. A negative errno. */
static int level_open(struct walk *w, int dir_fd, const char *name, const char *path)
{
    int rc = levels_reserve(w);
    if (rc)
        return rc;
    int fd = sys_open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    size_t len = strlen(path);
    memcpy(w->dir, path, len + 1);
    w->levels[w->depth++] = (struct level){dir, len};
    return 0;
}

static void level_close(struct walk *w)
{
    closedir(w->levels[--w->depth].dir);
    w->dir[w->depth ? w->levels[w->depth - 1].len : 0] = '\0';
}

/* Whether a value's file may be read: a negative errno where not. */
static int value_try(int dir_fd, const char *name)
{
    int fd = sys_open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK, 0);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

/* What an error says of an entry: that it is foreign (1), was removed (0), or that it is no error
 * of the entry's. */
static int trouble(int rc, const char **why)
{
    *why = "may not be read";
    return rc == -EACCES                                                ? 1
           : rc == -ENOENT || rc == -ELOOP || rc == -ENOTDIR || rc == 0 ? 0
                                                                        : error_from_errno(-rc);
}

/* Looks at an entry: 1 where it is foreign, 0 where it is not, or an error. */
static int entry_look(struct walk *w, int dir_fd, const struct dirent *e, const char **why)
{
    const struct layout *layout = w->fs->layout;
    char path[LAYOUT_PATH_SIZE], key[DISKV_KEY_MAX + 1];
    size_t len;
    mode_t type = fs_entry_look(w->dir, dir_fd, e, path);
    if (!*path)
        return 0;
    w->path_len =
        (size_t)snprintf(w->path, sizeof w->path, "%s%s%s", w->dir, *w->dir ? "/" : "", e->d_name);
    *why = w->path_len < sizeof path ? fs_what_is(type) : "has too long a path";
    if (w->path_len >= sizeof path)
        return 1;
    if (type == S_IFREG)
        return layout->to_key(layout, path, key, &len) ? 1
                                                       : trouble(value_try(dir_fd, e->d_name), why);
    if (type == S_IFDIR)
        return layout->has_dir(layout, path) ? trouble(level_open(w, dir_fd, e->d_name, path), why)
                                             : 1;
    return type ? 1 : 0;
}

/* The next entry of the last level; NULL at its end, or with errno set. */
static const struct dirent *entry_next(struct walk *w)
{
    const struct dirent *e;
    do {
        errno = 0;
        e = readdir(w->levels[w->depth - 1].dir);
    } while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
    return e;
}

int fs_foreign_open(struct engine *engine, struct engine_foreign **out)
{
    struct walk *w = calloc(1, sizeof *w);
    if (!w)
        return DISKV_ENOMEM;
    w->walk.engine = engine;
    w->fs = container_of(engine, struct fs, engine);
    int rc = level_open(w, w->fs->dir_fd, ".", "");
    if (rc) {
        fs_foreign_close(&w->walk);
        return error_from_errno(-rc);
    }
    *out = &w->walk;
    return 0;
}

int fs_foreign_next(struct engine_foreign *walk, struct diskv_foreign *out)
{
    struct walk *w = container_of(walk, struct walk, walk);
    for (size_t looks = 0; w->depth; looks++) {
        if (looks == LOOKS)
            return DISKV_EAGAIN;
        const struct dirent *e = entry_next(w);
        if (!e && errno)
            return error_from_errno(errno);
        if (!e) {
            level_close(w);
            continue;
        }
        int rc = entry_look(w, dirfd(w->levels[w->depth - 1].dir), e, &out->why);
        if (rc > 0) {
            out->path = w->path;
            out->len = w->path_len;
        }
        if (rc)
            return rc;
    }
    return 0;
}

void fs_foreign_close(struct engine_foreign *walk)
{
    struct walk *w = container_of(walk, struct walk, walk);
    while (w->depth)
        level_close(w);
    free(w->levels);
    free(w);
}
