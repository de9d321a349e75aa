#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A try to move a value. */
struct moving {
    struct fs *fs;
    struct engine_move *m;
    struct fs_dirs *dirs;
    const char *from, *to;  /* paths */
    int fd;                 /* of the value */
    struct engine_info old; /* what is known of it */
    int refused;            /* why it is not moved, a code of diskv's table */
    bool claimed;           /* directories may have been made for it */
};

/* Opens the value and asks the guard about it. */
static int source_open(struct moving *t)
{
    struct fs_slot slot;
    int rc = fs_slot_open(t->fs, t->from, false, NULL, &slot);
    if (rc == -ENOENT || rc == -ELOOP)
        t->refused = DISKV_ENOTFOUND;
    if (rc)
        return t->refused ? 0 : rc;
    t->fd = sys_open_beneath(slot.fd, slot.name, O_RDONLY | O_NONBLOCK, 0);
    fs_slot_close(&slot);
    rc = t->fd < 0 ? t->fd : fs_info_now(t->fd, &t->old);
    if (!rc && t->m->from_guard)
        t->refused = t->m->from_guard(t->m->guard_ctx, &t->old);
    return rc;
}

/* Where the value lies now: to make a directory for the other key may have moved it into one.
 * -ENOENT where the name is another's by now. */
static int source_find(const struct moving *t, struct fs_slot *out)
{
    struct stat st;
    int rc = fs_slot_open(t->fs, t->from, false, NULL, out);
    if (rc)
        return rc;
    rc = sys_stat(t->fd, "", &st);
    if (!rc && !fs_same_file(&st, &out->stat))
        rc = -ENOENT;
    if (rc)
        fs_slot_close(out);
    return rc;
}

/* Renaming one of two names of a file to the other would do nothing. */
static int value_rename(const struct moving *t, const struct fs_slot *from,
                        const struct fs_slot *to)
{
    bool twins = to->exists && from->stat.st_nlink > 1 && fs_same_file(&from->stat, &to->stat);
    int old_fd = fs_value_hold(to);
    int rc = twins ? sys_unlinkat(from->fd, from->name, 0)
                   : sys_renameat2(from->fd, from->name, to->fd, to->name, 0);
    fs_value_release(t->fs, old_fd);
    return rc == -EISDIR ? -ENOENT : rc;
}

/* Gives the value its notes and its name. It is synced in between, for it takes the place of one
 * that may be durable. */
static int value_move(struct moving *t, const struct fs_slot *from, const struct fs_slot *to)
{
    const struct engine_notes *notes = t->m->notes.type ? &t->m->notes : NULL;
    t->refused = notes ? fs_notes_set(t->fd, notes, &t->old) : 0;
    if (t->refused)
        return 0;
    int rc = t->m->op.sync ? sys_fsync(t->fd) : 0;
    if (!rc)
        rc = value_rename(t, from, to);
    if (rc && notes && fs_notes_restore(t->fd, &t->old))
        t->refused = DISKV_EINDOUBT;
    return t->refused ? 0 : rc;
}

/* Both slots are closed. */
static int slots_move(struct moving *t, struct fs_slot *from, struct fs_slot *to)
{
    int rc = value_move(t, from, to);
    if (rc || t->refused) {
        fs_slot_close(from);
        fs_slot_close(to);
        return rc;
    }
    t->m->created = !to->exists;
    fs_dirs_add(t->dirs, to->fd);
    fs_slot_leave(t->fs, from, t->from, t->dirs);
    if (fs_info_now(t->fd, &t->m->info))
        t->refused = DISKV_EINDOUBT;
    return 0;
}

/* -ENOENT: look again. */
static int move_try(struct moving *t)
{
    struct fs_slot from, to;
    int rc = source_open(t);
    if (rc || t->refused)
        return rc;
    rc = fs_slot_claim(t->fs, t->to, t->m->to_guard, t->m->guard_ctx, t->dirs, &to, &t->refused);
    t->claimed |= !t->refused;
    if (rc || t->refused)
        return rc;
    rc = source_find(t, &from);
    if (rc) {
        fs_slot_close(&to);
        return rc;
    }
    return slots_move(t, &from, &to);
}

int fs_move_apply(struct fs *fs, struct engine_move *m, struct fs_dirs *dirs)
{
    char from[LAYOUT_PATH_SIZE], to[LAYOUT_PATH_SIZE];
    if (fs->layout->to_path(fs->layout, m->from, m->from_len, from))
        return DISKV_ENOTFOUND;
    int rc = fs->layout->to_path(fs->layout, m->to, m->to_len, to);
    if (rc)
        return rc;
    fs_kept_drop(fs->kept, m->from, m->from_len);
    fs_kept_drop(fs->kept, m->to, m->to_len);
    int tries = FS_TRIES_MAX;
    struct moving t = {.fs = fs, .m = m, .dirs = dirs, .from = from, .to = to};
    do {
        t.fd = -1;
        if (tries < FS_TRIES_MAX)
            fs_dirs_drop_removed(dirs);
        rc = move_try(&t);
        if (t.fd >= 0)
            close(t.fd);
    } while (rc == -ENOENT && --tries);
    if (t.claimed && (rc || t.refused))
        fs_prune(fs, to, dirs);
    if (rc == -ENOENT)
        return DISKV_EUNAVAILABLE;
    return rc ? error_from_errno(-rc) : t.refused;
}

/* A large value is synced before the committer does it again: then that is soon done. */
static void sync_run(struct job *job)
{
    struct engine_move *m = container_of(job, struct engine_move, op.job);
    struct stat st;
    int fd =
        fs_value_open(container_of(m->op.engine, struct fs, engine), m->from, m->from_len, &st);
    int rc = fd >= 0 && st.st_size >= FS_LARGE ? sys_fsync(fd) : 0;
    if (fd >= 0)
        close(fd);
    if (rc)
        m->op.done(&m->op, error_from_errno(-rc));
    else
        fs_move_post(m->op.engine, m);
}

void fs_move(struct engine *engine, struct engine_move *m)
{
    if (!m->op.sync) {
        fs_move_post(engine, m);
        return;
    }
    m->op.engine = engine;
    m->op.job.run = sync_run;
    workers_post(container_of(engine, struct fs, engine)->workers, &m->op.job);
}
