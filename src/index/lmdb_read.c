/* Reading an index without opening it: a child process, which damage may crash, reads the file and
 * writes what it holds to a pipe. */
#include "index.h"

#include "error.h"
#include "lmdb_check.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What goes before an entry: the lengths of its two parts, the second only of notes. */
struct frame {
    uint16_t note, first, second;
};

struct sending {
    FILE *to;
    struct digest digest;
};

static int frame_send(FILE *to, const struct frame *frame, const void *first, const void *second)
{
    return fwrite(frame, sizeof *frame, 1, to) == 1 &&
                   fwrite(first, 1, frame->first, to) == frame->first &&
                   fwrite(second, 1, frame->second, to) == frame->second
               ? 0
               : DISKV_EIO;
}

static int key_send(struct sending *s, const MDB_val *head, const MDB_val *tail)
{
    char key[DISKV_KEY_MAX];
    size_t len;
    int rc = keys_join(head, tail, key, &len);
    if (rc)
        return rc;
    digest_key(&s->digest, key, len, false);
    return frame_send(s->to, &(struct frame){0, (uint16_t)len, 0}, key, "");
}

static int note_send(struct sending *s, const MDB_val *hash, const MDB_val *entry)
{
    struct note note;
    int rc = note_parse(entry, &note);
    (void)hash;
    if (rc)
        return rc;
    digest_note(&s->digest, entry, false);
    return frame_send(s->to, &(struct frame){1, (uint16_t)note.name_len, (uint16_t)note.len},
                      note.name, note.value);
}

static int table_send(struct sending *s, MDB_txn *txn, MDB_dbi table,
                      int (*send)(struct sending *, const MDB_val *, const MDB_val *))
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = lmdb_error(mdb_cursor_open(txn, table, &cursor));
    while (!rc) {
        rc = lmdb_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
        if (!rc)
            rc = send(s, &key, &value);
    }
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

struct reading {
    const struct seal *seal; /* NULL: notes alone */
    int pipe[2];
};

/* In the child, which leaves everything to the kernel to clean up. */
static int content_send(void *ctx)
{
    const struct reading *r = ctx;
    struct sending s = {.to = fdopen(r->pipe[1], "w")};
    struct tables tables;
    MDB_txn *txn;
    close(r->pipe[0]);
    int rc = s.to ? tables_open(&tables, INDEX_DATA_NAME, MDB_RDONLY | MDB_NOLOCK) : DISKV_ENOMEM;
    if (!rc)
        rc = lmdb_error(mdb_txn_begin(tables.env, NULL, MDB_RDONLY, &txn));
    if (!rc)
        rc = table_send(&s, txn, tables.notes, note_send);
    if (!rc && r->seal)
        rc = table_send(&s, txn, tables.keys, key_send);
    if (!rc && fflush(s.to))
        rc = DISKV_EIO;
    if (!rc && r->seal && memcmp(&s.digest, &r->seal->now, sizeof s.digest) != 0 &&
        memcmp(&s.digest, &r->seal->next, sizeof s.digest) != 0)
        rc = DISKV_ECORRUPT;
    return rc;
}

static int content_receive(FILE *from, const struct index_visitor *visitor)
{
    char first[INDEX_NOTE_NAME_MAX], second[INDEX_NOTE_VALUE_MAX];
    struct frame frame;
    int rc = 0;
    while (!rc && fread(&frame, sizeof frame, 1, from) == 1) {
        if (frame.first > sizeof first || frame.second > sizeof second ||
            fread(first, 1, frame.first, from) != frame.first ||
            fread(second, 1, frame.second, from) != frame.second)
            return DISKV_ECORRUPT;
        rc = frame.note ? visitor->note(visitor->ctx, first, frame.first, second, frame.second)
                        : visitor->key(visitor->ctx, first, frame.first);
    }
    return rc;
}

static int content_read(int dir_fd, const struct seal *seal, const struct index_visitor *visitor)
{
    struct reading r = {.seal = seal};
    if (pipe2(r.pipe, O_CLOEXEC))
        return error_from_errno(errno);
    pid_t child = child_start(dir_fd, content_send, &r);
    close(r.pipe[1]);
    FILE *from = fdopen(r.pipe[0], "r");
    int rc = from ? content_receive(from, visitor) : DISKV_ENOMEM;
    if (from)
        fclose(from);
    else
        close(r.pipe[0]);
    bool whole = child_wait(child);
    return rc ? rc : child < 0 ? DISKV_EUNAVAILABLE : whole ? 0 : DISKV_ECORRUPT;
}

/* ENOTFOUND where there is neither a seal nor what it seals, or it is another boot's. */
static int seal_look(int dir_fd, struct seal *seal)
{
    int fd = sys_open_beneath(dir_fd, INDEX_SEAL_NAME, O_RDONLY, 0);
    if (fd == -ENOENT)
        return faccessat(dir_fd, INDEX_DATA_NAME, F_OK, 0) ? DISKV_ENOTFOUND : DISKV_ECORRUPT;
    if (fd < 0)
        return error_from_errno(-fd);
    int rc = seal_read(fd, seal);
    close(fd);
    return rc ? rc : seal_is_ours(seal) ? 0 : DISKV_ENOTFOUND;
}

int index_lmdb_read(const char *dir, const struct index_visitor *visitor)
{
    struct seal seal;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return error_from_errno(errno);
    int rc = visitor->key ? seal_look(dir_fd, &seal) : 0;
    if (!rc)
        rc = content_read(dir_fd, visitor->key ? &seal : NULL, visitor);
    close(dir_fd);
    return rc;
}

int index_lmdb_remove(const char *dir)
{
    static const char *const names[] = {INDEX_SEAL_NAME, INDEX_DATA_NAME, INDEX_NEW_NAME,
                                        INDEX_LOCK_NAME};
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return errno == ENOENT ? 0 : error_from_errno(errno);
    int rc = 0;
    for (size_t i = 0; i < array_len(names); i++) {
        int removed = sys_unlinkat(dir_fd, names[i], 0);
        if (removed && removed != -ENOENT && !rc)
            rc = error_from_errno(-removed);
    }
    close(dir_fd);
    return rc;
}
