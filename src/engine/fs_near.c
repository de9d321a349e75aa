/* Looks at values that lie beside each other, from their directory. */
#include "fs.h"

#include "sys.h"
#include "util.h"

#include <fcntl.h>
#include <unistd.h>

void fs_near_end(struct engine *engine, struct engine_near *near)
{
    (void)engine;
    if (near->looks > 1 && near->fd >= 0)
        close(near->fd);
    near->looks = 0;
}

/* The directory that the path's first `len` bytes name, opened for the second look into it: for one
 * alone that costs more than it spares. -1 where the look is to be by the whole path. */
static int near_dir(const struct fs *fs, struct engine_near *near, const char *path, size_t len)
{
    if (near->looks == 0 || near->len != len || memcmp(near->dir, path, len) != 0) {
        fs_near_end(NULL, near);
        _Static_assert(sizeof near->dir >= LAYOUT_PATH_SIZE, "a path has room");
        memcpy(near->dir, path, len);
        near->dir[len] = '\0';
        near->len = len;
        near->looks = 1;
        return -1;
    }
    if (near->looks++ == 1)
        near->fd = len ? sys_open_beneath(fs->dir_fd, near->dir, O_PATH | O_DIRECTORY, 0) : -1;
    return near->fd;
}

/* Looks at a value's file in the open directory; false where it has to be looked at by its path. */
static bool near_stat(const struct fs *fs, struct engine_near *near, const char *key, size_t len,
                      struct stat *st)
{
    char path[LAYOUT_PATH_SIZE];
    if (fs->layout->to_path(fs->layout, key, len, path))
        return false;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int dir_fd = near_dir(fs, near, path, (size_t)(name - path));
    return dir_fd >= 0 && !sys_stat(dir_fd, name, st) && S_ISREG(st->st_mode);
}

int fs_identify_near(struct engine *engine, struct engine_near *near, const char *key, size_t len,
                     uint8_t ident[static ENGINE_IDENT_LEN])
{
    struct stat st;
    if (!near_stat(container_of(engine, struct fs, engine), near, key, len, &st))
        return fs_identify(engine, key, len, ident);
    fs_ident(&st, ident);
    return 0;
}

int fs_exists_near(struct engine *engine, struct engine_near *near, const char *key, size_t len)
{
    struct stat st;
    if (near_stat(container_of(engine, struct fs, engine), near, key, len, &st))
        return 0;
    return fs_stat(engine, key, len, NULL);
}
