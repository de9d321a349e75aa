/* What gzip and zlib promise beyond what every codec does: files that other programs read, and
 * theirs are read. */
#include "codec_helpers.h"
#include "deflate.h"
#include "tempdir.h"
#include "util.h"

#define SPACING    DEFLATE_SPACING
#define DICTIONARY "all work and no play " /* that of the directories of Go diskv's */

static struct codec *codec_with_dictionary(void)
{
    struct codec *codec;
    assert_int_equal(codec_parse("zlib", DICTIONARY, strlen(DICTIONARY), &codec), 0);
    return codec;
}

static struct bytes string_of(const char *text)
{
    struct bytes value = {0};
    bytes_add(&value, text, strlen(text));
    return value;
}

/* --- Names --- */

static void codecs_are_named_with_or_without_a_level(void **state)
{
    (void)state;
    static const char *const good[] = {"gzip", "zlib", "gzip:0", "gzip:9", "zlib:1"};
    for (size_t i = 0; i < array_len(good); i++) {
        struct codec *codec = codec_of(good[i]);
        assert_int_equal(strlen(codec->name), 4);
        assert_memory_equal(codec->name, good[i], 4);
        assert_true(diskv_codec_valid(good[i]));
        codec_free(codec);
    }
    static const char *const bad[] = {
        "",      "gzi",   "gzipp", "GZIP",     "gzip:",   "gzip:a", "gzip:10", "gzip:-1", "gzip: 1",
        " gzip", "gzip ", "zlib9", "zlib:9:9", "deflate", "none:1", "gzip:/",  "zlib::1", "zstd"};
    for (size_t i = 0; i < array_len(bad); i++) {
        struct codec *codec;
        assert_int_equal(codec_parse(bad[i], NULL, 0, &codec), DISKV_EINVAL);
        assert_false(diskv_codec_valid(bad[i]));
    }
}

static void none_is_a_valid_name_that_needs_no_codec(void **state)
{
    (void)state;
    struct codec *codec;
    assert_true(diskv_codec_valid("none"));
    assert_int_equal(codec_parse("none", NULL, 0, &codec), DISKV_EINVAL);
}

static void only_zlib_has_a_dictionary(void **state)
{
    (void)state;
    struct codec *codec;
    assert_int_equal(codec_parse("gzip", "x", 1, &codec), DISKV_EINVAL);
    assert_int_equal(codec_parse("gzip:1", "x", 1, &codec), DISKV_EINVAL);
    assert_int_equal(codec_parse("gzip", "x", 0, &codec), 0);
    codec_free(codec);
}

/* --- What other programs read and write --- */

/* Runs a command with the file's bytes as $DIR/file and the value's as $DIR/value. */
static int run_on(const char *command, const struct bytes *file, const struct bytes *value)
{
    char dir[TEMPDIR_SIZE];
    tempdir_new(dir);
    static const char *const names[] = {"file", "value"};
    const struct bytes *contents[] = {file, value};
    for (size_t i = 0; i < array_len(names); i++) {
        char path[TEMPDIR_SIZE + 8];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        if (contents[i]->len)
            assert_int_equal(fwrite(contents[i]->data, 1, contents[i]->len, f), contents[i]->len);
        assert_int_equal(fclose(f), 0);
    }
    setenv("DIR", dir, 1);
    int rc = system(command);
    tempdir_remove(dir);
    return rc;
}

static struct bytes output_of(const char *command)
{
    struct bytes out = {0};
    char piece[4096];
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (size_t n; (n = fread(piece, 1, sizeof piece, pipe)) > 0;)
        bytes_add(&out, piece, n);
    assert_int_equal(pclose(pipe), 0);
    return out;
}

static void check_read_by(const char *command, struct codec *codec)
{
    static const size_t sizes[] = {0, 1, 1000, SPACING, 3 * SPACING + 1};
    for (size_t i = 0; i < array_len(sizes); i++) {
        struct bytes value = text_of(sizes[i]);
        struct encoded encoded = encode(codec, &value, 100000, 100000);
        assert_int_equal(run_on(command, &encoded.file, &value), 0);
        encoded_free(&encoded);
        bytes_free(&value);
    }
    codec_free(codec);
}

