/* A file of the machine's that becomes a value. */
#ifndef SOURCE_H
#define SOURCE_H

#include <sys/stat.h>

/* Opens the regular file `path` for reading and describes it: a descriptor, ENOTFOUND, EACCESS, …,
 * EINVAL where it is anything else; a symbolic link is not followed. Thread-safe. */
int source_open(const char *path, struct stat *out);

#endif
