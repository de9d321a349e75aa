/* The asynchronous calls, waited for. */
#include "wait.h"

void waiter_init(struct waiter *w)
{
    sem_init(&w->done, 0, 0);
}

void waiter_done(void *ctx, int rc)
{
    struct waiter *w = ctx;
    w->rc = rc;
    sem_post(&w->done);
}

int waiter_wait(struct waiter *w)
{
    while (sem_wait(&w->done))
        ; /* a signal handler ran */
    sem_destroy(&w->done);
    return w->rc;
}

int diskv_reader_open_wait(diskv *store, const char *key, size_t len, enum diskv_read how,
                           diskv_reader **out)
{
    int rc = diskv_reader_open_now(store, key, len, how, out);
    if (rc != DISKV_EAGAIN)
        return rc;
    struct waiter w;
    waiter_init(&w);
    diskv_reader_open(store, key, len, how, out, waiter_done, &w);
    return waiter_wait(&w);
}

int64_t diskv_reader_read_wait(diskv_reader *reader, void *buf, size_t len, uint64_t offset)
{
    int64_t n = diskv_reader_read_now(reader, buf, len, offset);
    if (n == DISKV_EAGAIN)
        n = 0;
    size_t have = n < 0 ? 0 : (size_t)n;
    if (n < 0 || have == len || offset + have >= diskv_reader_info(reader)->size)
        return n;
    struct waiter w;
    waiter_init(&w);
    size_t got;
    diskv_reader_read(reader, (char *)buf + have, len - have, offset + have, &got, waiter_done, &w);
    int rc = waiter_wait(&w);
    return rc ? rc : (int64_t)(have + got);
}

int diskv_writer_append_wait(diskv_writer *writer, const void *data, size_t len)
{
    const char *at = data;
    for (;;) {
        int64_t n = diskv_writer_append(writer, at, len);
        if (n < 0)
            return (int)n;
        len -= (size_t)n;
        if (len == 0)
            return 0;
        at += n;
        struct waiter w;
        waiter_init(&w);
        diskv_writer_flush(writer, waiter_done, &w);
        int rc = waiter_wait(&w);
        if (rc)
            return rc;
    }
}

int diskv_writer_copy_wait(diskv_writer *writer, diskv_reader *reader)
{
    struct waiter w;
    waiter_init(&w);
    diskv_writer_copy(writer, reader, waiter_done, &w);
    return waiter_wait(&w);
}

int diskv_writer_commit_wait(diskv_writer *writer)
{
    struct waiter w;
    waiter_init(&w);
    diskv_writer_commit(writer, waiter_done, &w);
    return waiter_wait(&w);
}

int diskv_erase_wait(diskv *store, const char *key, size_t len, diskv_guard *guard, void *guard_ctx)
{
    struct waiter w;
    waiter_init(&w);
    diskv_erase(store, key, len, guard, guard_ctx, waiter_done, &w);
    return waiter_wait(&w);
}

int diskv_move_wait(diskv *store, struct diskv_move *move)
{
    struct waiter w;
    waiter_init(&w);
    diskv_move(store, move, waiter_done, &w);
    return waiter_wait(&w);
}

int diskv_annotate_wait(diskv *store, const char *key, size_t len,
                        const struct diskv_write_options *options, struct diskv_info *out)
{
    struct waiter w;
    waiter_init(&w);
    diskv_annotate(store, key, len, options, out, waiter_done, &w);
    return waiter_wait(&w);
}

int diskv_amend_wait(diskv *store, const char *key, size_t len, diskv_amender *amender,
                     void *amender_ctx, struct diskv_info *out)
{
    struct waiter w;
    waiter_init(&w);
    diskv_amend(store, key, len, amender, amender_ctx, out, waiter_done, &w);
    return waiter_wait(&w);
}

int diskv_list_wait(diskv *store, const struct diskv_list_options *options, struct diskv_page **out)
{
    struct waiter w;
    waiter_init(&w);
    diskv_list(store, options, out, waiter_done, &w);
    return waiter_wait(&w);
}
