/* JSON text. */
#ifndef JSON_H
#define JSON_H

#include "buf.h"
#include <time.h>

/* Appends valid UTF-8 as a string with its quotes; ENOMEM. */
int json_string(struct buf *out, const char *s, size_t len);

/* Appends a time as an RFC 3339 string with its quotes, in UTC, with as many decimals as it needs;
 * null where its year has not four digits. */
int json_time(struct buf *out, const struct timespec *time);

#endif
