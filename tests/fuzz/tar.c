/* A tar archive of any bytes, whose outcome must not depend on the pieces that it comes in; every
 * entry is written again and read as it was. The first byte says the size of the pieces; where it
 * is odd, each block gets the checksum that a header must have. */
#include "tar.h"
#include "diskv.h"
#include "fuzz.h"
#include "tar_header.h"

/* What came of an archive. */
struct outcome {
    struct buf text;
    uint64_t left; /* of the entry's content */
    bool open;     /* an entry has begun and not ended */
    bool again;    /* entries are written and read once more */
};

static const struct tar_events events;

/* An entry, alone. */
static void check_again(const struct tar_entry *entry)
{
    struct outcome outcome = {0};
    struct tar_reader t = {.events = &events, .ctx = &outcome};
    struct tar_entry file = {.name = entry->name,
                             .name_len = entry->name_len,
                             .size = entry->size,
                             .pax = entry->pax,
                             .pax_len = entry->pax_len};
    struct buf tar = {0};
    struct tar_record record;

    if (entry->type != TAR_FILE || entry->name_len == 0 ||
        tar_find_record(entry, "path", &record) || tar_find_record(entry, "size", &record) ||
        memchr(entry->name, '\0', entry->name_len))
        return;
    assert(tar_add_header(&tar, &file, (int64_t)entry->size) == 0 && tar.len % TAR_BLOCK == 0);
    int rc = tar_read(&t, tar.data, tar.len);
    if (tar.len - TAR_BLOCK <= TAR_EXTENSION_MAX) {
        assert(rc == 0 && outcome.open == (entry->size > 0));
        assert(outcome.text.len > entry->name_len);
        assert(memcmp(outcome.text.data + 1, entry->name, entry->name_len) == 0);
        assert(outcome.left == entry->size);
    }
    tar_reader_free(&t);
    buf_free(&outcome.text);
    buf_free(&tar);
}

static int on_begin(void *ctx, const struct tar_entry *entry)
{
    struct outcome *o = ctx;

    assert(!o->open && entry->size <= INT64_MAX);
    assert(entry->pax_len + entry->name_len <= 3 * TAR_EXTENSION_MAX);
    if (o->again)
        check_again(entry);
    o->open = true;
    o->left = entry->size;
    buf_printf(&o->text, "%c", "FDLO"[entry->type]);
    buf_add(&o->text, entry->name, entry->name_len);
    buf_printf(&o->text, " %llu ", (unsigned long long)entry->size);
    return buf_add(&o->text, entry->pax, entry->pax_len);
}

static int on_data(void *ctx, const char *data, size_t len)
{
    struct outcome *o = ctx;

    assert(o->open && len > 0 && len <= o->left);
    o->left -= len;
    return buf_add(&o->text, data, len);
}

static int on_end(void *ctx)
{
    struct outcome *o = ctx;

    assert(o->open && o->left == 0);
    o->open = false;
    return buf_add_str(&o->text, ".");
}

static const struct tar_events events = {on_begin, on_data, on_end};

static int read_pieces(const char *data, size_t size, size_t piece, struct outcome *out)
{
    struct tar_reader t = {.events = &events, .ctx = out};
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < size; at += piece)
        rc = tar_read(&t, data + at, size - at < piece ? size - at : piece);
    if (rc == 0)
        rc = tar_read_end(&t);
    assert(rc == 0 || rc == DISKV_EINVAL);
    assert((rc == 0) == (t.fault == NULL));
    assert(rc != 0 || !out->open);
    tar_reader_free(&t);
    return rc;
}

static void sign_blocks(char *data, size_t size)
{
    static const char zeroes[TAR_BLOCK];

    for (; size >= TAR_BLOCK; data += TAR_BLOCK, size -= TAR_BLOCK) {
        struct tar_header header;

        if (memcmp(data, zeroes, TAR_BLOCK) == 0)
            continue;
        memcpy(&header, data, sizeof header);
        snprintf(header.checksum, sizeof header.checksum, "%06lo", tar_checksum(&header, false));
        memcpy(data, &header, sizeof header);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = {.again = true}, pieces = {0};

    if (size < 2)
        return 0;
    char *copy = malloc(size - 1); /* that the sanitizers know the end of */
    assert(copy);
    memcpy(copy, data + 1, size - 1);
    if (data[0] % 2)
        sign_blocks(copy, size - 1);
    int rc = read_pieces(copy, size - 1, size, &whole);
    assert(read_pieces(copy, size - 1, 1 + data[0] * 3u, &pieces) == rc);
    assert(whole.text.len == pieces.text.len);
    assert(whole.text.len == 0 || memcmp(whole.text.data, pieces.text.data, whole.text.len) == 0);
    buf_free(&pieces.text);
    buf_free(&whole.text);
    free(copy);
    return 0;
}
