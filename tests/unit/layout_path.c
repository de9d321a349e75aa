/* The layout `path`: a key's components are directories, what a file system cannot hold is escaped.
 */
#include "diskv.h"
#include "layout.h"
#include "util.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RANDOM_KEYS  1000000
#define RANDOM_PATHS 200000

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

static void a_key_and_its_path_give_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(examples); i++) {
        char path[LAYOUT_PATH_SIZE], key[DISKV_KEY_MAX + 1];
        size_t len = 0;
        assert_int_equal(layout_path.to_path(examples[i].key, strlen(examples[i].key), path), 0);
        assert_string_equal(path, examples[i].path);
        assert_int_equal(layout_path.to_key(path, key, &len), 0);
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
        assert_int_equal(layout_path.to_key(values[i].path, key, &len), 0);
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
        if (layout_path.to_key(names[i], key, &len) != DISKV_ENOTFOUND)
            fail_msg("\"%s\" was taken for a key's", names[i]);
    }
}

static void what_is_no_key_has_no_path(void **state)
{
    (void)state;
    char path[LAYOUT_PATH_SIZE];
    static const char zero[] = "a\0b";
    assert_int_equal(layout_path.to_path("", 0, path), DISKV_EKEY);
    assert_int_equal(layout_path.to_path(zero, 3, path), DISKV_EKEY);
    assert_int_equal(layout_path.to_path("\xFF", 1, path), DISKV_EKEY);
    assert_int_equal(layout_path.to_path(S1000("x") "x", 1001, path), DISKV_EKEY);
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

static void a_directory_has_the_prefix_of_the_keys_below_it(void **state)
{
    (void)state;
    static const struct {
        const char *dir, *prefix;
    } dirs[] = {
        {"", ""},
        {"a", "a/"},
        {"a/b", "a/b/"},
        {"a/%_", "a//"},
        {"%_", "/"},
        {"%2E%2E", "../"},
        {"%2Ediskv", ".diskv/"},
        {"a/.diskv", "a/.diskv/"},
        {S230("x") "12345678%+", S230("x") "12345678"},
        {S230("x") "12345678%+/yyz", S230("x") "12345678yyz/"},
        {"a/" S230("x") "1234567%+", "a/" S230("x") "1234567"}, /* a longer character may follow */
        {S230("x") "123456%+", S230("x") "123456"},
        {S230("x") "12345%+", S230("x") "12345"},
    };
    for (size_t i = 0; i < array_len(dirs); i++) {
        char prefix[DISKV_KEY_MAX + 1];
        size_t len = 0;
        if (layout_path.dir_prefix(dirs[i].dir, prefix, &len))
            fail_msg("\"%s\" was taken for foreign", dirs[i].dir);
        assert_int_equal(len, strlen(dirs[i].prefix));
        assert_memory_equal(prefix, dirs[i].prefix, len);
    }
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
    for (size_t i = 0; i < array_len(dirs); i++) {
        char prefix[DISKV_KEY_MAX + 1];
        size_t len;
        if (layout_path.dir_prefix(dirs[i], prefix, &len) != DISKV_ENOTFOUND)
            fail_msg("\"%s\" was taken for a key's", dirs[i]);
    }
}

static void the_directory_of_a_longest_key_may_hold_its_value(void **state)
{
    (void)state;
    static const char key[] = S100("abc/abcde/");
    _Static_assert(sizeof key - 1 == DISKV_KEY_MAX, "a longest key");
    char path[LAYOUT_PATH_SIZE], prefix[DISKV_KEY_MAX + 1];
    size_t len = 0;
    assert_int_equal(layout_path.to_path(key, DISKV_KEY_MAX, path), 0);
    assert_int_equal(layout_path.dir_prefix(path, prefix, &len), 0);
    assert_int_equal(len, DISKV_KEY_MAX + 1);
    assert_memory_equal(prefix, key, DISKV_KEY_MAX);
    assert_int_equal(prefix[DISKV_KEY_MAX], '/');
}

/* Fills `key` with what is awkward and returns its length. */
static size_t random_key(struct random *r, char *key)
{
    static const char *const awkward[] = {
        "/",
        "/",
        ".",
        "..",
        "%",
        "%+",
        "%_",
        "%value",
        ".diskv",
        "\x01",
        "\x1F",
        "\n",
        "\x7F",
        "\xC2\x80",
        E_ACUTE,
        EURO,
        "\xEF\xBF\xBD",
        SMILEY,
        "\xF4\x8F\xBF\xBF",
        " ",
        "%41",
        "%2E",
        "25",
        "a",
        "b",
        "Z",
        "~",
        "\\",
    };
    static const size_t lengths[] = {1, 3, 8, 20, 20, 60, 245, 260, 480, 500, 720, 1000};
    const char *usual =
        awkward[random_below(r, array_len(awkward))]; /* makes long components and cuts likely */
    size_t max = 1 + random_below(r, lengths[random_below(r, array_len(lengths))]);
    size_t some = 1 + random_below(r, 40), len = 0;
    for (;;) {
        const char *s =
            random_below(r, 40) < some ? awkward[random_below(r, array_len(awkward))] : usual;
        size_t add = strlen(s);
        if (len + add > max)
            break;
        memcpy(key + len, s, add);
        len += add;
    }
    if (len == 0)
        key[len++] = 'k';
    return len;
}

static void check_names(const char *path)
{
    assert_true(strlen(path) + strlen("/" LAYOUT_VALUE_NAME) < LAYOUT_PATH_SIZE);
    assert_true(strncmp(path, ".diskv", 6) != 0 || (path[6] != '/' && path[6] != '\0'));
    for (const char *name = path;; name++) {
        size_t len = strcspn(name, "/");
        assert_in_range(len, 1, 240);
        assert_false(len == 1 && name[0] == '.');
        assert_false(len == 2 && name[0] == '.' && name[1] == '.');
        assert_false(len == strlen(LAYOUT_VALUE_NAME) && !memcmp(name, LAYOUT_VALUE_NAME, len));
        assert_true(utf8_valid(name, len));
        name += len;
        if (!*name)
            return;
    }
}

/* Cuts `path` down to each of the directories it lies in. */
static void check_ancestors(char *path, const char *key, size_t key_len)
{
    char *slash;
    while ((slash = strrchr(path, '/'))) {
        *slash = '\0';
        char prefix[DISKV_KEY_MAX + 1];
        size_t len = 0;
        assert_int_equal(layout_path.dir_prefix(path, prefix, &len), 0);
        assert_in_range(len, 1, key_len);
        assert_memory_equal(prefix, key, len);
    }
}

/* That a path gives back its key also shows that no two keys share one. */
static void random_keys_have_fitting_paths_that_give_them_back(void **state)
{
    struct random *r = *state;
    for (size_t i = 0; i < RANDOM_KEYS; i++) {
        char key[DISKV_KEY_MAX], path[LAYOUT_PATH_SIZE], back[DISKV_KEY_MAX + 1];
        size_t len = random_key(r, key), back_len = 0;
        assert_int_equal(layout_path.to_path(key, len, path), 0);
        check_names(path);
        assert_int_equal(layout_path.to_key(path, back, &back_len), 0);
        assert_int_equal(back_len, len);
        assert_memory_equal(back, key, len);
        if (i % 8 == 0) /* these can be hundreds */
            check_ancestors(path, key, len);
    }
}

/* Damages a path a little; what still counts as a key's must be exactly that key's path. */
static void no_other_spelling_of_a_path_is_accepted(void **state)
{
    struct random *r = *state;
    size_t foreign = 0;
    for (size_t i = 0; i < RANDOM_PATHS; i++) {
        char key[DISKV_KEY_MAX + 1], path[LAYOUT_PATH_SIZE], again[LAYOUT_PATH_SIZE];
        size_t len = random_key(r, key);
        assert_int_equal(layout_path.to_path(key, len, path), 0);
        size_t path_len = strlen(path), at = random_below(r, path_len);
        if (random_below(r, 2))
            path[at] = "/%._+dD0\x01\x80"[random_below(r, 10)];
        else
            memmove(path + at, path + at + 1, path_len - at);
        if (layout_path.to_key(path, key, &len)) {
            foreign++;
            continue;
        }
        assert_int_equal(layout_path.to_path(key, len, again), 0);
        assert_string_equal(again, path);
    }
    assert_in_range(foreign, RANDOM_PATHS / 10, RANDOM_PATHS - RANDOM_PATHS / 10);
}

int main(void)
{
    struct random r = random_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_and_its_path_give_each_other),
        cmocka_unit_test(a_value_file_has_the_key_of_its_directory),
        cmocka_unit_test(a_name_that_no_key_has_is_foreign),
        cmocka_unit_test(what_is_no_key_has_no_path),
        cmocka_unit_test(keys_are_up_to_1000_bytes_long),
        cmocka_unit_test(a_directory_has_the_prefix_of_the_keys_below_it),
        cmocka_unit_test(a_directory_that_no_key_is_below_is_foreign),
        cmocka_unit_test(the_directory_of_a_longest_key_may_hold_its_value),
        cmocka_unit_test_prestate(random_keys_have_fitting_paths_that_give_them_back, &r),
        cmocka_unit_test_prestate(no_other_spelling_of_a_path_is_accepted, &r),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
