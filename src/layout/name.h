/* File names that stand for pieces of a key, and back. */
#ifndef NAME_H
#define NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_CUT   "%+" /* ends each but the last of the names that a piece is cut into */
#define NAME_EMPTY "%_" /* stands for an empty piece */

/* Copies bytes; returns where they end. */
char *name_put_bytes(char *out, const char *bytes, size_t len);

/* Writes the names for a piece of a key: bytes that no name may have are escaped, `/` too, and what
 * is over-long is cut into directories. `first`: it begins a path. Returns where they end. */
char *name_put(char *out, const char *piece, size_t len, bool first);

/* Undoes the escapes of `len` bytes of names and joins what was cut. Takes more than name_put
 * makes, so what comes out must be compared with the names that it gives. `*cut` is set where they
 * end in a cut. Writes at most DISKV_KEY_MAX bytes. 0 or ENOTFOUND. */
int name_decode(const char *names, size_t len, char *key, size_t *key_len, bool *cut);

/* The length of `path` without a `/%value` at its end. */
size_t name_without_value(const char *path);

#endif
