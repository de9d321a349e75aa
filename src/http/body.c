#include "body.h"
#include "context.h"
#include "request.h"

#define BLOCK_BYTES (128 * 1024)

/* Belongs to the response. The request outlives every call of read_block, but not free_body. */
struct body {
    struct request *request;
    diskv_reader *reader;
    char *cold;      /* a block that the disk was waited for; NULL until one was */
    size_t cold_len; /* set by the store */
    bool waited;
    bool ends_itself; /* its size is not known before */
};

static size_t block_bytes(const struct diskv_info *info)
{
    if (info->size == 0)
        return 1; /* libmicrohttpd wants some */
    return info->size < BLOCK_BYTES ? (size_t)info->size : BLOCK_BYTES;
}

/* Reads into memory of our own: libmicrohttpd's belongs to it again when the callback returns. */
static ssize_t read_cold(struct body *b, uint64_t offset, size_t len)
{
    struct request *r = b->request;

    if (b->cold == NULL)
        b->cold = malloc(block_bytes(diskv_reader_info(b->reader)));
    if (b->cold == NULL || !request_wait(r))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    b->waited = true;
    diskv_reader_read(b->reader, b->cold, len, offset, &b->cold_len, request_done, r);
    return 0;
}

/* Never a good status over a wrong length: what cannot be read to its end cuts the connection. */
static ssize_t read_block(void *cls, uint64_t offset, char *out, size_t len)
{
    struct body *b = cls;
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
    if (got <= 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    connection_moved(b->request->connection, (uint64_t)got);
    return (ssize_t)got;
}

static void free_body(void *cls)
{
    struct body *b = cls;

    diskv_reader_close(b->reader);
    free(b->cold);
    free(b);
}

struct answer body_answer(struct request *r, diskv_reader *reader)
{
    const struct diskv_info *info = diskv_reader_info(reader);
    struct body *b = calloc(1, sizeof(*b));
    struct MHD_Response *response = NULL;

    if (b == NULL) {
        diskv_reader_close(reader);
        return answer_response(NULL);
    }
    *b = (struct body){
        .request = r, .reader = reader, .ends_itself = info->size == DISKV_SIZE_UNKNOWN};
    response = MHD_create_response_from_callback(b->ends_itself ? MHD_SIZE_UNKNOWN : info->size,
                                                 block_bytes(info), read_block, b, free_body);
    if (response == NULL)
        free_body(b);
    return answer_response(response);
}
