/* The layout `path`: a key's components are directories, what a file system cannot hold is escaped.
 */
#include "diskv.h"
#include "layout.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define S10(c)   c c c c c c c c c c
#define S100(c)  S10(S10(c))
#define S230(c)  S100(c) S100(c) S10(c) S10(c) S10(c)
#define S1000(c) S10(S100(c))

#define E_ACUTE "\xC3\xA9"         /* two bytes of UTF-8 */
#define EURO    "\xE2\x82\xAC"     /* three */
#define SMILEY  "\xF0\x9F\x98\x80" /* four */

static const struct {
    const char *key, *path;
} examples[] = {
    {"a", "a"},
    {"a/b/c.txt", "a/b/c.txt"},
    {"with space", "with space"},
    {"h" E_ACUTE "llo/" EURO, "h" E_ACUTE "llo/" EURO},
    {"%", "%25"},
    {"100%", "100%25"},
    {"%41", "%2541"},
    {"\x01\n\x1F \x7F", "%01%0A%1F %7F"},
    {".", "%2E"},
    {"..", "%2E%2E"},
    {"...", "..."},
    {".hidden", ".hidden"},
    {"../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"},
    {"a/./b", "a/%2E/b"},
    {".diskv", "%2Ediskv"},
    {".diskv/x", "%2Ediskv/x"},
    {"a/.diskv", "a/.diskv"},
    {".diskvx", ".diskvx"},
    {"/", "%_/%_"},
    {"/a", "%_/a"},
    {"a/", "a/%_"},
    {"a//b", "a/%_/b"},
    {"//.diskv", "%_/%_/.diskv"},
    {"%value", "%25value"},
    {"a/%value", "a/%25value"},
    {"%+", "%25+"},
    {"%_", "%25_"},
    {S230("x") S10("y"), S230("x") S10("y")},
    {S230("x") S10("y") "z", S230("x") "yyyyyyyy%+/yyz"},
    {S230("x") S10("y") "z/b", S230("x") "yyyyyyyy%+/yyz/b"},
    {S230("x") S230("y") S10("z") S10("z"),
     S230("x") "yyyyyyyy%+/" S100("y") S100("y") S10("y") S10("y") "yyzzzzzzzzzzzzzzzz%+/zzzz"},
    {S230("x") "1234567\x01"
               "8",
     S230("x") "1234567%+/%018"},
    {S230("x") "123456\x01"
               "78",
     S230("x") "123456%+/%0178"},
    {S230("x") "12345\x01"
               "678",
     S230("x") "12345%01%+/678"},
    {S230("x") "1234567" E_ACUTE "89", S230("x") "1234567%+/" E_ACUTE "89"},
    {S230("x") "123456" E_ACUTE "789", S230("x") "123456" E_ACUTE "%+/789"},
    {S230("x") "123456" EURO "789", S230("x") "123456%+/" EURO "789"},
    {S230("x") "12345" SMILEY "678", S230("x") "12345%+/" SMILEY "678"},
    {S230("x") "1234" SMILEY "5678", S230("x") "1234" SMILEY "%+/5678"},
};

static int to_path(const char *key, size_t len, char *path)
{
    return layout_path.to_path(&layout_path, key, len, path);
}

static int to_key(const char *path, char *key, size_t *len)
{
    return layout_path.to_key(&layout_path, path, key, len);
}

static void a_key_and_its_path_give_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(examples); i++) {
        char path[LAYOUT_PATH_SIZE], key[DISKV_KEY_MAX + 1];
        size_t len = 0;
        assert_int_equal(to_path(examples[i].key, strlen(examples[i].key), path), 0);
        assert_string_equal(path, examples[i].path);
        assert_int_equal(to_key(path, key, &len), 0);
        assert_int_equal(len, strlen(examples[i].key));
        assert_string_equal(key, examples[i].key);
    }
}

static void a_value_file_has_the_key_of_its_directory(void **state)
{
    (void)state;
    static const struct {
        const char *path, *key;
    } values[] = {
        {"a/%value", "a"},
        {"a/b/%value", "a/b"},
        {"a/%_/%value", "a/"},
        {"%2Ediskv/%value", ".diskv"},
        {S230("x") "12345678%+/yyz/%value", S230("x") "12345678yyz"},
    };
    for (size_t i = 0; i < array_len(values); i++) {
        char key[DISKV_KEY_MAX + 1];
        size_t len = 0;
        assert_int_equal(to_key(values[i].path, key, &len), 0);
        assert_int_equal(len, strlen(key));
        assert_string_equal(key, values[i].key);
    }
}

