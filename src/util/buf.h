/* A growable byte string. */
#ifndef BUF_H
#define BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data; /* NUL-terminated past `len` once anything was added; NULL before */
    size_t len;
    size_t cap;
};

/* Makes room for `more` bytes behind `len`, and a NUL; ENOMEM leaves the buffer as it was. */
int buf_reserve(struct buf *b, size_t more);

/* Appends; ENOMEM leaves the buffer as it was. */
static inline int buf_add(struct buf *b, const void *data, size_t len)
{
    int rc = len < b->cap - b->len ? 0 : buf_reserve(b, len);
    if (rc)
        return rc;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

static inline int buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_add_number(struct buf *b, uint64_t number); /* in decimal */
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hands the bytes to the caller, for free(), and empties the buffer; NULL where nothing was added.
 */
char *buf_steal(struct buf *b);

void buf_free(struct buf *b);

#endif
