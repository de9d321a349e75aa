/* What every layout owes, with random keys that have all that is awkward in them. */
#include "layout.h"
#include "random.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* For each layout, so that a run has more than a million; with DISKV_LONG each has. Under the
 * sanitizer, which takes many times as long, a quarter. */
#ifdef __SANITIZE_ADDRESS__
#define RANDOM_KEYS 50000
#else
#define RANDOM_KEYS 200000
#endif
#define LONG_TIMES 5

struct fixture {
    struct layout layout;
    size_t keys;
    struct random random;
};

/* Any character but NUL, of every length in bytes. */
static void random_character(struct random *r, char out[static 5])
{
    static const uint32_t ends[] = {0x80, 0x800, 0x10000, 0x110000};
    static const unsigned char heads[] = {0, 0xC0, 0xE0, 0xF0};
    uint32_t c = 1 + (uint32_t)random_below(r, ends[random_below(r, array_len(ends))] - 1);
    if (c >= 0xD800 && c <= 0xDFFF)
        c -= 0x800; /* a surrogate is no character */
    size_t more = (c >= 0x80) + (c >= 0x800) + (c >= 0x10000);
    *out++ = (char)(heads[more] | c >> 6 * more);
    while (more--)
        *out++ = (char)(0x80 | (c >> 6 * more & 0x3F));
    *out = '\0';
}

/* A character, or, as often as not, something that means something in a path. */
static void random_piece(struct random *r, char out[static 8])
{
    static const char awkward[][8] = {
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
        "\xC3\xA9",
        "\xE2\x82\xAC",
        "\xEF\xBF\xBD",
        "\xF0\x9F\x98\x80",
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
    if (random_below(r, 2))
        random_character(r, out);
    else
        memcpy(out, awkward[random_below(r, array_len(awkward))], 8);
}

/* Fills `key` with what is awkward and returns its length. */
static size_t random_key(struct random *r, char *key)
{
    static const size_t lengths[] = {1, 3, 8, 20, 20, 60, 245, 260, 480, 500, 720, 1000};
    char usual[8], other[8];
    random_piece(r, usual); /* makes long components and cuts likely */
    size_t max = 1 + random_below(r, lengths[random_below(r, array_len(lengths))]);
    size_t some = 1 + random_below(r, 40), len = 0;
    for (;;) {
        const char *s = usual;
        if (random_below(r, 40) < some) {
            random_piece(r, other);
            s = other;
        }
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
static void check_ancestors(const struct layout *layout, char *path)
{
    char *slash;
    while ((slash = strrchr(path, '/'))) {
        *slash = '\0';
        if (!layout->has_dir(layout, path))
            fail_msg("\"%s\" was taken for foreign", path);
    }
}

/* That a path gives back its key also shows that no two keys share one. */
static void random_keys_have_fitting_paths_that_give_them_back(void **state)
{
    struct fixture *f = *state;
    const struct layout *layout = &f->layout;
    for (size_t i = 0; i < f->keys; i++) {
        char key[DISKV_KEY_MAX], path[LAYOUT_PATH_SIZE], back[DISKV_KEY_MAX + 1];
        size_t len = random_key(&f->random, key), back_len = 0;
        assert_int_equal(layout->to_path(layout, key, len, path), 0);
        check_names(path);
        assert_int_equal(layout->to_key(layout, path, back, &back_len), 0);
        assert_int_equal(back_len, len);
        assert_memory_equal(back, key, len);
        if (i % 1000 == 0) /* these can be hundreds */
            check_ancestors(layout, path);
    }
}

/* Damages a path a little; what still counts as a key's must be exactly that key's path. */
static void no_other_spelling_of_a_path_is_accepted(void **state)
{
    struct fixture *f = *state;
    const struct layout *layout = &f->layout;
    struct random *r = &f->random;
    size_t foreign = 0;
    for (size_t i = 0; i < f->keys / 10; i++) {
        char key[DISKV_KEY_MAX + 1], path[LAYOUT_PATH_SIZE], again[LAYOUT_PATH_SIZE];
        size_t len = random_key(r, key);
        assert_int_equal(layout->to_path(layout, key, len, path), 0);
        size_t path_len = strlen(path), at = random_below(r, path_len);
        if (random_below(r, 2))
            path[at] = "/%._+dD0\x01\x80"[random_below(r, 10)];
        else
            memmove(path + at, path + at + 1, path_len - at);
        if (layout->to_key(layout, path, key, &len)) {
            foreign++;
            continue;
        }
        assert_int_equal(layout->to_path(layout, key, len, again), 0);
        assert_string_equal(again, path);
    }
    assert_in_range(foreign, f->keys / 200, f->keys / 10);
}

/* As a user might: a key's bytes in hexadecimal, 100 digits a name. */
static int hex_to_path(void *ctx, const char *key, size_t len, char *path, size_t size)
{
    (void)ctx;
    assert_true(3 * len < size);
    for (size_t i = 0; i < len; i++) {
        if (i && i % 50 == 0)
            *path++ = '/';
        hex_encode((const uint8_t *)key + i, 1, path);
        path += 2;
    }
    return 0;
}

static int hex_to_key(void *ctx, const char *path, char *key, size_t size, size_t *len)
{
    (void)ctx;
    for (*len = 0; *path && *len < size; path += *path == '/') {
        int high = hex_value((unsigned char)path[0]);
        int low = high < 0 ? -1 : hex_value((unsigned char)path[1]);
        if (low < 0)
            return -1;
        key[(*len)++] = (char)(high << 4 | low);
        path += 2;
    }
    return 0;
}

static struct fixture fixture_new(const char *name, struct random random)
{
    size_t keys = getenv("DISKV_LONG") ? LONG_TIMES * RANDOM_KEYS : RANDOM_KEYS;
    struct fixture f = {.keys = keys, .random = random};
    int rc = strcmp(name, "hex") == 0 ? layout_user(name, hex_to_path, hex_to_key, NULL, &f.layout)
                                      : layout_parse(name, &f.layout);
    if (rc)
        exit(EXIT_FAILURE);
    return f;
}

int main(void)
{
    static const char *const names[] = {"path", "flat", "split:1", "split:3", "split:16", "hex"};
    enum { COUNT = array_len(names) };
    const struct random random = random_new();
    struct fixture fixtures[COUNT];
    struct CMUnitTest tests[2 * COUNT];
    char titles[2 * COUNT][96];
    for (size_t i = 0; i < COUNT; i++) {
        fixtures[i] = fixture_new(names[i], random);
        tests[2 * i] = (struct CMUnitTest)cmocka_unit_test_prestate(
            random_keys_have_fitting_paths_that_give_them_back, &fixtures[i]);
        tests[2 * i + 1] = (struct CMUnitTest)cmocka_unit_test_prestate(
            no_other_spelling_of_a_path_is_accepted, &fixtures[i]);
        for (size_t t = 2 * i; t < 2 * i + 2; t++) {
            snprintf(titles[t], sizeof titles[t], "%s: %s", names[i], tests[t].name);
            tests[t].name = titles[t];
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
