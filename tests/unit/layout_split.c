/* The layouts `flat` and `split:N`, and what their names are. */
#include "layout.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define S10(c)   c c c c c c c c c c
#define S100(c)  S10(S10(c))
#define S1000(c) S10(S100(c))

#define E_ACUTE "\xC3\xA9"         /* two bytes of UTF-8 */
#define SMILEY  "\xF0\x9F\x98\x80" /* four */

static const struct {
    const char *layout, *key, *path;
} examples[] = {
    {"flat", "a", "a"},
    {"flat", "a/b/c.txt", "a%2Fb%2Fc.txt"},
    {"flat", "a//b/", "a%2F%2Fb%2F"},
    {"flat", "/", "%2F"},
    {"flat", ".", "%2E"},
    {"flat", "..", "%2E%2E"},
    {"flat", "../x", "..%2Fx"},
    {"flat", ".diskv", "%2Ediskv"},
    {"flat", ".diskv/x", ".diskv%2Fx"},
    {"flat", "%value", "%25value"},
    {"flat", "100%\n", "100%25%0A"},
    {"flat", "h" E_ACUTE "llo", "h" E_ACUTE "llo"},
    {"flat", S100("x") S100("x") S10("xxxx"), S100("x") S100("x") S10("xxxx")},
    {"flat", S100("x") S100("x") S10("xxxx") "y", S100("x") S100("x") S10("xxx") "xxxxxxxx%+/xxy"},
    {"split:3", "xy", "xy"},
    {"split:3", "abc", "abc/abc"},
    {"split:3", "abcdef", "abc/def/abcdef"},
    {"split:3", "abcdefgh", "abc/def/abcdefgh"},
    {"split:3", "abcabc", "abc/abc/abcabc"},
    {"split:3", "a/bc/d", "a%2Fb/c%2Fd/a%2Fbc%2Fd"},
    {"split:3", "....", ".../...."},
    {"split:3", E_ACUTE SMILEY "abc", E_ACUTE SMILEY "a/" E_ACUTE SMILEY "abc"},
    {"split:3", ".diskv", ".di/skv/.diskv"},
    {"split:6", ".diskv", "%2Ediskv/.diskv"},
    {"split:6", "%value", "%25value/%25value"},
    {"split:1", "..", "%2E/%2E/%2E%2E"},
    {"split:1", "./", "%2E/%2F/.%2F"},
    {"split:2", "..ab", "%2E%2E/ab/..ab"},
    {"split:16", "0123456789abcde", "0123456789abcde"},
    {"split:16", "0123456789abcdef", "0123456789abcdef/0123456789abcdef"},
    {"split:10", S100("0123456789") S10("0") "1", NULL},
    {"split:10", S10("0123456789"), S10("0123456789/") S10("0123456789")},
    {"split:10", S10("0123456789") S10("0123456789") S10("0123456789"),
     S10("0123456789/") S10("0123456789/") S10("0123456789/") S10("0123456789")
         S10("0123456789") "012345678901234567890123456789"
                           "01234567%+/89"
                           "0123456789"
                           "0123456789"
                           "0123456789"
                           "0123456789"
                           "0123456789"
                           "0123456789"},
};

static void a_key_and_its_path_give_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(examples); i++) {
        struct layout layout;
        char path[LAYOUT_PATH_SIZE], key[DISKV_KEY_MAX + 1];
        size_t len = 0;
        assert_int_equal(layout_parse(examples[i].layout, &layout), 0);
        int rc = layout.to_path(&layout, examples[i].key, strlen(examples[i].key), path);
        assert_int_equal(rc, examples[i].path ? 0 : DISKV_EKEY);
        if (rc)
            continue;
        assert_string_equal(path, examples[i].path);
        assert_int_equal(layout.to_key(&layout, path, key, &len), 0);
        assert_int_equal(len, strlen(examples[i].key));
        assert_string_equal(key, examples[i].key);
    }
}

static void a_long_key_lies_in_the_directories_of_its_first_thousand_bytes(void **state)
{
    (void)state;
    struct layout layout;
    char path[LAYOUT_PATH_SIZE];
    assert_int_equal(layout_parse("split:1", &layout), 0);
    assert_int_equal(layout.to_path(&layout, S1000("x"), 1000, path), 0);
    assert_memory_equal(path, S100("x/x/x/x/x/") "xxxx", 1004);
    assert_int_equal(layout_parse("split:9", &layout), 0);
    assert_int_equal(layout.to_path(&layout, S1000("x"), 1000, path), 0);
    assert_memory_equal(path, S100("xxxxxxxxx/") "xxxx", 1004);
}

