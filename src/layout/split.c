#include "split.h"

#include "name.h"
#include "util.h"

/* Bytes of the directories' names together. A key that has more groups than fit lies in the
 * directories of the first: a deeper path would not be one for the kernel. */
#define DIRS_MAX_BYTES 1000

/* Of a key: at most three bytes for each, and a cut adds three to over 230. */
#define NAME_BYTES (3 * DISKV_KEY_MAX + 3 * (3 * DISKV_KEY_MAX / 230 + 1))

_Static_assert(DIRS_MAX_BYTES + NAME_BYTES + sizeof "/" LAYOUT_VALUE_NAME <= LAYOUT_PATH_SIZE,
               "every path fits");

/* The length of the group that `s` begins with, 0 where fewer characters are left. */
static size_t group_length(const char *s, size_t len, unsigned group)
{
    size_t n = 0;
    for (unsigned left = group; left; left--) {
        if (n == len)
            return 0;
        do
            n++;
        while (n < len && ((unsigned char)s[n] & 0xC0) == 0x80);
    }
    return n;
}

static int split_to_path(const struct layout *layout, const char *key, size_t len, char *path)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    char *out = path;
    for (size_t at = 0, n; (n = group_length(key + at, len - at, layout->group)); at += n) {
        char *end = name_put(out, key + at, n, at == 0);
        if (end + 1 - path > DIRS_MAX_BYTES)
            break;
        *end++ = '/';
        out = end;
    }
    out = name_put(out, key, len, out == path);
    *out = '\0';
    return 0;
}

/* Where the file name begins in the `len` bytes of a path: a name that is cut takes several
 * components, and no group is ever cut. The end where no component is cut. */
static size_t cut_begin(const char *path, size_t len)
{
    size_t begin = 0;
    for (size_t i = 0; i < len; i++) {
        if (path[i] == '/')
            begin = i + 1;
        else if (len - i >= 2 && memcmp(path + i, NAME_CUT, 2) == 0)
            return begin;
    }
    return len;
}

static int split_to_key(const struct layout *layout, const char *path, char *key, size_t *len)
{
    size_t path_len = name_without_value(path), begin = cut_begin(path, path_len);
    if (begin == path_len)
        while (begin > 0 && path[begin - 1] != '/')
            begin--;
    bool cut;
    char own[LAYOUT_PATH_SIZE];
    if (name_decode(path + begin, path_len - begin, key, len, &cut) ||
        split_to_path(layout, key, *len, own) || strlen(own) != path_len ||
        memcmp(own, path, path_len) != 0)
        return DISKV_ENOTFOUND;
    key[*len] = '\0';
    return 0;
}

/* True when the path of some key that begins with `start` goes on below `dir`. Where a name is cut
 * depends on what follows, so the shortest endings of each kind are tried. */
static bool start_leads_below(const struct layout *layout, const char *start, size_t len,
                              const char *dir)
{
    static const char *const endings[] = {"", "\x01", "\x01\x01", "\xF0\x90\x80\x80",
                                          "\xF0\x90\x80\x80\x01"};
    char key[DISKV_KEY_MAX + sizeof "\xF0\x90\x80\x80\x01"], own[LAYOUT_PATH_SIZE];
    size_t dir_len = strlen(dir);
    for (size_t i = 0; i < array_len(endings); i++) {
        char *end = name_put_bytes(name_put_bytes(key, start, len), endings[i], strlen(endings[i]));
        if (split_to_path(layout, key, (size_t)(end - key), own) == 0 &&
            strncmp(own, dir, dir_len) == 0 && own[dir_len] == '/')
            return true;
    }
    return false;
}

/* The groups and, where it is cut, the file name each give the beginning of the key: the longer
 * of them says all that is known of it. A directory of a key's own path may hold its value. */
static bool split_has_dir(const struct layout *layout, const char *dir)
{
    char key[DISKV_KEY_MAX + 1];
    size_t key_len;
    if (!*dir || split_to_key(layout, dir, key, &key_len) == 0)
        return true;
    char joined[LAYOUT_PATH_SIZE], groups[DISKV_KEY_MAX], start[DISKV_KEY_MAX];
    size_t len = strlen(dir), begin = cut_begin(dir, len), joined_len = 0, groups_len, start_len;
    if (len >= sizeof joined)
        return false;
    for (size_t i = 0; i < begin; i++)
        if (dir[i] != '/')
            joined[joined_len++] = dir[i];
    bool cut;
    if (name_decode(joined, joined_len, groups, &groups_len, &cut) ||
        name_decode(dir + begin, len - begin, start, &start_len, &cut))
        return false;
    return groups_len > start_len ? start_leads_below(layout, groups, groups_len, dir)
                                  : start_leads_below(layout, start, start_len, dir);
}

void layout_split(unsigned group, struct layout *out)
{
    *out = (struct layout){
        .group = group,
        .to_path = split_to_path,
        .to_key = split_to_key,
        .has_dir = split_has_dir,
    };
}
