/* A user's codec is checked: what it must not answer becomes an error, and nothing goes on for
 * ever. Each of these answers as `rule` says; but for that, bytes stay as they are. */
#include "codec_helpers.h"
#include "util.h"

struct rule {
    int rc;            /* of what it is asked, where not 0 */
    size_t too_far_in; /* bytes that the ends move beyond what they may */
    size_t too_far_out;
    bool only_length; /* one end moves, its pointer does not */
    bool idle;        /* nothing moves */
    int new_rc;       /* of making an encoder or a decoder */
    int made, freed;
};

static int copier_new(void *ctx, void **copier)
{
    struct rule *rule = ctx;
    if (rule->new_rc)
        return rule->new_rc;
    rule->made++;
    *copier = rule;
    return 0;
}

static void copier_free(void *copier)
{
    ((struct rule *)copier)->freed++;
}

static int copy(struct rule *rule, struct diskv_coding *io)
{
    size_t n = io->in_len < io->out_len ? io->in_len : io->out_len;
    if (n && !rule->idle) {
        memcpy(io->out, io->in, n);
        io->in = (const char *)io->in + n;
        io->out = (char *)io->out + n;
        io->in_len -= n;
        io->out_len -= n;
    }
    if (rule->only_length)
        io->in_len = 0;
    io->in = (const void *)((uintptr_t)io->in + rule->too_far_in);
    io->in_len -= rule->too_far_in;
    io->out = (void *)((uintptr_t)io->out + rule->too_far_out);
    io->out_len -= rule->too_far_out;
    return rule->rc;
}

static int copier_encode(void *copier, struct diskv_coding *io, bool end)
{
    struct rule *rule = copier;
    int rc = copy(rule, io);
    return rc ? rc : end && !io->in_len && !rule->idle;
}

static int copier_decode(void *copier, struct diskv_coding *io)
{
    return copy(copier, io);
}

static bool begins_with_c(void *ctx, const void *head, size_t len)
{
    (void)ctx;
    return len > 0 && *(const char *)head == 'c';
}

static struct diskv_codec copier_of(struct rule *rule)
{
    return (struct diskv_codec){
        .name = "copy-1",
        .ctx = rule,
        .encoder_new = copier_new,
        .decoder_new = copier_new,
        .encode = copier_encode,
        .decode = copier_decode,
        .encoder_free = copier_free,
        .decoder_free = copier_free,
    };
}

/* What comes back from encoding, and from decoding, ten bytes into a hundred until either is done,
 * within a hundred calls. */
static int encode_with(struct rule *rule, bool end)
{
    struct diskv_codec user = copier_of(rule);
    struct codec *codec;
    struct codec_encoder *encoder;
    char out[100];
    struct diskv_coding io = {"ten bytes.", 10, out, sizeof out};
    assert_int_equal(codec_user(&user, &codec), 0);
    int rc = codec->ops->encoder_new(codec, 0, &encoder);
    if (!rc) {
        for (int calls = 0; !rc && calls < 100 && (io.in_len || end); calls++)
            rc = codec->ops->encode(encoder, &io, end);
        assert_true(io.in_len <= 10 && io.out_len <= sizeof out);
        codec->ops->encoder_free(encoder);
    }
    assert_int_equal(rule->made, rule->freed);
    codec_free(codec);
    return rc;
}

static int decode_with(struct rule *rule)
{
    struct diskv_codec user = copier_of(rule);
    struct codec *codec;
    struct codec_decoder *decoder;
    char out[100];
    struct diskv_coding io = {"ten bytes.", 10, out, sizeof out};
    uint64_t file_at, value_at;
    assert_int_equal(codec_user(&user, &codec), 0);
    assert_int_equal(codec->ops->decoder_new(codec, 10, NULL, 0, &decoder), 0);
    codec->ops->decoder_seek(decoder, 0, &file_at, &value_at);
    int rc = 0;
    for (int calls = 0; !rc && calls < 100; calls++)
        rc = codec->ops->decode(decoder, &io, true);
    assert_true(io.in_len <= 10 && io.out_len <= sizeof out);
    if (rc < 0)
        assert_int_equal(codec->ops->decode(decoder, &io, true), rc);
    codec->ops->decoder_seek(decoder, 0, &file_at, &value_at);
    assert_true(file_at == 0 && value_at == 0);
    codec->ops->decoder_free(decoder);
    assert_int_equal(rule->made, rule->freed);
    codec_free(codec);
    return rc;
}

