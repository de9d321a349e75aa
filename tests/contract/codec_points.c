/* Points of gzip and zlib files: places to begin at, checked before they are believed. */
#include "codec_helpers.h"
#include "deflate.h"
#include "points.h"
#include "util.h"

#define SPACING DEFLATE_SPACING

static void a_value_has_a_point_at_each_spacing_before_its_end(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip:1");
    for (size_t size = SPACING - 1; size <= 4 * SPACING + 1; size++) {
        struct bytes value = text_of(size);
        struct encoded encoded = encode(codec, &value, 65536, 65536);
        struct points points;
        points_read(&points, encoded.file.len, encoded.points, encoded.points_len);
        assert_int_equal(points.count, (size - 1) / SPACING);
        assert_int_equal(encoded.points_len > 0, points.count > 0);
        for (size_t i = 0; i < points.count; i++)
            assert_memory_equal(encoded.file.data + points.offsets[i] - 4, "\0\0\xff\xff", 4);
        encoded_free(&encoded);
        bytes_free(&value);
        if (size % SPACING == 1)
            size += SPACING - 3;
    }
    codec_free(codec);
}

static void a_read_in_the_middle_takes_one_interval_of_the_file(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip:1");
    struct bytes value = text_of(40 * SPACING);
    struct encoded encoded = encode(codec, &value, 65536, 65536);
    size_t interval = encoded.file.len / 40, slack = interval / 4 + 8192;
    for (size_t at = SPACING / 2; at < value.len - 1024; at += 7 * SPACING) {
        struct reader r = reader_open(codec, &encoded.file, encoded.points, encoded.points_len);
        assert_reads(&r, at, 1024, &value);
        assert_true(r.taken < interval + slack);
        assert_reads(&r, at + 1024, 1024, &value); /* which goes on from there */
        assert_true(r.taken < interval + slack);
        reader_close(&r);
    }
    struct reader r = reader_open(codec, &encoded.file, NULL, 0);
    assert_reads(&r, 20 * SPACING, 1024, &value);
    assert_true(r.taken > 19 * interval);
    reader_close(&r);
    encoded_free(&encoded);
    bytes_free(&value);
    codec_free(codec);
}

static void the_points_of_a_value_of_any_size_fit(void **state)
{
    (void)state;
    static const uint64_t ratios[] = {1, 4, 1000};
    for (size_t i = 0; i < array_len(ratios); i++) {
        struct points points = {.spacing_log2 = DEFLATE_SPACING_LOG2}, back;
        uint8_t blob[CODEC_POINTS_MAX];
        for (uint64_t n = 1; n <= 3000000; n += n < 3000 ? 1 : 997) {
            for (uint64_t at = n; at < n + (n < 3000 ? 1 : 997); at++)
                points_add(&points, at * SPACING, at * (SPACING / ratios[i]));
            uint64_t size = (n + 1000) * SPACING;
            size_t len = points_write(&points, size, blob);
            assert_true(len > 0 && len <= CODEC_POINTS_MAX);
            points_read(&back, size, blob, len);
            assert_true(back.count > 0 && (back.count >= 150 || back.count >= n / 2));
            for (size_t j = 0; j < back.count; j += 1 + back.count / 10) {
                uint64_t block = ((uint64_t)(j + 1) << back.spacing_log2) / SPACING;
                assert_true(back.offsets[j] == block * (SPACING / ratios[i]));
            }
        }
    }
}

/* Reads all over the value with points that may be wrong. */
static void check_reads_with(const struct codec *codec, const struct encoded *encoded,
                             const struct bytes *value, const void *points, size_t points_len)
{
    struct reader r = reader_open(codec, &encoded->file, points, points_len);
    r.in_piece = r.out_piece = 100000;
    assert_reads(&r, value->len - 1000, 2000, value);
    assert_reads(&r, SPACING + 1, 10, value);
    assert_reads(&r, 2 * SPACING, 10, value);
    assert_true(r.again <= 1);
    reader_close(&r);
}

static void points_with_a_changed_byte_are_not_believed(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip:1");
    struct bytes value = text_of(4 * SPACING);
    struct encoded encoded = encode(codec, &value, 65536, 65536);
    for (size_t i = 0; i < encoded.points_len; i++) {
        struct points points;
        encoded.points[i] ^= (uint8_t)(1 << i % 8);
        points_read(&points, encoded.file.len, encoded.points, encoded.points_len);
        assert_int_equal(points.count, 0);
        check_reads_with(codec, &encoded, &value, encoded.points, encoded.points_len);
        encoded.points[i] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t len = 0; len < encoded.points_len; len++)
        check_reads_with(codec, &encoded, &value, encoded.points, len);
    encoded_free(&encoded);
    bytes_free(&value);
    codec_free(codec);
}

