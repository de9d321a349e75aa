/* Values that are compressed in their files: what lies there, what other options read of it, what
 * comes of damage, and codecs of the user's. */
#include "compress_helpers.h"

/* --- The file --- */

/* The bytes in stored blocks (RFC 1951, section 3.2.4) of a gzip file without optional fields, up
 * to a last block that may be empty and of another kind. */
static size_t stored_bytes(const struct bytes *file)
{
    const unsigned char *data = (const unsigned char *)file->data;
    size_t at = 10, total = 0;
    assert_int_equal(data[3], 0);
    while (at + 5 < file->size - 8 && (data[at] & 6) == 0) {
        size_t len = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;
        total += len;
        at += 5 + len;
    }
    assert_in_range(file->size - 8 - at, 0, 2);
    return total;
}

static void a_value_that_does_not_shrink_lies_in_stored_blocks(void **state)
{
    struct bytes noise = noise_new(4 * MIB);
    diskv *store = open_compressing(*state, "gzip:9");
    assert_int_equal(put(store, "noise", &noise), 0);
    assert_value(store, "noise", &noise);
    diskv_close(store);
    struct bytes file = file_read(*state, "noise");
    assert_in_range(file.size, noise.size, noise.size + noise.size / 1000 + 100);
    assert_int_equal(stored_bytes(&file), noise.size);
    free(file.data);
    free(noise.data);
}

static void a_text_takes_less_room_at_a_higher_level(void **state)
{
    struct bytes text = text_new(MIB);
    size_t sizes[3];
    static const char *const levels[COUNT(sizes)] = {"gzip:0", "gzip:1", "gzip:9"};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        diskv *store = open_compressing(*state, levels[i]);
        assert_int_equal(put(store, "text", &text), 0);
        diskv_close(store);
        struct bytes file = file_read(*state, "text");
        sizes[i] = file.size;
        free(file.data);
    }
    assert_true(sizes[0] >= text.size && sizes[1] < text.size / 2 && sizes[2] < sizes[1]);
    free(text.data);
}

/* --- Other options --- */

static void values_are_read_whatever_they_were_written_with(void **state)
{
    static const char *const written[] = {"none", "gzip", "gzip:9", "zlib", "gzip:0", "zlib:1"};
    static const char *const reading[] = {"none", "gzip:1", "zlib:9"};
    struct bytes text = text_new(MIB);
    for (size_t i = 0; i < COUNT(written); i++) {
        diskv *store = open_compressing(*state, written[i]);
        assert_int_equal(put(store, written[i], &text), 0);
        diskv_close(store);
    }
    for (size_t k = 0; k < COUNT(reading); k++) {
        diskv *store = open_compressing(*state, reading[k]);
        for (size_t i = 0; i < COUNT(written); i++) {
            struct diskv_info info;
            assert_value(store, written[i], &text);
            assert_int_equal(diskv_stat(store, written[i], strlen(written[i]), &info), 0);
            assert_int_equal(info.size, text.size);
        }
        diskv_close(store);
    }
    free(text.data);
}

/* A gzip file is a value as any other: what was uploaded is what is read. */
static void a_value_that_is_itself_a_gzip_file_stays_one(void **state)
{
    static const char *const codecs[] = {"none", "gzip", "zlib"};
    struct bytes text = text_new(MIB);
    diskv *store = open_compressing(*state, "gzip");
    assert_int_equal(put(store, "text", &text), 0);
    diskv_close(store);
    struct bytes archive = file_read(*state, "text");
    for (size_t i = 0; i < COUNT(codecs); i++) {
        store = open_compressing(*state, codecs[i]);
        assert_int_equal(put(store, "archive.tar.gz", &archive), 0);
        assert_value(store, "archive.tar.gz", &archive);
        diskv_close(store);
        store = open_compressing(*state, "gzip");
        assert_value(store, "archive.tar.gz", &archive);
        diskv_close(store);
    }
    free(archive.data);
    free(text.data);
}

