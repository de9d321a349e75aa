#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* How young a file may be and change again without a new time. */
#define SETTLED_NS 2000000000LL

static struct fs *op_fs(struct engine *engine)
{
    return container_of(engine, struct fs, engine);
}

/* Reads an attribute as text; "" where there is none or it is no text that fits. */
static void attribute_get(int fd, const char *name, char *out, size_t size)
{
    int n = sys_fgetxattr(fd, name, out, size - 1);
    out[n > 0 && !memchr(out, '\0', (size_t)n) ? n : 0] = '\0';
}

struct timespec fs_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

int64_t fs_nanoseconds(struct timespec t)
{
    return (int64_t)((uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
}

bool fs_settled(struct timespec changed, struct timespec looked)
{
    return fs_nanoseconds(looked) - fs_nanoseconds(changed) >= SETTLED_NS;
}

void fs_ident(const struct stat *st, uint8_t out[static ENGINE_IDENT_LEN])
{
    const uint64_t numbers[] = {(uint64_t)st->st_ino, (uint64_t)st->st_size,
                                (uint64_t)fs_nanoseconds(st->st_mtim),
                                (uint64_t)fs_nanoseconds(st->st_ctim), (uint64_t)st->st_dev};
    _Static_assert(sizeof numbers == ENGINE_IDENT_LEN, "the identity is these numbers");
    memcpy(out, numbers, sizeof numbers);
}

/* True where the file surely has neither of the attributes, which one look tells. */
static bool attributes_none(int fd)
{
    char names[256];
    int n = sys_flistxattr(fd, names, sizeof names);
    for (int at = 0; at < n; at += (int)strlen(names + at) + 1)
        if (strcmp(names + at, "user.diskv") == 0 || strcmp(names + at, "user.mime_type") == 0)
            return false;
    return n >= 0;
}

/* Between two looks at the same record the type is the one that belongs to it, whoever changes both
 * meanwhile. */
static void attributes_get(int fd, struct engine_info *out)
{
    out->type[0] = out->record[0] = '\0';
    if (attributes_none(fd))
        return;
    char seen[sizeof out->record];
    int tries = 8; /* another program may never stop */
    do {
        attribute_get(fd, "user.diskv", seen, sizeof seen);
        attribute_get(fd, "user.mime_type", out->type, sizeof out->type);
        attribute_get(fd, "user.diskv", out->record, sizeof out->record);
    } while (strcmp(seen, out->record) != 0 && --tries);
}

void fs_info(int fd, const struct stat *st, struct timespec looked, struct engine_info *out)
{
    fs_ident(st, out->ident);
    int64_t since_edit = fs_nanoseconds(looked) - fs_nanoseconds(st->st_mtim);
    int64_t since_change = fs_nanoseconds(looked) - fs_nanoseconds(st->st_ctim);
    out->quiet_ns = since_edit < since_change ? since_edit : since_change;
    out->size = (uint64_t)st->st_size;
    out->mtime = st->st_mtim;
    attributes_get(fd, out);
}

int fs_info_now(int fd, struct engine_info *out)
{
    struct timespec looked = fs_now();
    struct stat st;
    int rc = sys_stat(fd, "", &st);
    if (!rc)
        fs_info(fd, &st, looked, out);
    return rc;
}

/* Opens below the base directory, waiting or not. */
static int file_open(struct fs *fs, const char *path, bool now)
{
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    int fd;
    int tries = 8; /* a rename elsewhere may make the kernel say EAGAIN */
    do {
        fd = now ? sys_open_beneath_now(fs->dir_fd, path, flags)
                 : sys_open_beneath(fs->dir_fd, path, flags, 0);
    } while (fd == -EAGAIN && !now && --tries);
    if (fd == -ELOOP || fd == -ENXIO || fd == -EXDEV)
        return -ENOENT; /* foreign: a link, a socket or a pipe */
    return fd;
}

/* Turns the path of a directory into that of the value in it; false where it is one already. */
static bool path_go_inside(char path[static LAYOUT_PATH_SIZE])
{
    static const char tail[] = "/" LAYOUT_VALUE_NAME;
    size_t end = strlen(path);
    if (end + sizeof tail > LAYOUT_PATH_SIZE)
        return false;
    if (end >= sizeof tail && strcmp(path + end + 1 - sizeof tail, tail) == 0)
        return false;
    memcpy(path + end, tail, sizeof tail);
    return true;
}

/* Opens the value of a key: a descriptor and its status. */
static int value_open(struct fs *fs, const char *key, size_t len, bool now, struct stat *st)
{
    char path[LAYOUT_PATH_SIZE];
    if (fs->layout->to_path(fs->layout, key, len, path))
        return -ENOENT;
    for (;;) {
        int fd = file_open(fs, path, now);
        int rc = fd < 0 ? fd : sys_stat(fd, "", st);
        if (!rc && S_ISREG(st->st_mode))
            return fd;
        if (fd >= 0)
            close(fd);
        if (rc)
            return rc;
        if (!S_ISDIR(st->st_mode) || !path_go_inside(path))
            return -ENOENT;
    }
}

int fs_value_open(struct fs *fs, const char *key, size_t len, struct stat *out)
{
    return value_open(fs, key, len, false, out);
}

/* Takes the reader that was kept, where the value's file is the same by now; NULL else. */
static struct fs_reader *reader_take(struct engine *engine, const struct engine_open *o)
{
    struct fs_kept *kept = op_fs(engine)->kept;
    struct fs_reader *r = fs_kept_get(kept, o->key, o->len);
    uint8_t ident[ENGINE_IDENT_LEN];
    if (!r || (fs_identify(engine, o->key, o->len, ident) == 0 &&
               memcmp(ident, r->reader.info.ident, sizeof ident) == 0))
        return r;
    fs_kept_drop(kept, o->key, o->len);
    fs_reader_unref(r);
    return NULL;
}

static int reader_open(struct engine *engine, struct engine_open *o, bool now)
{
    struct fs_reader *kept = o->keep ? reader_take(engine, o) : NULL;
    if (kept) {
        o->reader = &kept->reader;
        return 0;
    }
    struct timespec looked = fs_now();
    struct stat st;
    int fd = value_open(op_fs(engine), o->key, o->len, now, &st);
    if (fd < 0)
        return error_from_errno(-fd);
    struct fs_reader *r = malloc(sizeof *r);
    if (!r) {
        close(fd);
        return DISKV_ENOMEM;
    }
    r->reader.engine = engine;
    r->refs = 1;
    r->fd = fd;
    fs_info(fd, &st, looked, &r->reader.info);
    const struct engine_info *info = &r->reader.info;
    if (o->keep && info->size >= o->keep_from && info->quiet_ns >= SETTLED_NS)
        fs_kept_add(op_fs(engine)->kept, o->key, o->len, r);
    o->reader = &r->reader;
    return 0;
}

/* Costs a look where a reader was kept; else openat2, fstat, flistxattr, three fgetxattr where that
 * finds attributes of the store's, and one allocation. */
int fs_open_now(struct engine *engine, struct engine_open *o)
{
    return reader_open(engine, o, true);
}

static void open_run(struct job *job)
{
    struct engine_open *o = container_of(job, struct engine_open, op.job);
    int rc = reader_open(o->op.engine, o, false);
    o->op.done(&o->op, rc);
}

void fs_open(struct engine *engine, struct engine_open *o)
{
    o->op.engine = engine;
    o->op.job.run = open_run;
    workers_post(op_fs(engine)->workers, &o->op.job);
}

int64_t fs_read_now(struct engine_reader *reader, void *buf, size_t len, uint64_t offset)
{
    struct fs_reader *r = container_of(reader, struct fs_reader, reader);
    int64_t n = sys_pread_now(r->fd, buf, len, offset);
    if (n == -EOPNOTSUPP)
        return DISKV_EAGAIN; /* this file system cannot tell: a worker reads */
    return n < 0 ? error_from_errno((int)-n) : n;
}

static void read_run(struct job *job)
{
    struct engine_read *read = container_of(job, struct engine_read, op.job);
    struct fs_reader *r = container_of(read->reader, struct fs_reader, reader);
    int64_t n = 1;
    for (read->got = 0; read->got < read->len && n > 0;) {
        n = sys_pread(r->fd, (char *)read->buf + read->got, read->len - read->got,
                      read->offset + read->got);
        read->got += n > 0 ? (size_t)n : 0;
    }
    read->op.done(&read->op, n < 0 ? error_from_errno((int)-n) : 0);
}

void fs_read(struct engine_read *r)
{
    r->op.job.run = read_run;
    workers_post(op_fs(r->reader->engine)->workers, &r->op.job);
}

int fs_points(struct engine_reader *reader, void *buf)
{
    struct fs_reader *r = container_of(reader, struct fs_reader, reader);
    int n = sys_fgetxattr(r->fd, FS_POINTS, buf, ENGINE_POINTS_MAX);
    return n > 0 ? n : 0;
}

int fs_points_drop(struct engine_reader *reader)
{
    struct fs_reader *r = container_of(reader, struct fs_reader, reader);
    int rc = sys_fremovexattr(r->fd, FS_POINTS);
    return rc && rc != -ENODATA ? error_from_errno(-rc) : 0;
}

int fs_reader_fd(struct engine_reader *reader)
{
    return container_of(reader, struct fs_reader, reader)->fd;
}

struct closing {
    struct job job;
    int fd;
};

static void close_run(struct job *job)
{
    struct closing *c = container_of(job, struct closing, job);
    close(c->fd);
    free(c);
}

void fs_close_later(struct fs *fs, int fd)
{
    struct closing *c = malloc(sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    c->job.run = close_run;
    c->fd = fd;
    workers_post(fs->closer, &c->job);
}

struct fs_reader *fs_reader_ref(struct fs_reader *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

/* The last close of a large file that was removed takes long: it frees the blocks. That of a small
 * one waits for no more than its first read, which sets a time. */
void fs_reader_unref(struct fs_reader *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) > 1)
        return;
    struct stat st;
    if (r->reader.info.size <= FS_SMALL || (sys_stat(r->fd, "", &st) == 0 && st.st_nlink > 0))
        close(r->fd);
    else
        fs_close_later(op_fs(r->reader.engine), r->fd);
    free(r);
}

void fs_close(struct engine_reader *reader)
{
    fs_reader_unref(container_of(reader, struct fs_reader, reader));
}

int fs_stat(struct engine *engine, const char *key, size_t len, struct engine_info *out)
{
    struct timespec looked = fs_now();
    struct stat st;
    int fd = value_open(op_fs(engine), key, len, false, &st);
    if (fd < 0)
        return error_from_errno(-fd);
    if (out)
        fs_info(fd, &st, looked, out);
    close(fd);
    return 0;
}

/* One look by path, or two, and no descriptor. A directory that is a link leads to what no open
 * would find: then the identity is that of a file elsewhere. */
int fs_identify(struct engine *engine, const char *key, size_t len,
                uint8_t ident[static ENGINE_IDENT_LEN])
{
    struct fs *fs = op_fs(engine);
    char path[LAYOUT_PATH_SIZE];
    if (fs->layout->to_path(fs->layout, key, len, path))
        return DISKV_ENOTFOUND;
    struct stat st;
    int rc;
    do {
        rc = sys_stat(fs->dir_fd, path, &st);
    } while (!rc && S_ISDIR(st.st_mode) && path_go_inside(path));
    if (rc)
        return rc == -ELOOP ? DISKV_ENOTFOUND : error_from_errno(-rc);
    if (!S_ISREG(st.st_mode))
        return DISKV_ENOTFOUND;
    fs_ident(&st, ident);
    return 0;
}
