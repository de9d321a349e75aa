#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <assert.h>

/* Whether the file is as it was when it was opened. The store's own changes to its names and
 * attributes, which show in its ctime, leave the bytes alone. */
static int file_check(int fd, const struct engine_info *opened)
{
    struct stat st;
    int rc = sys_stat(fd, "", &st);
    if (rc)
        return error_from_errno(-rc);
    bool same = (uint64_t)st.st_size == opened->size &&
                fs_nanoseconds(st.st_mtim) == fs_nanoseconds(opened->mtime);
    return same ? 0 : DISKV_ESTALE;
}

static void copy_run(struct job *job)
{
    struct engine_copy *c = container_of(job, struct engine_copy, op.job);
    struct fs_writer *w = container_of(c->writer, struct fs_writer, writer);
    struct fs *fs = container_of(c->writer->engine, struct fs, engine);
    int fd = fs_reader_fd(c->reader);
    int rc = fs_file_copy(fs, w, fd);
    rc = rc ? error_from_errno(-rc) : file_check(fd, &c->reader->info);
    c->op.done(&c->op, rc);
}

void fs_copy(struct engine_copy *c)
{
    struct fs *fs = container_of(c->writer->engine, struct fs, engine);
    assert(container_of(c->writer, struct fs_writer, writer)->fd < 0);
    c->op.job.run = copy_run;
    workers_post(fs->workers, &c->op.job);
}
