/* What digests in header fields say of a body, and the making of one. */
#include "digest.h"
#include "diskv.h"
#include "random.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The body of RFC 9530's examples, and its digests: those of sha-256 and sha-512 are given there.
 */
#define BODY   "{\"hello\": \"world\"}\n"
#define MD5    "UFIauregE76D7gDe0/n0JA=="
#define SHA256 "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="
#define SHA512 \
    "YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg=="

/* Of the same body without its last byte. */
#define OTHER_MD5    "Sd/dVLAcvNLSq16eXua5uQ=="
#define OTHER_SHA256 "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="
#define OTHER_SHA512 \
    "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew=="

#define S256(base64) "sha-256=:" base64 ":"
#define S512(base64) "sha-512=:" base64 ":"

enum verdict { MATCHES, DIFFERS, IGNORED, MALFORMED };

/* Of BODY, which comes in two pieces. */
static enum verdict verdict(const char *md5, const char *content, const char *repr)
{
    struct digest d = {0};
    enum verdict v = MALFORMED;

    if (digest_expect(&d, md5, content, repr) == 0) {
        bool empty = digest_is_empty(&d);

        digest_update(&d, BODY, 5);
        digest_update(&d, &BODY[5], sizeof(BODY) - 6);
        v = digest_matches(&d) ? empty ? IGNORED : MATCHES : DIFFERS;
    }
    digest_free(&d);
    assert_true(digest_is_empty(&d));
    return v;
}

struct example {
    const char *field;
    enum verdict verdict;
};

static void check_field(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum verdict content = verdict(NULL, examples[i].field, NULL);
        enum verdict repr = verdict(NULL, NULL, examples[i].field);

        if (content != examples[i].verdict || repr != examples[i].verdict)
            fail_msg("\"%s\": %d and %d, not %d", examples[i].field, content, repr,
                     examples[i].verdict);
    }
}

static void a_body_without_digests_matches(void **state)
{
    (void)state;
    assert_int_equal(verdict(NULL, NULL, NULL), IGNORED);
}