static void check_both(struct rule rule, int want)
{
    struct rule copy_of_it = rule;
    assert_int_equal(encode_with(&rule, true), want);
    assert_int_equal(decode_with(&copy_of_it), want);
}

/* --- Tests --- */

static void a_name_is_1_to_15_small_letters_digits_and_hyphens(void **state)
{
    (void)state;
    struct rule rule = {0};
    struct diskv_codec user = copier_of(&rule);
    struct codec *codec;
    static const char *const good[] = {"a", "7", "-", "lz4-fast", "abcdefghijklmno"};
    for (size_t i = 0; i < array_len(good); i++) {
        user.name = good[i];
        assert_int_equal(codec_user(&user, &codec), 0);
        assert_string_equal(codec->name, good[i]);
        codec_free(codec);
    }
    static const char *const bad[] = {NULL, "", "A", "a b", "a:1", "abcdefghijklmnop", "none", "é"};
    for (size_t i = 0; i < array_len(bad); i++) {
        user.name = bad[i];
        assert_int_equal(codec_user(&user, &codec), DISKV_EINVAL);
    }
}

static void every_function_but_recognises_must_be_there(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct rule rule = {0};
        struct diskv_codec user = copier_of(&rule);
        struct codec *codec;
        if (i == 0)
            user.encoder_new = NULL;
        if (i == 1)
            user.decoder_new = NULL;
        if (i == 2)
            user.encode = NULL;
        if (i == 3)
            user.decode = NULL;
        if (i == 4)
            user.encoder_free = NULL;
        if (i == 5)
            user.decoder_free = NULL;
        assert_int_equal(codec_user(&user, &codec), DISKV_EINVAL);
    }
}

static void every_file_is_recognised_unless_it_says_which(void **state)
{
    (void)state;
    struct rule rule = {0};
    struct diskv_codec user = copier_of(&rule);
    struct codec *codec;
    assert_int_equal(codec_user(&user, &codec), 0);
    assert_true(codec->ops->recognises(codec, "text", 4));
    assert_true(codec->ops->recognises(codec, "", 0));
    user.recognises = begins_with_c;
    assert_true(codec->ops->recognises(codec, "copy", 4));
    assert_false(codec->ops->recognises(codec, "text", 4));
    codec_free(codec);
}

static void its_errors_are_passed_on(void **state)
{
    (void)state;
    static const int errors[] = {DISKV_EDECODE, DISKV_ENOMEM, DISKV_EIO, DISKV_ETOOLARGE};
    for (size_t i = 0; i < array_len(errors); i++) {
        check_both((struct rule){.rc = errors[i]}, errors[i]);
        struct rule rule = {.new_rc = errors[i]};
        assert_int_equal(encode_with(&rule, true), errors[i]);
        assert_int_equal(decode_with(&rule), errors[i]);
    }
}

static void errors_that_are_none_of_diskvs_are_eio(void **state)
{
    (void)state;
    static const int errors[] = {-1000, -20, 2, 1000, DISKV_EAGAIN, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < array_len(errors); i++) {
        check_both((struct rule){.rc = errors[i]}, DISKV_EIO);
        struct rule rule = {.new_rc = errors[i]};
        assert_int_equal(encode_with(&rule, true), DISKV_EIO);
        assert_int_equal(decode_with(&rule), DISKV_EIO);
    }
}

