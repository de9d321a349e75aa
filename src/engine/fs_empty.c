#include "fs.h"

#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* A directory being emptied. Directories in those that lie in it move up into it: so a tree of any
 * depth takes two descriptors, and one that something is mounted on, which cannot move, is never
 * entered. */
struct emptying {
    struct fs *fs;
    int top_fd;
    bool gone; /* in this pass something went or moved up */
    bool left; /* something is there still */
    int rc;    /* why, a negative errno */
};

/* -ENOTEMPTY for a directory with something in it. */
static int name_remove(int dir_fd, const char *name)
{
    int rc = sys_unlinkat(dir_fd, name, 0);
    if (rc == -EISDIR)
        rc = sys_unlinkat(dir_fd, name, AT_REMOVEDIR);
    return rc == -ENOENT ? 0 : rc;
}

static void emptying_note(struct emptying *e, int rc)
{
    if (!rc) {
        e->gone = true;
        return;
    }
    e->left = true;
    if (!e->rc)
        e->rc = rc;
}

static bool below_visit(void *ctx, int dir_fd, const struct dirent *entry)
{
    struct emptying *e = ctx;
    int rc = name_remove(dir_fd, entry->d_name);
    if (rc == -ENOTEMPTY) {
        do {
            char name[FS_TMP_NAME];
            fs_tmp_name(e->fs, name);
            rc = sys_renameat2(dir_fd, entry->d_name, e->top_fd, name, RENAME_NOREPLACE);
        } while (rc == -EEXIST);
        e->left = true;
    }
    emptying_note(e, rc);
    return true;
}

static bool top_visit(void *ctx, int top_fd, const struct dirent *entry)
{
    struct emptying *e = ctx;
    int rc = name_remove(top_fd, entry->d_name);
    if (rc == -ENOTEMPTY) {
        rc = fs_entries(top_fd, entry->d_name, below_visit, e);
        if (!rc)
            rc = name_remove(top_fd, entry->d_name);
    }
    emptying_note(e, rc);
    return true;
}

int fs_empty(struct fs *fs, int dir_fd)
{
    struct emptying e;
    int rc;
    do {
        e = (struct emptying){.fs = fs, .top_fd = dir_fd};
        rc = fs_entries(dir_fd, ".", top_visit, &e);
    } while (!rc && e.left && e.gone);
    return rc ? rc : e.rc;
}
