#include "context.h"
#include "download.h"
#include "format.h"
#include "handlers.h"
#include "key.h"
#include "listing.h"
#include "metadata.h"
#include "stream.h"
#include "tar.h"
#include "tar_name.h"

#define FILE_NAME_MAX 255                 /* bytes that file systems take */
#define LEARN_MAX     (16 * STREAM_PIECE) /* bytes read by one job for nothing but their count */
#define XATTR         "SCHILY.xattr.user."

/* An archive being made: page by page, value by value. */
struct archive {
    diskv *store;
    struct listing listing;
    struct diskv_page *page; /* NULL before the first and behind the last */
    size_t at;               /* its next item */
    size_t stem;             /* bytes of each key that names go without */
    diskv_reader *reader;    /* of the value that is being copied; NULL: between two */
    bool learning;           /* how long it is, by reading it */
    uint64_t offset, size;   /* in it */
    uint64_t made;           /* bytes of the archive in the pieces before */
    bool ended;
    struct buf name, pax; /* of an entry, kept to be used again */
};

/* True where some key goes on behind `key` and a slash: a file system has a directory there. What
 * follows in the page tells, but at its end. */
static int is_directory(struct archive *a, const char *key, size_t len, bool *out)
{
    char prefix[DISKV_KEY_MAX + 1];
    struct diskv_list_options options = {.from = "",
                                         .prefix = prefix,
                                         .prefix_len = len + 1,
                                         .delimiter = "",
                                         .limit = 1,
                                         .bare = true};
    struct diskv_page *page;
    size_t i;
    int rc;

    memcpy(prefix, key, len);
    prefix[len] = '/';
    *out = false;
    for (i = a->at; i < a->page->count; i++) {
        const struct diskv_item *item = &a->page->items[i];
        size_t n = item->len < len + 1 ? item->len : len + 1;
        int order = memcmp(item->name, prefix, n);

        *out = order == 0 && item->len > len;
        if (order > 0 || *out)
            return 0;
    }
    if (a->page->next == NULL || len == DISKV_KEY_MAX)
        return 0;
    rc = diskv_list_wait(a->store, &options, &page);
    if (rc != 0)
        return rc;
    *out = page->count > 0;
    diskv_page_free(page);
    return 0;
}

/* Names the entry of a key. Where no file can have that name, a record bears the key. */
static int name_entry(struct archive *a, const struct diskv_item *item)
{
    const char *rest = item->name + a->stem;
    size_t len = item->len - a->stem;
    bool plain = tar_name_is_plain(rest, len, FILE_NAME_MAX), directory;
    int rc = is_directory(a, item->name, item->len, &directory);

    a->name.len = a->pax.len = 0;
    if (rc == 0)
        rc = plain ? buf_add(&a->name, rest, len) : tar_name_escape(&a->name, rest, len);
    if (rc == 0 && directory)
        rc = buf_add_str(&a->name, TAR_NAME_VALUE);
    if (rc == 0 && (directory || !plain))
        rc = tar_add_record(&a->pax, "DISKV.key", rest, len);
    return rc;
}

/* The media type and the fields that are kept with the value, as GNU tar has extended attributes.
 */
static int add_metadata(struct archive *a)
{
    const char *type = diskv_reader_info(a->reader)->type;
    struct diskv_field field;
    char key[128];
    int rc = 0;

    if (type[0] != '\0')
        rc = tar_add_record(&a->pax, XATTR "mime_type", type, strlen(type));
    for (size_t i = 0; rc == 0 && diskv_fields_at(diskv_reader_fields(a->reader), i, &field); i++) {
        snprintf(key, sizeof(key), XATTR "diskv.%s", field.name);
        if (metadata_is_given(&field))
            rc = tar_add_record(&a->pax, key, field.value, strlen(field.value));
    }
    return rc;
}

/* The header of the entry whose value is open, of the item before the next. */
static int add_entry(struct archive *a, struct buf *out)
{
    const struct diskv_item *item = &a->page->items[a->at - 1];
    struct tar_entry entry = {.type = TAR_FILE, .size = a->size};
    int rc = name_entry(a, item);

    if (rc == 0)
        rc = add_metadata(a);
    if (rc != 0)
        return rc;
    entry.name = a->name.data;
    entry.name_len = a->name.len;
    entry.pax = a->pax.data;
    entry.pax_len = a->pax.len;
    a->offset = 0;
    return tar_add_header(out, &entry, diskv_reader_info(a->reader)->modified.tv_sec);
}

/* Opens the next value, if it is still there. */
static int begin_entry(struct archive *a, struct buf *out)
{
    const struct diskv_item *item = &a->page->items[a->at++];
    int rc = diskv_reader_open_wait(a->store, item->name, item->len, DISKV_READ_ONCE, &a->reader);

    if (rc != 0)
        return rc == DISKV_ENOTFOUND ? 0 : rc;
    a->size = diskv_reader_info(a->reader)->size;
    a->learning = a->size == DISKV_SIZE_UNKNOWN;
    if (a->learning)
        a->size = 0;
    return a->learning ? 0 : add_entry(a, out);
}