static void the_tag_of_a_value_does_not_tell_how_it_is_compressed(void **state)
{
    static const char *const codecs[] = {"none", "gzip", "zlib:9"};
    char tag[DISKV_ETAG_MAX + 1] = "";
    struct diskv_info info;
    struct bytes text = text_new(1000);
    for (size_t i = 0; i < COUNT(codecs); i++) {
        diskv *store = open_compressing(*state, codecs[i]);
        assert_int_equal(put(store, "text", &text), 0);
        assert_int_equal(diskv_stat(store, "text", 4, &info), 0);
        assert_true(i == 0 || strcmp(info.etag, tag) == 0);
        memcpy(tag, info.etag, sizeof tag);
        diskv_close(store);
    }
    free(text.data);
}

static void who_lacks_the_dictionary_cannot_read(void **state)
{
    struct diskv_options options = {.sync = DISKV_SYNC_NONE,
                                    .compress = "zlib",
                                    .dictionary = "all work and no play",
                                    .dictionary_len = 20};
    struct bytes text = text_new(1000), value;
    diskv *store = open_store(*state, &options);
    assert_int_equal(put(store, "text", &text), 0);
    diskv_close(store);
    options.dictionary = "all play and no work";
    store = open_store(*state, &options);
    assert_int_equal(get(store, "text", &value), DISKV_EDECODE);
    diskv_close(store);
    store = open_compressing(*state, "zlib");
    assert_int_equal(get(store, "text", &value), DISKV_EDECODE);
    diskv_close(store);
    free(text.data);
}

static void options_that_name_no_codec_are_refused(void **state)
{
    static const char *const names[] = {"",        "lzma",   "gzip:10", "gzip:",    "gzip:-1",
                                        "gzip: 1", "gzip:x", "zlib:10", "none:1",   "GZIP",
                                        "gzi",     "gzip2",  "gzip:1 ", "gzip,zlib"};
    diskv *store;
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct diskv_options options = {.compress = names[i]};
        assert_false(diskv_codec_valid(names[i]));
        assert_int_equal(diskv_open(*state, &options, &store), DISKV_EINVAL);
    }
    assert_true(diskv_codec_valid("none") && diskv_codec_valid("gzip:0") &&
                diskv_codec_valid("zlib:9"));
}

/* --- Lost attributes --- */

static void a_value_whose_attributes_are_lost_is_read_all_the_same(void **state)
{
    struct bytes text = text_new(3 * MIB);
    struct diskv_info before, after, again;
    diskv *store = open_compressing(*state, "gzip");
    assert_int_equal(put(store, "text", &text), 0);
    assert_int_equal(diskv_stat(store, "text", 4, &before), 0);
    attribute_drop(*state, "text", RECORD);
    attribute_drop(*state, "text", POINTS);
    assert_int_equal(diskv_stat(store, "text", 4, &after), 0);
    assert_true(before.size == text.size && after.size == DISKV_SIZE_UNKNOWN);
    assert_string_not_equal(before.etag, after.etag);
    assert_value(store, "text", &text);
    assert_int_equal(diskv_stat(store, "text", 4, &again), 0);
    assert_string_equal(after.etag, again.etag);
    diskv_close(store);
    free(text.data);
}

/* --- Damage --- */

/* Each byte of the file in turn: what is read is an error or the value, never something else. */
static void a_byte_that_decayed_is_an_error_and_never_another_value(void **state)
{
    static const char *const codecs[] = {"gzip", "zlib", "gzip:0"};
    struct bytes text = text_new(2000), value;
    for (size_t i = 0; i < COUNT(codecs); i++) {
        diskv *store = open_compressing(*state, codecs[i]);
        assert_int_equal(put(store, "text", &text), 0);
        struct bytes file = file_read(*state, "text");
        size_t errors = 0;
        for (size_t at = 0; at < file.size; at++) {
            file_decay(*state, "text", at);
            int rc = get(store, "text", &value);
            if (rc)
                assert_int_equal(rc, DISKV_EDECODE);
            else
                assert_bytes(value.data, value.size, &text); /* of the frame, and says nothing */
            errors += rc != 0;
            free(value.data);
            file_decay(*state, "text", at); /* and back */
        }
        assert_true(errors >= file.size - 10);
        assert_value(store, "text", &text);
        diskv_close(store);
        free(file.data);
    }
    free(text.data);
}

