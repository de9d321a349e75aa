#include "answer.h"
#include "context.h"
#include "cors.h"
#include "date.h"
#include "key.h"
#include "loop.h"
#include "media_type.h"
#include "request.h"

struct answer answer_response(struct MHD_Response *response)
{
    return (struct answer){.response = response, .broken = response == NULL};
}

/* libmicrohttpd only reads what it is to keep. */
static struct MHD_Response *constant(const char *text, size_t len)
{
    return MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
}

struct answer answer_empty(void)
{
    return answer_response(constant("", 0));
}

struct answer answer_text(const char *text, const char *type)
{
    struct answer a = answer_response(constant(text, strlen(text)));

    answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return a;
}

struct answer answer_buf(struct buf *body, const char *type)
{
    size_t len = body->len;
    char *data = buf_steal(body);
    struct answer a =
        answer_response(MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE));

    if (a.response == NULL)
        free(data);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return a;
}

static void print(struct answer *a, const char *text, size_t len)
{
    if (a->room - a->len < len)
        a->broken = true;
    if (a->broken)
        return;
    memcpy(a->text + a->len, text, len);
    a->len += len;
}

struct answer answer_printed(const char *status_line, char *out, size_t room)
{
    struct answer a = {.text = out, .room = room};

    print(&a, status_line, strlen(status_line));
    return a;
}

size_t answer_print_end(struct answer *a)
{
    print(a, "\r\n", 2);
    return a->broken ? 0 : a->len;
}

static void print_header(struct answer *a, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);

    if (value_len == 0 || !validate_field(name, name_len, value, value_len))
        a->broken = true;
    print(a, name, name_len);
    print(a, ": ", 2);
    print(a, value, value_len);
    print(a, "\r\n", 2);
}

void answer_header(struct answer *a, const char *name, const char *value)
{
    if (a->text != NULL)
        print_header(a, name, value);
    else if (!a->broken && MHD_add_response_header(a->response, name, value) != MHD_YES)
        a->broken = true;
}

void answer_vary(struct answer *a, const char *name)
{
    const char *before =
        a->broken ? NULL : MHD_get_response_header(a->response, MHD_HTTP_HEADER_VARY);
    char *joined;

    if (before == NULL) {
        answer_header(a, MHD_HTTP_HEADER_VARY, name);
        return;
    }
    if (asprintf(&joined, "%s, %s", before, name) < 0) {
        a->broken = true;
        return;
    }
    MHD_del_response_header(a->response, MHD_HTTP_HEADER_VARY, before);
    answer_header(a, MHD_HTTP_HEADER_VARY, joined);
    free(joined);
}

static time_t earlier(time_t a, time_t b)
{
    return a < b ? a : b;
}

void answer_validators(struct answer *a, const struct diskv_info *info, const char *suffix)
{
    char etag[DISKV_ETAG_MAX + 16], date[DATE_SIZE];

    snprintf(etag, sizeof(etag), "\"%s%s\"", info->etag, suffix);
    answer_header(a, MHD_HTTP_HEADER_ETAG, etag);
    date_format(earlier(info->modified.tv_sec, time(NULL)), date);
    if (date[0] != '\0')
        answer_header(a, MHD_HTTP_HEADER_LAST_MODIFIED, date);
}

static enum MHD_Result queue(struct request *r, unsigned status, struct answer *a)
{
    cors_answer(r, a);
    if (atomic_load(&r->server->draining))
        answer_header(a, MHD_HTTP_HEADER_CONNECTION, "close");
    return a->broken ? MHD_NO : MHD_queue_response(r->mhd, status, a->response);
}

enum MHD_Result answer_send(struct request *r, unsigned status, struct answer *a)
{
    enum MHD_Result sent = queue(r, status, a);

    if (a->response != NULL)
        MHD_destroy_response(a->response);
    return sent;
}

enum MHD_Result answer_send_and_keep(struct request *r, unsigned status, struct answer *a,
                                     uint64_t version, enum shelf_kind kind)
{
    enum MHD_Result sent = queue(r, status, a);

    if (sent == MHD_YES)
        shelf_add(r->loop->shelf, version, kind, a->response);
    else if (a->response != NULL)
        MHD_destroy_response(a->response);
    return sent;
}

static void add_location(struct answer *a, const char *key, size_t len)
{
    struct buf location = {0};

    if (buf_add_str(&location, "/keys/") == 0 && key_print(&location, key, len) == 0)
        answer_header(a, MHD_HTTP_HEADER_LOCATION, location.data);
    else
        a->broken = true;
    buf_free(&location);
}

enum MHD_Result answer_stored(struct request *r, unsigned status, const struct diskv_info *info,
                              const char *key, size_t len)
{
    struct answer a = answer_empty();

    answer_validators(&a, info, "");
    if (status != MHD_HTTP_NO_CONTENT)
        add_location(&a, key, len);
    return answer_send(r, status, &a);
}

bool answer_is_printable(const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s < 0x20 || *s > 0x7e)
            return false;
    }
    return true;
}

const char *answer_type(const struct diskv_info *info, const char *key, size_t len)
{
    const char *type = info->type;

    if (type[0] == '\0' || !answer_is_printable(type))
        type = media_type_of(key, len);
    return type != NULL ? type : ANSWER_BINARY;
}
