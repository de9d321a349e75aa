#include "body.h"
#include "context.h"
#include "request.h"
#include <inttypes.h>
#include <sys/random.h>

#define BLOCK_BYTES (128 * 1024)
#define PIECES_MAX  (2 * RANGES_MAX + 1) /* a part's headers and its bytes, and the end */

/* A piece of the body: bytes of the value, or text of our own. */
struct piece {
    uint64_t end;  /* in the body, behind its last byte */
    uint64_t from; /* in the value or in the text */
    bool is_text;
};

/* Belongs to the response. The request outlives every call of read_block, but not body_end. */
struct body {
    struct request *request;
    diskv_reader *reader;
    struct buf text;
    char *cold;      /* a block that the disk was waited for; NULL until one was */
    size_t cold_len; /* set by the store */
    bool waited;
    bool ends_itself; /* its size is not known before */
    size_t count, at; /* pieces, and the one that is being sent */
    struct piece pieces[PIECES_MAX];
};

static uint64_t body_size(const struct body *b)
{
    return b->pieces[b->count - 1].end;
}

static size_t block_bytes(const struct body *b)
{
    uint64_t size = body_size(b);

    if (size == 0)
        return 1; /* libmicrohttpd wants some */
    return size < BLOCK_BYTES ? (size_t)size : BLOCK_BYTES;
}

/* Reads into memory of our own: libmicrohttpd's belongs to it again when the callback returns. */
static ssize_t read_cold(struct body *b, uint64_t offset, size_t len)
{
    struct request *r = b->request;

    if (b->cold == NULL)
        b->cold = malloc(block_bytes(b));
    if (b->cold == NULL || !request_wait(r))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    b->waited = true;
    diskv_reader_read(b->reader, b->cold, len, offset, &b->cold_len, request_done, r);
    return 0;
}

/* Takes what was waited for, or what is there: a count, 0 where it has to be waited for. */
static ssize_t read_value(struct body *b, uint64_t offset, char *out, size_t len)
{
    int64_t got;

    if (b->waited) {
        b->waited = false;
        connection_go_on(b->request->connection);
        got = b->request->rc == 0 ? (int64_t)b->cold_len : b->request->rc;
        if (got > 0)
            memcpy(out, b->cold, (size_t)got);
    } else {
        got = diskv_reader_read_now(b->reader, out, len, offset);
        if (got == DISKV_EAGAIN)
            return read_cold(b, offset, len);
    }
    if (got == 0 && b->ends_itself)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return got > 0 ? (ssize_t)got : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Never a good status over a wrong length: what cannot be read to its end cuts the connection. */
static ssize_t read_block(void *cls, uint64_t offset, char *out, size_t len)
{
    struct body *b = cls;
    const struct piece *piece;
    uint64_t start;
    ssize_t got;

    while (offset >= b->pieces[b->at].end && b->at + 1 < b->count)
        b->at++;
    piece = &b->pieces[b->at];
    start = b->at > 0 ? piece[-1].end : 0;
    if (len > piece->end - offset)
        len = (size_t)(piece->end - offset);
    if (piece->is_text) {
        memcpy(out, b->text.data + piece->from + (offset - start), len);
        got = (ssize_t)len;
    } else {
        got = read_value(b, piece->from + (offset - start), out, len);
    }
    if (got > 0)
        connection_moved(b->request->connection, (uint64_t)got);
    return got;
}

static void body_free(struct body *b)
{
    buf_free(&b->text);
    free(b->cold);
    free(b);
}

static void body_end(void *cls)
{
    struct body *b = cls;

    diskv_reader_close(b->reader);
    body_free(b);
}

static struct body *body_new(struct request *r, diskv_reader *reader)
{
    struct body *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return NULL;
    b->request = r;
    b->reader = reader;
    return b;
}

static void add_piece(struct body *b, bool is_text, uint64_t from, uint64_t len)
{
    uint64_t start = b->count > 0 ? body_size(b) : 0;

    b->pieces[b->count++] = (struct piece){.end = start + len, .from = from, .is_text = is_text};
}

static struct answer body_answer(struct body *b)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        b->ends_itself ? MHD_SIZE_UNKNOWN : body_size(b), block_bytes(b), read_block, b, body_end);

    if (response == NULL)
        body_free(b);
    return answer_response(response);
}

struct answer body_whole(struct request *r, diskv_reader *reader)
{
    struct body *b = body_new(r, reader);

    if (b == NULL)
        return answer_response(NULL);
    add_piece(b, false, 0, diskv_reader_info(reader)->size);
    b->ends_itself = diskv_reader_info(reader)->size == DISKV_SIZE_UNKNOWN;
    return body_answer(b);
}

void body_print_range(const struct range *range, uint64_t size, char out[BODY_RANGE_SIZE])
{
    snprintf(out, BODY_RANGE_SIZE, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->from,
             range->from + range->len - 1, size);
}

/* Text that no value has by chance. */
static int make_boundary(char out[33])
{
    uint64_t random[2];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return DISKV_EUNAVAILABLE;
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    return 0;
}

/* Lays out the parts and what stands between them. */
static int add_parts(struct body *b, const struct range *ranges, size_t count, const char *type,
                     const char *boundary)
{
    uint64_t size = diskv_reader_info(b->reader)->size;
    char range[BODY_RANGE_SIZE];
    size_t from = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        body_print_range(&ranges[i], size, range);
        rc = buf_printf(&b->text, "%s--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n",
                        i > 0 ? "\r\n" : "", boundary, type, range);
        add_piece(b, true, from, b->text.len - from);
        add_piece(b, false, ranges[i].from, ranges[i].len);
        from = b->text.len;
    }
    if (rc == 0)
        rc = buf_printf(&b->text, "\r\n--%s--\r\n", boundary);
    add_piece(b, true, from, b->text.len - from);
    return rc;
}

struct answer body_parts(struct request *r, diskv_reader *reader, const struct range *ranges,
                         size_t count, const char *type, char multipart[BODY_TYPE_SIZE])
{
    struct body *b = body_new(r, reader);
    char boundary[33];

    multipart[0] = '\0';
    if (b == NULL)
        return answer_response(NULL);
    if (count == 1) {
        add_piece(b, false, ranges[0].from, ranges[0].len);
        return body_answer(b);
    }
    if (make_boundary(boundary) != 0 || add_parts(b, ranges, count, type, boundary) != 0) {
        body_free(b);
        return answer_response(NULL);
    }
    snprintf(multipart, BODY_TYPE_SIZE, "multipart/byteranges; boundary=%s", boundary);
    return body_answer(b);
}
