/* Content codings that are applied on the way out (RFC 9110, section 8.4). */
#ifndef ENCODING_H
#define ENCODING_H

#include "buf.h"
#include <stdbool.h>
#include <stddef.h>

enum encoding_choice { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_NONE };

/* Which form an Accept-Encoding, its lines joined by commas, asks for of a value that there is both
 * plain and as gzip (sections 12.5.3 and 12.4.2); NULL is no header: plain. gzip comes first among
 * equals, the first mention of a coding counts, and members that are malformed do not. NONE where
 * it accepts neither form. */
enum encoding_choice encoding_choose(const char *list);

/* True where a list of names with weights has `name` itself and does not weigh it 0; NULL is no
 * list. Other parameters of a name are ignored. */
bool encoding_names(const char *list, const char *name);

/* Replaces `text` by its gzip form; ENOMEM leaves it as it was. */
int encoding_gzip(struct buf *text);

#endif