static void a_name_that_no_key_has_is_foreign(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/..",
        ".diskv",
        ".diskv/tmp/1",
        "%value",
        "%value/a",
        "/%value",
        "a/%value/%value",
        "a/%value/b",
        "a/%valu",
        "%",
        "%4",
        "%zz",
        "%00",
        "a%00b",
        "%41", /* need not be escaped */
        "%7f", /* lower case */
        "%2e",
        "%2E.",
        ".%2E",
        "%2E%2E%2E",
        "%2Edisk",
        "a/%2Ediskv", /* only the first component is in the store's way */
        "a\nb",       /* must be escaped */
        "\x7F",
        "a%_",
        "%_a",
        "%_",
        "%_/%value",
        "%+",
        "a%+",
        "a%+/b",
        "a%+b",
        "\x80",
        "a/\xFF",
        "\xC0\xAF",     /* overlong */
        "\xED\xA0\x80", /* a surrogate */
        "%C3%A9",
        S230("x") S10("y") "z",     /* too long for one name */
        S230("x") "1234567%+/89zz", /* cut too early */
        S230("x") "123456789%+/yz", /* too late */
        S230("x") "12345678%+/yy",  /* though it would fit one name */
        S230("x") "12345678%+",
        S230("x") "12345678%+/",
        S230("x") "12345678%+/%value",
        S230("x") "1234567%+/" E_ACUTE, /* likewise */
        S230("x") "1234567\xC3%+/\xA9"
                  "89",            /* within a character */
        S230("x") "1234567%+/018", /* within an escape */
        S1000("x"),
    };
    for (size_t i = 0; i < array_len(names); i++) {
        char key[DISKV_KEY_MAX + 1];
        size_t len;
        if (to_key(names[i], key, &len) != DISKV_ENOTFOUND)
            fail_msg("\"%s\" was taken for a key's", names[i]);
    }
}

static void what_is_no_key_has_no_path(void **state)
{
    (void)state;
    char path[LAYOUT_PATH_SIZE];
    static const char zero[] = "a\0b";
    assert_int_equal(to_path("", 0, path), DISKV_EKEY);
    assert_int_equal(to_path(zero, 3, path), DISKV_EKEY);
    assert_int_equal(to_path("\xFF", 1, path), DISKV_EKEY);
    assert_int_equal(to_path(S1000("x") "x", 1001, path), DISKV_EKEY);
}

static void keys_are_up_to_1000_bytes_long(void **state)
{
    (void)state;
    assert_true(diskv_key_valid("a", 1));
    assert_true(diskv_key_valid(S1000("x"), 1000));
    assert_false(diskv_key_valid("", 0));
    assert_false(diskv_key_valid(S1000("x") "x", 1001));
    assert_false(diskv_key_valid("a\0", 2));
    assert_false(diskv_key_valid("\xC3", 1));
}

static void a_directory_that_keys_are_below_is_known(void **state)
{
    (void)state;
    static const char *const dirs[] = {
        "",
        "a",
        "a/b",
        "a/%_",
        "%_",
        "%2E%2E",
        "%2Ediskv",
        "a/.diskv",
        S230("x") "12345678%+",
        S230("x") "12345678%+/yyz",
        "a/" S230("x") "1234567%+", /* a longer character may follow */
        S230("x") "123456%+",
        S230("x") "12345%+",
    };
    for (size_t i = 0; i < array_len(dirs); i++)
        if (!layout_path.has_dir(&layout_path, dirs[i]))
            fail_msg("\"%s\" was taken for foreign", dirs[i]);
}

static void a_directory_that_no_key_is_below_is_foreign(void **state)
{
    (void)state;
    static const char *const dirs[] = {
        ".diskv",
        ".diskv/tmp",
        "%value",
        "a/%value",
        ".",
        "a/..",
        "a//b",
        "a/",
        "%41",
        "%7f",
        "\xFF",
        "a%+",
        "%+",
        S230("x") "1234%+",      /* any character would still have fitted */
        S230("x") "123456789%+", /* this one did not fit */
        S230("x") "1234567\xC3%+",
        S230("x") S10("y") "z",
        S1000("x"),
    };
    for (size_t i = 0; i < array_len(dirs); i++)
        if (layout_path.has_dir(&layout_path, dirs[i]))
            fail_msg("\"%s\" was taken for a key's", dirs[i]);
}

static void the_directory_of_a_longest_key_may_hold_its_value(void **state)
{
    (void)state;
    static const char key[] = S100("abc/abcde/");
    _Static_assert(sizeof key - 1 == DISKV_KEY_MAX, "a longest key");
    char path[LAYOUT_PATH_SIZE];
    assert_int_equal(to_path(key, DISKV_KEY_MAX, path), 0);
    assert_true(layout_path.has_dir(&layout_path, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_and_its_path_give_each_other),
        cmocka_unit_test(a_value_file_has_the_key_of_its_directory),
        cmocka_unit_test(a_name_that_no_key_has_is_foreign),
        cmocka_unit_test(what_is_no_key_has_no_path),
        cmocka_unit_test(keys_are_up_to_1000_bytes_long),
        cmocka_unit_test(a_directory_that_keys_are_below_is_known),
        cmocka_unit_test(a_directory_that_no_key_is_below_is_foreign),
        cmocka_unit_test(the_directory_of_a_longest_key_may_hold_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