static void zcat_reads_a_gzip_file(void **state)
{
    (void)state;
    check_read_by("zcat < $DIR/file | cmp - $DIR/value && gzip -t < $DIR/file", codec_of("gzip"));
}

static void python_reads_a_gzip_file_as_a_single_member_without_a_time(void **state)
{
    (void)state;
    check_read_by(
        "python3 -c 'import os, zlib\n"
        "d = zlib.decompressobj(31)\n"
        "f = open(os.environ[\"DIR\"] + \"/file\", \"rb\").read()\n"
        "assert f[4:8] == bytes(4)\n"
        "assert d.decompress(f) == open(os.environ[\"DIR\"] + \"/value\", \"rb\").read()\n"
        "assert d.eof and not d.unused_data'",
        codec_of("gzip:9"));
}

static void python_reads_a_zlib_file(void **state)
{
    (void)state;
    check_read_by("python3 -c 'import os, zlib\n"
                  "f = open(os.environ[\"DIR\"] + \"/file\", \"rb\").read()\n"
                  "v = open(os.environ[\"DIR\"] + \"/value\", \"rb\").read()\n"
                  "assert zlib.decompress(f) == v'",
                  codec_of("zlib"));
}

static void python_reads_a_zlib_file_with_the_same_dictionary(void **state)
{
    (void)state;
    check_read_by("python3 -c 'import os, zlib\n"
                  "f = open(os.environ[\"DIR\"] + \"/file\", \"rb\").read()\n"
                  "v = open(os.environ[\"DIR\"] + \"/value\", \"rb\").read()\n"
                  "d = zlib.decompressobj(15, b\"" DICTIONARY "\")\n"
                  "assert d.decompress(f) == v and d.eof'",
                  codec_with_dictionary());
}

static void the_same_value_always_becomes_the_same_file(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip");
    struct bytes value = text_of(2 * SPACING);
    struct encoded a = encode(codec, &value, 100000, 100000);
    struct encoded b = encode(codec, &value, 100000, 100000);
    assert_true(bytes_equal(&a.file, &b.file));
    encoded_free(&a);
    encoded_free(&b);
    bytes_free(&value);
    codec_free(codec);
}

static void what_gzip_writes_is_read(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip");
    struct bytes value = string_of("");
    for (int i = 1; i <= 20000; i++) {
        char line[16];
        bytes_add(&value, line, (size_t)snprintf(line, sizeof line, "%d\n", i));
    }
    static const char *const commands[] = {"seq 20000 | gzip -1", "seq 20000 | gzip -9",
                                           "f=$(mktemp) && seq 20000 > $f && gzip -c $f; rm $f",
                                           "(seq 7 | gzip; gzip < /dev/null; seq 8 20000 | gzip)"};
    for (size_t i = 0; i < array_len(commands); i++) {
        struct bytes file = output_of(commands[i]);
        assert_true(codec->ops->recognises(codec, file.data, CODEC_HEAD_MAX));
        assert_decodes(codec, &file, &value, 1000, 1000);
        assert_decodes(codec, &file, &value, 1, 70000);
        bytes_free(&file);
    }
    bytes_free(&value);
    codec_free(codec);
}

static void check_tree(const char *tree, struct codec *codec)
{
    static const char *const keys[] = {"alpha", "beta", "ünïcode", "UPPER", "a.b.c"};
    for (size_t i = 0; i < array_len(keys); i++) {
        char command[100];
        snprintf(command, sizeof command, "tar xOf $DISKV_TREES/trees.tar '%s/%s'", tree, keys[i]);
        struct bytes file = output_of(command);
        snprintf(command, sizeof command, "tar xOf $DISKV_TREES/trees.tar 'flat/%s'", keys[i]);
        struct bytes value = output_of(command);
        assert_true(codec->ops->recognises(codec, file.data,
                                           file.len < CODEC_HEAD_MAX ? file.len : CODEC_HEAD_MAX));
        assert_decodes(codec, &file, &value, 1000, 1000);
        bytes_free(&file);
        bytes_free(&value);
    }
    codec_free(codec);
}