static void a_file_that_was_cut_short_is_an_error(void **state)
{
    struct bytes text = text_new(MIB), value;
    diskv *store = open_compressing(*state, "gzip");
    assert_int_equal(put(store, "text", &text), 0);
    struct bytes file = file_read(*state, "text");
    for (size_t size = file.size - 1; size > 10; size -= 1 + size / 10) {
        file_write(*state, "text", file.data, size);
        assert_int_equal(get(store, "text", &value), DISKV_EDECODE);
    }
    diskv_close(store);
    free(file.data);
    free(text.data);
}

static void a_reader_of_a_damaged_value_gives_no_wrong_bytes(void **state)
{
    struct bytes text = text_new(MIB);
    char *data = malloc(MIB);
    diskv *store = open_compressing(*state, "gzip");
    assert_int_equal(put(store, "text", &text), 0);
    struct bytes file = file_read(*state, "text");
    file_write(*state, "text", file.data, file.size / 2);
    diskv_reader *reader = open_reader(store, "text");
    size_t given = 0;
    int64_t n;
    while ((n = diskv_reader_read_wait(reader, data, 1000, given)) > 0) {
        assert_in_range(given, 0, text.size - (size_t)n);
        assert_memory_equal(data, text.data + given, (size_t)n);
        given += (size_t)n;
    }
    assert_int_equal(n, DISKV_EDECODE);
    assert_in_range(given, text.size / 4, text.size);
    diskv_reader_close(reader);
    diskv_close(store);
    free(data);
    free(file.data);
    free(text.data);
}

/* Changes the length that the record gives by `by`, and nothing else. */
static void record_lie(const char *dir, const char *name, long by)
{
    char path[PATH_SIZE], record[2048], lie[2100];
    static const char field[] = "\"length\":";
    path_of(path, dir, name);
    ssize_t n = getxattr(path, RECORD, record, sizeof record - 1);
    assert_in_range(n, 1, sizeof record - 1);
    record[n] = '\0';
    char *at = strstr(record, field), *rest;
    assert_non_null(at);
    long length = strtol(at + strlen(field), &rest, 10);
    int len = snprintf(lie, sizeof lie, "%.*s%s%ld%s", (int)(at - record), record, field,
                       length + by, rest);
    assert_int_equal(setxattr(path, RECORD, lie, (size_t)len, 0), 0);
}

static void a_value_of_another_length_than_its_record_says_is_an_error(void **state)
{
    static const long lies[] = {-1, 1, -1999, 1000000};
    struct bytes text = text_new(2000), value;
    diskv *store = open_compressing(*state, "gzip");
    assert_int_equal(put(store, "text", &text), 0);
    for (size_t i = 0; i < COUNT(lies); i++) {
        record_lie(*state, "text", lies[i]);
        assert_int_equal(get(store, "text", &value), DISKV_EDECODE);
        record_lie(*state, "text", -lies[i]);
        assert_value(store, "text", &text);
    }
    diskv_close(store);
    free(text.data);
}

/* --- A user's codec --- */

/* How a codec goes wrong. */
enum lie {
    HONEST,
    SAYS_TWO,
    UNKNOWN_ERROR,
    NEVER_MOVES,
    ENDS_AT_ONCE,
    NEVER_ENDS,
    TAKES_TOO_MUCH,
    GIVES_TOO_MUCH,
    GOES_BACK,
    NOT_MADE,
    LIES,
};

struct xor { enum lie encoding, decoding; };

static int xor_encoder_new(void *ctx, void **coder)
{
    *coder = ctx;
    return ((struct xor *)ctx)->encoding == NOT_MADE ? DISKV_ENOMEM : 0;
}

static int xor_decoder_new(void *ctx, void **coder)
{
    *coder = ctx;
    return ((struct xor *)ctx)->decoding == NOT_MADE ? DISKV_ENOMEM : 0;
}

static void xor_free(void *coder)
{
    (void)coder;
}

static int xor_honestly(struct diskv_coding *io, bool end)
{
    size_t n = io->in_len < io->out_len ? io->in_len : io->out_len;
    for (size_t i = 0; i < n; i++)
        ((char *)io->out)[i] = (char)(((const char *)io->in)[i] ^ 0x55);
    io->in = n ? (const char *)io->in + n : io->in;
    io->out = n ? (char *)io->out + n : io->out;
    io->in_len -= n;
    io->out_len -= n;
    return end && !io->in_len;
}

