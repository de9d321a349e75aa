/* What every kind of codec promises. */
#include "codec_helpers.h"
#include "deflate.h"
#include "util.h"

#define SPACING    DEFLATE_SPACING
#define DICTIONARY "store value key a of the block file bytes that is and no "

struct fixture {
    struct codec *codec;
    bool verifies; /* notices bytes that changed */
    bool seeks;    /* gives points */
    struct random random;
};

/* --- A user's codec: runs of equal bytes as a count and the byte --- */

struct run {
    uint8_t pair[2];
    int have; /* bytes of the pair that wait: to be given, or by the decoder for their rest */
    int given;
};

static int run_new(void *ctx, void **run)
{
    (void)ctx;
    *run = calloc(1, sizeof(struct run));
    return *run ? 0 : DISKV_ENOMEM;
}

static uint8_t take_byte(struct diskv_coding *io)
{
    uint8_t byte = *(const uint8_t *)io->in;
    io->in = (const uint8_t *)io->in + 1;
    io->in_len--;
    return byte;
}

static void give_byte(struct diskv_coding *io, uint8_t byte)
{
    *(uint8_t *)io->out = byte;
    io->out = (uint8_t *)io->out + 1;
    io->out_len--;
}

static int run_encode(void *encoder, struct diskv_coding *io, bool end)
{
    struct run *run = encoder;
    for (;;) {
        bool full = run->given || run->pair[0] == 255;
        if (!full && io->in_len && (!run->pair[0] || run->pair[1] == *(const uint8_t *)io->in)) {
            run->pair[1] = take_byte(io);
            run->pair[0]++;
            continue;
        }
        if (!full && !io->in_len && !end)
            return 0;
        if (!run->pair[0])
            return io->in_len || !end ? 0 : 1;
        if (!io->out_len)
            return 0;
        give_byte(io, run->pair[run->given++]);
        if (run->given == 2)
            *run = (struct run){0};
    }
}

static int run_decode(void *decoder, struct diskv_coding *io)
{
    struct run *run = decoder;
    for (;;) {
        if (run->have == 2 && run->pair[0]) {
            if (!io->out_len)
                return 0;
            give_byte(io, run->pair[1]);
            run->pair[0]--;
            continue;
        }
        if (!io->in_len)
            return 0;
        run->have = run->have == 2 ? 0 : run->have;
        run->pair[run->have++] = take_byte(io);
        if (!run->pair[0])
            return run->have == 1 ? 1 : DISKV_EDECODE;
    }
}

/* A count of 0 says that the value ends. */
static int run_encode_ended(void *encoder, struct diskv_coding *io, bool end)
{
    struct run *run = encoder;
    int rc = run->have ? 1 : run_encode(run, io, end);
    if (rc == 1 && !run->have) {
        if (!io->out_len)
            return 0;
        give_byte(io, 0);
        run->have = 1;
    }
    return rc;
}

static const struct diskv_codec runs = {
    .name = "runs",
    .encoder_new = run_new,
    .decoder_new = run_new,
    .encode = run_encode_ended,
    .decode = run_decode,
    .encoder_free = free,
    .decoder_free = free,
};

/* --- Every kind --- */

struct kind {
    const char *name;
    const char *dictionary;
};

static const struct kind kinds[] = {
    {"gzip:0", ""}, {"gzip:1", ""},       {"gzip", ""},       {"gzip:9", ""},
    {"zlib", ""},   {"zlib", DICTIONARY}, {"zlib:0", "text"}, {"runs", ""},
};

static int setup(void **state)
{
    const struct kind *kind = *state;
    struct fixture *f = calloc(1, sizeof *f);
    f->random = random_new();
    *state = f;
    if (strcmp(kind->name, "runs") == 0)
        return codec_user(&runs, &f->codec);
    f->verifies = f->seeks = true;
    return codec_parse(kind->name, kind->dictionary, strlen(kind->dictionary), &f->codec);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    codec_free(f->codec);
    free(f);
    return 0;
}

/* Text, then what does not shrink, then text. */
static struct bytes mixed_value(struct fixture *f, size_t third)
{
    struct bytes value = {0};
    add_text(&value, &f->random, third);
    add_random(&value, &f->random, third);
    add_text(&value, &f->random, third);
    return value;
}