static void what_go_diskv_writes_is_read(void **state)
{
    (void)state;
    check_tree("gzip", codec_of("gzip"));
    check_tree("gzip9", codec_of("gzip"));
    check_tree("zlib", codec_of("zlib"));
    check_tree("zlib", codec_with_dictionary());
    check_tree("zlibdict", codec_with_dictionary());
}

static void a_file_made_with_another_dictionary_is_an_error(void **state)
{
    (void)state;
    struct codec *with = codec_with_dictionary(), *without = codec_of("zlib"), *other;
    assert_int_equal(codec_parse("zlib", "other", 5, &other), 0);
    struct bytes value = text_of(1000), out = {0};
    struct encoded encoded = encode(with, &value, 1000, 1000);
    assert_int_equal(decode(without, &encoded.file, 100, 100, &out), DISKV_EDECODE);
    assert_int_equal(decode(other, &encoded.file, 100, 100, &out), DISKV_EDECODE);
    assert_false(without->ops->recognises(without, encoded.file.data, CODEC_HEAD_MAX));
    assert_false(other->ops->recognises(other, encoded.file.data, CODEC_HEAD_MAX));
    assert_int_equal(out.len, 0);
    encoded_free(&encoded);
    bytes_free(&value);
    codec_free(with);
    codec_free(without);
    codec_free(other);
}

/* --- Members, and what follows them --- */

static void several_gzip_members_are_one_value(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip");
    struct bytes a = text_of(5000), b = string_of(""), c = text_of(70000), all = {0}, file = {0};
    const struct bytes *parts[] = {&a, &b, &c};
    for (size_t i = 0; i < array_len(parts); i++) {
        struct encoded encoded = encode(codec, parts[i], 10000, 10000);
        bytes_add(&file, encoded.file.data, encoded.file.len);
        bytes_add(&all, parts[i]->data, parts[i]->len);
        encoded_free(&encoded);
    }
    assert_decodes(codec, &file, &all, 1, 1);
    assert_decodes(codec, &file, &all, 100000, 100000);
    struct reader r = reader_open(codec, &file, NULL, 0);
    assert_reads(&r, 60000, 1000, &all);
    assert_reads(&r, 4999, 2, &all);
    reader_close(&r);
    struct bytes out = {0};
    file.len -= 3;
    assert_int_equal(decode(codec, &file, 1000, 1000, &out), DISKV_EDECODE);
    bytes_free(&out);
    bytes_free(&a);
    bytes_free(&b);
    bytes_free(&c);
    bytes_free(&all);
    bytes_free(&file);
    codec_free(codec);
}

static void what_follows_the_end_is_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } tails[] = {{"\0", 1},   {"\0\0\0\0", 4}, {"garbage", 7},
                 {"\x1f", 1}, {"\x1fx", 2},    {"\x8b", 1}};
    static const char *const names[] = {"gzip", "zlib"};
    struct bytes value = text_of(1000);
    for (size_t n = 0; n < array_len(names); n++) {
        struct codec *codec = codec_of(names[n]);
        for (size_t i = 0; i < array_len(tails); i++) {
            struct encoded encoded = encode(codec, &value, 1000, 1000);
            bytes_add(&encoded.file, tails[i].bytes, tails[i].len);
            assert_decodes(codec, &encoded.file, &value, 1, 100);
            assert_decodes(codec, &encoded.file, &value, 10000, 10000);
            encoded_free(&encoded);
        }
        codec_free(codec);
    }
    bytes_free(&value);
}

static void a_wrong_checksum_is_an_error_as_soon_as_the_last_byte_is_read(void **state)
{
    (void)state;
    static const char *const names[] = {"gzip", "zlib"};
    struct bytes value = text_of(1000), out = {0};
    for (size_t n = 0; n < array_len(names); n++) {
        struct codec *codec = codec_of(names[n]);
        struct encoded encoded = encode(codec, &value, 1000, 1000);
        encoded.file.data[encoded.file.len - (n ? 1 : 5)] ^= 1;
        struct reader r = reader_open(codec, &encoded.file, NULL, 0);
        assert_int_equal(reader_read(&r, 0, value.len, &out), DISKV_EDECODE);
        reader_close(&r);
        encoded_free(&encoded);
        codec_free(codec);
    }
    bytes_free(&out);
    bytes_free(&value);
}

