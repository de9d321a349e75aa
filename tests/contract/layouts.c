/* Layouts through the public header: directories of Go diskv's, and a user's functions. */
#include "diskv.h"
#include "tempdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- Git's: 40 digits lie in objects/, below their first two; other keys as they are --- */

static bool is_object(const char *key, size_t len)
{
    return len == 40 && strspn(key, "0123456789abcdef") >= 40;
}

static int git_to_path(void *ctx, const char *key, size_t len, char *path, size_t size)
{
    (void)ctx;
    char text[DISKV_KEY_MAX + 1];
    memcpy(text, key, len);
    text[len] = '\0';
    int n = is_object(text, len) ? snprintf(path, size, "objects/%.2s/%s", text, text)
                                 : snprintf(path, size, "%s", text);
    return n < 0 || (size_t)n >= size;
}

static int git_to_key(void *ctx, const char *path, char *key, size_t size, size_t *len)
{
    (void)ctx;
    bool object = strncmp(path, "objects/", 8) == 0 && strlen(path) == 51;
    const char *text = object ? path + 11 : path;
    *len = strlen(text);
    if (*len > size)
        return 1;
    memcpy(key, text, *len);
    return 0;
}

/* --- A suffix: the key with `ctx` behind it --- */

static int suffix_to_path(void *ctx, const char *key, size_t len, char *path, size_t size)
{
    int n = snprintf(path, size, "%.*s%s", (int)len, key, (const char *)ctx);
    return n < 0 || (size_t)n >= size;
}

static int suffix_to_key(void *ctx, const char *path, char *key, size_t size, size_t *len)
{
    size_t path_len = strlen(path), suffix_len = strlen(ctx);
    if (path_len <= suffix_len || strcmp(path + path_len - suffix_len, ctx) != 0 ||
        path_len - suffix_len > size)
        return 1;
    *len = path_len - suffix_len;
    memcpy(key, path, *len);
    return 0;
}

/* --- Lower case: two keys, one file; the inverse gives but one of them --- */

static int lower_to_path(void *ctx, const char *key, size_t len, char *path, size_t size)
{
    (void)ctx;
    if (len >= size)
        return 1;
    for (size_t i = 0; i < len; i++)
        path[i] = key[i] >= 'A' && key[i] <= 'Z' ? (char)(key[i] | 0x20) : key[i];
    path[len] = '\0';
    return 0;
}

static char txt[] = ".txt", none[] = "";

static const struct diskv_options git = {
    .sync = DISKV_SYNC_NONE, .layout = "git", .to_path = git_to_path, .to_key = git_to_key};
static const struct diskv_options text = {.sync = DISKV_SYNC_NONE,
                                          .layout = "txt",
                                          .to_path = suffix_to_path,
                                          .to_key = suffix_to_key,
                                          .layout_ctx = txt};
static const struct diskv_options lower = {
    .sync = DISKV_SYNC_NONE, .to_path = lower_to_path, .to_key = suffix_to_key, .layout_ctx = none};

static int setup(void **state)
{
    char *dir = malloc(TEMPDIR_SIZE);
    *state = dir;
    tempdir_new(dir);
    return 0;
}

static int teardown(void **state)
{
    tempdir_remove(*state);
    free(*state);
    return 0;
}

static diskv *open_store(const char *dir, const struct diskv_options *options)
{
    diskv *store;
    assert_int_equal(diskv_open(dir, options, &store), 0);
    return store;
}

static int put(diskv *store, const char *key, const char *value)
{
    return diskv_put(store, key, strlen(key), value, strlen(value), NULL);
}

/* The keys, each with a newline behind it, are all that the store lists. */
static void assert_keys(diskv *store, const char *expected)
{
    char listed[4096] = "";
    size_t len = 0;
    diskv_iter *iter;
    const struct diskv_item *item;
    assert_int_equal(diskv_iter_open(store, "", 0, &iter), 0);
    while (diskv_iter_next(iter, &item) == 1)
        len += (size_t)snprintf(listed + len, sizeof listed - len, "%.*s\n", (int)item->len,
                                item->name);
    diskv_iter_close(iter);
    assert_string_equal(listed, expected);
}

