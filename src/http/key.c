#include "key.h"
#include "buf.h"
#include "diskv.h"
#include "util.h"

/* Decodes percent escapes; `out` may hold as many bytes as `in`. False for a broken one. */
static bool decode(const char *in, size_t len, char *out, size_t *out_len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (in[i] != '%') {
            out[n++] = in[i];
            continue;
        }
        int high = len - i > 2 ? hex_value((unsigned char)in[i + 1]) : -1;
        int low = len - i > 2 ? hex_value((unsigned char)in[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *out_len = n;
    return true;
}

const char *key_decode(const char *raw, size_t len, char *out, size_t *out_len)
{
    if (!decode(raw, len, out, out_len))
        return "the key has a % that two hexadecimal digits do not follow";
    if (*out_len == 0)
        return "the key is empty";
    if (*out_len > DISKV_KEY_MAX)
        return "the key is longer than 1000 bytes";
    if (memchr(out, '\0', *out_len) != NULL)
        return "the key has a NUL byte";
    return diskv_key_valid(out, *out_len) ? NULL : "the key is not valid UTF-8";
}

int key_print(struct buf *out, const char *key, size_t len)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-._~!$&'()*+,;=:@/";
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < len; i++) {
        if (memchr(plain, key[i], sizeof(plain) - 1) != NULL)
            rc = buf_add(out, &key[i], 1);
        else
            rc = buf_printf(out, "%%%02X", (unsigned char)key[i]);
    }
    return rc;
}

/* The raw value of the first parameter of that name, "" where it has none, NULL where it is
 * missing. */
static const char *find(const char *query, const char *name, size_t *len)
{
    size_t name_len = strlen(name);

    for (const char *p = query; p != NULL;) {
        size_t n = strcspn(p, "&");

        if (n >= name_len && memcmp(p, name, name_len) == 0 &&
            (n == name_len || p[name_len] == '=')) {
            *len = n > name_len ? n - name_len - 1 : 0;
            return n > name_len ? p + name_len + 1 : "";
        }
        p = p[n] == '&' ? p + n + 1 : NULL;
    }
    return NULL;
}

bool query_has(const char *query, const char *name)
{
    size_t len;

    return find(query, name, &len) != NULL;
}

int query_text(const char *query, const char *name, char *out, size_t cap, size_t *out_len)
{
    size_t len;
    const char *raw = find(query, name, &len);
    char *text;
    int rc = DISKV_EINVAL;

    *out_len = 0;
    if (raw == NULL || len == 0)
        return 0;
    text = malloc(len);
    if (text == NULL)
        return DISKV_ENOMEM;
    if (decode(raw, len, text, &len) && len <= cap && memchr(text, '\0', len) == NULL &&
        utf8_valid(text, len)) {
        memcpy(out, text, len);
        *out_len = len;
        rc = 0;
    }
    free(text);
    return rc;
}

int query_number(const char *query, const char *name, size_t min, size_t max, size_t *out)
{
    size_t len, value = 0;
    const char *raw = find(query, name, &len);

    if (raw == NULL)
        return 0;
    if (len == 0 || len > 18)
        return DISKV_EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (raw[i] < '0' || raw[i] > '9')
            return DISKV_EINVAL;
        value = value * 10 + (size_t)(raw[i] - '0');
    }
    if (value < min || value > max)
        return DISKV_EINVAL;
    *out = value;
    return 0;
}
