#include "fs.h"

#include "error.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Sets an attribute, or removes it where the text is empty. */
static int attribute_set(int fd, const char *name, const char *text)
{
    if (*text)
        return sys_fsetxattr(fd, name, text, strlen(text));
    int rc = sys_fremovexattr(fd, name);
    return rc == -ENODATA ? 0 : rc;
}

static int attributes_set(int fd, const struct engine_annotate *a)
{
    int rc = a->between ? attribute_set(fd, "user.diskv", a->between) : 0;
    if (!rc && a->between)
        rc = attribute_set(fd, "user.mime_type", a->type);
    if (!rc)
        rc = attribute_set(fd, "user.diskv", a->record);
    return !rc && a->sync ? sys_fsync(fd) : rc;
}

/* Describes the value again, whose ctime has changed. */
static int info_renew(int fd, struct engine_info *out)
{
    struct timespec looked = fs_now();
    struct stat st;
    int rc = sys_stat(fd, "", &st);
    if (!rc)
        fs_info(fd, &st, looked, out);
    return rc;
}

/* A code of diskv's table. */
static int value_annotate(struct fs_slot *slot, struct engine_annotate *a)
{
    int refused = fs_guard_ask(slot, a->guard, a->guard_ctx);
    if (refused)
        return refused;
    int fd = sys_open_beneath(slot->fd, slot->name, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return error_from_errno(-fd);
    int rc = attributes_set(fd, a);
    if (!rc)
        rc = info_renew(fd, &a->info);
    close(fd);
    return rc ? error_from_errno(-rc) : 0;
}

int fs_annotate_apply(struct fs *fs, struct engine_annotate *a)
{
    char path[LAYOUT_PATH_SIZE];
    if (fs->layout->to_path(fs->layout, a->key, a->len, path))
        return DISKV_ENOTFOUND;
    struct fs_slot slot;
    int rc = fs_slot_open(fs, path, false, NULL, &slot);
    if (rc)
        return rc == -ELOOP ? DISKV_ENOTFOUND : error_from_errno(-rc);
    rc = value_annotate(&slot, a);
    fs_slot_close(&slot);
    return rc;
}
