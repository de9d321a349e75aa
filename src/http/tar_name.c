#include "tar_name.h"
#include "diskv.h"
#include <string.h>

#define COMPONENT_MAX 240  /* bytes of an escaped one */
#define CUT           "%+" /* ends each but the last part of one that is longer */
#define EMPTY         "%_"
#define STORE_DIR     ".diskv"

static bool is_dots(const char *s, size_t len)
{
    return (len == 1 || len == 2) && s[0] == '.' && s[len - 1] == '.';
}

bool tar_name_is_plain(const char *name, size_t len, size_t max)
{
    const char *end = name + len;

    for (;;) {
        const char *slash = memchr(name, '/', (size_t)(end - name));
        size_t n = (size_t)((slash != NULL ? slash : end) - name);

        if (n == 0 || n > max || is_dots(name, n))
            return false;
        if (slash == NULL)
            return true;
        name = slash + 1;
    }
}

/* How many dots at the front of a component are escaped: those with a meaning of their own, and
 * that of the store's directory. */
static size_t dots_to_escape(const char *s, size_t len, bool first)
{
    if (is_dots(s, len))
        return len;
    return first && len == strlen(STORE_DIR) && memcmp(s, STORE_DIR, len) == 0 ? 1 : 0;
}

static size_t escape(const char *s, size_t len, size_t dots, char *out)
{
    char *end = out;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (i >= dots && c >= 0x20 && c != 0x7f && c != '%') {
            *end++ = s[i];
        } else {
            *end++ = '%';
            *end++ = "0123456789ABCDEF"[c >> 4];
            *end++ = "0123456789ABCDEF"[c & 15];
        }
    }
    return (size_t)(end - out);
}

/* Where to cut what is too long: not within a character or an escape. */
static size_t cut_length(const char *escaped)
{
    size_t n = COMPONENT_MAX - strlen(CUT);

    while (((unsigned char)escaped[n] & 0xc0) == 0x80)
        n--;
    if (escaped[n - 1] == '%')
        return n - 1;
    return escaped[n - 2] == '%' ? n - 2 : n;
}

static int add_component(struct buf *out, const char *s, size_t len, bool first)
{
    char escaped[3 * DISKV_KEY_MAX], *rest = escaped;
    size_t left = escape(s, len, dots_to_escape(s, len, first), escaped);
    int rc = 0;

    if (len == 0)
        return buf_add_str(out, EMPTY);
    while (rc == 0 && left > COMPONENT_MAX) {
        size_t n = cut_length(rest);

        rc = buf_add(out, rest, n);
        if (rc == 0)
            rc = buf_add_str(out, CUT "/");
        rest += n;
        left -= n;
    }
    return rc == 0 ? buf_add(out, rest, left) : rc;
}

int tar_name_escape(struct buf *out, const char *key, size_t len)
{
    const char *end = key + len, *slash;
    int rc = 0;

    for (const char *s = key; rc == 0; s = slash + 1) {
        slash = memchr(s, '/', (size_t)(end - s));
        rc = add_component(out, s, (size_t)((slash != NULL ? slash : end) - s), s == key);
        if (slash == NULL)
            return rc;
        if (rc == 0)
            rc = buf_add_str(out, "/");
    }
    return rc;
}
