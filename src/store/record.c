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

void record_etag(const uint8_t hash[static 16], const char *type,
                 char etag[static DISKV_ETAG_MAX + 1])
{
    char bytes[16 + DISKV_TYPE_MAX];
    size_t len = strlen(type);
    memcpy(bytes, hash, 16);
    memcpy(bytes + 16, type, len);
    hash_to_tag(XXH3_128bits(bytes, 16 + len), etag);
}

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int record_format(const struct record *record, const char *etag, char *out, size_t size)
{
    char hash[2 * sizeof record->hash + 1];
    hex_encode(record->hash, sizeof record->hash, hash);
    int n = snprintf(out, size,
                     "{\"etag\":\"%s\",\"xxh3\":\"%s\",\"size\":%" PRIu64 ",\"mtime\":%" PRId64 "}",
                     etag, hash, record->size, nanoseconds(record->mtime));
    return n > 0 && (size_t)n < size ? 0 : DISKV_EMETADATA;
}

static bool is_tag(const char *s)
{
    return strlen(s) == DISKV_ETAG_MAX && strspn(s, "0123456789abcdef") == DISKV_ETAG_MAX;
}

/* Takes the tag out of a record that belongs to the value as it is. */
static bool record_tag(const struct engine_info *from, char etag[static DISKV_ETAG_MAX + 1])
{
    json_t *root = *from->record ? json_loads(from->record, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *tag;
    json_int_t size, mtime;
    bool fits =
        root &&
        json_unpack(root, "{s:s, s:I, s:I}", "etag", &tag, "size", &size, "mtime", &mtime) == 0 &&
        is_tag(tag) && (uint64_t)size == from->size && mtime == nanoseconds(from->mtime);
    if (fits)
        memcpy(etag, tag, DISKV_ETAG_MAX + 1);
    json_decref(root);
    return fits;
}

void info_from_engine(const struct engine_info *from, struct diskv_info *out)
{
    out->size = from->size;
    out->modified = from->mtime;
    memcpy(out->type, from->type, sizeof out->type);
    if (!type_valid(out->type))
        out->type[0] = '\0';
    if (!record_tag(from, out->etag))
        hash_to_tag(XXH3_128bits(from->ident, sizeof from->ident), out->etag);
}
