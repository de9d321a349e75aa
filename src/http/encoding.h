/* Content codings that are applied on the way out (RFC 9110, section 8.4). */
#ifndef ENCODING_H
#define ENCODING_H

#include "buf.h"
#include <stdbool.h>

/* True when an Accept-Encoding names gzip with a weight that is not 0 (section 12.5.3). NULL is no
 * header. */
bool encoding_takes_gzip(const char *list);

/* Replaces `text` by its gzip form; ENOMEM leaves it as it was. */
int encoding_gzip(struct buf *text);

#endif
