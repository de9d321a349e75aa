#include "name.h"

#include "diskv.h"
#include "layout.h"
#include "util.h"

/* Bytes of a name. File systems take 255; the rest is left to temporary and backup names. */
#define NAME_MAX_BYTES 240

#define ESCAPED_MAX (3 * DISKV_KEY_MAX)

char *name_put_bytes(char *out, const char *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return out + len;
}

static bool must_escape(unsigned char c)
{
    return c < 0x20 || c == 0x7F || c == '%' || c == '/';
}

/* How many dots at the front of a piece would give it a meaning that it must not have. */
static size_t dots_to_escape(const char *s, size_t len, bool first)
{
    if (len <= 2 && s[0] == '.' && s[len - 1] == '.')
        return len;
    return first && len == strlen(LAYOUT_STORE_DIR) && memcmp(s, LAYOUT_STORE_DIR, len) == 0;
}

/* The length of the longest beginning of an escaped component that, with NAME_CUT behind it, makes
 * a name: whole characters and escapes only. */
static size_t cut_length(const char *escaped)
{
    size_t n = NAME_MAX_BYTES - strlen(NAME_CUT);
    while (((unsigned char)escaped[n] & 0xC0) == 0x80)
        n--;
    if (escaped[n - 1] == '%')
        return n - 1;
    return escaped[n - 2] == '%' ? n - 2 : n;
}

char *name_put(char *out, const char *piece, size_t len, bool first)
{
    if (len == 0)
        return name_put_bytes(out, NAME_EMPTY, strlen(NAME_EMPTY));
    char escaped[ESCAPED_MAX], *end = escaped;
    size_t dots = dots_to_escape(piece, len, first);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)piece[i];
        if (i < dots || must_escape(c)) {
            *end++ = '%';
            *end++ = "0123456789ABCDEF"[c >> 4];
            *end++ = "0123456789ABCDEF"[c & 15];
        } else {
            *end++ = piece[i];
        }
    }
    const char *rest = escaped;
    while (end - rest > NAME_MAX_BYTES) {
        size_t n = cut_length(rest);
        out = name_put_bytes(out, rest, n);
        out = name_put_bytes(out, NAME_CUT "/", strlen(NAME_CUT "/"));
        rest += n;
    }
    return name_put_bytes(out, rest, (size_t)(end - rest));
}

int name_decode(const char *names, size_t len, char *key, size_t *key_len, bool *cut)
{
    size_t n = 0;
    *cut = false;
    for (size_t i = 0; i < len && n < DISKV_KEY_MAX;) {
        const char *s = names + i;
        size_t left = len - i;
        if (*s != '%') {
            key[n++] = *s;
            i++;
        } else if (left >= 2 && memcmp(s, NAME_EMPTY, 2) == 0) {
            i += 2;
        } else if (left >= 2 && memcmp(s, NAME_CUT, 2) == 0) {
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
    *key_len = n;
    return 0;
}

size_t name_without_value(const char *path)
{
    const size_t suffix = strlen("/" LAYOUT_VALUE_NAME);
    size_t len = strlen(path);
    bool value = len > suffix && memcmp(path + len - suffix, "/" LAYOUT_VALUE_NAME, suffix) == 0;
    return value ? len - suffix : len;
}