/* The value of a key is the content of `dir`/`path`. */
static void assert_file(diskv *store, const char *key, const char *dir, const char *path)
{
    char name[4200], content[65536];
    snprintf(name, sizeof name, "%s/%s", dir, path);
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    size_t len = fread(content, 1, sizeof content, file), size;
    fclose(file);
    void *data;
    assert_int_equal(diskv_get(store, key, strlen(key), &data, &size), 0);
    assert_int_equal(size, len);
    assert_memory_equal(data, content, len);
    free(data);
}

static void unpack(const char *tree, const char *dir)
{
    char command[4200];
    snprintf(command, sizeof command, "tar -xf '%s/trees.tar' -C '%s' --strip-components=1 '%s'",
             getenv("DISKV_TREES"), dir, tree);
    assert_int_equal(system(command), 0);
}

static void a_directory_of_git_s_layout_is_served(void **state)
{
    static const char *const files[][2] = {
        {"00000000000000000000000000000000000000ab",
         "objects/00/00000000000000000000000000000000000000ab"},
        {"1bd88421b055327fcc8660c76c4894c4ea4c95d7",
         "objects/1b/1bd88421b055327fcc8660c76c4894c4ea4c95d7"},
        {"HEAD", "HEAD"},
        {"refs/heads/master", "refs/heads/master"},
    };
    unpack("git", *state);
    for (int start = 0; start < 2; start++) {
        diskv *store = open_store(*state, &git);
        for (size_t i = 0; i < COUNT(files); i++)
            assert_file(store, files[i][0], *state, files[i][1]);
        assert_keys(store, "00000000000000000000000000000000000000ab\n"
                           "1bd88421b055327fcc8660c76c4894c4ea4c95d7\nHEAD\nrefs/heads/master\n");
        diskv_close(store);
    }
}

static void a_directory_of_files_with_a_suffix_is_served(void **state)
{
    static const char *const files[][2] = {
        {"alpha/beta/delta", "alpha/beta/delta.txt"},
        {"alpha/beta/gamma", "alpha/beta/gamma.txt"},
        {"docs/readme", "docs/readme.txt"},
        {"refs/heads/main", "refs/heads/main.txt"},
        {"top", "top.txt"},
    };
    unpack("txt", *state);
    diskv *store = open_store(*state, &text);
    for (size_t i = 0; i < COUNT(files); i++)
        assert_file(store, files[i][0], *state, files[i][1]);
    assert_keys(store, "alpha/beta/delta\nalpha/beta/gamma\ndocs/readme\nrefs/heads/main\ntop\n");
    diskv_close(store);
}

static void what_is_written_lies_where_the_function_says(void **state)
{
    const char *dir = *state;
    diskv *store = open_store(dir, &text);
    assert_int_equal(put(store, "a", "1"), 0);
    assert_int_equal(put(store, "a.txt/b", "2"), 0); /* a.txt is a file, and now a directory */
    assert_int_equal(put(store, "c/d", "3"), 0);
    assert_file(store, "a", dir, "a.txt/%value");
    assert_file(store, "a.txt/b", dir, "a.txt/b.txt");
    assert_file(store, "c/d", dir, "c/d.txt");
    diskv_close(store);
    store = open_store(dir, &text);
    assert_keys(store, "a\na.txt/b\nc/d\n");
    assert_int_equal(diskv_erase_wait(store, "c/d", 3, NULL, NULL), 0);
    assert_keys(store, "a\na.txt/b\n");
    diskv_close(store);
}

static void a_key_that_would_be_lost_is_an_error_at_the_write(void **state)
{
    diskv *store = open_store(*state, &lower);
    assert_int_equal(put(store, "abc", "kept"), 0);
    assert_int_equal(put(store, "ABC", "would be abc"), DISKV_EINVAL);
    assert_int_equal(put(store, "../x", "outside"), DISKV_EINVAL);
    assert_int_equal(put(store, "/x", "absolute"), DISKV_EINVAL);
    assert_int_equal(put(store, ".diskv/lock", "ours"), DISKV_EINVAL);
    assert_int_equal(diskv_has(store, "ABC", 3), 0);
    assert_int_equal(diskv_has(store, "../x", 4), 0);
    assert_int_equal(diskv_erase_wait(store, "ABC", 3, NULL, NULL), DISKV_ENOTFOUND);
    assert_file(store, "abc", *state, "abc");
    assert_keys(store, "abc\n");
    diskv_close(store);
}

