#include "layout.h"

#include "diskv.h"
#include "util.h"

/* Bytes of a name. File systems take 255; the rest is left to temporary and backup names. */
#define NAME_MAX_BYTES 240

#define STORE_DIR   ".diskv"
#define CUT         "%+" /* ends each but the last of the names that a component is cut into */
#define EMPTY       "%_" /* stands for an empty component */
#define ESCAPED_MAX (3 * DISKV_KEY_MAX)

static char *put(char *out, const char *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return out + len;
}

static bool must_escape(unsigned char c)
{
    return c < 0x20 || c == 0x7F || c == '%';
}

/* How many dots at the front of a component would give it a meaning that it must not have. */
static size_t dots_to_escape(const char *s, size_t len, bool first)
{
    if (len <= 2 && s[0] == '.' && s[len - 1] == '.')
        return len;
    return first && len == strlen(STORE_DIR) && memcmp(s, STORE_DIR, len) == 0;
}

/* The length of the longest beginning of an escaped component that, with CUT behind it, makes a
 * name: whole characters and escapes only. */
static size_t cut_length(const char *escaped)
{
    size_t n = NAME_MAX_BYTES - strlen(CUT);
    while (((unsigned char)escaped[n] & 0xC0) == 0x80)
        n--;
    if (escaped[n - 1] == '%')
        return n - 1;
    return escaped[n - 2] == '%' ? n - 2 : n;
}

/* Writes the names for the component `s` of a key; returns where they end. */
static char *put_component(char *out, const char *s, size_t len, bool first)
{
    if (len == 0)
        return put(out, EMPTY, strlen(EMPTY));
    char escaped[ESCAPED_MAX], *end = escaped;
    size_t dots = dots_to_escape(s, len, first);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (i < dots || must_escape(c)) {
            *end++ = '%';
            *end++ = "0123456789ABCDEF"[c >> 4];
            *end++ = "0123456789ABCDEF"[c & 15];
        } else {
            *end++ = s[i];
        }
    }
    const char *rest = escaped;
    while (end - rest > NAME_MAX_BYTES) {
        size_t n = cut_length(rest);
        out = put(out, rest, n);
        out = put(out, CUT "/", strlen(CUT "/"));
        rest += n;
    }
    return put(out, rest, (size_t)(end - rest));
}

/* It fits: a byte of a key makes at most three of a path, and a cut adds three to over 230. */
static int path_to_path(const char *key, size_t len, char *path)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    const char *s = key, *end = key + len, *slash;
    char *out = path;
    while ((slash = memchr(s, '/', (size_t)(end - s)))) {
        out = put_component(out, s, (size_t)(slash - s), s == key);
        *out++ = '/';
        s = slash + 1;
    }
    out = put_component(out, s, (size_t)(end - s), s == key);
    *out = '\0';
    return 0;
}

/* Undoes the escapes and joins what was cut. Takes more than path_to_path makes, so what comes out
 * must be compared with the path that it gives. `*cut` is set where the path ends in a cut. */
static int decode(const char *path, size_t path_len, char *key, size_t *len, bool *cut)
{
    size_t n = 0;
    *cut = false;
    for (size_t i = 0; i < path_len && n < DISKV_KEY_MAX;) {
        const char *s = path + i;
        size_t left = path_len - i;
        if (*s != '%') {
            key[n++] = *s;
            i++;
        } else if (left >= 2 && memcmp(s, EMPTY, 2) == 0) {
            i += 2;
        } else if (left >= 2 && memcmp(s, CUT, 2) == 0) {
            *cut = left == 2;
            i += *cut ? 2 : 3;
        } else if (left >= 3 && hex_value((unsigned char)s[1]) >= 0 &&
                   hex_value((unsigned char)s[2]) >= 0) {
            key[n++] = (char)(hex_value((unsigned char)s[1]) << 4 | hex_value((unsigned char)s[2]));
            i += 3;
        } else {
            return DISKV_ENOTFOUND;
        }
    }
    *len = n;
    return 0;
}

/* True when the key's path is `path`, or goes on below it as a directory. */
static bool leads_to(const char *key, size_t len, const char *path, size_t path_len, bool below)
{
    char own[LAYOUT_PATH_SIZE];
    return path_to_path(key, len, own) == 0 && strncmp(own, path, path_len) == 0 &&
           own[path_len] == (below ? '/' : '\0');
}

static int path_to_key(const char *path, char *key, size_t *len)
{
    const size_t suffix = strlen("/" LAYOUT_VALUE_NAME);
    size_t path_len = strlen(path);
    if (path_len > suffix && strcmp(path + path_len - suffix, "/" LAYOUT_VALUE_NAME) == 0)
        path_len -= suffix;
    bool cut;
    int rc = decode(path, path_len, key, len, &cut);
    if (rc || cut || !leads_to(key, *len, path, path_len, false))
        return DISKV_ENOTFOUND;
    key[*len] = '\0';
    return 0;
}

/* True when some key is cut as `dir`, which ends in CUT, says. Where a component is cut depends on
 * what follows, so the shortest endings of each kind are tried. */
static bool cut_is_possible(const char *dir, const char *prefix, size_t len)
{
    static const char *const endings[] = {"\x01", "\x01\x01", "\xF0\x90\x80\x80\x01"};
    char key[DISKV_KEY_MAX + sizeof "\xF0\x90\x80\x80\x01"];
    for (size_t i = 0; i < array_len(endings); i++) {
        char *end = put(put(key, prefix, len), endings[i], strlen(endings[i]));
        if (leads_to(key, (size_t)(end - key), dir, strlen(dir), true))
            return true;
    }
    return false;
}

static int path_dir_prefix(const char *dir, char *prefix, size_t *len)
{
    *len = 0;
    if (!*dir)
        return 0;
    bool cut;
    int rc = decode(dir, strlen(dir), prefix, len, &cut);
    if (rc)
        return rc;
    if (cut)
        return cut_is_possible(dir, prefix, *len) ? 0 : DISKV_ENOTFOUND;
    /* "" is no key, but "/" is. */
    if (strcmp(dir, EMPTY) != 0 && !leads_to(prefix, *len, dir, strlen(dir), false))
        return DISKV_ENOTFOUND;
    prefix[(*len)++] = '/';
    return 0;
}

const struct layout layout_path = {
    .name = "path",
    .to_path = path_to_path,
    .to_key = path_to_key,
    .dir_prefix = path_dir_prefix,
    .nested = true,
};
