#include "json.h"
#include "diskv.h"

/* How many bytes at `s` must be escaped as one character; `*code` is that character. JavaScript
 * once took U+2028 and U+2029 for line ends, so these are escaped too. */
static size_t special(const char *s, size_t len, unsigned *code)
{
    unsigned char c = (unsigned char)s[0];

    *code = c;
    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
        return 1;
    if (c != 0xe2 || len < 3 || (unsigned char)s[1] != 0x80)
        return 0;
    *code = 0x2000 | ((unsigned char)s[2] & 0x3f);
    return *code == 0x2028 || *code == 0x2029 ? 3 : 0;
}

static int escape(struct buf *out, unsigned code)
{
    if (code == '"' || code == '\\')
        return buf_printf(out, "\\%c", (int)code);
    return buf_printf(out, "\\u%04x", code);
}

int json_string(struct buf *out, const char *s, size_t len)
{
    size_t done = 0;
    int rc = buf_add(out, "\"", 1);

    for (size_t i = 0; rc == 0 && i < len;) {
        unsigned code;
        size_t n = special(s + i, len - i, &code);

        if (n == 0) {
            i++;
            continue;
        }
        rc = buf_add(out, s + done, i - done);
        if (rc == 0)
            rc = escape(out, code);
        i += n;
        done = i;
    }
    if (rc == 0)
        rc = buf_add(out, s + done, len - done);
    return rc == 0 ? buf_add(out, "\"", 1) : rc;
}

int json_time(struct buf *out, const struct timespec *time)
{
    char seconds[32], decimals[12] = "";
    struct tm tm;

    if (gmtime_r(&time->tv_sec, &tm) == NULL ||
        strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return buf_add_str(out, "null");
    if (time->tv_nsec > 0) {
        snprintf(decimals, sizeof(decimals), ".%09u", (unsigned)time->tv_nsec % 1000000000);
        for (size_t len = strlen(decimals); len > 0 && decimals[len - 1] == '0'; len--)
            decimals[len - 1] = '\0';
    }
    return buf_printf(out, "\"%s%sZ\"", seconds, decimals);
}
