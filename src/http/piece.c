#include "piece.h"
#include "context.h"
#include "request.h"
#include "shelf.h"

#define COPY_BYTES (256 * 1024)
#define VIEW_BYTES (1024 * 1024) /* beyond, the progress of an answer has to be seen */

static void close_reader(void *cls)
{
    diskv_reader_close(cls);
}

/* What is in the cache, from there. */
static bool answer_view(struct value *v, uint64_t from, size_t len, struct answer *out)
{
    const char *data = diskv_reader_view(v->reader, len, from);

    if (data == NULL)
        return false;
    *out = answer_response(MHD_create_response_from_buffer_with_free_callback_cls(
        len, (void *)(uintptr_t)data, close_reader, v->reader));
    if (!out->broken)
        v->reader = NULL;
    return true;
}

static bool answer_copy(const struct value *v, uint64_t from, size_t len, struct answer *out)
{
    struct MHD_Response *response;
    char *data = malloc(len);

    if (data == NULL || diskv_reader_read_now(v->reader, data, len, from) != (int64_t)len) {
        free(data);
        return false;
    }
    response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(data);
    *out = answer_response(response);
    return true;
}

bool piece_answer(struct request *r, struct value *v, uint64_t from, uint64_t len,
                  struct answer *out)
{
    bool is_there;

    if (len == 0) {
        *out = answer_empty();
        return true;
    }
    /* An answer that is kept holds a copy: with a view, its value could not make room. */
    is_there = (len > SHELF_BODY_MAX && len <= VIEW_BYTES && answer_view(v, from, len, out)) ||
               (len <= COPY_BYTES && answer_copy(v, from, len, out));
    if (is_there)
        connection_moved(r->connection, len);
    return is_there;
}