static int xor_code(enum lie lie, struct diskv_coding *io, bool end)
{
    int rc = lie == NEVER_MOVES || lie == ENDS_AT_ONCE ? 0 : xor_honestly(io, end);
    switch (lie) {
    case SAYS_TWO:
        return 2;
    case UNKNOWN_ERROR:
        return -12345;
    case ENDS_AT_ONCE:
        return 1;
    case NEVER_ENDS:
        return 0;
    case TAKES_TOO_MUCH:
        io->in_len = SIZE_MAX - 4096;
        return rc;
    case GIVES_TOO_MUCH:
        io->out_len = SIZE_MAX - 4096;
        return rc;
    case GOES_BACK:
        io->in = (const char *)io->in - 16;
        return rc;
    default:
        return rc;
    }
}

static int xor_encode(void *coder, struct diskv_coding *io, bool end)
{
    return xor_code(((struct xor *)coder)->encoding, io, end);
}

/* The files end with the value: their last byte is 0x55 ^ '.', and there is no other. */
static int xor_decode(void *coder, struct diskv_coding *io)
{
    const char *in = io->in;
    size_t had = io->in_len;
    int rc = xor_code(((struct xor *)coder)->decoding, io, false);
    bool ended = rc == 0 && io->in_len < had && in[had - io->in_len - 1] == ('.' ^ 0x55);
    return ended && ((struct xor *)coder)->decoding != NEVER_ENDS ? 1 : rc;
}

static bool xor_recognises(void *ctx, const void *head, size_t len)
{
    (void)ctx;
    return len && *(const char *)head == ('a' ^ 0x55);
}

static struct diskv_codec xor_codec(struct xor *ctx)
{
    return (struct diskv_codec){.name = "xor-55",
                                .ctx = ctx,
                                .encoder_new = xor_encoder_new,
                                .decoder_new = xor_decoder_new,
                                .encode = xor_encode,
                                .decode = xor_decode,
                                .encoder_free = xor_free,
                                .decoder_free = xor_free,
                                .recognises = xor_recognises};
}

static diskv *open_with_codec(const char *dir, const struct diskv_codec *codec)
{
    const struct diskv_options options = {.sync = DISKV_SYNC_NONE, .codec = codec};
    return open_store(dir, &options);
}

/* A value that ends as the codec wants it: for free(). */
static struct bytes ending_new(size_t size)
{
    struct bytes text = text_new(size);
    text.data[0] = 'a';
    text.data[size - 1] = '.';
    return text;
}

static void a_user_s_codec_decides_what_lies_in_the_file(void **state)
{
    struct xor honest = {HONEST, HONEST};
    struct diskv_codec codec = xor_codec(&honest);
    struct bytes text = ending_new(MIB);
    diskv *store = open_with_codec(*state, &codec);
    assert_int_equal(put(store, "text", &text), 0);
    assert_value(store, "text", &text);
    struct bytes file = file_read(*state, "text");
    assert_int_equal(file.size, text.size);
    for (size_t i = 0; i < file.size; i++)
        file.data[i] ^= 0x55;
    assert_bytes(file.data, file.size, &text);
    diskv_reader *reader = open_reader(store, "text");
    char part[100];
    assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, MIB / 2), sizeof part);
    assert_memory_equal(part, text.data + MIB / 2, sizeof part);
    assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, 1), sizeof part);
    assert_memory_equal(part, text.data + 1, sizeof part);
    diskv_reader_close(reader);
    diskv_close(store);
    free(file.data);
    free(text.data);
}

static void without_the_user_s_codec_its_values_are_errors_and_others_are_read(void **state)
{
    static const char *const codecs[] = {"none", "gzip"};
    struct xor honest = {HONEST, HONEST};
    struct diskv_codec codec = xor_codec(&honest);
    struct bytes text = ending_new(1000), value;
    diskv *store = open_compressing(*state, "zlib");
    assert_int_equal(put(store, "zlib", &text), 0);
    diskv_close(store);
    store = open_with_codec(*state, &codec);
    assert_int_equal(put(store, "text", &text), 0);
    assert_value(store, "zlib", &text);
    diskv_close(store);
    for (size_t i = 0; i < COUNT(codecs); i++) {
        store = open_compressing(*state, codecs[i]);
        assert_int_equal(diskv_has(store, "text", 4), 1);
        assert_int_equal(get(store, "text", &value), DISKV_EDECODE);
        assert_value(store, "zlib", &text);
        diskv_close(store);
    }
    codec.name = "another";
    store = open_with_codec(*state, &codec);
    assert_int_equal(get(store, "text", &value), DISKV_EDECODE);
    diskv_close(store);
    free(text.data);
}

