/* Names that files in a tar have: those of layout `path`. */
#include "diskv.h"
#include "layout.h"
#include "random.h"
#include "tar_name.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ROUNDS 20000

static void check_same(const char *key, size_t len)
{
    char path[LAYOUT_PATH_SIZE];
    struct buf name = {0};

    assert_int_equal(layout_path.to_path(&layout_path, key, len, path), 0);
    assert_int_equal(tar_name_escape(&name, key, len), 0);
    assert_string_equal(name.data, path);
    assert_true(tar_name_is_plain(name.data, name.len, 240));
    buf_free(&name);
}

static void an_escaped_name_is_the_path_of_layout_path(void **state)
{
    static const char *const keys[] = {"a", "/",      "//",    "a//b",     "a/",      "/a",
                                       ".", "..",     "a/./b", "../../.x", ".diskv/", "a/.diskv/",
                                       "%", "%_/%+/", "\x01/", "\x7f/",    "...",     "h\xc3\xa9/"};

    (void)state;
    for (size_t i = 0; i < array_len(keys); i++)
        check_same(keys[i], strlen(keys[i]));
}

/* Pieces that matter, in any order: components grow long, and are cut anywhere. */
static void so_is_that_of_any_key(void **state)
{
    static const char *const pieces[] = {
        "/",
        ".",
        "%",
        "\x01",
        "a",
        "\xc3\xa9",
        "\xe2\x82\xac",
        "\xf0\x9f\x98\x80",
        "0123456789",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"};
    struct random r = random_new();

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        char key[DISKV_KEY_MAX];
        size_t len = 0, wanted = 1 + random_below(&r, random_below(&r, 2) ? 20 : 900);

        while (len < wanted) {
            const char *piece = pieces[random_below(&r, array_len(pieces))];

            memcpy(key + len, piece, strlen(piece));
            len += strlen(piece);
        }
        check_same(key, len);
    }
}

static void the_end_of_a_key_may_be_empty(void **state)
{
    struct buf name = {0};

    (void)state;
    assert_int_equal(tar_name_escape(&name, "", 0), 0);
    assert_string_equal(name.data, "%_");
    buf_free(&name);
}

static bool is_plain(const char *name, size_t max)
{
    return tar_name_is_plain(name, strlen(name), max);
}

static void a_plain_name_has_only_components_that_files_can_have(void **state)
{
    static const char *const others[] = {"",   "/",   "a/",  "/a",   "a//b",  ".",
                                         "..", "./a", "a/.", "a/..", "a/../b"};

    (void)state;
    for (size_t i = 0; i < array_len(others); i++)
        assert_false(is_plain(others[i], 255));
    assert_true(is_plain("a", 255));
    assert_true(is_plain("a/.b/..c/...", 255));
    assert_true(is_plain("abc/def", 3));
    assert_false(is_plain("abc/defg", 3));
    assert_false(is_plain("abcd/e", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_escaped_name_is_the_path_of_layout_path),
        cmocka_unit_test(so_is_that_of_any_key),
        cmocka_unit_test(the_end_of_a_key_may_be_empty),
        cmocka_unit_test(a_plain_name_has_only_components_that_files_can_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
