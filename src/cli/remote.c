/* A server, by its URL. */
#include "remote.h"

#include "key.h"
#include "util.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define META_MAX (64 * 1024)        /* bytes of what is known of a value */
#define PAGE_MAX (16 * 1024 * 1024) /* of a page of a listing */

/* How far the two clocks may be apart from what a Date, which counts seconds, tells. */
#define DATE_SECONDS 2

static struct remote *remote_of(struct store *store)
{
    return container_of(store, struct remote, store);
}

static const struct store_ops remote_ops;

static struct store *remote_new(const char *base)
{
    struct remote *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->store.ops = &remote_ops;
    r->base = strdup(base);
    r->curl = curl_easy_init();
    if (r->base && r->curl)
        return &r->store;
    curl_easy_cleanup(r->curl);
    free(r->base);
    free(r);
    return NULL;
}

struct store *remote_open(const struct store_place *place, char *problem, size_t size)
{
    size_t len = strlen(place->name);
    if (strpbrk(place->name, "?# ") || !strstr(place->name, "://")[3]) {
        snprintf(problem, size, "a server's URL is http://HOST:PORT, perhaps with a path");
        return NULL;
    }
    struct store *store = curl_global_init(CURL_GLOBAL_DEFAULT) ? NULL : remote_new(place->name);
    while (store && remote_of(store)->base[len - 1] == '/')
        remote_of(store)->base[--len] = '\0';
    return store;
}

static struct store *remote_again(struct store *store)
{
    return remote_new(remote_of(store)->base);
}

static void remote_close(struct store *store)
{
    struct remote *r = remote_of(store);
    curl_easy_cleanup(r->curl);
    buf_free(&r->url);
    free(r->base);
    free(r);
}

static bool text_add(struct remote *r, const char *text)
{
    return buf_add_str(&r->url, text) == 0 || store_fails_rc(&r->store, DISKV_ENOMEM);
}

static bool query_add(struct remote *r, const char *text)
{
    return query_print(&r->url, text) == 0 || store_fails_rc(&r->store, DISKV_ENOMEM);
}

static bool url_begin(struct remote *r, const char *text)
{
    r->url.len = 0;
    return text_add(r, r->base) && text_add(r, text);
}

static bool url_of_key(struct remote *r, const char *key, const char *query)
{
    if (!store_takes_key(&r->store, key) || !url_begin(r, "/keys/"))
        return false;
    if (key_print(&r->url, key, strlen(key)))
        return store_fails_rc(&r->store, DISKV_ENOMEM);
    return text_add(r, query);
}

/* --- Listing: pages, each with a line of JSON for a key --- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

struct listing {
    struct remote *remote;
    item_visit *visit;
    void *ctx;
    char last[DISKV_KEY_MAX + 1];
    bool more;
};

static bool line_show(struct listing *l, const char *line, size_t len)
{
    json_t *object = json_loadb(line, len, 0, NULL);
    const json_t *size = json_object_get(object, "size");
    const struct item item = {
        .key = text_of(object, "key"),
        .size = json_is_integer(size) ? (uint64_t)json_integer_value(size) : DISKV_SIZE_UNKNOWN,
        .modified = text_of(object, "modified"),
        .etag = text_of(object, "etag"),
    };
    bool fine = store_takes_key(&l->remote->store, item.key);
    if (fine) {
        snprintf(l->last, sizeof l->last, "%s", item.key);
        l->more = l->visit(l->ctx, &item);
    } else {
        store_fails(&l->remote->store, NOT_DISKV);
    }
    json_decref(object);
    return fine;
}

static bool page_show(struct listing *l, const struct buf *page)
{
    const char *line = page->data, *end = page->data + page->len;
    l->more = page->len > 0;
    for (const char *next; l->more && line < end; line = next + 1) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (!next)
            return store_fails(&l->remote->store, NOT_DISKV);
        if (!line_show(l, line, (size_t)(next - line)))
            return false;
    }
    return true;
}

/* A page is held in memory, as its visitor may take longer than the server would wait. */
static bool page_list(struct listing *l, const char *prefix)
{
    struct remote *r = l->remote;
    struct exchange x = {.body_max = PAGE_MAX};
    bool fine = url_begin(r, "/keys?format=ndjson&limit=1000&from=") && query_add(r, l->last) &&
                text_add(r, "&prefix=") && query_add(r, prefix) && request_send(r, &x) &&
                page_show(l, &x.body);
    buf_free(&x.body);
    return fine;
}

