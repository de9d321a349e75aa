#include "store.h"

#include "util.h"

#include <inttypes.h>
#include <stdio.h>
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

/* Wraps around in the year 2262, which a file may say it is from. */
static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)((uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec);
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

/* Takes a record apart; false where it is none that record_format writes. Needs no memory: without
 * its record a value would be taken for something else. */
static bool record_parse(const char *text, struct record *out)
{
    char hash[2 * RECORD_HASH_LEN + 1], again[ENGINE_RECORD_MAX + 1];
    int64_t mtime;
    *out = (struct record){0};
    int n = sscanf(text,
                   "{\"xxh3\":\"%32[0-9a-f]\",\"size\":%" SCNu64 ",\"mtime\":%" SCNd64
                   ",\"codec\":\"%15[a-z0-9-]\",\"length\":%" SCNu64,
                   hash, &out->size, &mtime, out->codec, &out->length);
    if (n < 3 || mtime < 0 || !hash_parse(hash, out->hash))
        return false;
    out->mtime = (struct timespec){.tv_sec = mtime / 1000000000, .tv_nsec = mtime % 1000000000};
    if (!*out->codec)
        out->length = out->size;
    return record_format(out, again, sizeof again) == 0 && strcmp(text, again) == 0;
}

_Static_assert(RECORD_HASH_LEN == 16 && CODEC_NAME_SIZE == 16, "widths in record_parse");

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
