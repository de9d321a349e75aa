/* Where a key's file lies: pure functions, both ways. Thread-safe. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "diskv.h"

/* Bytes that hold any path or key with its NUL. */
#define LAYOUT_PATH_SIZE 4096

/* Bytes of a layout's name with its NUL. */
#define LAYOUT_NAME_SIZE 64

/* The most characters of a group of layout `split`. */
#define LAYOUT_GROUP_MAX 16

/* The file name of a value whose key is also a directory: it lies in that directory. */
#define LAYOUT_VALUE_NAME "%value"

/* The store's own directory. */
#define LAYOUT_STORE_DIR ".diskv"

struct layout {
    char name[LAYOUT_NAME_SIZE]; /* as `--layout` spells it; another name, another layout */
    unsigned group;              /* of `split`: characters of a group; of `flat`: 0 */
    diskv_to_path *user_to_path; /* of a user's: both ways, and their context */
    diskv_to_key *user_to_key;
    void *user_ctx;

    /* Writes the path of a valid key, relative and NUL-terminated, to `path` (LAYOUT_PATH_SIZE
     * bytes, with room for `/%value` behind it). Distinct keys have distinct paths, none leaves
     * the directory, none is in `.diskv`, and no component is LAYOUT_VALUE_NAME. Returns 0 or
     * EKEY; EINVAL where a user's functions do not keep this. */
    int (*to_path)(const struct layout *layout, const char *key, size_t len, char *path);

    /* The inverse. A `path` that ends in `/%value` has the key of the directory it lies in. Writes
     * the key, NUL-terminated, to `key` (DISKV_KEY_MAX + 1 bytes), its length to `*len`. ENOTFOUND
     * where `path` is no key's: the file is foreign. */
    int (*to_key)(const struct layout *layout, const char *path, char *key, size_t *len);

    /* True when a key's file may lie in or below directory `dir`, else it is foreign; "" is the
     * base directory. */
    bool (*has_dir)(const struct layout *layout, const char *dir);
};

/* `/` separates directories; names that a file system cannot hold are escaped. The default. */
extern const struct layout layout_path;

/* Sets `*out` to the layout of a name: `path`, `flat` (every key one name in the base directory) or
 * `split:N` (a directory for each whole group of N characters, then the key as the file name).
 * EINVAL for any other. */
int layout_parse(const char *name, struct layout *out);

/* Sets `*out` to a user's functions, whose every answer is checked. `name` tells them from others;
 * EINVAL where one function is missing or the name is too long. */
int layout_user(const char *name, diskv_to_path *to_path, diskv_to_key *to_key, void *ctx,
                struct layout *out);

#endif
