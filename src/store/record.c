#include "store.h"

#include "util.h"

#include <inttypes.h>
#include <jansson.h>
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
                 char etag[static DISKV_ETAG_MAX + 1])
{
    char bytes[RECORD_HASH_LEN + DISKV_TYPE_MAX];
    size_t len = strlen(type);
    memcpy(bytes, hash, RECORD_HASH_LEN);
    memcpy(bytes + RECORD_HASH_LEN, type, len);
    hash_to_tag(XXH3_128bits(bytes, RECORD_HASH_LEN + len), etag);
}

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int record_format(const struct record *record, char *out, size_t size)
{
    char hash[2 * RECORD_HASH_LEN + 1], coding[64] = "";
    hex_encode(record->hash, sizeof record->hash, hash);
    if (*record->codec)
        snprintf(coding, sizeof coding, ",\"codec\":\"%s\",\"length\":%" PRIu64, record->codec,
                 record->length);
    int n = snprintf(out, size, "{\"xxh3\":\"%s\",\"size\":%" PRIu64 ",\"mtime\":%" PRId64 "%s}",
                     hash, record->size, nanoseconds(record->mtime), coding);
    return n > 0 && (size_t)n < size ? 0 : DISKV_EMETADATA;
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

/* Takes a record apart; false where it is none. Where nothing is said of a codec there is none. */
static bool record_parse(const char *text, struct record *out)
{
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const char *hex, *codec = "";
    json_int_t size, mtime, length = -1;
    bool valid = root &&
                 json_unpack(root, "{s:s, s:I, s:I, s?s, s?I}", "xxh3", &hex, "size", &size,
                             "mtime", &mtime, "codec", &codec, "length", &length) == 0 &&
                 size >= 0 && mtime >= 0 && strlen(codec) < sizeof out->codec &&
                 (!*codec || length >= 0) && hash_parse(hex, out->hash);
    if (valid) {
        out->size = (uint64_t)size;
        out->mtime = (struct timespec){.tv_sec = mtime / 1000000000, .tv_nsec = mtime % 1000000000};
        out->length = *codec ? (uint64_t)length : out->size;
        snprintf(out->codec, sizeof out->codec, "%s", codec);
    }
    json_decref(root);
    return valid;
}

/* Reads the record of the value as it is. */
static bool record_of(const struct engine_info *from, struct record *out)
{
    return *from->record && record_parse(from->record, out) && out->size == from->size &&
           nanoseconds(out->mtime) == nanoseconds(from->mtime);
}

bool info_from_engine(const diskv *store, const struct engine_info *from, struct diskv_info *out,
                      struct record *record)
{
    struct record own;
    if (!record)
        record = &own;
    out->modified = from->mtime;
    memcpy(out->type, from->type, sizeof out->type);
    if (!type_valid(out->type))
        out->type[0] = '\0';
    bool recorded = record_of(from, record);
    if (recorded) {
        out->size = record->length;
        record_etag(record->hash, out->type, out->etag);
    } else {
        out->size = store->codec ? DISKV_SIZE_UNKNOWN : from->size;
        hash_to_tag(XXH3_128bits(from->ident, sizeof from->ident), out->etag);
    }
    return recorded;
}
