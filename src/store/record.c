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
    char hash[2 * RECORD_HASH_LEN + 1];
    hex_encode(record->hash, sizeof record->hash, hash);
    int n = snprintf(out, size, "{\"xxh3\":\"%s\",\"size\":%" PRIu64 ",\"mtime\":%" PRId64 "}",
                     hash, record->size, nanoseconds(record->mtime));
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

/* Takes the hash out of a record that belongs to the value as it is. */
static bool record_hash(const struct engine_info *from, uint8_t hash[static RECORD_HASH_LEN])
{
    json_t *root = *from->record ? json_loads(from->record, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *hex;
    json_int_t size, mtime;
    bool fits =
        root &&
        json_unpack(root, "{s:s, s:I, s:I}", "xxh3", &hex, "size", &size, "mtime", &mtime) == 0 &&
        (uint64_t)size == from->size && mtime == nanoseconds(from->mtime) && hash_parse(hex, hash);
    json_decref(root);
    return fits;
}

void info_from_engine(const struct engine_info *from, struct diskv_info *out)
{
    uint8_t hash[RECORD_HASH_LEN];
    out->size = from->size;
    out->modified = from->mtime;
    memcpy(out->type, from->type, sizeof out->type);
    if (!type_valid(out->type))
        out->type[0] = '\0';
    if (record_hash(from, hash))
        record_etag(hash, out->type, out->etag);
    else
        hash_to_tag(XXH3_128bits(from->ident, sizeof from->ident), out->etag);
}
