#include "store.h"

#include "util.h"

#include <xxhash.h>

bool type_valid(const char *type)
{
    size_t len = strlen(type);
    for (size_t i = 0; i < len; i++)
        if (type[i] < ' ' || type[i] > '~')
            return false;
    return len <= DISKV_TYPE_MAX;
}

static void hash_to_tag(XXH128_hash_t hash, char etag[static DISKV_ETAG_MAX + 1])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    hex_encode(canonical.digest, sizeof canonical.digest, etag);
}

void record_etag(const uint8_t hash[static RECORD_HASH_LEN], const char *type,
                 const struct fields *fields, char etag[static DISKV_ETAG_MAX + 1])
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

/* Wraps around in the year 2262, which a file may say it is from. */
static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)((uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
}

/* Adds what is there of the record to its JSON object. */
static int record_fill(json_t *root, const struct record *record, const struct fields *fields)
{
    char hash[2 * RECORD_HASH_LEN + 1];
    hex_encode(record->hash, sizeof record->hash, hash);
    int failed = record->hashed && json_object_set_new(root, "xxh3", json_string(hash));
    failed |= json_object_set_new(root, "size", json_integer((json_int_t)record->size));
    failed |= json_object_set_new(root, "mtime", json_integer(nanoseconds(record->mtime)));
    if (*record->codec) {
        failed |= json_object_set_new(root, "codec", json_string(record->codec));
        failed |= json_object_set_new(root, "length", json_integer((json_int_t)record->length));
    }
    if (fields->len)
        failed |= json_object_set_new(root, "fields", fields_to_json(fields));
    if (record->retyped)
        failed |=
            json_object_set_new(root, "type", json_pack("[s, s]", record->was_type, record->type));
    return failed ? DISKV_ENOMEM : 0;
}

int record_format(const struct record *record, const struct fields *fields,
                  char out[static ENGINE_RECORD_MAX + 1])
{
    json_t *root = json_object();
    int rc = root ? record_fill(root, record, fields) : DISKV_ENOMEM;
    size_t len = rc ? 0 : json_dumpb(root, out, ENGINE_RECORD_MAX + 1, JSON_COMPACT);
    json_decref(root);
    if (!rc && (len == 0 || len > ENGINE_RECORD_MAX))
        return DISKV_EMETADATA;
    out[len] = '\0';
    return rc;
}

static bool hash_parse(const char *hex, uint8_t hash[static RECORD_HASH_LEN])
{
    size_t len = strlen(hex);
    for (size_t i = 0; i + 1 < len && i / 2 < RECORD_HASH_LEN; i += 2) {
        int high = hex_value((unsigned char)hex[i]);
        int low = hex_value((unsigned char)hex[i + 1]);
        if (high < 0 || low < 0)
            return false;
        hash[i / 2] = (uint8_t)(high << 4 | low);
    }
    return len == (size_t)2 * RECORD_HASH_LEN;
}

/* Takes a record apart; false where it is none. What it does not say of a codec, it has none. */
static bool record_parse(const json_t *root, struct record *out)
{
    const char *hex = NULL, *codec = "", *was = "", *type = NULL;
    json_int_t size, mtime, length = -1;
    if (json_unpack((json_t *)(uintptr_t)root, "{s?s, s:I, s:I, s?s, s?I, s?[s, s]}", "xxh3", &hex,
                    "size", &size, "mtime", &mtime, "codec", &codec, "length", &length, "type",
                    &was, &type) ||
        size < 0 || mtime < 0 || strlen(codec) >= sizeof out->codec || (*codec && length < 0) ||
        strlen(was) > DISKV_TYPE_MAX || (type && !type_valid(type)))
        return false;
    out->hashed = hex;
    out->size = (uint64_t)size;
    out->mtime = (struct timespec){.tv_sec = mtime / 1000000000, .tv_nsec = mtime % 1000000000};
    out->length = *codec ? (uint64_t)length : out->size;
    snprintf(out->codec, sizeof out->codec, "%s", codec);
    out->retyped = type;
    snprintf(out->was_type, sizeof out->was_type, "%s", was);
    snprintf(out->type, sizeof out->type, "%s", type ? type : "");
    return !hex || hash_parse(hex, out->hash);
}

/* Reads the record and the fields; false where there is no record of the value as it is. The fields
 * stay when another program edits the file. */
static bool record_read(const struct engine_info *from, struct record *record,
                        struct fields *fields)
{
    json_t *root = *from->record ? json_loads(from->record, JSON_REJECT_DUPLICATES, NULL) : NULL;
    *record = (struct record){0};
    bool fits = root && record_parse(root, record);
    json_t *object = fits ? json_object_get(root, "fields") : NULL;
    if (object)
        fields_from_json(fields, object);
    json_decref(root);
    return fits && record->hashed && record->size == from->size &&
           nanoseconds(record->mtime) == nanoseconds(from->mtime);
}

/* The type is an attribute of its own, for other programs too. While it changes with the fields the
 * record, which changes in one step, says from what to what. */
static void type_set(const struct engine_info *from, const struct record *record, char *out)
{
    bool changing = record->retyped && strcmp(from->type, record->was_type) == 0;
    const char *type = changing ? record->type : from->type;
    snprintf(out, DISKV_TYPE_MAX + 1, "%s", type_valid(type) ? type : "");
}

bool info_from_engine(const diskv *store, const struct engine_info *from, struct diskv_info *out,
                      struct fields *fields, struct record *record)
{
    struct record own_record;
    struct fields own_fields;
    if (!record)
        record = &own_record;
    if (!fields)
        fields = &own_fields;
    fields->len = 0;
    bool recorded = record_read(from, record, fields);
    out->modified = from->mtime;
    type_set(from, record, out->type);
    if (recorded) {
        out->size = record->length;
        record_etag(record->hash, out->type, fields, out->etag);
    } else {
        out->size = store->codec ? DISKV_SIZE_UNKNOWN : from->size;
        hash_to_tag(XXH3_128bits(from->ident, sizeof from->ident), out->etag);
    }
    return recorded;
}