static bool remote_list(struct store *store, const char *prefix, bool bare, item_visit *visit,
                        void *ctx)
{
    (void)bare; /* the server says all in any case */
    struct listing l = {.remote = remote_of(store), .visit = visit, .ctx = ctx, .more = true};
    bool fine = true;
    while (fine && l.more)
        fine = page_list(&l, prefix);
    return fine;
}

/* --- Values --- */

static bool remote_get(struct store *store, const char *key, const struct sink *sink)
{
    struct exchange x = {.sink = sink};
    bool fine = url_of_key(remote_of(store), key, "") && request_send(remote_of(store), &x);
    buf_free(&x.body);
    return fine;
}

static bool remote_put(struct store *store, const char *key, const struct content *content)
{
    struct exchange x = {.content = content, .body_max = META_MAX};
    bool fine = url_of_key(remote_of(store), key, "") && request_send(remote_of(store), &x);
    buf_free(&x.body);
    return fine;
}

static bool remote_remove(struct store *store, const char *key)
{
    struct exchange x = {.method = "DELETE", .body_max = META_MAX};
    bool fine = url_of_key(remote_of(store), key, "") && request_send(remote_of(store), &x);
    buf_free(&x.body);
    return fine;
}

static bool remote_remove_prefix(struct store *store, const char *prefix)
{
    struct exchange x = {.method = "DELETE", .body_max = META_MAX};
    struct remote *r = remote_of(store);
    bool fine = url_begin(r, "/keys?prefix=") && query_add(r, prefix) && request_send(r, &x);
    buf_free(&x.body);
    return fine;
}

static bool remote_stat(struct store *store, const char *key, struct buf *out)
{
    struct exchange x = {.body_max = META_MAX};
    bool fine = url_of_key(remote_of(store), key, "?meta") && request_send(remote_of(store), &x);
    if (fine && buf_add(out, x.body.data, x.body.len))
        fine = store_fails_rc(store, DISKV_ENOMEM);
    buf_free(&x.body);
    return fine;
}

/* By how many seconds the server's clock is ahead, from the Date of the last answer; false where it
 * has none. */
static bool ahead_of(struct remote *r, time_t *out)
{
    struct curl_header *date;
    if (curl_easy_header(r->curl, "Date", 0, CURLH_HEADER, -1, &date) != CURLHE_OK)
        return false;
    time_t then = curl_getdate(date->value, NULL);
    *out = then - time(NULL);
    return then != -1;
}

/* Seconds of an RFC 3339 time in UTC; -1 for what is none. */
static time_t seconds_of(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    return end ? timegm(&tm) : -1;
}

static bool held_read(struct remote *r, const struct exchange *x, struct held *out)
{
    json_t *object = json_loadb(x->body.data, x->body.len, 0, NULL);
    const json_t *size = json_object_get(object, "size");
    time_t modified = seconds_of(text_of(object, "modified")), ahead = 0;
    bool fine = (modified != -1 && size) || store_fails(&r->store, NOT_DISKV);
    out->found = fine && ahead_of(r, &ahead);
    out->size = json_is_integer(size) ? (uint64_t)json_integer_value(size) : DISKV_SIZE_UNKNOWN;
    out->since.tv_sec = modified - ahead - DATE_SECONDS;
    json_decref(object);
    return fine;
}

static bool remote_look(struct store *store, const char *key, struct held *out)
{
    struct remote *r = remote_of(store);
    struct exchange x = {.body_max = META_MAX};
    *out = (struct held){0};
    bool fine = url_of_key(r, key, "?meta") && request_send(r, &x);
    if (fine)
        fine = held_read(r, &x, out);
    else
        fine = x.status == 404;
    buf_free(&x.body);
    return fine;
}

/* Every answer of a server's has said so already. */
static bool remote_flush(struct store *store)
{
    (void)store;
    return true;
}

static bool remote_is_dir(struct store *store, const struct stat *st)
{
    (void)store;
    (void)st;
    return false;
}

static const struct store_ops remote_ops = {
    .far = true,
    .close = remote_close,
    .again = remote_again,
    .list = remote_list,
    .get = remote_get,
    .put = remote_put,
    .import = store_put_file,
    .look = remote_look,
    .remove = remote_remove,
    .remove_prefix = remote_remove_prefix,
    .stat = remote_stat,
    .flush = remote_flush,
    .is_dir = remote_is_dir,
};
