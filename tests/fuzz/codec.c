/* gzip and zlib. The first byte says what the rest is: `w` a value to write and read again, `W` the
 * same many times over; with any other byte it is a file to read, with points made from the file's
 * own bytes. The second byte chooses the codec, the third the size of the pieces and where to seek.
 */
#include "codec.h"
#include "fuzz.h"
#include "deflate.h"
#include "points.h"

#define HEADER    3
#define OUT_MAX   (64u << 10)
#define TOTAL_MAX (256u << 10) /* bytes to decode, of what may be a bomb */
#define CALLS_MAX 3000

struct bytes {
    const uint8_t *data;
    size_t len;
};

static struct codec *codec_of(uint8_t which)
{
    static const char *const names[] = {"gzip", "zlib", "zlib", "gzip:0", "zlib:1", "gzip:9"};
    size_t i = which % (sizeof names / sizeof *names);
    struct codec *codec;
    int rc = codec_parse(names[i], "all work", i == 2 ? 8 : 0, &codec);
    assert(rc == 0);
    return codec;
}

/* --- Writing and reading again --- */

static uint8_t *encode(const struct codec *codec, struct bytes value, size_t piece, size_t *len,
                       void *points, size_t *points_len)
{
    size_t size = value.len + value.len / 8 + 1000, at = 0;
    uint8_t *file = malloc(size);
    assert(file);
    struct codec_encoder *encoder;
    int rc = codec->ops->encoder_new(codec, 0, &encoder);
    assert(rc == 0);
    *len = 0;
    do {
        size_t left = value.len - at, in = left < piece ? left : piece;
        size_t room = size - *len < piece ? size - *len : piece;
        struct diskv_coding io = {value.data + at, in, file + *len, room};
        rc = codec->ops->encode(encoder, &io, at + in == value.len);
        assert(rc == 1 || (rc == 0 && (io.in_len < in || io.out_len < room)));
        at += in - io.in_len;
        *len += room - io.out_len;
    } while (rc == 0);
    *points_len = codec->ops->encoder_points(encoder, points);
    codec->ops->encoder_free(encoder);
    return file;
}

/* Decodes from `offset` on, at most `max` bytes; compares them with the value, where that is known.
 * Returns how it ended: 0 where it had enough, 1, or an error. */
static int read_from(const struct codec *codec, struct codec_decoder *decoder, struct bytes file,
                     const struct bytes *value, uint64_t offset, size_t piece, size_t max)
{
    static uint8_t out[OUT_MAX];
    uint64_t file_at, value_at;
    size_t given = 0;
    int again = 0, rc = 0;
    codec->ops->decoder_seek(decoder, offset, &file_at, &value_at);
    for (int calls = 0; rc == 0 && given < max && calls < CALLS_MAX; calls++) {
        assert(value_at <= offset || given > 0);
        assert(file_at <= file.len);
        size_t left = file.len - (size_t)file_at, in = left < piece ? left : piece;
        size_t room = piece < sizeof out ? piece : sizeof out;
        struct diskv_coding io = {file.data + file_at, in, out, room};
        rc = codec->ops->decode(decoder, &io, in == left);
        if (rc == DISKV_EAGAIN) {
            assert(again++ == 0 && io.out_len == room);
            codec->ops->decoder_seek(decoder, value_at, &file_at, &value_at);
            assert(file_at == 0 && value_at == 0);
            rc = 0;
            continue;
        }
        assert(rc == 1 || rc == DISKV_EDECODE ||
               (rc == 0 && (io.in_len < in || io.out_len < room)));
        size_t got = room - io.out_len;
        if (value) {
            assert(value_at + got <= value->len);
            assert(memcmp(value->data + value_at, out, got) == 0);
        }
        file_at += in - io.in_len;
        value_at += got;
        given += got;
    }
    return rc;
}

static void check_value(const struct codec *codec, struct bytes value, uint8_t option)
{
    uint8_t points[CODEC_POINTS_MAX];
    size_t points_len, piece = value.len > 5000 ? 40000 : 1 + option;
    struct bytes file;
    uint8_t *made = encode(codec, value, piece, &file.len, points, &points_len);
    file.data = made;
    assert(
        codec->ops->recognises(codec, made, file.len < CODEC_HEAD_MAX ? file.len : CODEC_HEAD_MAX));
    struct codec_decoder *decoder;
    int rc = codec->ops->decoder_new(codec, file.len, points, points_len, &decoder);
    assert(rc == 0);
    assert(read_from(codec, decoder, file, &value, 0, value.len / 10 + 50, SIZE_MAX) == 1);
    piece = value.len / 1000 + 50;
    rc = read_from(codec, decoder, file, &value, value.len * option / 256, piece, 300);
    assert(rc == 0 || rc == 1);
    codec->ops->decoder_free(decoder);
    free(made);
}

static void check_repeated(const struct codec *codec, struct bytes part, uint8_t option)
{
    size_t times = part.len ? (DEFLATE_SPACING + 1000) / part.len : 0;
    uint8_t *data = malloc(times * part.len + 1);
    assert(data);
    for (size_t i = 0; i < times; i++)
        memcpy(data + i * part.len, part.data, part.len);
    check_value(codec, (struct bytes){data, times * part.len}, option);
    free(data);
}

/* --- Reading anything --- */

/* Points with a right checksum, to places where a marker is if there are such. */
static size_t forge_points(struct bytes file, uint8_t option, void *out)
{
    struct points points = {.spacing_log2 = option % 16};
    for (size_t i = 5; i < file.len && points.count < POINTS_MAX; i++) {
        if (memcmp(file.data + i - 4, "\0\0\xff\xff", 4) == 0 || (file.data[i] == option))
            points.offsets[points.count++] = i;
    }
    return points_write(&points, file.len, out);
}

static void check_file(const struct codec *codec, struct bytes file, uint8_t option)
{
    uint8_t points[CODEC_POINTS_MAX];
    size_t points_len = forge_points(file, option, points);
    struct codec_decoder *decoder;
    codec->ops->recognises(codec, file.data, file.len < CODEC_HEAD_MAX ? file.len : CODEC_HEAD_MAX);
    if (option % 2) { /* points of anything */
        memcpy(points, file.data, file.len < sizeof points ? file.len : sizeof points);
        points_len = file.len < sizeof points ? file.len : sizeof points;
    }
    int rc = codec->ops->decoder_new(codec, file.len, points, points_len, &decoder);
    assert(rc == 0);
    size_t piece = 1 + option * 7u;
    read_from(codec, decoder, file, NULL, (uint64_t)option << option % 24, piece, 3000);
    read_from(codec, decoder, file, NULL, option / 2, piece, 3000);
    read_from(codec, decoder, file, NULL, UINT64_MAX, OUT_MAX, TOTAL_MAX);
    read_from(codec, decoder, file, NULL, 0, OUT_MAX, TOTAL_MAX);
    codec->ops->decoder_free(decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEADER)
        return 0;
    struct codec *codec = codec_of(data[1]);
    uint8_t *copy = malloc(size - HEADER + 1); /* that the sanitizers know the end of */
    assert(copy);
    memcpy(copy, data + HEADER, size - HEADER);
    struct bytes rest = {copy, size - HEADER};
    if (data[0] == 'w')
        check_value(codec, rest, data[2]);
    else if (data[0] == 'W')
        check_repeated(codec, rest, data[2]);
    else
        check_file(codec, rest, data[2]);
    free(copy);
    codec_free(codec);
    return 0;
}