static void check_round_trip(struct fixture *f, const struct bytes *value, size_t in_piece,
                             size_t out_piece)
{
    struct encoded encoded = encode(f->codec, value, in_piece, out_piece);
    assert_decodes(f->codec, &encoded.file, value, in_piece, out_piece);
    assert_decodes(f->codec, &encoded.file, value, out_piece, in_piece);
    encoded_free(&encoded);
}

/* --- Tests --- */

static void an_empty_value_comes_back_empty(void **state)
{
    struct bytes empty = {0};
    check_round_trip(*state, &empty, 1, 1);
    check_round_trip(*state, &empty, 100, 100);
}

static void a_value_comes_back_in_pieces_of_any_size(void **state)
{
    struct fixture *f = *state;
    static const size_t pieces[] = {1, 2, 3, 7, 100, 4097, 65536, 1 << 20};
    struct bytes value = mixed_value(f, SPACING / 2 + 11);
    for (size_t i = 0; i < array_len(pieces); i++)
        check_round_trip(f, &value, pieces[i], pieces[random_below(&f->random, array_len(pieces))]);
    bytes_free(&value);
}

static void values_of_all_sizes_around_the_spacing_come_back(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {1, SPACING, 2 * SPACING, 3 * SPACING};
    for (size_t i = 0; i < array_len(sizes); i++) {
        for (size_t size = sizes[i] - 1; size <= sizes[i] + 1; size++) {
            struct bytes value = {0};
            add_text(&value, &f->random, size / 2);
            add_random(&value, &f->random, size - size / 2);
            check_round_trip(f, &value, 50000, 30011);
            bytes_free(&value);
        }
    }
}

static void reads_at_random_places_give_the_bytes_there(void **state)
{
    struct fixture *f = *state;
    struct bytes value = mixed_value(f, 2 * SPACING + 333);
    struct encoded encoded = encode(f->codec, &value, 10000, 10000);
    assert_int_equal(encoded.points_len > 0, f->seeks);
    for (int with_points = 0; with_points < 2; with_points++) {
        struct reader r = reader_open(f->codec, &encoded.file, encoded.points,
                                      with_points ? encoded.points_len : 0);
        for (int i = 0; i < 100; i++) {
            size_t at = random_below(&f->random, value.len + 10);
            r.in_piece = 1 + random_below(&f->random, 9000);
            assert_reads(&r, at, random_below(&f->random, 20000), &value);
        }
        for (size_t at = SPACING; at < value.len; at += SPACING) {
            assert_reads(&r, at - 1, 2, &value);
            assert_reads(&r, at, 1, &value);
        }
        assert_int_equal(r.again, 0);
        reader_close(&r);
    }
    encoded_free(&encoded);
    bytes_free(&value);
}

static void a_decoder_goes_back_after_the_end(void **state)
{
    struct fixture *f = *state;
    struct bytes value = mixed_value(f, SPACING);
    struct encoded encoded = encode(f->codec, &value, 10000, 10000);
    struct reader r = reader_open(f->codec, &encoded.file, encoded.points, encoded.points_len);
    for (int i = 0; i < 3; i++) {
        assert_reads(&r, 0, SIZE_MAX, &value);
        assert_reads(&r, value.len + 1, 1, &value);
        assert_reads(&r, value.len - 5, 6, &value);
        assert_reads(&r, 5, 6, &value);
    }
    reader_close(&r);
    encoded_free(&encoded);
    bytes_free(&value);
}

static void reading_on_takes_each_byte_of_the_file_once(void **state)
{
    struct fixture *f = *state;
    struct bytes value = mixed_value(f, SPACING);
    struct encoded encoded = encode(f->codec, &value, 10000, 10000);
    struct reader r = reader_open(f->codec, &encoded.file, NULL, 0);
    for (size_t at = 0; at < value.len; at += 7000)
        assert_reads(&r, at, 5000 < value.len - at ? 5000 : value.len - at, &value);
    assert_true(r.taken <= encoded.file.len);
    reader_close(&r);
    encoded_free(&encoded);
    bytes_free(&value);
}

