/* Answers that a browser saves in place of showing them. */
#ifndef DOWNLOAD_H
#define DOWNLOAD_H

#include "buf.h"

/* Appends the Content-Disposition (RFC 6266) under which a value is saved by the name that its key
 * ends with, slashes behind it aside; without a name where there is none. ENOMEM. */
int download_disposition(struct buf *out, const char *key, size_t len);

#endif
