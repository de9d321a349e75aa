/* Keys as the names of files in a tar. Pure. */
#ifndef TAR_NAME_H
#define TAR_NAME_H

#include "buf.h"
#include <stdbool.h>

#define TAR_NAME_VALUE "/%value" /* goes behind the name of a key that is a directory as well */

/* True where no component of the name is empty, `.`, `..`, or longer than `max` bytes. */
bool tar_name_is_plain(const char *name, size_t len, size_t max);

/* Appends a name that a file can have for a key that is no such name, or for the end of one: the
 * one that layout `path` gives it. What it stands for must be told beside it. ENOMEM. */
int tar_name_escape(struct buf *out, const char *key, size_t len);

#endif
