/* Where a key's file lies: pure functions, both ways. Thread-safe. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that hold any path or key with its NUL. */
#define LAYOUT_PATH_SIZE 4096

/* The file name of a value whose key is also a directory: it lies in that directory. */
#define LAYOUT_VALUE_NAME "%value"

struct layout {
    const char *name; /* as `--layout` spells it */

    /* Writes the path of a valid key, relative and NUL-terminated, to `path` (LAYOUT_PATH_SIZE
     * bytes). Distinct keys have distinct paths, none leaves the directory, none is in `.diskv`,
     * and no component is LAYOUT_VALUE_NAME. Returns 0 or EKEY. */
    int (*to_path)(const char *key, size_t len, char *path);

    /* The inverse. A `path` that ends in `/%value` has the key of the directory it lies in. Writes
     * the key, NUL-terminated, to `key` (DISKV_KEY_MAX + 1 bytes), its length to `*len`. ENOTFOUND
     * where `path` is no key's: the file is foreign. */
    int (*to_key)(const char *path, char *key, size_t *len);

    /* The bytes that every key whose file lies in or below directory `dir` begins with
     * (DISKV_KEY_MAX + 1 bytes at `prefix`); "" is the base directory. The one key that may lie in
     * `dir` without that prefix is the directory's own (`dir/%value`). ENOTFOUND where no key's
     * file can be below `dir`: it is foreign. */
    int (*dir_prefix)(const char *dir, char *prefix, size_t *len);

    /* True when keys that go on with a `/` after a directory's prefix lie in directories below it.
     */
    bool nested;
};

/* `/` separates directories; names that a file system cannot hold are escaped. The default. */
extern const struct layout layout_path;

#endif