static void files_that_are_gone_are_gone_from_the_index(void **state)
{
    char path[TEMPDIR_SIZE + 16];
    diskv *store = open_store(*state, &text);
    assert_int_equal(put(store, "a/b", "1"), 0);
    assert_int_equal(put(store, "c", "2"), 0);
    assert_int_equal(put(store, "d/e", "3"), 0);
    diskv_close(store);
    diskv_close(open_store(*state, &text)); /* notes the directories */
    snprintf(path, sizeof path, "%s/a/b.txt", (char *)*state);
    assert_int_equal(remove(path), 0);
    snprintf(path, sizeof path, "%s/d/e.txt", (char *)*state);
    assert_int_equal(remove(path), 0);
    snprintf(path, sizeof path, "%s/d", (char *)*state);
    assert_int_equal(remove(path), 0);
    struct diskv_stats stats;
    store = open_store(*state, &text);
    diskv_stats(store, &stats);
    assert_int_equal(stats.keys, 1);
    assert_keys(store, "c\n");
    diskv_close(store);
}

static void a_value_in_a_directory_that_others_made_is_listed(void **state)
{
    static const struct diskv_options flat = {.sync = DISKV_SYNC_NONE, .layout = "flat"};
    char path[TEMPDIR_SIZE + 16];
    snprintf(path, sizeof path, "%s/foo", (char *)*state);
    assert_int_equal(mkdir(path, 0777), 0);
    for (int start = 0; start < 2; start++) {
        diskv *store = open_store(*state, &flat);
        if (start == 0)
            assert_int_equal(put(store, "foo", "1"), 0);
        assert_file(store, "foo", *state, "foo/%value");
        assert_keys(store, "foo\n");
        diskv_close(store);
        snprintf(path, sizeof path, "rm -r '%s/.diskv'", (char *)*state);
        assert_int_equal(system(path), 0);
    }
}

static void another_layout_has_another_index(void **state)
{
    static const struct diskv_options path = {.sync = DISKV_SYNC_NONE};
    diskv *store = open_store(*state, &path);
    assert_int_equal(put(store, "a.txt", "1"), 0);
    assert_int_equal(put(store, "d/b.txt", "2"), 0);
    assert_int_equal(put(store, "d/c", "3"), 0);
    diskv_close(store);
    struct diskv_stats stats;
    for (int round = 0; round < 2; round++) {
        store = open_store(*state, &text);
        diskv_stats(store, &stats);
        assert_int_equal(stats.keys, 2);
        assert_int_equal(stats.foreign, 1);
        assert_keys(store, "a\nd/b\n");
        diskv_close(store);
        store = open_store(*state, &path);
        diskv_stats(store, &stats);
        assert_int_equal(stats.keys, 3);
        assert_keys(store, "a.txt\nd/b.txt\nd/c\n");
        diskv_close(store);
    }
}

static void a_layout_that_is_none_is_refused(void **state)
{
    diskv *store;
    const struct diskv_options unknown = {.layout = "split:0"};
    const struct diskv_options in_memory = {.engine = "memory", .layout = "git"};
    const struct diskv_options half = {.to_path = git_to_path};
    assert_int_equal(diskv_open(*state, &unknown, &store), DISKV_EINVAL);
    assert_int_equal(diskv_open(*state, &in_memory, &store), DISKV_EINVAL);
    assert_int_equal(diskv_open(*state, &half, &store), DISKV_EINVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_directory_of_git_s_layout_is_served),
        CASE(a_directory_of_files_with_a_suffix_is_served),
        CASE(what_is_written_lies_where_the_function_says),
        CASE(a_key_that_would_be_lost_is_an_error_at_the_write),
        CASE(files_that_are_gone_are_gone_from_the_index),
        CASE(a_value_in_a_directory_that_others_made_is_listed),
        CASE(another_layout_has_another_index),
        CASE(a_layout_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
