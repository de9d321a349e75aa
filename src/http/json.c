#include "json.h"
#include "diskv.h"
#include "util.h"

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

static char *put_part(char *out, char before, int number)
{
    *out = before;
    return digits_put(out + 1, (unsigned)number, 2);
}

int json_time(struct buf *out, const struct timespec *time)
{
    char text[40] = "\"", *end = text + 1;
    struct tm tm;

    if (gmtime_r(&time->tv_sec, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return buf_add_str(out, "null");
    end = digits_put(end, (unsigned)tm.tm_year + 1900, 4);
    end = put_part(end, '-', tm.tm_mon + 1);
    end = put_part(end, '-', tm.tm_mday);
    end = put_part(end, 'T', tm.tm_hour);
    end = put_part(end, ':', tm.tm_min);
    end = put_part(end, ':', tm.tm_sec);
    if (time->tv_nsec > 0) {
        *end++ = '.';
        end = digits_put(end, (unsigned)time->tv_nsec, 9);
        while (end[-1] == '0')
            end--;
    }
    *end++ = 'Z';
    *end++ = '"';
    return buf_add(out, text, (size_t)(end - text));
}
