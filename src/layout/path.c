#include "layout.h"

#include "name.h"
#include "util.h"

/* It fits: a byte of a key makes at most three of a path, and a cut adds three to over 230. */
static int path_to_path(const struct layout *layout, const char *key, size_t len, char *path)
{
    (void)layout;
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    const char *s = key, *end = key + len, *slash;
    char *out = path;
    while ((slash = memchr(s, '/', (size_t)(end - s)))) {
        out = name_put(out, s, (size_t)(slash - s), s == key);
        *out++ = '/';
        s = slash + 1;
    }
    out = name_put(out, s, (size_t)(end - s), s == key);
    *out = '\0';
    return 0;
}

/* True when the key's path is `path`, or goes on below it as a directory. */
static bool leads_to(const struct layout *layout, const char *key, size_t len, const char *path,
                     size_t path_len, bool below)
{
    char own[LAYOUT_PATH_SIZE];
    return path_to_path(layout, key, len, own) == 0 && strncmp(own, path, path_len) == 0 &&
           own[path_len] == (below ? '/' : '\0');
}

static int path_to_key(const struct layout *layout, const char *path, char *key, size_t *len)
{
    size_t path_len = name_without_value(path);
    bool cut;
    int rc = name_decode(path, path_len, key, len, &cut);
    if (rc || cut || !leads_to(layout, key, *len, path, path_len, false))
        return DISKV_ENOTFOUND;
    key[*len] = '\0';
    return 0;
}

/* True when some key is cut as `dir`, which ends in NAME_CUT, says. Where a component is cut
 * depends on what follows, so the shortest endings of each kind are tried. */
static bool cut_is_possible(const struct layout *layout, const char *dir, const char *prefix,
                            size_t len)
{
    static const char *const endings[] = {"\x01", "\x01\x01", "\xF0\x90\x80\x80\x01"};
    char key[DISKV_KEY_MAX + sizeof "\xF0\x90\x80\x80\x01"];
    for (size_t i = 0; i < array_len(endings); i++) {
        char *end =
            name_put_bytes(name_put_bytes(key, prefix, len), endings[i], strlen(endings[i]));
        if (leads_to(layout, key, (size_t)(end - key), dir, strlen(dir), true))
            return true;
    }
    return false;
}

static bool path_has_dir(const struct layout *layout, const char *dir)
{
    /* "" is no key, but "/" is. */
    if (!*dir || strcmp(dir, NAME_EMPTY) == 0)
        return true;
    char key[DISKV_KEY_MAX];
    size_t len;
    bool cut;
    if (name_decode(dir, strlen(dir), key, &len, &cut))
        return false;
    return cut ? cut_is_possible(layout, dir, key, len)
               : leads_to(layout, key, len, dir, strlen(dir), false);
}

const struct layout layout_path = {
    .name = "path",
    .to_path = path_to_path,
    .to_key = path_to_key,
    .has_dir = path_has_dir,
};
