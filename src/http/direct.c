#include "direct.h"
#include "context.h"
#include "date.h"
#include "key.h"
#include "request.h"
#include "value.h"
#include <xxhash.h>

#define KNOWN_MAX 16

static const char start[] = "GET /keys/", version[] = " HTTP/1.1\r\n";

/* What stands behind the key of requests. */
struct rest {
    enum diskv_read how;
    size_t len; /* 0 for none */
    char text[DIRECT_REQUEST_MAX];
};

struct direct {
    struct http_server *server;
    time_t second; /* that of `date` */
    char date[DATE_SIZE];
    diskv_reader *opened;         /* for direct_take; NULL for none */
    struct rest known[KNOWN_MAX]; /* each where its hash says */
};

int direct_new(struct http_server *server, struct direct **out)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return DISKV_ENOMEM;
    (*out)->server = server;
    return 0;
}

void direct_free(struct direct *d)
{
    if (d != NULL)
        diskv_reader_close(d->opened);
    free(d);
}

diskv_reader *direct_take(struct direct *d)
{
    diskv_reader *reader = d->opened;

    d->opened = NULL;
    return reader;
}

/* Where the target of a request ends that may be a GET of a value; NULL where it is none. */
static const char *target_end(const char *text, size_t len)
{
    const char *key = text + strlen(start);

    if (len <= strlen(start) || memcmp(text, start, strlen(start)) != 0)
        return NULL;
    return memchr(key, ' ', len - strlen(start));
}

static struct rest *place_of(struct direct *d, const char *rest, size_t len)
{
    return &d->known[XXH3_64bits(rest, len) % KNOWN_MAX];
}

void direct_learn(struct direct *d, const char *text, size_t len, enum diskv_read how)
{
    const char *end = target_end(text, len);
    size_t rest = end != NULL ? len - (size_t)(end - text) : 0;
    struct rest *known;

    if (rest < strlen(version) || memcmp(end, version, strlen(version)) != 0)
        return;
    known = place_of(d, end, rest);
    known->how = how;
    known->len = rest;
    memcpy(known->text, end, rest);
}

static const struct rest *known_find(struct direct *d, const char *rest, size_t len)
{
    const struct rest *known = place_of(d, rest, len);

    return known->len == len && memcmp(known->text, rest, len) == 0 ? known : NULL;
}

static const char *date_now(struct direct *d)
{
    time_t now = time(NULL);

    if (now != d->second) {
        d->second = now;
        date_format(now, d->date);
    }
    return d->date;
}

/* Head and body; 0 where the value is not one to be answered with here. */
static size_t print(struct direct *d, const struct request *r, const struct value *v, char *out)
{
    uint64_t size = diskv_reader_info(v->reader)->size;
    size_t head;

    if (size == 0 || size > SHELF_BODY_MAX || diskv_reader_codec(v->reader)[0] != '\0')
        return 0;
    head = value_print_head(r, v, date_now(d), out, DIRECT_ANSWER_MAX - (size_t)size);
    if (head == 0 || diskv_reader_read_now(v->reader, out + head, (size_t)size, 0) != (int64_t)size)
        return 0;
    return head + (size_t)size;
}

static size_t answer(struct direct *d, const struct request *r, enum diskv_read how, char *out)
{
    struct value v = {.how = how, .tag_suffix = "", .digest = "", .as_ever = true};

    if (diskv_reader_open_now(d->server->store, r->key, r->key_len, how, &v.reader) != 0)
        return 0;
    v.type = answer_type(diskv_reader_info(v.reader), r->key, r->key_len);
    d->opened = v.reader;
    return print(d, r, &v, out);
}

size_t direct_answer(struct direct *d, const char *text, size_t len,
                     char out[static DIRECT_ANSWER_MAX])
{
    const char *end = target_end(text, len), *target = text + strlen(start);
    struct request r = {.server = d->server};
    char key[DIRECT_REQUEST_MAX];
    const struct rest *known;
    size_t target_len;

    if (end == NULL)
        return 0;
    known = known_find(d, end, len - (size_t)(end - text));
    target_len = (size_t)(end - target);
    if (known == NULL || !validate_target(target, target_len) ||
        memchr(target, '?', target_len) != NULL ||
        key_decode(target, target_len, key, &r.key_len) != NULL)
        return 0;
    key[r.key_len] = '\0';
    r.key = key;
    return answer(d, &r, known->how, out);
}
