#include "store.h"

#include "util.h"

#include <inttypes.h>
#include <stdarg.h>
#include <xxhash.h>

bool type_valid(const char *type)
{
    size_t len = strlen(type);
    for (size_t i = 0; i < len; i++)
        if (type[i] < ' ' || type[i] > '~')
            return false;
    return len <= DISKV_TYPE_MAX;
}

/* --- Entity tags --- */

static void hash_to_tag(XXH128_hash_t hash, char etag[static DISKV_ETAG_MAX + 1])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    hex_encode(canonical.digest, sizeof canonical.digest, etag);
}

void record_etag(const uint8_t hash[static RECORD_HASH_LEN], const char *type,
                 const diskv_fields *fields, char etag[static DISKV_ETAG_MAX + 1])
{
    char bytes[RECORD_HASH_LEN + DISKV_TYPE_MAX + 1 + sizeof fields->text];
    size_t len = RECORD_HASH_LEN, type_len = strlen(type);
    memcpy(bytes, hash, len);
    memcpy(bytes + len, type, type_len);
    len += type_len;
    if (fields->len) {
        bytes[len++] = '\0';
        memcpy(bytes + len, fields->text, fields->len);
        len += fields->len;
    }
    hash_to_tag(XXH3_128bits(bytes, len), etag);
}

void record_etag_of_file(const uint8_t ident[static ENGINE_IDENT_LEN], const char *type,
                         const diskv_fields *fields, char etag[static DISKV_ETAG_MAX + 1])
{
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(ident, ENGINE_IDENT_LEN));
    record_etag(hash.digest, type, fields, etag);
}

/* --- Writing --- */