static void points_of_another_file_do_no_harm(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip:1");
    struct bytes value = text_of(4 * SPACING), other_value = text_of(5 * SPACING);
    struct encoded encoded = encode(codec, &value, 65536, 65536);
    struct encoded other = encode(codec, &other_value, 65536, 65536);
    check_reads_with(codec, &encoded, &value, other.points, other.points_len);
    struct points points;
    points_read(&points, other.file.len, other.points, other.points_len);
    for (size_t i = 0; i < points.count; i++)
        points.offsets[i] += 1 + i;
    uint8_t blob[CODEC_POINTS_MAX];
    size_t len = points_write(&points, encoded.file.len, blob);
    check_reads_with(codec, &encoded, &value, blob, len);
    encoded_free(&encoded);
    encoded_free(&other);
    bytes_free(&value);
    bytes_free(&other_value);
    codec_free(codec);
}

static void points_to_nowhere_do_no_harm(void **state)
{
    (void)state;
    struct random random = random_new();
    struct bytes value = {0};
    add_text(&value, &random, SPACING);
    add_random(&value, &random, SPACING);
    add_text(&value, &random, SPACING);
    static const char *const names[] = {"gzip:0", "gzip:1", "zlib"};
    for (size_t n = 0; n < array_len(names); n++) {
        struct codec *codec = codec_of(names[n]);
        struct encoded encoded = encode(codec, &value, 65536, 65536);
        for (int i = 0; i < 100; i++) {
            struct points points = {.spacing_log2 = DEFLATE_SPACING_LOG2, .count = 2};
            points.offsets[0] = 5 + random_below(&random, encoded.file.len / 2);
            points.offsets[1] = points.offsets[0] + 5 + random_below(&random, encoded.file.len / 3);
            uint8_t blob[CODEC_POINTS_MAX];
            size_t len = points_write(&points, encoded.file.len, blob);
            struct reader r = reader_open(codec, &encoded.file, blob, len);
            assert_reads(&r, random_below(&random, value.len), 100, &value);
            assert_reads(&r, random_below(&random, value.len), 100, &value);
            assert_true(r.again <= 1);
            reader_close(&r);
        }
        encoded_free(&encoded);
        codec_free(codec);
    }
    bytes_free(&value);
}

static void points_that_no_encoder_writes_are_not_believed(void **state)
{
    (void)state;
    static const uint64_t offsets[][3] = {{1, 20, 30},  {4, 20, 30},    {10, 10, 30},
                                          {10, 30, 20}, {10, 20, 1000}, {10, 20, UINT64_MAX}};
    for (size_t i = 0; i < array_len(offsets); i++) {
        struct points points = {.spacing_log2 = DEFLATE_SPACING_LOG2, .count = 3}, back;
        memcpy(points.offsets, offsets[i], sizeof offsets[i]);
        uint8_t blob[CODEC_POINTS_MAX];
        size_t len = points_write(&points, 1000, blob);
        points_read(&back, 1000, blob, len);
        assert_int_equal(back.count, 0);
    }
    struct points wide = {.spacing_log2 = 60, .count = 1, .offsets = {100}}, back;
    uint8_t blob[CODEC_POINTS_MAX];
    size_t len = points_write(&wide, 1000, blob);
    points_read(&back, 1000, blob, len);
    assert_int_equal(back.count, 0);
}

static void a_damaged_file_is_an_error_with_points_too(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip:1");
    struct bytes value = text_of(4 * SPACING), out = {0};
    struct encoded encoded = encode(codec, &value, 65536, 65536);
    struct reader r = reader_open(codec, &encoded.file, encoded.points, encoded.points_len);
    memset(encoded.file.data + encoded.file.len * 5 / 8, 0xFF, 1000);
    assert_int_equal(reader_read(&r, 3 * SPACING - 10, 100, &out), DISKV_EDECODE);
    assert_int_equal(r.again, 1);
    assert_reads(&r, SPACING, 1000, &value); /* what lies before is still read */
    reader_close(&r);
    bytes_free(&out);
    encoded_free(&encoded);
    bytes_free(&value);
    codec_free(codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_has_a_point_at_each_spacing_before_its_end),
        cmocka_unit_test(a_read_in_the_middle_takes_one_interval_of_the_file),
        cmocka_unit_test(the_points_of_a_value_of_any_size_fit),
        cmocka_unit_test(points_with_a_changed_byte_are_not_believed),
        cmocka_unit_test(points_of_another_file_do_no_harm),
        cmocka_unit_test(points_to_nowhere_do_no_harm),
        cmocka_unit_test(points_that_no_encoder_writes_are_not_believed),
        cmocka_unit_test(a_damaged_file_is_an_error_with_points_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
