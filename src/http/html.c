#include "html.h"
#include <string.h>

#define PICTURES 0x2400 /* where Unicode has those of the control characters */

static int escape(struct buf *out, unsigned char c)
{
    if (c == 0x7f)
        return buf_printf(out, "&#x%x;", PICTURES + 0x21);
    return buf_printf(out, "&#x%x;", c < 0x20 ? PICTURES + c : c);
}

int html_text(struct buf *out, const char *s, size_t len)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c == 0x7f || strchr("&<>\"'", c) != NULL)
            rc = escape(out, c);
        else
            rc = buf_add(out, &s[i], 1);
    }
    return rc;
}

int html_url(struct buf *out, const char *s, size_t len)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < len; i++) {
        if (memchr(plain, s[i], sizeof(plain) - 1) != NULL)
            rc = buf_add(out, &s[i], 1);
        else
            rc = buf_printf(out, "%%%02X", (unsigned char)s[i]);
    }
    return rc;
}
