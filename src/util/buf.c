#include "buf.h"

#include "diskv.h"

#include <stdarg.h>

int buf_reserve(struct buf *b, size_t more)
{
    if (more >= SIZE_MAX / 2 - b->len)
        return DISKV_ENOMEM;
    size_t need = b->len + more + 1;
    if (need <= b->cap)
        return 0;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data)
        return DISKV_ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

int buf_add_number(struct buf *b, uint64_t number)
{
    char digits[20], *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return buf_add(b, at, (size_t)(digits + sizeof digits - at));
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    int rc = need < 0 ? DISKV_EINVAL : buf_reserve(b, (size_t)need);
    if (!rc) {
        vsnprintf(b->data + b->len, (size_t)need + 1, format, again);
        b->len += (size_t)need;
    }
    va_end(again);
    va_end(args);
    return rc;
}

char *buf_steal(struct buf *b)
{
    char *data = b->data;
    *b = (struct buf){0};
    return data;
}

void buf_free(struct buf *b)
{
    free(buf_steal(b));
}
