/* What a request's URL says: the key, and the query's parameters. */
#ifndef KEY_H
#define KEY_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes the `len` bytes at `raw` once: `%2F` equals `/`, `+` is a plus, dots mean nothing. `out`
 * has room for `len` bytes and `*out_len` is what it holds. Returns NULL, or a sentence on what is
 * wrong; without one it is a valid key. */
const char *key_decode(const char *raw, size_t len, char *out, size_t *out_len);

/* Appends the key as it stands in a URL's path: what RFC 3986 does not let stand in a segment is
 * escaped, `/` is not. ENOMEM. */
struct buf;
int key_print(struct buf *out, const char *key, size_t len);

/* True when `query` (NULL for none) has the parameter, with a value or without. */
bool query_has(const char *query, const char *name);

/* Decodes the first value of a parameter into `out`, as key_decode does: 0 with `*out_len` 0 where
 * it is missing or empty; EINVAL where it is longer than `cap`, has a broken escape, or is not
 * UTF-8 without NUL. A `+` is a plus here too. */
int query_text(const char *query, const char *name, char *out, size_t cap, size_t *out_len);

/* Reads a decimal number; `*out` stays as it is where the parameter is missing. EINVAL for what is
 * no number from `min` to `max`. */
int query_number(const char *query, const char *name, size_t min, size_t max, size_t *out);

#endif
