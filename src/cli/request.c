#include "remote.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_SECONDS 30L

/* Bytes of an answer that says what is wrong. */
#define PROBLEM_MAX (64 * 1024)

int query_print(struct buf *out, const char *text)
{
    int rc = 0;
    for (const unsigned char *c = (const unsigned char *)text; !rc && *c; c++) {
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= 'a' && *c <= 'z') || strchr("-._~", *c);
        rc = plain ? buf_add(out, c, 1) : buf_printf(out, "%%%02X", *c);
    }
    return rc;
}

static bool exchange_fails(struct exchange *x, const char *what)
{
    if (!x->told)
        store_fails(&x->remote->store, "%s", what);
    x->told = true;
    return false;
}

static bool sink_begin(struct exchange *x)
{
    curl_off_t size = -1;
    x->begun = true;
    if (!x->sink->begin)
        return true;
    curl_easy_getinfo(x->remote->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    return x->sink->begin(x->sink->ctx, size < 0 ? DISKV_SIZE_UNKNOWN : (uint64_t)size);
}

static bool sink_take(struct exchange *x, const char *data, size_t len)
{
    bool fine = (x->begun || sink_begin(x)) && (!len || x->sink->take(x->sink->ctx, data, len));
    x->told |= !fine;
    return fine;
}

static bool good(long status)
{
    return status >= 200 && status < 300;
}

static size_t write_data(char *data, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    size_t len = size * count;
    curl_easy_getinfo(x->remote->curl, CURLINFO_RESPONSE_CODE, &x->status);
    if (x->sink && good(x->status))
        return sink_take(x, data, len) ? len : CURL_WRITEFUNC_ERROR;
    size_t max = good(x->status) ? x->body_max : PROBLEM_MAX;
    if (x->body.len + len > max) {
        exchange_fails(x, NOT_DISKV);
        return CURL_WRITEFUNC_ERROR;
    }
    return buf_add(&x->body, data, len) ? CURL_WRITEFUNC_ERROR : len;
}

static size_t read_data(char *out, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    uint64_t left = x->content->size - x->sent;
    size_t len = size * count < left ? size * count : (size_t)left;
    ssize_t n;
    do
        n = len ? read(x->content->fd, out, len) : 0;
    while (n < 0 && errno == EINTR);
    if (n < 0)
        exchange_fails(x, strerror(errno));
    else if (n == 0 && left && x->content->size != DISKV_SIZE_UNKNOWN)
        exchange_fails(x, "the file was cut short meanwhile");
    if (x->told)
        return CURL_READFUNC_ABORT;
    x->sent += (uint64_t)n;
    if (x->content->progress)
        progress_add(x->content->progress, 0, (uint64_t)n);
    return (size_t)n;
}

/* A connection that was kept may turn out to be closed: then it all goes out again. */
static int seek_data(void *ctx, curl_off_t offset, int origin)
{
    struct exchange *x = ctx;
    if (origin != SEEK_SET || lseek(x->content->fd, offset, SEEK_SET) != offset)
        return CURL_SEEKFUNC_CANTSEEK;
    x->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void content_set(CURL *curl, struct exchange *x)
{
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_data);
    curl_easy_setopt(curl, CURLOPT_READDATA, x);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_data);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, x);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    if (x->content->size != DISKV_SIZE_UNKNOWN)
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->content->size);
}

static void options_set(CURL *curl, struct exchange *x)
{
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, x->remote->url.data);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "diskv/" DISKV_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->remote->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    if (x->method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, x->method);
    if (x->content)
        content_set(curl, x);
}

/* Adds the media type; "" where there is none, so that the server goes by the key. */
static bool header_set(CURL *curl, const struct exchange *x, struct curl_slist **out)
{
    struct buf line = {0};
    *out = NULL;
    if (!x->content || !x->content->type)
        return true;
    if (strpbrk(x->content->type, "\r\n"))
        return store_fails_rc(&x->remote->store, DISKV_EINVAL);
    int rc = buf_printf(&line, "Content-Type: %s", x->content->type);
    if (!rc)
        *out = curl_slist_append(NULL, line.data);
    buf_free(&line);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *out);
    return *out || store_fails_rc(&x->remote->store, DISKV_ENOMEM);
}

/* What the server says is wrong (RFC 9457), else the status. */
static bool answer_fails(struct exchange *x)
{
    json_t *problem = x->body.len ? json_loadb(x->body.data, x->body.len, 0, NULL) : NULL;
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    char status[32];
    snprintf(status, sizeof status, "HTTP status %ld", x->status);
    exchange_fails(x, detail && *detail ? detail : status);
    json_decref(problem);
    return false;
}

static bool outcome(struct exchange *x, CURLcode code)
{
    struct remote *r = x->remote;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &x->status);
    if (x->told)
        return false;
    if (x->status >= 200 && !good(x->status))
        return answer_fails(x);
    if (code != CURLE_OK)
        return exchange_fails(x, *r->error ? r->error : curl_easy_strerror(code));
    return !x->sink || sink_take(x, "", 0); /* an empty value has a beginning too */
}

bool request_send(struct remote *r, struct exchange *x)
{
    struct curl_slist *header;
    x->remote = r;
    *r->error = '\0';
    options_set(r->curl, x);
    if (!header_set(r->curl, x, &header))
        return false;
    bool fine = outcome(x, curl_easy_perform(r->curl));
    curl_slist_free_all(header);
    return fine;
}