/* Wraps around in the year 2262, which a file may say it is from. */
static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)((uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
}

/* Text that is cut off where it has no room; `len` says how long it would be. */
struct text {
    char *at;
    size_t len, size;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool fits = t->len < t->size;
    int n = vsnprintf(fits ? t->at + t->len : NULL, fits ? t->size - t->len : 0, format, args);
    va_end(args);
    t->len += n > 0 ? (size_t)n : 0;
}

/* A JSON string; none that is kept here has control characters. */
static void text_add_string(struct text *t, const char *s)
{
    text_add(t, "\"");
    for (size_t run; *s; s += run) {
        run = strcspn(s, "\"\\");
        text_add(t, "%.*s", (int)run, s);
        if (s[run])
            text_add(t, "\\%c", s[run++]);
    }
    text_add(t, "\"");
}

/* Hash, size and mtime alone take at most 64 bytes below 256 MiB, hence the empty name: more has no
 * room in an ext4 inode of 256 bytes, and takes a block of its own. */
int record_format(const struct record *record, const diskv_fields *fields,
                  char out[static ENGINE_RECORD_MAX + 1])
{
    struct text t = {.at = out, .size = ENGINE_RECORD_MAX + 1};
    char hash[2 * RECORD_HASH_LEN + 1];
    struct diskv_field field;
    hex_encode(record->hash, sizeof record->hash, hash);
    uint64_t mtime = (uint64_t)nanoseconds(record->mtime);
    if (record->hashed)
        text_add(&t, "{\"\":\"%s:%" PRIx64 ":%" PRIx64 "\"", hash, record->size, mtime);
    else
        text_add(&t, "{\"size\":%" PRIu64 ",\"mtime\":%" PRId64, record->size, (int64_t)mtime);
    if (*record->codec)
        text_add(&t, ",\"codec\":\"%s\",\"length\":%" PRIu64, record->codec, record->length);
    if (record->retyped) {
        text_add(&t, ",\"type\":[");
        text_add_string(&t, record->was_type);
        text_add(&t, ",");
        text_add_string(&t, record->type);
        text_add(&t, "]");
    }
    for (size_t i = 0; diskv_fields_at(fields, i, &field); i++) {
        text_add(&t, i ? "," : ",\"fields\":{");
        text_add_string(&t, field.name);
        text_add(&t, ":");
        text_add_string(&t, field.value);
    }
    text_add(&t, fields->len ? "}}" : "}");
    return t.len < t.size ? 0 : DISKV_EMETADATA;
}

/* --- Reading: what record_format writes or once wrote, byte for byte, and without asking for
 * memory: without its record a value would be taken for something else --- */

static bool take(const char **p, const char *literal)
{
    size_t len = strlen(literal);
    if (strncmp(*p, literal, len) != 0)
        return false;
    *p += len;
    return true;
}

static bool take_number(const char **p, int base, uint64_t *out)
{
    char *end;
    int digit = hex_value((unsigned char)**p);
    if (digit < 0 || digit >= base)
        return false;
    *out = strtoull(*p, &end, base);
    *p = end;
    return *out < INT64_MAX;
}

static bool take_hash(const char **p, uint8_t hash[static RECORD_HASH_LEN])
{
    for (size_t i = 0; i < RECORD_HASH_LEN; i++, *p += 2) {
        int high = hex_value((unsigned char)(*p)[0]);
        int low = high < 0 ? -1 : hex_value((unsigned char)(*p)[1]);
        if (low < 0)
            return false;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool take_string(const char **p, char *out, size_t size)
{
    size_t len = 0;
    if (!take(p, "\""))
        return false;
    for (; **p && **p != '"'; (*p)++) {
        if (**p == '\\' && *++(*p) != '"' && **p != '\\')
            return false;
        if (len + 1 >= size)
            return false;
        out[len++] = **p;
    }
    out[len] = '\0';
    return take(p, "\"");
}

/* Fields must be in order, as fields_set puts them; it checks them. */
static bool take_fields(const char **p, diskv_fields *out)
{
    char name[FIELD_NAME_MAX + 1], value[ENGINE_RECORD_MAX + 1];
    struct diskv_field field = {.name = name, .value = value};
    do {
        if (!take_string(p, name, sizeof name) || !take(p, ":") ||
            !take_string(p, value, sizeof value) || fields_add(out, &field))
            return false;
    } while (take(p, ","));
    return take(p, "}");
}

static bool codec_named(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

/* What the record says of the file: in one string, or in members with names where there is no hash
 * or an older build wrote it. */
static bool take_file(const char **p, struct record *record)
{
    uint64_t mtime;
    bool named = !take(p, "{\"\":\"");
    int base = named ? 10 : 16;
    record->hashed = !named || take(p, "{\"xxh3\":\"");
    if (record->hashed && !take_hash(p, record->hash))
        return false;
    if (named && !take(p, record->hashed ? "\"," : "{"))
        return false;
    if (!take(p, named ? "\"size\":" : ":") || !take_number(p, base, &record->size) ||
        !take(p, named ? ",\"mtime\":" : ":") || !take_number(p, base, &mtime))
        return false;
    record->mtime = (struct timespec){.tv_sec = (time_t)(mtime / 1000000000),
                                      .tv_nsec = (long)(mtime % 1000000000)};
    return named || take(p, "\"");
}

static bool record_parse(const char *p, struct record *record, diskv_fields *fields)
{
    *record = (struct record){0};
    if (!take_file(&p, record))
        return false;
    record->length = record->size;
    if (take(&p, ",\"codec\":") &&
        (!take_string(&p, record->codec, sizeof record->codec) || !codec_named(record->codec) ||
         !take(&p, ",\"length\":") || !take_number(&p, 10, &record->length)))
        return false;
    record->retyped = take(&p, ",\"type\":[");
    if (record->retyped && (!take_string(&p, record->was_type, sizeof record->was_type) ||
                            !take(&p, ",") || !take_string(&p, record->type, sizeof record->type) ||
                            !take(&p, "]") || !type_valid(record->type)))
        return false;
    if (take(&p, ",\"fields\":{") && !take_fields(&p, fields))
        return false;
    return take(&p, "}") && !*p;
}

/* Reads the record and the fields; false where there is no record of the value as it is. The fields
 * stay when another program edits the file. */
static bool record_read(const struct engine_info *from, struct record *record, diskv_fields *fields)
{
    fields->len = 0;
    if (!record_parse(from->record, record, fields)) {
        *record = (struct record){0};
        fields->len = 0;
        return false;
    }
    return record->hashed && record->size == from->size &&
           nanoseconds(record->mtime) == nanoseconds(from->mtime);
}

/* --- What an engine knows --- */

/* How long a value must not have changed: as long as a file system's clock may hide a second change
 * behind the first. One that shows the nanoseconds of the store's own writes ticks often. */
#define QUIET_NS          2000000000
#define QUIET_RECORDED_NS 100000000

bool info_settled(const struct engine_info *info, bool recorded)
{
    return info->quiet_ns >= (recorded ? QUIET_RECORDED_NS : QUIET_NS);
}

/* The type is an attribute of its own, for other programs too. While it changes with the fields the
 * record, which changes in one step, says from what to what. */
static void type_set(const struct engine_info *from, const struct record *record, char *out)
{
    bool changing = record->retyped && strcmp(from->type, record->was_type) == 0;
    const char *type = changing ? record->type : from->type;
    bool valid = type_valid(type);
    memcpy(out, valid ? type : "", valid ? strlen(type) + 1 : 1);
}

bool info_from_engine(const diskv *store, const struct engine_info *from, struct diskv_info *out,
                      diskv_fields *fields, struct record *record)
{
    struct record own_record;
    diskv_fields own_fields;
    if (!record)
        record = &own_record;
    if (!fields)
        fields = &own_fields;
    bool recorded = record_read(from, record, fields);
    out->modified = from->mtime;
    type_set(from, record, out->type);
    if (recorded) {
        out->size = record->length;
        record_etag(record->hash, out->type, fields, out->etag);
    } else {
        out->size = store->codec ? DISKV_SIZE_UNKNOWN : from->size;
        record_etag_of_file(from->ident, out->type, fields, out->etag);
    }
    return recorded;
}