static void a_user_s_codec_tells_which_foreign_files_are_its_own(void **state)
{
    struct xor honest = {HONEST, HONEST};
    struct diskv_codec codec = xor_codec(&honest);
    static const char encoded[] = {'a' ^ 0x55, 'b' ^ 0x55, '.' ^ 0x55};
    diskv *store = open_with_codec(*state, &codec);
    file_write(*state, "own", encoded, sizeof encoded);
    file_write(*state, "plain", "plain", 5);
    assert_text(store, "own", "ab.");
    assert_text(store, "plain", "plain");
    diskv_close(store);
}

static void an_encoder_that_lies_changes_no_value(void **state)
{
    struct xor ctx = {HONEST, HONEST};
    struct diskv_codec codec = xor_codec(&ctx);
    struct bytes old = ending_new(1000), new = ending_new(MIB);
    diskv *store = open_with_codec(*state, &codec);
    assert_int_equal(put(store, "text", &old), 0);
    for (int lie = SAYS_TWO; lie < LIES; lie++) {
        ctx.encoding = (enum lie)lie;
        assert_true(put(store, "text", &new) < 0);
        assert_value(store, "text", &old);
    }
    diskv_close(store);
    free(old.data);
    free(new.data);
}

static void a_decoder_that_lies_is_an_error(void **state)
{
    struct xor ctx = {HONEST, HONEST};
    struct diskv_codec codec = xor_codec(&ctx);
    struct bytes text = ending_new(MIB), value;
    diskv *store = open_with_codec(*state, &codec);
    assert_int_equal(put(store, "text", &text), 0);
    for (int lie = SAYS_TWO; lie < LIES; lie++) {
        ctx.decoding = (enum lie)lie;
        assert_true(get(store, "text", &value) < 0);
    }
    ctx.decoding = HONEST;
    assert_value(store, "text", &text);
    diskv_close(store);
    free(text.data);
}

static void a_codec_that_is_none_is_refused(void **state)
{
    static const char *const names[] = {NULL, "", "none", "UPPER", "a_b", "sixteen-letters-"};
    struct xor honest = {HONEST, HONEST};
    struct diskv_codec codec = xor_codec(&honest);
    diskv *store;
    const struct diskv_options twice = {.compress = "gzip", .codec = &codec};
    assert_int_equal(diskv_open(*state, &twice, &store), DISKV_EINVAL);
    const struct diskv_options options = {.codec = &codec};
    for (size_t i = 0; i < COUNT(names); i++) {
        codec.name = names[i];
        assert_int_equal(diskv_open(*state, &options, &store), DISKV_EINVAL);
    }
    codec = xor_codec(&honest);
    codec.decode = NULL;
    assert_int_equal(diskv_open(*state, &options, &store), DISKV_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_value_that_does_not_shrink_lies_in_stored_blocks),
        CASE(a_text_takes_less_room_at_a_higher_level),
        CASE(values_are_read_whatever_they_were_written_with),
        CASE(a_value_that_is_itself_a_gzip_file_stays_one),
        CASE(the_tag_of_a_value_does_not_tell_how_it_is_compressed),
        CASE(who_lacks_the_dictionary_cannot_read),
        CASE(options_that_name_no_codec_are_refused),
        CASE(a_value_whose_attributes_are_lost_is_read_all_the_same),
        CASE(a_byte_that_decayed_is_an_error_and_never_another_value),
        CASE(a_file_that_was_cut_short_is_an_error),
        CASE(a_reader_of_a_damaged_value_gives_no_wrong_bytes),
        CASE(a_value_of_another_length_than_its_record_says_is_an_error),
        CASE(a_user_s_codec_decides_what_lies_in_the_file),
        CASE(without_the_user_s_codec_its_values_are_errors_and_others_are_read),
        CASE(a_user_s_codec_tells_which_foreign_files_are_its_own),
        CASE(an_encoder_that_lies_changes_no_value),
        CASE(a_decoder_that_lies_is_an_error),
        CASE(a_codec_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