static void ends_that_move_too_far_are_eio(void **state)
{
    (void)state;
    for (int rc = -7; rc <= 1; rc++) {
        check_both((struct rule){.rc = rc, .too_far_in = 1}, DISKV_EIO);
        check_both((struct rule){.rc = rc, .too_far_in = (size_t)-11}, DISKV_EIO);
        check_both((struct rule){.rc = rc, .too_far_out = 91}, DISKV_EIO);
        check_both((struct rule){.rc = rc, .too_far_out = (size_t)-11}, DISKV_EIO);
    }
    check_both((struct rule){.idle = true, .only_length = true}, DISKV_EIO);
}

static void one_that_never_goes_on_is_an_error(void **state)
{
    (void)state;
    struct rule rule = {.idle = true};
    assert_int_equal(encode_with(&rule, true), DISKV_EIO);
    assert_int_equal(encode_with(&rule, false), DISKV_EIO);
    assert_int_equal(decode_with(&rule), DISKV_EIO);
}

static void an_encoder_that_ends_before_the_value_does_is_an_error(void **state)
{
    (void)state;
    struct rule early = {.rc = 1}, leaves_some = {.rc = 1, .idle = true};
    assert_int_equal(encode_with(&early, false), DISKV_EIO);
    assert_int_equal(encode_with(&leaves_some, true), DISKV_EIO);
}

static void a_decoder_without_an_end_where_the_file_ends_is_an_error(void **state)
{
    (void)state;
    struct rule rule = {0};
    assert_int_equal(decode_with(&rule), DISKV_EDECODE);
}

static void a_seek_backwards_makes_a_new_decoder_and_one_ahead_goes_on(void **state)
{
    (void)state;
    struct rule rule = {0};
    struct diskv_codec user = copier_of(&rule);
    struct codec *codec;
    struct bytes value = {0};
    bytes_add(&value, "0123456789", 10);
    assert_int_equal(codec_user(&user, &codec), 0);
    struct reader r = reader_open(codec, &value, NULL, 0);
    r.in_piece = 3;
    assert_int_equal(rule.made, 0);
    assert_reads(&r, 2, 2, &value);
    assert_reads(&r, 4, 1, &value);
    assert_reads(&r, 7, 1, &value);
    assert_int_equal(rule.made, 1);
    assert_reads(&r, 1, 2, &value);
    assert_int_equal(rule.made, 2);
    assert_int_equal(rule.freed, 1);
    reader_close(&r);
    assert_int_equal(rule.freed, 2);
    bytes_free(&value);
    codec_free(codec);
}

static void a_decoder_that_cannot_be_made_is_an_error_until_the_next_seek(void **state)
{
    (void)state;
    struct rule rule = {.new_rc = DISKV_ENOMEM};
    struct diskv_codec user = copier_of(&rule);
    struct codec *codec;
    struct bytes value = {0}, out = {0};
    bytes_add(&value, "0123456789", 10);
    assert_int_equal(codec_user(&user, &codec), 0);
    struct reader r = reader_open(codec, &value, NULL, 0);
    assert_int_equal(reader_read(&r, 0, 5, &out), DISKV_ENOMEM);
    rule.new_rc = 0;
    assert_reads(&r, 0, 5, &value);
    reader_close(&r);
    bytes_free(&out);
    bytes_free(&value);
    codec_free(codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_1_to_15_small_letters_digits_and_hyphens),
        cmocka_unit_test(every_function_but_recognises_must_be_there),
        cmocka_unit_test(every_file_is_recognised_unless_it_says_which),
        cmocka_unit_test(its_errors_are_passed_on),
        cmocka_unit_test(errors_that_are_none_of_diskvs_are_eio),
        cmocka_unit_test(ends_that_move_too_far_are_eio),
        cmocka_unit_test(one_that_never_goes_on_is_an_error),
        cmocka_unit_test(an_encoder_that_ends_before_the_value_does_is_an_error),
        cmocka_unit_test(a_decoder_without_an_end_where_the_file_ends_is_an_error),
        cmocka_unit_test(a_seek_backwards_makes_a_new_decoder_and_one_ahead_goes_on),
        cmocka_unit_test(a_decoder_that_cannot_be_made_is_an_error_until_the_next_seek),
    };
    return cmocka_run_group_tests_name("user's codec", tests, NULL, NULL);
}
