#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Asks the guard about what the slot holds. A negative code of diskv's table. */
static int guard_ask(const struct fs_slot *slot, engine_guard *guard, void *ctx)
{
    if (!guard)
        return 0;
    if (!slot->exists)
        return guard(ctx, NULL);
    int fd = sys_open_beneath(slot->fd, slot->name, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return error_from_errno(-fd);
    struct engine_info info;
    fs_info(fd, &slot->stat, slot->looked, &info);
    close(fd);
    return guard(ctx, &info);
}

int fs_value_hold(const struct fs_slot *slot)
{
    if (!slot->exists || slot->stat.st_size < FS_LARGE)
        return -1;
    int fd = sys_open_beneath(slot->fd, slot->name, O_PATH, 0);
    return fd < 0 ? -1 : fd;
}

void fs_value_release(struct fs *fs, int fd)
{
    if (fd >= 0)
        fs_close_later(fs, fd);
}

int fs_slot_claim(struct fs *fs, const char *path, engine_guard *guard, void *guard_ctx,
                  struct fs_dirs *dirs, struct fs_slot *slot, int *refused)
{
    int rc = guard ? fs_slot_open(fs, path, false, dirs, slot) : -ENOENT;
    if (rc == 0) {
        *refused = guard_ask(slot, guard, guard_ctx);
        if (*refused)
            fs_slot_close(slot);
        return 0;
    }
    if (rc != -ENOENT)
        return rc;
    *refused = guard ? guard(guard_ctx, NULL) : 0;
    return *refused ? 0 : fs_slot_open(fs, path, true, dirs, slot);
}

void fs_slot_leave(struct fs *fs, struct fs_slot *slot, const char *path, struct fs_dirs *dirs)
{
    char left[LAYOUT_PATH_SIZE];
    size_t len = (size_t)snprintf(left, sizeof left, "%s", path);
    if (strcmp(slot->name, LAYOUT_VALUE_NAME) == 0)
        snprintf(left + len, sizeof left - len, "/%s", LAYOUT_VALUE_NAME);
    fs_dirs_add(dirs, slot->fd);
    fs_prune(fs, left, dirs);
}

/* True where the writer's file is the value already: then there is nothing to rename. */
static bool is_same(const struct fs_writer *w, const struct fs_slot *slot)
{
    struct stat st;
    return w->shared && slot->exists && !sys_stat(w->fd, "", &st) && fs_same_file(&st, &slot->stat);
}

static int ident_set(const struct engine_commit *c, const struct fs_writer *w)
{
    struct stat st;
    int rc = c->ident ? sys_stat(w->fd, "", &st) : 0;
    if (c->ident && !rc)
        fs_ident(&st, c->ident);
    return rc;
}

/* Gives the value its name, in place of what may have it. */
static int commit_over(struct fs *fs, struct engine_commit *c, const char *path,
                       struct fs_dirs *dirs, int *refused)
{
    struct fs_writer *w = container_of(c->writer, struct fs_writer, writer);
    struct fs_slot slot;
    int rc = fs_slot_claim(fs, path, c->guard, c->guard_ctx, dirs, &slot, refused);
    if (rc || *refused)
        return rc;
    int old_fd = fs_value_hold(&slot);
    rc = sys_renameat2(fs->tmp_fd, w->name, slot.fd, slot.name, 0);
    fs_value_release(fs, old_fd);
    if (rc) {
        fs_slot_close(&slot);
        return rc == -EISDIR ? -ENOENT : rc;
    }
    c->same = is_same(w, &slot);
    if (c->same)
        sys_unlinkat(fs->tmp_fd, w->name, 0);
    c->created = !slot.exists;
    fs->replacing = slot.exists;
    fs_dirs_add(dirs, slot.fd);
    *refused = ident_set(c, w) ? DISKV_EINDOUBT : 0;
    return 0;
}

/* The same where nothing has it, without a look beforehand: -EEXIST, or -EINVAL where the file
 * system has no such call. */
static int commit_new(struct fs *fs, struct engine_commit *c, const char *path,
                      struct fs_dirs *dirs, int *refused)
{
    const struct fs_writer *w = container_of(c->writer, struct fs_writer, writer);
    const char *name;
    int dir_fd = fs_parent_open(fs, path, true, dirs, &name);
    if (dir_fd < 0)
        return dir_fd;
    int rc = sys_renameat2(fs->tmp_fd, w->name, dir_fd, name, RENAME_NOREPLACE);
    if (rc) {
        close(dir_fd);
        return rc;
    }
    c->created = true;
    fs_dirs_add(dirs, dir_fd);
    *refused = ident_set(c, w) ? DISKV_EINDOUBT : 0;
    return 0;
}

/* One try to give the value its name. -ENOENT: look again. */
static int commit_try(struct fs *fs, struct engine_commit *c, const char *path,
                      struct fs_dirs *dirs, int *refused)
{
    bool shared = container_of(c->writer, struct fs_writer, writer)->shared;
    int rc = -EEXIST;
    if (!c->guard && !shared && !fs->replacing)
        rc = commit_new(fs, c, path, dirs, refused);
    if (rc == -EEXIST || rc == -EINVAL)
        rc = commit_over(fs, c, path, dirs, refused);
    return rc;
}

int fs_commit_apply(struct fs *fs, struct engine_commit *c, struct fs_dirs *dirs)
{
    char path[LAYOUT_PATH_SIZE];
    int refused = fs->layout->to_path(fs->layout, c->key, c->len, path);
    if (refused)
        return refused;
    fs_kept_drop(fs->kept, c->key, c->len);
    int rc;
    int tries = FS_TRIES_MAX;
    do {
        if (tries < FS_TRIES_MAX)
            fs_dirs_drop_removed(dirs);
        rc = commit_try(fs, c, path, dirs, &refused);
    } while (rc == -ENOENT && --tries);
    if (!rc)
        return refused;
    fs_prune(fs, path, dirs);
    return rc == -ENOENT ? DISKV_EUNAVAILABLE : error_from_errno(-rc);
}

int fs_erase_apply(struct fs *fs, struct engine_erase *e, struct fs_dirs *dirs)
{
    char path[LAYOUT_PATH_SIZE];
    if (fs->layout->to_path(fs->layout, e->key, e->len, path))
        return DISKV_ENOTFOUND;
    fs_kept_drop(fs->kept, e->key, e->len);
    struct fs_slot slot;
    int rc = fs_slot_open(fs, path, false, dirs, &slot);
    if (rc)
        return rc == -ELOOP ? DISKV_ENOTFOUND : error_from_errno(-rc);
    int refused = guard_ask(&slot, e->guard, e->guard_ctx);
    if (!refused) {
        int old_fd = fs_value_hold(&slot);
        rc = sys_unlinkat(slot.fd, slot.name, 0);
        fs_value_release(fs, old_fd);
    }
    if (rc || refused) {
        fs_slot_close(&slot);
        return refused ? refused : error_from_errno(-rc);
    }
    fs_slot_leave(fs, &slot, path, dirs);
    return 0;
}
