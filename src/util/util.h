/* Small things that every layer uses. */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The struct that `ptr`, its member `member`, lies in. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define array_len(a) (sizeof(a) / sizeof((a)[0]))

/* Orders byte strings as memcmp does, a prefix before what it begins. */
int bytes_compare(const void *a, size_t a_len, const void *b, size_t b_len);

/* True when `s` is valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool utf8_valid(const char *s, size_t len);

/* The value of a hexadecimal digit of either case, -1 for any other byte. */
int hex_value(unsigned char c);

/* Writes 2 * len lower-case digits and a NUL to `out`. */
void hex_encode(const uint8_t *bytes, size_t len, char *out);

/* Writes the last `count` decimal digits of a number, and no NUL; the end. */
char *digits_put(char *out, unsigned number, size_t count);

#endif
