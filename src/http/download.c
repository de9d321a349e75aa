#include "download.h"
#include <stdbool.h>
#include <string.h>

/* Appends a name for clients that do not know `filename*`: ASCII, with `_` for each other character
 * and for those that some clients take for the beginning of an escape (RFC 6266, appendix D). */
static int add_plain(struct buf *out, const char *name, size_t len)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        bool stays = c >= 0x20 && c < 0x7f && strchr("\"\\%", c) == NULL;

        if ((c & 0xc0) != 0x80) /* one for all the bytes of a character */
            rc = buf_add(out, stays ? &name[i] : "_", 1);
    }
    return rc;
}

/* Appends the name itself as an ext-value (RFC 8187, section 3.2.1). */
static int add_extended(struct buf *out, const char *name, size_t len)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$&+-.^_`|~";
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < len; i++) {
        if (memchr(plain, name[i], sizeof(plain) - 1) != NULL)
            rc = buf_add(out, &name[i], 1);
        else
            rc = buf_printf(out, "%%%02X", (unsigned char)name[i]);
    }
    return rc;
}

int download_disposition(struct buf *out, const char *key, size_t len)
{
    const char *name, *slash;
    int rc = buf_add_str(out, "attachment");

    while (len > 0 && key[len - 1] == '/')
        len--;
    slash = memrchr(key, '/', len);
    name = slash != NULL ? slash + 1 : key;
    len -= (size_t)(name - key);
    if (rc != 0 || len == 0)
        return rc;
    rc = buf_add_str(out, "; filename=\"");
    if (rc == 0)
        rc = add_plain(out, name, len);
    if (rc == 0)
        rc = buf_add_str(out, "\"; filename*=UTF-8''");
    return rc == 0 ? add_extended(out, name, len) : rc;
}