/* --- Recognising --- */

static void check_unrecognised(const char *name, const char *bytes, size_t len)
{
    struct codec *codec = codec_of(name);
    assert_false(codec->ops->recognises(codec, bytes, len));
    codec_free(codec);
}

static void other_files_are_not_taken_for_gzip(void **state)
{
    (void)state;
    check_unrecognised("gzip", "", 0);
    check_unrecognised("gzip", "\x1f\x8b", 2);
    check_unrecognised("gzip", "plain text", 10);
    check_unrecognised("gzip", "\x1f\x8b\x07\0\0\0\0\0\0\3", 10);   /* not deflate */
    check_unrecognised("gzip", "\x1f\x8b\x08\x20\0\0\0\0\0\3", 10); /* a reserved flag */
}

static void a_damaged_gzip_file_is_still_taken_for_one(void **state)
{
    (void)state;
    struct codec *codec = codec_of("gzip");
    assert_true(codec->ops->recognises(codec, "\x1f\x8b\x08\0\0\0\0\0\0\3\xff\xff", 12));
    codec_free(codec);
}

static void texts_that_begin_like_zlib_are_not_taken_for_it(void **state)
{
    (void)state;
    char text[CODEC_HEAD_MAX];
    static const char *const begins[] = {
        "x^2 + y^2 = z^2\n", "x^", "x\x01", "8S", "H\xC7", "hC", "X\x09"};
    struct codec *codec = codec_of("zlib");
    for (size_t i = 0; i < array_len(begins); i++) {
        size_t len = strlen(begins[i]);
        assert_false(codec->ops->recognises(codec, begins[i], len));
        for (size_t at = 0; at < sizeof text; at++)
            text[at] = begins[i][at % len];
        assert_false(codec->ops->recognises(codec, text, sizeof text));
    }
    codec_free(codec);
    check_unrecognised("zlib", "", 0);
    check_unrecognised("zlib", "\x78", 1);
    check_unrecognised("zlib", "\x78\x9c", 2);
}

/* --- Values that do not shrink --- */

static void a_value_that_does_not_shrink_grows_by_less_than_a_thousandth(void **state)
{
    (void)state;
    struct random random = random_new();
    struct bytes value = {0};
    add_random(&value, &random, 20 * SPACING);
    static const char *const names[] = {"gzip", "gzip:0", "gzip:9", "zlib"};
    for (size_t i = 0; i < array_len(names); i++) {
        struct codec *codec = codec_of(names[i]);
        struct encoded encoded = encode(codec, &value, 65536, 65536);
        assert_true(encoded.file.len < value.len + value.len / 1000);
        encoded_free(&encoded);
        codec_free(codec);
    }
    bytes_free(&value);
}

static void text_behind_what_does_not_shrink_is_compressed_again(void **state)
{
    (void)state;
    struct random random = random_new();
    struct codec *codec = codec_of("gzip");
    struct bytes value = {0};
    add_random(&value, &random, SPACING);
    add_text(&value, &random, 40 * SPACING);
    struct encoded encoded = encode(codec, &value, 65536, 65536);
    assert_true(encoded.file.len < 17 * SPACING + 24 * SPACING / 2);
    assert_decodes(codec, &encoded.file, &value, 65536, 65536);
    encoded_free(&encoded);
    bytes_free(&value);
    codec_free(codec);
}

/* --- Memory --- */

static size_t allocations_left = SIZE_MAX; /* until one fails */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    if (allocations_left != SIZE_MAX && allocations_left-- == 0) {
        allocations_left = SIZE_MAX;
        return NULL;
    }
    return __real_calloc(n, size);
}

