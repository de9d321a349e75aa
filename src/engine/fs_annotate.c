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

/* The record says what changes until the type has changed too. */
static int type_change(int fd, const struct engine_notes *notes)
{
    int rc = attribute_set(fd, "user.mime_type", notes->type);
    return rc ? rc : attribute_set(fd, "user.diskv", notes->record);
}

int fs_notes_restore(int fd, const struct engine_info *old)
{
    int rc = attribute_set(fd, "user.mime_type", old->type);
    return rc ? rc : attribute_set(fd, "user.diskv", old->record);
}

/* A change that failed half-way is taken back: what it set already would be read. */
int fs_notes_set(int fd, const struct engine_notes *notes, const struct engine_info *old)
{
    int rc = attribute_set(fd, "user.diskv", notes->between ? notes->between : notes->record);
    if (rc)
        return error_from_errno(-rc);
    rc = notes->between ? type_change(fd, notes) : 0;
    if (rc)
        return fs_notes_restore(fd, old) ? DISKV_EINDOUBT : error_from_errno(-rc);
    return 0;
}

/* After a failed sync nobody knows what is on the disk. The description at the end shows the new
 * ctime; where there is none the change was made all the same. */
static int value_annotate(int fd, struct engine_annotate *a)
{
    struct engine_info old;
    int rc = fs_info_now(fd, &old);
    if (rc)
        return error_from_errno(-rc);
    rc = a->guard ? a->guard(a->guard_ctx, &old) : 0;
    if (!rc)
        rc = fs_notes_set(fd, &a->notes, &old);
    if (!rc && ((a->op.sync && sys_fsync(fd)) || fs_info_now(fd, &a->info)))
        rc = DISKV_EINDOUBT;
    return rc;
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
    int fd = sys_open_beneath(slot.fd, slot.name, O_RDONLY | O_NONBLOCK, 0);
    fs_slot_close(&slot);
    if (fd < 0)
        return error_from_errno(-fd);
    rc = value_annotate(fd, a);
    close(fd);
    return rc;
}