static void a_file_that_ends_early_gives_what_it_has_and_an_error(void **state)
{
    struct fixture *f = *state;
    struct bytes value = mixed_value(f, 3000);
    struct encoded encoded = encode(f->codec, &value, 10000, 10000);
    for (size_t len = 0; len < encoded.file.len; len += 1 + len / 50) {
        struct bytes file = {encoded.file.data, len, 0}, out = {0};
        assert_int_equal(decode(f->codec, &file, 1000, 1000, &out), DISKV_EDECODE);
        assert_true(out.len <= value.len &&
                    memcmp(out.data ? out.data : value.data, value.data, out.len) == 0);
        bytes_free(&out);
    }
    encoded_free(&encoded);
    bytes_free(&value);
}

static void a_changed_byte_is_an_error_or_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct bytes value = mixed_value(f, 3000);
    struct encoded encoded = encode(f->codec, &value, 10000, 10000);
    for (size_t at = 0; at < encoded.file.len;
         at += at < 20 ? 1 : 1 + random_below(&f->random, 40)) {
        struct bytes out = {0};
        uint8_t bit = (uint8_t)(1 << random_below(&f->random, 8));
        encoded.file.data[at] ^= bit;
        int rc = decode(f->codec, &encoded.file, 1000, 1000, &out);
        encoded.file.data[at] ^= bit;
        if (f->verifies)
            assert_true(rc == DISKV_EDECODE || (rc == 1 && bytes_equal(&out, &value)));
        else
            assert_true(rc == DISKV_EDECODE || rc == 1);
        bytes_free(&out);
    }
    encoded_free(&encoded);
    bytes_free(&value);
}

static void what_it_wrote_is_recognised_as_its_own(void **state)
{
    struct fixture *f = *state;
    for (size_t size = 0; size < 5000; size += 1 + size / 3) {
        struct bytes value = mixed_value(f, size);
        struct encoded encoded = encode(f->codec, &value, 10000, 10000);
        size_t len = encoded.file.len < CODEC_HEAD_MAX ? encoded.file.len : CODEC_HEAD_MAX;
        assert_true(f->codec->ops->recognises(f->codec, encoded.file.data, len));
        encoded_free(&encoded);
        bytes_free(&value);
    }
}

static void an_encoder_or_decoder_may_be_freed_at_any_time(void **state)
{
    struct fixture *f = *state;
    struct codec_encoder *encoder;
    struct codec_decoder *decoder;
    uint8_t out[10];
    assert_int_equal(f->codec->ops->encoder_new(f->codec, 0, &encoder), 0);
    struct diskv_coding io = {"some text", 9, out, sizeof out};
    f->codec->ops->encode(encoder, &io, false);
    f->codec->ops->encoder_free(encoder);
    f->codec->ops->encoder_free(NULL);
    assert_int_equal(f->codec->ops->decoder_new(f->codec, 100, NULL, 0, &decoder), 0);
    f->codec->ops->decoder_free(decoder);
    f->codec->ops->decoder_free(NULL);
    codec_free(NULL);
}

#define CASE(f)                      \
    {                                \
#f, f, setup, teardown, NULL \
    }

int main(void)
{
    struct CMUnitTest tests[] = {
        CASE(an_empty_value_comes_back_empty),
        CASE(a_value_comes_back_in_pieces_of_any_size),
        CASE(values_of_all_sizes_around_the_spacing_come_back),
        CASE(reads_at_random_places_give_the_bytes_there),
        CASE(a_decoder_goes_back_after_the_end),
        CASE(reading_on_takes_each_byte_of_the_file_once),
        CASE(a_file_that_ends_early_gives_what_it_has_and_an_error),
        CASE(a_changed_byte_is_an_error_or_changes_nothing),
        CASE(what_it_wrote_is_recognised_as_its_own),
        CASE(an_encoder_or_decoder_may_be_freed_at_any_time),
    };
    int failed = 0;
    for (size_t i = 0; i < array_len(kinds); i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", kinds[i].name,
                 kinds[i].dictionary[0] ? " with a dictionary" : "");
        for (size_t j = 0; j < array_len(tests); j++)
            tests[j].initial_state = (void *)(uintptr_t)&kinds[i];
        failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
    }
    return failed;
}
