#include "fs.h"

#include "buf.h"
#include "error.h"
#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A walk that looks for what is no value. */
struct check {
    const struct layout *layout;
    struct buf todo; /* paths of directories, each with its NUL; the last is the next */
    char dir[LAYOUT_PATH_SIZE];
    int rc;
};

static bool check_visit(void *ctx, int dir_fd, const struct dirent *e)
{
    struct check *c = ctx;
    char path[LAYOUT_PATH_SIZE], key[DISKV_KEY_MAX + 1];
    size_t key_len;
    mode_t type = fs_entry_look(c->dir, dir_fd, e, path);
    if (!*path)
        return true;
    if (type == S_IFDIR)
        c->rc = buf_add(&c->todo, path, strlen(path) + 1);
    else if (type != S_IFREG || c->layout->to_key(c->layout, path, key, &key_len))
        c->rc = DISKV_ECONFLICT;
    return !c->rc;
}

/* ECONFLICT where something lies among the values that is none. Directories do not count. */
static int foreign_check(struct fs *fs)
{
    struct check c = {.layout = fs->layout};
    int rc = buf_add(&c.todo, "", 1);
    while (!rc && c.todo.len) {
        size_t start = c.todo.len - 1;
        while (start > 0 && c.todo.data[start - 1])
            start--;
        memcpy(c.dir, c.todo.data + start, c.todo.len - start);
        c.todo.len = start;
        rc = fs_entries(fs->dir_fd, *c.dir ? c.dir : ".", check_visit, &c);
        if (rc)
            rc = rc == -ENOENT ? 0 : error_from_errno(-rc);
        else
            rc = c.rc;
    }
    buf_free(&c.todo);
    return rc;
}

/* What was cleared, in tmp until the closer has removed it. */
struct trash {
    struct job job;
    struct fs *fs;
    int fd;
    int rc; /* of what could not be moved here, a negative errno */
    char name[FS_TMP_NAME];
};

static int trash_new(struct fs *fs, struct trash **out)
{
    struct trash *t = malloc(sizeof *t);
    if (!t)
        return -ENOMEM;
    *t = (struct trash){.fs = fs};
    int rc = fs_tmp(fs);
    if (rc < 0)
        goto free_trash;
    do {
        fs_tmp_name(fs, t->name);
        rc = sys_mkdirat(fs->tmp_fd, t->name, 0700);
    } while (rc == -EEXIST);
    if (rc)
        goto free_trash;
    t->fd = sys_open_beneath(fs->tmp_fd, t->name, O_RDONLY | O_DIRECTORY, 0);
    rc = t->fd;
    if (rc < 0)
        goto remove_dir;
    *out = t;
    return 0;

remove_dir:
    sys_unlinkat(fs->tmp_fd, t->name, AT_REMOVEDIR);
free_trash:
    free(t);
    return rc;
}

static void trash_run(struct job *job)
{
    struct trash *t = container_of(job, struct trash, job);
    int rc = fs_empty(t->fs, t->fd);
    close(t->fd);
    if (!rc)
        rc = sys_unlinkat(t->fs->tmp_fd, t->name, AT_REMOVEDIR);
    if (rc)
        log_warning("cannot remove all that was erased, in %s: %s", t->name, strerror(-rc));
    free(t);
}

static bool move_visit(void *ctx, int dir_fd, const struct dirent *e)
{
    struct trash *t = ctx;
    if (strcmp(e->d_name, FS_PRIVATE) == 0)
        return true;
    int rc = sys_renameat2(dir_fd, e->d_name, t->fd, e->d_name, 0);
    if (rc && rc != -ENOENT && !t->rc)
        t->rc = rc;
    return true;
}

int fs_clear_apply(struct fs *fs, const struct engine_clear *c, struct fs_dirs *dirs)
{
    int rc = c->foreign ? 0 : foreign_check(fs);
    if (rc)
        return rc;
    int base_fd = sys_open_beneath(fs->dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (base_fd < 0)
        return error_from_errno(-base_fd);
    struct trash *t;
    rc = trash_new(fs, &t);
    if (rc) {
        close(base_fd);
        return error_from_errno(-rc);
    }
    rc = fs_entries(base_fd, ".", move_visit, t);
    if (!rc)
        rc = t->rc;
    fs_dirs_add(dirs, base_fd);
    fs_kept_clear(fs->kept);
    t->job.run = trash_run;
    workers_post(fs->closer, &t->job);
    return rc ? error_from_errno(-rc) : 0;
}