/* Reads a value of unknown size towards its end, which tells it. What is read is of no use. */
static int learn_size(struct archive *a, struct buf *out)
{
    for (size_t done = 0; done < LEARN_MAX; done += STREAM_PIECE) {
        int64_t got = diskv_reader_read_wait(a->reader, out->data, STREAM_PIECE, a->size);

        if (got < 0)
            return (int)got;
        a->size += (uint64_t)got;
        if (got < STREAM_PIECE) {
            a->learning = false;
            return add_entry(a, out);
        }
    }
    return DISKV_EAGAIN;
}

/* Copies of the value what the piece still takes. One that is not as long as it was said to be ends
 * the archive: the size has gone out. */
static int copy_value(struct archive *a, struct buf *out)
{
    size_t room = out->len < STREAM_PIECE ? STREAM_PIECE - out->len : 0;
    uint64_t left = a->size - a->offset;
    size_t len = left < room ? (size_t)left : room;
    int64_t got = 0;

    if (len > 0)
        got = diskv_reader_read_wait(a->reader, out->data + out->len, len, a->offset);
    if (got < 0)
        return (int)got;
    if ((size_t)got < len)
        return DISKV_ESTALE;
    out->len += len;
    a->offset += len;
    if (a->offset < a->size)
        return 0;
    diskv_reader_close(a->reader);
    a->reader = NULL;
    return tar_pad(out, a->size);
}

static int next_page(struct archive *a)
{
    diskv_page_free(a->page);
    a->page = NULL;
    a->at = 0;
    return listing_next(&a->listing, a->store, &a->page);
}

static int make(void *ctx, struct buf *out)
{
    struct archive *a = ctx;
    int rc = buf_reserve(out, STREAM_PIECE + TAR_RECORD);

    while (rc == 0 && !a->ended && out->len < STREAM_PIECE) {
        if (a->learning && out->len > 0)
            break; /* and goes on with an empty piece, to read into */
        if (a->learning) {
            rc = learn_size(a, out);
        } else if (a->reader != NULL) {
            rc = copy_value(a, out);
        } else if (a->page != NULL && a->at < a->page->count) {
            rc = begin_entry(a, out);
        } else {
            rc = next_page(a);
            a->ended = a->page == NULL;
            if (rc == 0 && a->ended)
                rc = tar_add_end(out, a->made + out->len);
        }
    }
    a->made += out->len;
    return rc;
}

static void archive_free(void *ctx)
{
    struct archive *a = ctx;

    diskv_reader_close(a->reader);
    diskv_page_free(a->page);
    buf_free(&a->pax);
    buf_free(&a->name);
    free(a);
}

static const struct maker archive_maker = {.make = make, .free = archive_free};

struct tar_get {
    struct stream *stream;
    struct buf disposition;
};

static bool read_query(struct request *r, struct listing *l)
{
    if (query_has(r->query, "from") || query_has(r->query, "limit") ||
        query_has(r->query, "delimiter")) {
        request_refuse(r, MHD_HTTP_BAD_REQUEST,
                       "a tar holds all keys of a prefix: it takes no from, limit or delimiter");
        return false;
    }
    return listing_begin(r, l, SIZE_MAX, SIZE_MAX);
}

/* The archive is to be saved by the name that the prefix ends with. */
static int name_archive(struct buf *out, const char *prefix, size_t len)
{
    struct buf name = {0};
    int rc;

    while (len > 0 && prefix[len - 1] == '/')
        len--;
    rc = len > 0 ? buf_add(&name, prefix, len) : buf_add_str(&name, "keys");
    if (rc == 0)
        rc = buf_add_str(&name, ".tar");
    if (rc == 0)
        rc = download_disposition(out, name.data, name.len);
    buf_free(&name);
    return rc;
}

static void tar_get_begin(struct request *r)
{
    struct tar_get *t = r->state;
    struct archive *a = calloc(1, sizeof(*a));
    const char *prefix, *slash;
    size_t len;

    if (a == NULL || stream_new(r, &archive_maker, a, &t->stream) != 0) {
        free(a);
        request_refuse_rc(r, DISKV_ENOMEM);
        return;
    }
    a->store = r->server->store;
    if (!read_query(r, &a->listing))
        return;
    a->listing.options.bare = true;
    prefix = a->listing.prefix;
    len = a->listing.options.prefix_len;
    slash = memrchr(prefix, '/', len);
    a->stem = slash != NULL ? (size_t)(slash + 1 - prefix) : 0;
    if (name_archive(&t->disposition, prefix, len) != 0)
        request_refuse_rc(r, DISKV_ENOMEM);
}

static enum MHD_Result tar_get_end(struct request *r)
{
    struct tar_get *t = r->state;
    struct answer a;
    int rc = stream_go_on(t->stream);

    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc != 0)
        return listing_fail(r, rc);
    a = stream_answer(&t->stream, "application/x-tar");
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_DISPOSITION, t->disposition.data);
    answer_header(&a, MHD_HTTP_HEADER_VARY, FORMAT_VARY);
    return answer_send(r, MHD_HTTP_OK, &a);
}

static void tar_get_close(struct request *r)
{
    struct tar_get *t = r->state;

    buf_free(&t->disposition);
    stream_free(t->stream);
}

const struct handler tar_get_handler = {
    .state_size = sizeof(struct tar_get),
    .begin = tar_get_begin,
    .end = tar_get_end,
    .close = tar_get_close,
};
