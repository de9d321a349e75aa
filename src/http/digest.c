#include "digest.h"
#include "dictionary.h"
#include "diskv.h"
#include <assert.h>
#include <nettle/base64.h>
#include <nettle/md5.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha2.h>

#define ALGORITHMS   (DIGEST_MD5 + 1)
#define EXPECTED_MAX 5 /* an MD5, and each SHA in each of two fields */
#define BYTES_MAX    SHA512_DIGEST_SIZE
#define BASE64_MAX   BASE64_ENCODE_RAW_LENGTH(BYTES_MAX)

static const struct {
    const char *key; /* in RFC 9530's dictionaries, NULL where it does not count there */
    const struct nettle_hash *hash;
} algorithms[ALGORITHMS] = {
    [DIGEST_SHA256] = {"sha-256", &nettle_sha256},
    [DIGEST_SHA512] = {"sha-512", &nettle_sha512},
    [DIGEST_MD5] = {NULL, &nettle_md5},
};

struct digest_state {
    struct {
        bool in_use;
        union {
            struct sha256_ctx sha256;
            struct sha512_ctx sha512;
            struct md5_ctx md5;
        } ctx;
    } hashes[ALGORITHMS];
    struct {
        enum digest_algorithm algorithm;
        uint8_t bytes[BYTES_MAX];
    } expected[EXPECTED_MAX];
    size_t expected_count;
};

/* Sees to it that `algorithm` hashes the body. */
static int start(struct digest *d, enum digest_algorithm algorithm)
{
    if (d->state == NULL)
        d->state = calloc(1, sizeof(*d->state));
    if (d->state == NULL)
        return DISKV_ENOMEM;
    if (!d->state->hashes[algorithm].in_use)
        algorithms[algorithm].hash->init(&d->state->hashes[algorithm].ctx);
    d->state->hashes[algorithm].in_use = true;
    return 0;
}

/* Ends one hash of the body. */
static void finish(struct digest *d, enum digest_algorithm algorithm, uint8_t out[BYTES_MAX])
{
    const struct nettle_hash *hash = algorithms[algorithm].hash;

    hash->digest(&d->state->hashes[algorithm].ctx, hash->digest_size, out);
}

/* Structured fields may lack the padding (RFC 9651, section 4.2.7). */
static int decode(const char *text, size_t len, bool padded, size_t size, uint8_t out[BYTES_MAX])
{
    uint8_t bytes[BASE64_DECODE_LENGTH(BASE64_MAX)];
    struct base64_decode_ctx ctx;
    size_t got;

    if (len > BASE64_MAX)
        return DISKV_EINVAL;
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &got, bytes, len, text) || got != size ||
        (padded && !base64_decode_final(&ctx)))
        return DISKV_EINVAL;
    memcpy(out, bytes, size);
    return 0;
}

static int expect(struct digest *d, enum digest_algorithm algorithm, const char *text, size_t len)
{
    size_t i;
    int rc = start(d, algorithm);

    if (rc != 0)
        return rc;
    i = d->state->expected_count++;
    assert(i < EXPECTED_MAX);
    d->state->expected[i].algorithm = algorithm;
    return decode(text, len, algorithm == DIGEST_MD5, algorithms[algorithm].hash->digest_size,
                  d->state->expected[i].bytes);
}

static int expect_md5(struct digest *d, const char *field)
{
    field += strspn(field, " \t");
    return expect(d, DIGEST_MD5, field, strcspn(field, " \t"));
}

/* Fills in the members whose keys count, the last of each; the others' keys are NULL. EINVAL. */
static int read_field(const char *field, struct dictionary_member members[ALGORITHMS])
{
    struct dictionary_member m;
    int found;

    memset(members, 0, ALGORITHMS * sizeof(*members));
    while ((found = dictionary_next(&field, &m)) == 1) {
        for (size_t a = 0; a < ALGORITHMS; a++) {
            const char *key = algorithms[a].key;

            if (key != NULL && m.key_len == strlen(key) && memcmp(m.key, key, m.key_len) == 0)
                members[a] = m;
        }
    }
    return found;
}

static int expect_field(struct digest *d, const char *field)
{
    struct dictionary_member members[ALGORITHMS];
    int rc = read_field(field, members);

    for (enum digest_algorithm a = 0; rc == 0 && a < ALGORITHMS; a++) {
        if (members[a].key == NULL)
            continue;
        rc = members[a].type == ITEM_BYTES ? expect(d, a, members[a].text, members[a].len)
                                           : DISKV_EINVAL;
    }
    return rc;
}

int digest_expect(struct digest *d, const char *content_md5, const char *content_digest,
                  const char *repr_digest)
{
    int rc = 0;

    assert(digest_is_empty(d));
    if (content_md5 != NULL)
        rc = expect_md5(d, content_md5);
    if (rc == 0 && content_digest != NULL)
        rc = expect_field(d, content_digest);
    if (rc == 0 && repr_digest != NULL)
        rc = expect_field(d, repr_digest);
    return rc;
}

bool digest_is_empty(const struct digest *d)
{
    return d->state == NULL;
}

void digest_update(struct digest *d, const void *data, size_t len)
{
    if (d->state == NULL)
        return;
    for (size_t a = 0; a < ALGORITHMS; a++) {
        if (d->state->hashes[a].in_use)
            algorithms[a].hash->update(&d->state->hashes[a].ctx, len, data);
    }
}

bool digest_matches(struct digest *d)
{
    uint8_t actual[ALGORITHMS][BYTES_MAX];
    const struct digest_state *s = d->state;

    if (s == NULL)
        return true;
    for (enum digest_algorithm a = 0; a < ALGORITHMS; a++) {
        if (s->hashes[a].in_use)
            finish(d, a, actual[a]);
    }
    for (size_t i = 0; i < s->expected_count; i++) {
        enum digest_algorithm a = s->expected[i].algorithm;

        if (memcmp(s->expected[i].bytes, actual[a], algorithms[a].hash->digest_size) != 0)
            return false;
    }
    return true;
}

enum digest_algorithm digest_wanted(const char *want)
{
    struct dictionary_member members[ALGORITHMS];
    enum digest_algorithm best = DIGEST_NONE;
    long long most = 0;

    if (want == NULL || read_field(want, members) != 0)
        return DIGEST_NONE;
    for (enum digest_algorithm a = 0; a < ALGORITHMS; a++) {
        long long preference;

        if (members[a].key == NULL)
            continue;
        preference = members[a].type == ITEM_INTEGER ? strtoll(members[a].text, NULL, 10) : -1;
        if (preference < 0 || preference > 10)
            return DIGEST_NONE;
        if (preference > most) {
            most = preference;
            best = a;
        }
    }
    return best;
}

int digest_begin(struct digest *d, enum digest_algorithm algorithm)
{
    assert(digest_is_empty(d) && algorithms[algorithm].key != NULL);
    return start(d, algorithm);
}

void digest_finish(struct digest *d, char out[DIGEST_FIELD_SIZE])
{
    enum digest_algorithm a =
        d->state->hashes[DIGEST_SHA256].in_use ? DIGEST_SHA256 : DIGEST_SHA512;
    size_t size = algorithms[a].hash->digest_size;
    char text[BASE64_MAX + 1] = "";
    uint8_t bytes[BYTES_MAX];

    finish(d, a, bytes);
    base64_encode_raw(text, size, bytes);
    snprintf(out, DIGEST_FIELD_SIZE, "%s=:%s:", algorithms[a].key, text);
}

void digest_free(struct digest *d)
{
    free(d->state);
    *d = (struct digest){0};
}
