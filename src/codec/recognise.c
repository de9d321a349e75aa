#include "deflate.h"

#include "util.h"

#include <stdalign.h>

#define ARENA_SIZE (64u << 10) /* more than the state and window of an inflate */
#define PLAIN_SIZE (4u << 10)

/* In a gzip member's header (RFC 1952, section 2.3.1). */
#define FLAGS          3
#define FLAGS_RESERVED 0xE0

/* Memory that cannot fail, as the answer must not depend on how much of it there is. */
struct arena {
    size_t used;
    alignas(max_align_t) char bytes[ARENA_SIZE];
};

static voidpf arena_alloc(voidpf opaque, uInt items, uInt size)
{
    struct arena *arena = opaque;
    size_t want = (size_t)items * size;
    if (want > sizeof arena->bytes - arena->used)
        return NULL;
    char *memory = arena->bytes + arena->used;
    arena->used += (want + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    return memory;
}

static void arena_dealloc(voidpf opaque, voidpf memory)
{
    (void)opaque;
    (void)memory;
}

/* Inflates all of `head`: what zlib says where it cannot go on. */
static int inflate_head(const struct deflate *codec, const void *head, size_t len)
{
    struct arena arena;
    Bytef plain[PLAIN_SIZE];
    z_stream z = {.zalloc = arena_alloc, .zfree = arena_dealloc, .opaque = &arena};
    z.next_in = head;
    z.avail_in = (uInt)len;
    arena.used = 0;
    int rc = inflateInit2(&z, codec->window_bits);
    while (rc == Z_OK) {
        z.next_out = plain;
        z.avail_out = sizeof plain;
        rc = inflate(&z, Z_NO_FLUSH);
        if (rc == Z_NEED_DICT)
            rc = inflateSetDictionary(&z, codec->dictionary, codec->dictionary_len);
    }
    return rc;
}

bool deflate_recognises(const struct codec *base, const void *head, size_t len)
{
    const struct deflate *codec = deflate_of(base);
    static const uint8_t gzip[] = {0x1F, 0x8B, Z_DEFLATED};
    bool is_gzip = deflate_is_gzip(codec);
    if (is_gzip && (len < sizeof gzip || memcmp(head, gzip, sizeof gzip) != 0))
        return false;
    if (is_gzip)
        return len > FLAGS && !(((const uint8_t *)head)[FLAGS] & FLAGS_RESERVED);
    bool whole = len < CODEC_HEAD_MAX;
    int rc = inflate_head(codec, head, len < CODEC_HEAD_MAX ? len : CODEC_HEAD_MAX);
    if (rc == Z_STREAM_END)
        return true;
    /* A text can begin with the two bytes of zlib's header, so that a short one must be complete.
     */
    return rc == Z_BUF_ERROR && !whole;
}
