/* Values from the page cache to a socket, without a copy. */
#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <errno.h>

/* Looks at the last byte only: what comes in order is in memory before it, or was asked for by the
 * kernel's read-ahead. Where a page before it is missing, or is dropped between look and sending,
 * the sender waits for no more than `len` bytes from the disk. A look costs as much as the sending
 * of some 30 KiB. */
int fs_sendable_now(struct engine_reader *reader, size_t len, uint64_t offset)
{
    struct fs *fs = container_of(reader->engine, struct fs, engine);
    if (!len)
        return atomic_load_explicit(&fs->blind, memory_order_relaxed) ? DISKV_ENOTSUP : 0;
    char last;
    int64_t n = sys_pread_now(fs_reader_fd(reader), &last, 1, offset + len - 1);
    if (n == -EOPNOTSUPP) {
        atomic_store_explicit(&fs->blind, true, memory_order_relaxed);
        return DISKV_EAGAIN;
    }
    if (n < 0)
        return error_from_errno((int)-n);
    return n == 0 ? DISKV_ESTALE : 0;
}

int64_t fs_send_now(struct engine_reader *reader, int socket, size_t len, uint64_t offset)
{
    int64_t n = sys_sendfile(socket, fs_reader_fd(reader), offset, len);
    if (n == -EAGAIN)
        return 0;
    if (n < 0)
        return error_from_errno((int)-n);
    return n == 0 ? DISKV_ESTALE : n;
}
