/* Every layout, with any bytes for a key and for a path. The first byte says which: `p` path, `f`
 * flat, `u` a user's whose functions answer with the input's own bytes, any other split:N. */
#include "layout.h"
#include "fuzz.h"
#include "util.h"

/* What a user's functions answer, whatever they are asked. */
struct answers {
    const char *key, *path;
    size_t key_len, path_len;
};

/* The path may lack its end. */
static int answer_path(void *ctx, const char *key, size_t len, char *path, size_t size)
{
    const struct answers *answers = ctx;
    size_t n = answers->path_len + 1 < size ? answers->path_len + 1 : size;
    memcpy(path, answers->path, n);
    return len > 0 && *key == '!';
}

/* The length may be more than there is room for. */
static int answer_key(void *ctx, const char *path, char *key, size_t size, size_t *len)
{
    const struct answers *answers = ctx;
    memcpy(key, answers->key, answers->key_len < size ? answers->key_len : size);
    *len = answers->key_len;
    return *path == '!';
}

static void check_names(const char *path)
{
    assert(strlen(path) + strlen("/" LAYOUT_VALUE_NAME) < LAYOUT_PATH_SIZE);
    for (const char *name = path;; name++) {
        size_t len = strcspn(name, "/");
        assert(len >= 1 && len <= 255);
        assert(len != 1 || name[0] != '.');
        assert(len != 2 || memcmp(name, "..", 2) != 0);
        assert(len != strlen(LAYOUT_VALUE_NAME) || memcmp(name, LAYOUT_VALUE_NAME, len) != 0);
        assert(name != path || len != strlen(LAYOUT_STORE_DIR) ||
               memcmp(name, LAYOUT_STORE_DIR, len) != 0);
        name += len;
        if (!*name)
            return;
    }
}

/* Cuts `path` down to each of the directories that a key's file lies in. */
static void check_directories(const struct layout *layout, char *path)
{
    char *slash;
    while ((slash = strrchr(path, '/'))) {
        *slash = '\0';
        assert(layout->has_dir(layout, path));
    }
    assert(layout->has_dir(layout, ""));
}

static void check_key(const struct layout *layout, const char *key, size_t len)
{
    char path[LAYOUT_PATH_SIZE], back[DISKV_KEY_MAX + 1];
    size_t back_len;
    int rc = layout->to_path(layout, key, len, path);
    if (!diskv_key_valid(key, len)) {
        assert(rc == DISKV_EKEY);
    } else if (rc) {
        assert(rc == DISKV_EINVAL && layout->user_to_path);
    } else {
        check_names(path);
        assert(layout->to_key(layout, path, back, &back_len) == 0);
        assert(back_len == len && memcmp(back, key, len) == 0 && back[len] == '\0');
        check_directories(layout, path);
    }
}

static void check_path(const struct layout *layout, char *path)
{
    char key[DISKV_KEY_MAX + 1], own[LAYOUT_PATH_SIZE];
    size_t len;
    int rc = layout->to_key(layout, path, key, &len);
    if (rc) {
        assert(rc == DISKV_ENOTFOUND);
    } else {
        assert(diskv_key_valid(key, len) && key[len] == '\0');
        assert(layout->to_path(layout, key, len, own) == 0);
        size_t own_len = strlen(own);
        assert(strncmp(path, own, own_len) == 0);
        assert(!path[own_len] || strcmp(path + own_len, "/" LAYOUT_VALUE_NAME) == 0);
    }
    if (layout->has_dir(layout, path)) /* then it lies in none that is foreign */
        check_directories(layout, path);
}

/* A copy that the sanitizers know the end of. */
static char *copy_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    assert(copy);
    memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

static void check_user(const char *input, size_t size)
{
    size_t key_len = strnlen(input, size), rest = key_len < size ? key_len + 1 : size;
    struct answers answers = {input, input + rest, key_len, strlen(input + rest)};
    struct layout layout;
    assert(layout_user("fuzz", answer_path, answer_key, &answers, &layout) == 0);
    check_key(&layout, answers.key, answers.key_len);
    char *path = copy_of((const uint8_t *)answers.path, answers.path_len);
    check_path(&layout, path);
    free(path);
}

static void check_built_in(char which, char *input, size_t size)
{
    char name[LAYOUT_NAME_SIZE];
    struct layout layout;
    snprintf(name, sizeof name, "split:%d", 1 + ((unsigned char)which + 15) % 16);
    const char *chosen = which == 'p' ? "path" : which == 'f' ? "flat" : name;
    assert(layout_parse(chosen, &layout) == 0);
    check_key(&layout, input, size);
    check_path(&layout, input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *input = copy_of(data + 1, size - 1);
    if (data[0] == 'u')
        check_user(input, size - 1);
    else
        check_built_in((char)data[0], input, size - 1);
    free(input);
    return 0;
}
