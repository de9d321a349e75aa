#include "direct.h"
#include "context.h"
#include "date.h"
#include "key.h"
#include "request.h"
#include "sending.h"
#include "value.h"
#include <xxhash.h>

#define KNOWN_MAX 16

static const char start[] = "GET /keys/", version[] = " HTTP/1.1\r\n";

/* What stands behind the key of a request, but for the value of its Range. */
struct rest {
    size_t len; /* 0 for none */
    char text[DIRECT_REQUEST_MAX];
};

/* The value of a Range, where it stands. */
struct range_text {
    const char *text; /* NULL for none */
    size_t len;
};

/* What stands behind the key of requests that are answered so. */
struct known {
    enum diskv_read how;
    struct rest rest;
};

struct direct {
    struct http_server *server;
    time_t second; /* that of `date` */
    char date[DATE_SIZE];
    diskv_reader *opened;          /* for direct_take; NULL for none */
    struct known known[KNOWN_MAX]; /* each where its hash says */
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

/* The names that clients give it. */
static const char *range_find(const char *rest, size_t len)
{
    static const char name[] = "\r\nRange: ", lower[] = "\r\nrange: ";
    const char *found = memmem(rest, len, name, strlen(name));

    if (found == NULL)
        found = memmem(rest, len, lower, strlen(lower));
    return found != NULL ? found + strlen(name) : NULL;
}

static void rest_read(const char *text, size_t len, struct rest *out, struct range_text *range)
{
    const char *value = range_find(text, len);
    const char *end = value != NULL ? memchr(value, '\r', len - (size_t)(value - text)) : NULL;
    char *to = out->text;

    *range = (struct range_text){0};
    if (end != NULL) {
        *range = (struct range_text){value, (size_t)(end - value)};
        to = mempcpy(to, text, (size_t)(value - text));
        len -= (size_t)(end - text);
        text = end;
    }
    to = mempcpy(to, text, len);
    out->len = (size_t)(to - out->text);
}

static struct known *place_of(struct direct *d, const struct rest *rest)
{
    return &d->known[XXH3_64bits(rest->text, rest->len) % KNOWN_MAX];
}

void direct_learn(struct direct *d, const char *text, size_t len, bool of_range,
                  enum diskv_read how)
{
    const char *end = target_end(text, len);
    size_t rest_len = end != NULL ? len - (size_t)(end - text) : 0;
    struct range_text range;
    struct known *known;
    struct rest rest;

    if (rest_len < strlen(version) || memcmp(end, version, strlen(version)) != 0)
        return;
    rest_read(end, rest_len, &rest, &range);
    if (of_range != (range.text != NULL))
        return;
    known = place_of(d, &rest);
    known->how = how;
    known->rest.len = rest.len;
    memcpy(known->rest.text, rest.text, rest.len);
}

static const struct known *known_find(struct direct *d, const struct rest *rest)
{
    const struct known *known = place_of(d, rest);

    return known->rest.len == rest->len && memcmp(known->rest.text, rest->text, rest->len) == 0
               ? known
               : NULL;
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

/* Reads what is asked for of a value of `size` bytes; false where that is not one range. */
static bool range_read(const struct range_text *range, uint64_t size, struct range *out)
{
    static const char unit[] = "bytes=";
    char text[64];
    struct range ranges[RANGES_MAX];
    size_t count, unit_len = strlen(unit);

    if (range->len <= unit_len || range->len >= sizeof(text))
        return false;
    *(char *)mempcpy(text, range->text, range->len) = '\0';
    if (strspn(text + unit_len, "0123456789-") != range->len - unit_len ||
        range_parse(text, size, ranges, &count) != RANGE_PARTS)
        return false;
    *out = ranges[0];
    return true;
}

static bool is_few(const struct range *part)
{
    return part->len <= SHELF_BODY_MAX;
}

/* Many bytes are in the cache, or are to be sent from the file. */
static bool find_many(const struct range *part, struct burst *burst)
{
    size_t len = (size_t)part->len;

    if (part->len > SENDING_TURN)
        return false;
    burst->len = part->len;
    burst->from = part->from;
    burst->view = diskv_reader_view(burst->reader, len, part->from);
    return burst->view != NULL || (sending_can(burst->reader, part->len) &&
                                   diskv_reader_sendable_now(burst->reader, len, part->from) == 0);
}

/* They go with the head. */
static bool add_few(const struct range *part, char *end, struct burst *burst)
{
    burst->text_len += (size_t)part->len;
    return diskv_reader_read_now(burst->reader, end, (size_t)part->len, part->from) ==
           (int64_t)part->len;
}

static bool answer(struct direct *d, const struct request *r, enum diskv_read how,
                   const struct range_text *range, char *out, struct burst *burst)
{
    struct value v = {.digest = ""};
    bool is_part = range->text != NULL;
    struct range part = {0};
    diskv_reader *reader;

    if (diskv_reader_open_now(d->server->store, r->key, r->key_len, how, &reader) != 0)
        return false;
    d->opened = reader;
    part.len = diskv_reader_info(reader)->size;
    if (part.len == 0 || part.len == DISKV_SIZE_UNKNOWN || !value_has_form(reader, how) ||
        (is_part && !range_read(range, part.len, &part)))
        return false;
    *burst = (struct burst){.text = out, .reader = reader};
    if (!is_few(&part) && !find_many(&part, burst))
        return false;
    value_set(&v, r, reader, how);
    burst->text_len = value_print_head(r, &v, is_part ? &part : NULL, date_now(d), out,
                                       DIRECT_ANSWER_MAX - SHELF_BODY_MAX);
    if (burst->text_len == 0)
        return false;
    return !is_few(&part) || add_few(&part, out + burst->text_len, burst);
}

bool direct_answer(struct direct *d, const char *text, size_t len,
                   char out[static DIRECT_ANSWER_MAX], struct burst *burst)
{
    const char *end = target_end(text, len), *target = text + strlen(start);
    struct request r = {.server = d->server};
    char key[DIRECT_REQUEST_MAX];
    const struct known *known;
    struct range_text range;
    size_t target_len;
    struct rest rest;

    if (end == NULL)
        return false;
    rest_read(end, len - (size_t)(end - text), &rest, &range);
    known = known_find(d, &rest);
    target_len = (size_t)(end - target);
    if (known == NULL || !validate_target(target, target_len) ||
        memchr(target, '?', target_len) != NULL ||
        key_decode(target, target_len, key, &r.key_len) != NULL)
        return false;
    key[r.key_len] = '\0';
    r.key = key;
    return answer(d, &r, known->how, &range, out, burst);
}