static void a_value_file_has_the_key_of_its_directory(void **state)
{
    (void)state;
    struct layout layout;
    char key[DISKV_KEY_MAX + 1];
    size_t len;
    assert_int_equal(layout_parse("split:3", &layout), 0);
    assert_int_equal(layout.to_key(&layout, "abc/abc/%value", key, &len), 0);
    assert_string_equal(key, "abc");
    assert_int_equal(layout.to_key(&layout, "ab/%value", key, &len), 0);
    assert_string_equal(key, "ab");
}

static void a_name_that_no_key_has_is_foreign(void **state)
{
    (void)state;
    static const struct {
        const char *layout, *path;
    } names[] = {
        {"flat", ""},
        {"flat", "a/b"},
        {"flat", "a%2fb"},
        {"flat", "%41"},
        {"flat", "%_"},
        {"flat", "%value"},
        {"flat", ".diskv"},
        {"flat", "\xFF"},
        {"flat", "a%+/b"},
        {"split:3", "abc"},
        {"split:3", "abcdef"},
        {"split:3", "abc/abcdef"},
        {"split:3", "abd/abc"},
        {"split:3", "ab/abc"},
        {"split:3", "abc/abc/abc"},
        {"split:3", "abc/def"},
        {"split:3", "abc/%value"},
        {"split:3", "abc/%value/abc"},
        {"split:3", "/abc"},
        {"split:3", "abc/"},
        {"split:3", "abc//abc"},
    };
    for (size_t i = 0; i < array_len(names); i++) {
        struct layout layout;
        char key[DISKV_KEY_MAX + 1];
        size_t len;
        assert_int_equal(layout_parse(names[i].layout, &layout), 0);
        if (layout.to_key(&layout, names[i].path, key, &len) != DISKV_ENOTFOUND)
            fail_msg("%s: \"%s\" was taken for a key's", names[i].layout, names[i].path);
    }
}

static void a_directory_is_known_where_keys_are_below_it(void **state)
{
    (void)state;
    static const struct {
        const char *layout, *dir;
        bool known;
    } dirs[] = {
        {"flat", "", true},
        {"flat", "a", true}, /* as a/%value */
        {"flat", ".diskv", false},
        {"flat", "%value", false},
        {"flat", "a%+", false},
        {"flat", S100("x") S100("x") S10("xxx") "xxxxxxxx%+", true},
        {"flat", S100("x") S100("x") S10("xxx") "xxxxx%+", true}, /* a longer character follows */
        {"flat", S100("x") S100("x") S10("xxx") "xxxx%+", false},
        {"split:3", "", true},
        {"split:3", "abc", true},
        {"split:3", "abc/def", true},
        {"split:3", "a%2Fb", true},
        {"split:3", "a%2fb", false},
        {"split:3", "ab", true}, /* as ab/%value */
        {"split:3", "abcd", false},
        {"split:3", "abc/de", false},
        {"split:3", "abc/", false},
        {"split:3", "/abc", false},
        {"split:3", "%25va", true},
        {"split:3", "%value", false},
        {"split:6", ".diskv", false},
        {"split:6", "%2Ediskv", true},
        {"split:6", "abcdef/.diskv", true},
    };
    for (size_t i = 0; i < array_len(dirs); i++) {
        struct layout layout;
        assert_int_equal(layout_parse(dirs[i].layout, &layout), 0);
        if (layout.has_dir(&layout, dirs[i].dir) != dirs[i].known)
            fail_msg("%s: \"%s\"", dirs[i].layout, dirs[i].dir);
    }
}

static void a_layout_has_one_name(void **state)
{
    (void)state;
    static const char *const valid[] = {"path", "flat", "split:1", "split:2", "split:16"};
    static const char *const invalid[] = {"",         "Path",     "flat ",
                                          "split",    "split:",   "split:0",
                                          "split:17", "split:01", "split:-1",
                                          "split:+1", "split: 1", "split:1x",
                                          "split:3/", "user:",    "split:99999999999999999999"};
    struct layout layout;
    for (size_t i = 0; i < array_len(valid); i++) {
        assert_true(diskv_layout_valid(valid[i]));
        assert_int_equal(layout_parse(valid[i], &layout), 0);
        assert_string_equal(layout.name, valid[i]);
    }
    for (size_t i = 0; i < array_len(invalid); i++)
        assert_false(diskv_layout_valid(invalid[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_and_its_path_give_each_other),
        cmocka_unit_test(a_long_key_lies_in_the_directories_of_its_first_thousand_bytes),
        cmocka_unit_test(a_value_file_has_the_key_of_its_directory),
        cmocka_unit_test(a_name_that_no_key_has_is_foreign),
        cmocka_unit_test(a_directory_is_known_where_keys_are_below_it),
        cmocka_unit_test(a_layout_has_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
