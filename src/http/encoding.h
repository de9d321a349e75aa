/* Content codings that are applied on the way out (RFC 9110, section 8.4). */
#ifndef ENCODING_H
#define ENCODING_H

#include "buf.h"
#include <stdbool.h>
#include <stddef.h>

enum encoding_choice { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_NONE };

/* How much a client wants each coding, in thousandths; 0: it does not take it. */
struct encoding_weights {
    int br, gzip, identity;
};

/* What an Accept-Encoding, its lines joined by commas, says (RFC 9110, sections 12.5.3 and 12.4.2);
 * NULL is no header: plain only. The first mention of a coding counts, and members that are
 * malformed do not. Identity that is not mentioned weighs as little as can be. */
void encoding_weigh(const char *list, struct encoding_weights *out);

/* Which form to send of a value that there is both plain and as gzip. gzip comes first among
 * equals; NONE where neither is accepted. */
enum encoding_choice encoding_prefer(const struct encoding_weights *weights);

/* Both in one. */
enum encoding_choice encoding_choose(const char *list);

/* True where a list of names with weights has `name` itself and does not weigh it 0; NULL is no
 * list. Other parameters of a name are ignored. */
bool encoding_names(const char *list, const char *name);

/* Replaces `text` by its gzip form; ENOMEM leaves it as it was. */
int encoding_gzip(struct buf *text);

#endif