static void content_md5_is_verified(void **state)
{
    static const struct example examples[] = {
        {MD5, MATCHES},
        {" \t" MD5 "\t ", MATCHES},
        {OTHER_MD5, DIFFERS},
        {"Q2hlY2sgSW50ZWdyaXR5IQ==", DIFFERS}, /* RFC 1864's */
        {"", MALFORMED},
        {" ", MALFORMED},
        {"UFIauregE76D7gDe0/n0JA=", MALFORMED},
        {"UFIauregE76D7gDe0/n0JA", MALFORMED},
        {"UFIauregE76D7gDe0/n0JA===", MALFORMED},
        {"UFIauregE76D7gDe0/n0JB==", MALFORMED},
        {"UFIauregE76D7gDe0/n0J===", MALFORMED},
        {"UFIauregE76D7gDe0_n0JA==", MALFORMED},
        {"UFIauregE76D\t7gDe0/n0JA==", MALFORMED},
        {"==UFIauregE76D7gDe0/n0JA", MALFORMED},
        {"50521abab7a013be83ee00ded3f9f424", MALFORMED},
        {MD5 "," MD5, MALFORMED},
        {":" MD5 ":", MALFORMED},
        {SHA256, MALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < array_len(examples); i++) {
        enum verdict v = verdict(examples[i].field, NULL, NULL);

        if (v != examples[i].verdict)
            fail_msg("\"%s\": %d, not %d", examples[i].field, v, examples[i].verdict);
    }
}

static void content_digest_and_repr_digest_are_verified(void **state)
{
    static const struct example examples[] = {
        {S256(SHA256), MATCHES},
        {S512(SHA512), MATCHES},
        {S256(SHA256) "," S512(SHA512), MATCHES},
        {S256(OTHER_SHA256), DIFFERS},
        {S512(OTHER_SHA512), DIFFERS},
        {S256(OTHER_SHA256) "," S512(SHA512), DIFFERS},
        {S256(SHA256) "," S512(OTHER_SHA512), DIFFERS},
        {S256(OTHER_SHA256) "," S256(SHA256), MATCHES},
        {S256(SHA256) "," S256(OTHER_SHA256), DIFFERS},
        {"sha-256=1," S256(SHA256), MATCHES},
        {S256(SHA256) ",sha-256=1", MALFORMED},
    };
    (void)state;
    check_field(examples, array_len(examples));
}

static void other_algorithms_are_ignored(void **state)
{
    static const struct example examples[] = {
        {"", IGNORED},
        {"  ", IGNORED},
        {"md5=:" OTHER_MD5 ":", IGNORED},
        {"sha=:AAAA:, unixsum=:AAA=:, unixcksum=:QRjUqg==:, adler=:A6gB7w==:, crc32c=::", IGNORED},
        {"sha-256x=:AAAA:, sha-25=:AAAA:, *sha-256=:AAAA:, sha-384", IGNORED},
        {"md5=:AAAA:, " S256(SHA256) ", sha=:AAAA:", MATCHES},
    };
    (void)state;
    check_field(examples, array_len(examples));
}

static void a_digest_has_the_length_of_its_algorithm(void **state)
{
    static const struct example examples[] = {
        {S256(SHA512), MALFORMED},
        {S512(SHA256), MALFORMED},
        {S256(""), MALFORMED},
        {S256("AAAA"), MALFORMED},
        {S256("RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabD=="), MALFORMED},
        {S256("RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDgA"), MALFORMED},
        {S256("RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=="), MALFORMED},
        {S256("=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg"), MALFORMED},
        {S256("RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg"), MATCHES}, /* padding is optional */
    };
    (void)state;
    check_field(examples, array_len(examples));
}

static void blanks_stand_where_structured_fields_allow_them(void **state)
{
    static const struct example examples[] = {
        {"  " S256(SHA256) "  ", MATCHES},    {S256(SHA256) " \t, \t" S512(SHA512), MATCHES},
        {"\t" S256(SHA256), MALFORMED},       {"sha-256 =:" SHA256 ":", MALFORMED},
        {"sha-256= :" SHA256 ":", MALFORMED}, {"sha-256=: " SHA256 ":", MALFORMED},
        {"sha-256=:" SHA256 " :", MALFORMED}, {S256(SHA256) " " S512(SHA512), MALFORMED},
        {S256(SHA256) ",", MALFORMED},        {S256(SHA256) ", ", MALFORMED},
        {"," S256(SHA256), MALFORMED},        {S256(SHA256) ",," S512(SHA512), MALFORMED},
        {S256(SHA256) "\n", MALFORMED},
    };
    (void)state;
    check_field(examples, array_len(examples));
}

static void parameters_are_allowed_and_ignored(void **state)
{
    static const struct example examples[] = {
        {S256(SHA256) ";a", MATCHES},
        {S256(SHA256) ";  a=1;a=2 ," S512(SHA512) ";b", MATCHES},
        {S256(SHA256) ";a=-999999999999999;b=0.125;c=-123456789012.1", MATCHES},
        {S256(SHA256) ";a=\"x\\\"\\\\,;~ \";b=\"\"", MATCHES},
        {S256(SHA256) ";a=*tok/en:!#$%&'*+-.^_`|~;b=::;c=:AA==:;d=?0;e=?1", MATCHES},
        {S256(SHA256) ";a=@1659578233;b=@-1;c=%\"f%c3%bcr, \"", MATCHES},
        {S256(SHA256) ";sha-256=:AAAA:", MATCHES},
        {S256(SHA256) ";", MALFORMED},
        {S256(SHA256) " ;a", MALFORMED},
        {S256(SHA256) ";\ta", MALFORMED},
        {S256(SHA256) ";A", MALFORMED},
        {S256(SHA256) ";a=", MALFORMED},
        {S256(SHA256) ";a=1000000000000000", MALFORMED},
        {S256(SHA256) ";a=-", MALFORMED},
        {S256(SHA256) ";a=+1", MALFORMED},
        {S256(SHA256) ";a=1.", MALFORMED},
        {S256(SHA256) ";a=.1", MALFORMED},
        {S256(SHA256) ";a=0.1234", MALFORMED},
        {S256(SHA256) ";a=1234567890123.1", MALFORMED},
        {S256(SHA256) ";a=\"", MALFORMED},
        {S256(SHA256) ";a=\"\\", MALFORMED},
        {S256(SHA256) ";a=\"\\x\"", MALFORMED},
        {S256(SHA256) ";a=\"\x7F\"", MALFORMED},
        {S256(SHA256) ";a=\"\xC3\xBC\"", MALFORMED},
        {S256(SHA256) ";a=:AA", MALFORMED},
        {S256(SHA256) ";a=:A_:", MALFORMED},
        {S256(SHA256) ";a=?2", MALFORMED},
        {S256(SHA256) ";a=?", MALFORMED},
        {S256(SHA256) ";a=@1.5", MALFORMED},
        {S256(SHA256) ";a=%", MALFORMED},
        {S256(SHA256) ";a=%\"%C3\"", MALFORMED},
        {S256(SHA256) ";a=%\"%c\"", MALFORMED},
        {S256(SHA256) ";a=%\"%", MALFORMED},
        {S256(SHA256) ";a=(1 2)", MALFORMED},
    };
    (void)state;
    check_field(examples, array_len(examples));
}

static void what_is_no_dictionary_of_byte_sequences_is_malformed(void **state)
{
    static const struct example examples[] = {
        {"sha-256", MALFORMED},
        {"sha-256=", MALFORMED},
        {"sha-256=:", MALFORMED},
        {"sha-256=:" SHA256, MALFORMED},
        {"sha-256=" SHA256, MALFORMED},
        {"sha-256=\"" SHA256 "\"", MALFORMED},
        {"SHA-256=:" SHA256 ":", MALFORMED},
        {"=:" SHA256 ":", MALFORMED},
        {":" SHA256 ":", MALFORMED},
        {"sha-256=(:" SHA256 ":)", MALFORMED},
        {"sha-256=:" SHA256 ":x", MALFORMED},
        {S256(SHA256) ",1", MALFORMED},
        {S256(SHA256) ",md5=:", MALFORMED},
        {S256(SHA256) ",\xC3\xBC", MALFORMED},
    };
    (void)state;
    check_field(examples, array_len(examples));
}

static void every_header_must_fit(void **state)
{
    (void)state;
    assert_int_equal(verdict(MD5, S256(SHA256) "," S512(SHA512), S256(SHA256) "," S512(SHA512)),
                     MATCHES);
    assert_int_equal(verdict(OTHER_MD5, S256(SHA256), S512(SHA512)), DIFFERS);
    assert_int_equal(verdict(MD5, S256(OTHER_SHA256), S256(SHA256)), DIFFERS);
    assert_int_equal(verdict(MD5, S256(SHA256), S256(OTHER_SHA256)), DIFFERS);
    assert_int_equal(verdict(MD5, S256(SHA256), "x="), MALFORMED);
    assert_int_equal(verdict(MD5, "x=", S256(SHA256)), MALFORMED);
    assert_int_equal(verdict("x", S256(SHA256), S256(SHA256)), MALFORMED);
}

static void the_preferred_algorithm_is_wanted(void **state)
{
    static const struct {
        const char *want;
        enum digest_algorithm algorithm;
    } examples[] = {
        {NULL, DIGEST_NONE},
        {"", DIGEST_NONE},
        {"sha-256=1", DIGEST_SHA256}, /* the first three are RFC 9530's */
        {"sha-512=3, sha-256=10, unixsum=0", DIGEST_SHA256},
        {"sha=10", DIGEST_NONE},
        {"sha-512=10", DIGEST_SHA512},
        {"sha-512=10, sha-256=9", DIGEST_SHA512},
        {"sha-512=5, sha-256=5", DIGEST_SHA256},
        {"sha-256=0", DIGEST_NONE},
        {"sha-256=0, sha-512=1", DIGEST_SHA512},
        {"sha-256=-0, sha-512=0", DIGEST_NONE},
        {"sha-256=10, sha-256=1, sha-512=2", DIGEST_SHA512},
        {"sha-256=5;q=1, sha-512=4", DIGEST_SHA256},
        {"md5=10, sha-256=1, crc32c=x", DIGEST_SHA256},
        {"sha-256=11, sha-512=3", DIGEST_NONE},
        {"sha-256=-1, sha-512=3", DIGEST_NONE},
        {"sha-256=1.0", DIGEST_NONE},
        {"sha-256", DIGEST_NONE},
        {"sha-256=?1", DIGEST_NONE},
        {"sha-256=:AAAA:", DIGEST_NONE},
        {"sha-256=999999999999999", DIGEST_NONE},
        {"sha-256=18446744073709551617", DIGEST_NONE},
        {"sha-512=4294967297", DIGEST_NONE},
        {"sha-256=1,", DIGEST_NONE},
        {"sha-256=1 sha-512=2", DIGEST_NONE},
        {"SHA-256=1", DIGEST_NONE},
        {"sha-256;q=0.5, sha-512", DIGEST_NONE},
    };
    (void)state;
    for (size_t i = 0; i < array_len(examples); i++) {
        enum digest_algorithm algorithm = digest_wanted(examples[i].want);

        if (algorithm != examples[i].algorithm)
            fail_msg("\"%s\": %d, not %d", examples[i].want, algorithm, examples[i].algorithm);
    }
}

static void check_made(enum digest_algorithm algorithm, const char *piece, size_t pieces,
                       const char *wanted)
{
    char field[DIGEST_FIELD_SIZE];
    struct digest d = {0};

    assert_int_equal(digest_begin(&d, algorithm), 0);
    assert_false(digest_is_empty(&d));
    while (pieces-- > 0)
        digest_update(&d, piece, strlen(piece));
    digest_finish(&d, field);
    digest_free(&d);
    assert_string_equal(field, wanted);
}

static void a_digest_is_made_as_a_fields_value(void **state)
{
    (void)state;
    check_made(DIGEST_SHA256, BODY, 1, S256(SHA256));
    check_made(DIGEST_SHA512, BODY, 1, S512(SHA512));
    check_made(DIGEST_SHA256, "", 0, S256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
    check_made(DIGEST_SHA512, "", 0,
               S512("z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoG"
                    "lODJ6+SfaPg=="));
    check_made(DIGEST_SHA256, "aaaaaaaaaa", 100000, /* FIPS 180's million */
               S256("zcduXJkU+5KBocfihNc+Z/GAmkiklyAOBG05zMcRLNA="));
    check_made(DIGEST_SHA512, "aaaaaaaaaa", 100000,
               S512("5xhIPQznaWROLkLHvBW0Y44fmLE7IEQoVjKoA6+pc+veD/JEh36mCkywQyzld8Mb6wCcXCxJqi5"
                    "OrbIXrYzAmw=="));
}

/* `prefix`, `len` times `c`, and `suffix`; for free(). */
static char *stretched(const char *prefix, char c, size_t len, const char *suffix)
{
    size_t before = strlen(prefix), after = strlen(suffix);
    char *s = malloc(before + len + after + 1);

    assert_non_null(s);
    memcpy(s, prefix, before);
    memset(s + before, c, len);
    memcpy(s + before + len, suffix, after + 1);
    return s;
}

static void long_fields_are_read_whole(void **state)
{
    static const struct {
        const char *prefix, *suffix;
        char c;
        enum verdict verdict;
    } examples[] = {
        {"sha-256=:", ":", 'A', MALFORMED},
        {"sha-512=:", ":", '=', MALFORMED},
        {"md5=:", ":, " S256(SHA256), 'A', MATCHES},
        {"", "=:AAAA:, " S256(SHA256), 'a', MATCHES},
        {S256(SHA256) ";a=\"", "\"", ',', MATCHES},
        {S256(SHA256) ";a=", "", '9', MALFORMED},
        {S256(SHA256), "", ' ', MATCHES},
        {S256(SHA256), "", ',', MALFORMED},
        {S256(SHA256), "a", ';', MALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < array_len(examples); i++) {
        char *field = stretched(examples[i].prefix, examples[i].c, 1000000, examples[i].suffix);

        assert_int_equal(verdict(NULL, field, NULL), examples[i].verdict);
        assert_int_equal(verdict(field, NULL, NULL), MALFORMED);
        assert_int_equal(digest_wanted(field), DIGEST_NONE);
        free(field);
    }
}

static void no_part_of_a_field_is_taken_for_the_whole(void **state)
{
    static const char whole[] = S512(SHA512) ";a=\"b\"";

    (void)state;
    for (size_t len = strlen("sha-512"); len < sizeof(whole); len++) {
        char *part = strndup(whole, len); /* in memory that ends where it does */
        bool complete = len == strlen(whole) || strcmp(part, S512(SHA512)) == 0 ||
                        strcmp(part, S512(SHA512) ";a") == 0;

        assert_non_null(part);
        assert_int_equal(verdict(NULL, part, NULL), complete ? MATCHES : MALFORMED);
        free(part);
    }
}

/* Bytes at random are hardly ever fields, so most begin with one that is then damaged. */
static void random_bytes_do_no_harm(void **state)
{
    static const char *const fields[] = {
        "",
        MD5,
        S256(SHA256) ";a=%\"%c3\", " S512(SHA512),
        "sha-512=3;a=\"\\\\\", sha-256=1.5",
    };
    struct random r = random_new();
    size_t verdicts[4] = {0};

    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        char *field =
            stretched(fields[random_below(&r, array_len(fields))], 'x', random_below(&r, 8), "");
        size_t len = strlen(field);

        for (size_t n = random_below(&r, 4); len > 0 && n > 0; n--) {
            char *at = field + random_below(&r, len);

            *at = random_below(&r, 2) == 0 ? ":;,=\"\\%? "[random_below(&r, 9)]
                                           : (char)(1 + random_below(&r, 255));
        }
        digest_wanted(field);
        verdicts[verdict(field, NULL, NULL)]++;
        verdicts[verdict(NULL, field, NULL)]++;
        free(field);
    }
    for (size_t v = 0; v < array_len(verdicts); v++)
        assert_true(verdicts[v] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_without_digests_matches),
        cmocka_unit_test(content_md5_is_verified),
        cmocka_unit_test(content_digest_and_repr_digest_are_verified),
        cmocka_unit_test(other_algorithms_are_ignored),
        cmocka_unit_test(a_digest_has_the_length_of_its_algorithm),
        cmocka_unit_test(blanks_stand_where_structured_fields_allow_them),
        cmocka_unit_test(parameters_are_allowed_and_ignored),
        cmocka_unit_test(what_is_no_dictionary_of_byte_sequences_is_malformed),
        cmocka_unit_test(every_header_must_fit),
        cmocka_unit_test(the_preferred_algorithm_is_wanted),
        cmocka_unit_test(a_digest_is_made_as_a_fields_value),
        cmocka_unit_test(long_fields_are_read_whole),
        cmocka_unit_test(no_part_of_a_field_is_taken_for_the_whole),
        cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
