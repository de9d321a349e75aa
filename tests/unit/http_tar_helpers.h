/* What the tests of tar archives share: archives that are made piece by piece, and what comes of
 * reading one, as text. */
#ifndef HTTP_TAR_HELPERS_H
#define HTTP_TAR_HELPERS_H

#include "diskv.h"
#include "tar.h"
#include "tar_header.h"
#include "tempdir.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define STOP      (-1000) /* what an event returns that has seen enough */
#define SHORT_MAX 100     /* bytes of content that a log shows */

/* Parts of long names. */
#define D90 \
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define E90 \
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define TEN "0123456789"

/* What came of an archive, as text. */
struct log {
    struct buf text;
    uint64_t left; /* of the entry's content */
    uint64_t size;
    bool stop; /* at the first entry */
};

static inline int log_begin(void *ctx, const struct tar_entry *entry)
{
    struct log *log = ctx;
    struct tar_record record;

    buf_printf(&log->text, "%c %.*s %llu", "FDLO"[entry->type], (int)entry -> name_len,
               entry -> name, (unsigned long long)entry -> size);
    if (tar_find_record(entry, "DISKV.key", &record))
        buf_printf(&log->text, " key=%.*s", (int)record.value_len, record.value);
    buf_add_str(&log->text, "<");
    log->size = log->left = entry->size;
    return log->stop ? STOP : 0;
}

static inline int log_data(void *ctx, const char *data, size_t len)
{
    struct log *log = ctx;

    assert_in_range(len, 1, log->left);
    log->left -= len;
    return log->size <= SHORT_MAX ? buf_add(&log->text, data, len) : 0;
}

static inline int log_end(void *ctx)
{
    struct log *log = ctx;

    assert_int_equal(log->left, 0);
    return buf_add_str(&log->text, ">\n");
}

static const struct tar_events events = {log_begin, log_data, log_end};

/* Reads an archive in pieces and returns how it ended; `*text` is for free(). */
static inline int read_pieces(const struct buf *tar, size_t piece, bool stop, char **text)
{
    struct log log = {.stop = stop};
    struct tar_reader t = {.events = &events, .ctx = &log};
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < tar->len; at += piece) {
        size_t n = tar->len - at < piece ? tar->len - at : piece;
        char *copy = malloc(n); /* that the sanitizers know the end of */

        memcpy(copy, tar->data + at, n);
        rc = tar_read(&t, copy, n);
        free(copy);
    }
    if (rc == 0)
        rc = tar_read_end(&t);
    assert_true((rc == DISKV_EINVAL) == (t.fault != NULL));
    tar_reader_free(&t);
    buf_add_str(&log.text, "");
    *text = buf_steal(&log.text);
    return rc;
}

static inline void check_outcome(const struct buf *tar, int expected, const char *text)
{
    static const size_t pieces[] = {1, 7, 511, 512, 513, 10000, 1 << 20};

    for (size_t i = 0; i < array_len(pieces); i++) {
        char *got;
        int rc = read_pieces(tar, pieces[i], false, &got);

        if (rc != expected || strcmp(got, text) != 0)
            fail_msg("pieces of %zu: %d\n%s\nnot %d\n%s", pieces[i], rc, got, expected, text);
        free(got);
    }
}

static inline void check_entries(const struct buf *tar, const char *text)
{
    check_outcome(tar, 0, text);
}

/* No entry comes before the damage. */
static inline void check_damaged(const struct buf *tar)
{
    check_outcome(tar, DISKV_EINVAL, "");
}

static inline void check_first_size(const struct buf *tar, const char *text)
{
    char *got;

    assert_int_equal(read_pieces(tar, 512, true, &got), STOP);
    assert_string_equal(got, text);
    free(got);
}

/* --- Archives of our own making --- */

static inline void add_file(struct buf *tar, const char *name, const char *content)
{
    struct tar_entry entry = {.name = name, .name_len = strlen(name), .size = strlen(content)};

    assert_int_equal(tar_add_header(tar, &entry, 0), 0);
    assert_int_equal(buf_add_str(tar, content), 0);
    assert_int_equal(tar_pad(tar, entry.size), 0);
}

static inline void add_end(struct buf *tar)
{
    assert_int_equal(tar_add_end(tar, tar->len), 0);
    assert_int_equal(tar->len % TAR_RECORD, 0);
}

/* The header at `at`, with a right checksum again after a change. */
static inline struct tar_header *header_at(struct buf *tar, size_t at)
{
    return (struct tar_header *)(tar->data + at);
}

static inline void sign(struct tar_header *header)
{
    snprintf(header->checksum, sizeof(header->checksum), "%06lo", tar_checksum(header, false));
}

/* An entry of a type that tar_write does not make, in front of nothing. */
static inline void add_typed(struct buf *tar, char type, const char *name, const char *content)
{
    size_t at = tar->len;

    add_file(tar, name, content);
    header_at(tar, at)->type = type;
    sign(header_at(tar, at));
}

#endif
