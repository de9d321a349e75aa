/* A user's layout: whatever the functions answer, no key is lost and no file lies outside. */
#include "layout.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Functions that answer the same to every question. */
struct answers {
    const char *path, *key;
    size_t key_len;
    int path_rc, key_rc;
};

static int answer_path(void *ctx, const char *key, size_t len, char *path, size_t size)
{
    const struct answers *a = ctx;
    (void)key;
    (void)len;
    if (a->path)
        memcpy(path, a->path, strlen(a->path) < size ? strlen(a->path) + 1 : size);
    return a->path_rc;
}

static int answer_key(void *ctx, const char *path, char *key, size_t size, size_t *len)
{
    const struct answers *a = ctx;
    (void)path;
    *len = a->key_len ? a->key_len : strlen(a->key);
    memcpy(key, a->key, strlen(a->key) < size ? strlen(a->key) : size);
    return a->key_rc;
}

static int ask_path(struct answers answers, const char *key)
{
    struct layout layout;
    char path[LAYOUT_PATH_SIZE];
    assert_int_equal(layout_user(NULL, answer_path, answer_key, &answers, &layout), 0);
    return layout.to_path(&layout, key, strlen(key), path);
}

static int ask_key(struct answers answers, const char *path)
{
    struct layout layout;
    char key[DISKV_KEY_MAX + 1];
    size_t len;
    assert_int_equal(layout_user(NULL, answer_path, answer_key, &answers, &layout), 0);
    return layout.to_key(&layout, path, key, &len);
}

static void a_path_that_leads_back_is_taken(void **state)
{
    (void)state;
    assert_int_equal(ask_path((struct answers){"dir/file", "k", 0, 0, 0}, "k"), 0);
    assert_int_equal(ask_key((struct answers){"dir/file", "k", 0, 0, 0}, "dir/file"), 0);
    assert_int_equal(ask_key((struct answers){"dir/file", "k", 0, 0, 0}, "dir/file/%value"), 0);
}

static void a_path_that_does_not_lead_back_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(ask_path((struct answers){"f", "other", 0, 0, 0}, "k"), DISKV_EINVAL);
    assert_int_equal(ask_path((struct answers){"f", "k", 0, 1, 0}, "k"), DISKV_EINVAL);
    assert_int_equal(ask_path((struct answers){"f", "k", 0, 0, 1}, "k"), DISKV_EINVAL);
    assert_int_equal(ask_path((struct answers){"f", "k", 5000, 0, 0}, "k"), DISKV_EINVAL);
    assert_int_equal(ask_path((struct answers){NULL, "k", 0, 0, 0}, "k"), DISKV_EINVAL);
    assert_int_equal(ask_path((struct answers){"f", "k", 0, 0, 0}, ""), DISKV_EKEY);
}

static void a_path_that_is_not_clean_is_an_error(void **state)
{
    (void)state;
    static char long_name[300], long_path[5000];
    memset(long_name, 'x', 256);
    for (size_t i = 0; i + 1 < sizeof long_path; i++)
        long_path[i] = i % 100 == 99 ? '/' : 'x';
    const char *const paths[] = {
        "",         "/",      "/f",       "f/",       "a//f",    ".",
        "..",       "./f",    "../f",     "a/../f",   "a/.",     ".diskv",
        ".diskv/f", "%value", "a/%value", "%value/f", long_name, long_path,
    };
    for (size_t i = 0; i < array_len(paths); i++)
        if (ask_path((struct answers){paths[i], "k", 0, 0, 0}, "k") != DISKV_EINVAL)
            fail_msg("\"%s\" was taken", paths[i]);
    long_name[255] = '\0';
    const char *const fine[] = {long_name, ".diskvx", "a/.diskv", "...", ".x", "%values", "a b"};
    for (size_t i = 0; i < array_len(fine); i++)
        assert_int_equal(ask_path((struct answers){fine[i], "k", 0, 0, 0}, "k"), 0);
}

static void a_file_whose_key_has_another_path_is_foreign(void **state)
{
    (void)state;
    assert_int_equal(ask_key((struct answers){"f", "k", 0, 0, 0}, "g"), DISKV_ENOTFOUND);
    assert_int_equal(ask_key((struct answers){"f", "k", 0, 0, 1}, "f"), DISKV_ENOTFOUND);
    assert_int_equal(ask_key((struct answers){"f", "k", 0, 1, 0}, "f"), DISKV_ENOTFOUND);
    assert_int_equal(ask_key((struct answers){"f", "\xFF", 0, 0, 0}, "f"), DISKV_ENOTFOUND);
    assert_int_equal(ask_key((struct answers){"f", "k", 1001, 0, 0}, "f"), DISKV_ENOTFOUND);
    assert_int_equal(ask_key((struct answers){"a//f", "k", 0, 0, 0}, "a//f"), DISKV_ENOTFOUND);
}

static void it_takes_both_functions_and_a_short_name(void **state)
{
    (void)state;
    struct layout layout;
    assert_int_equal(layout_user("a", answer_path, NULL, NULL, &layout), DISKV_EINVAL);
    assert_int_equal(layout_user("a", NULL, answer_key, NULL, &layout), DISKV_EINVAL);
    char name[60] = "";
    memset(name, 'n', 59);
    assert_int_equal(layout_user(name, answer_path, answer_key, NULL, &layout), DISKV_EINVAL);
    name[58] = '\0';
    assert_int_equal(layout_user(name, answer_path, answer_key, NULL, &layout), 0);
    assert_int_equal(layout_user("path", answer_path, answer_key, NULL, &layout), 0);
    assert_string_not_equal(layout.name, "path");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_that_leads_back_is_taken),
        cmocka_unit_test(a_path_that_does_not_lead_back_is_an_error),
        cmocka_unit_test(a_path_that_is_not_clean_is_an_error),
        cmocka_unit_test(a_file_whose_key_has_another_path_is_foreign),
        cmocka_unit_test(it_takes_both_functions_and_a_short_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
