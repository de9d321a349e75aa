#include "segment.h"

#include <string.h>

static bool is_marker(const uint8_t *at)
{
    return memcmp(at, SEGMENT_MARKER, SEGMENT_MARKER_LEN) == 0;
}

int segment_inflate(struct libdeflate_decompressor **decompressor, uint8_t *in, size_t in_len,
                    void *out, size_t out_len)
{
    if (in_len < 2 * SEGMENT_MARKER_LEN || !is_marker(in) ||
        !is_marker(in + in_len - SEGMENT_MARKER_LEN))
        return DISKV_EDECODE;
    if (!*decompressor)
        *decompressor = libdeflate_alloc_decompressor();
    if (!*decompressor)
        return DISKV_ENOMEM;
    memcpy(in + in_len, SEGMENT_END, SEGMENT_END_LEN);
    size_t len = in_len - SEGMENT_MARKER_LEN + SEGMENT_END_LEN, taken, given;
    enum libdeflate_result rc = libdeflate_deflate_decompress_ex(
        *decompressor, in + SEGMENT_MARKER_LEN, len, out, out_len, &taken, &given);
    bool whole = rc == LIBDEFLATE_SUCCESS && taken == len && given == out_len;
    return whole ? 0 : DISKV_EDECODE;
}