/* Encodes and decodes a little, in memory of its own, as if more were to come. */
static int use_codec(const char *name, const char *dictionary)
{
    struct codec *codec;
    int rc = codec_parse(name, dictionary, dictionary ? strlen(dictionary) : 0, &codec);
    if (rc)
        return rc;
    uint8_t file[1 << 17], text[100];
    memset(text, 'x', sizeof text);
    struct codec_encoder *encoder = NULL;
    struct codec_decoder *decoder = NULL;
    struct diskv_coding in = {text, sizeof text, file, sizeof file};
    rc = codec->ops->encoder_new(codec, (uint64_t)1 << 30, &encoder);
    if (!rc)
        rc = codec->ops->encode(encoder, &in, true);
    if (rc == 1)
        rc = codec->ops->decoder_new(codec, sizeof file - in.out_len, NULL, 0, &decoder);
    struct diskv_coding out = {file, sizeof file - in.out_len, text, 10};
    if (!rc)
        rc = codec->ops->decode(decoder, &out, true);
    codec->ops->encoder_free(encoder);
    codec->ops->decoder_free(decoder);
    codec_free(codec);
    return rc;
}

/* Returns how many allocations could fail. */
static size_t fail_each_allocation(const char *name, const char *dictionary)
{
    int rc = DISKV_ENOMEM;
    size_t failed = 0;
    while (rc) {
        allocations_left = failed;
        rc = use_codec(name, dictionary);
        if (rc) {
            assert_int_equal(rc, DISKV_ENOMEM);
            failed++;
        }
        allocations_left = SIZE_MAX;
    }
    return failed;
}

static void memory_that_lacks_is_an_error(void **state)
{
    (void)state;
    size_t failed = fail_each_allocation("zlib", DICTIONARY);
    assert_true(failed >= 8);
    assert_int_equal(fail_each_allocation("gzip", NULL), failed + 1); /* with a table of points */
}

static void recognising_needs_no_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"gzip", "zlib"};
    for (size_t i = 0; i < array_len(names); i++) {
        struct codec *codec = codec_of(names[i]);
        struct bytes value = text_of(5000);
        struct encoded encoded = encode(codec, &value, 1000, 1000);
        allocations_left = 0;
        assert_true(codec->ops->recognises(codec, encoded.file.data, CODEC_HEAD_MAX));
        assert_int_equal(allocations_left, 0);
        allocations_left = SIZE_MAX;
        encoded_free(&encoded);
        bytes_free(&value);
        codec_free(codec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codecs_are_named_with_or_without_a_level),
        cmocka_unit_test(none_is_a_valid_name_that_needs_no_codec),
        cmocka_unit_test(only_zlib_has_a_dictionary),
        cmocka_unit_test(zcat_reads_a_gzip_file),
        cmocka_unit_test(python_reads_a_gzip_file_as_a_single_member_without_a_time),
        cmocka_unit_test(python_reads_a_zlib_file),
        cmocka_unit_test(python_reads_a_zlib_file_with_the_same_dictionary),
        cmocka_unit_test(the_same_value_always_becomes_the_same_file),
        cmocka_unit_test(what_gzip_writes_is_read),
        cmocka_unit_test(what_go_diskv_writes_is_read),
        cmocka_unit_test(a_file_made_with_another_dictionary_is_an_error),
        cmocka_unit_test(several_gzip_members_are_one_value),
        cmocka_unit_test(what_follows_the_end_is_ignored),
        cmocka_unit_test(a_wrong_checksum_is_an_error_as_soon_as_the_last_byte_is_read),
        cmocka_unit_test(other_files_are_not_taken_for_gzip),
        cmocka_unit_test(a_damaged_gzip_file_is_still_taken_for_one),
        cmocka_unit_test(texts_that_begin_like_zlib_are_not_taken_for_it),
        cmocka_unit_test(a_value_that_does_not_shrink_grows_by_less_than_a_thousandth),
        cmocka_unit_test(text_behind_what_does_not_shrink_is_compressed_again),
        cmocka_unit_test(memory_that_lacks_is_an_error),
        cmocka_unit_test(recognising_needs_no_memory),
    };
    return cmocka_run_group_tests_name("gzip and zlib", tests, NULL, NULL);
}
