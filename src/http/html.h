/* HTML text. */
#ifndef HTML_H
#define HTML_H

#include "buf.h"

/* Appends valid UTF-8 as text that may stand anywhere between tags; a control character shows as
 * its picture. ENOMEM. */
int html_text(struct buf *out, const char *s, size_t len);

/* Appends a piece of a URL's path or query in which all but letters, digits, `-._~` and `/` is
 * escaped: it needs no quoting by HTML, and a program that looks no further than for a quotation
 * mark reads it right. ENOMEM. */
int html_url(struct buf *out, const char *s, size_t len);

#endif
