/* Reading header fields of a request (RFC 9110, section 5.3). */
#ifndef HEADER_H
#define HEADER_H

#include "encoding.h"
#include <microhttpd.h>
#include <stddef.h>

/* Counts the field's lines; `*value` is set to that of the first, NULL where there is none. What is
 * no list means nothing where it comes twice. */
size_t header_lines(struct MHD_Connection *connection, const char *name, const char **value);

/* Joins the field's lines into one list, separated by commas: for free(), NULL where there is none.
 * ENOMEM. */
int header_joined(struct MHD_Connection *connection, const char *name, char **out);

/* True where the request's Accept names the media type itself, not by a `*`, and does not weigh it
 * 0 (RFC 9110, section 12.5.1). Out of memory counts as no. */
bool header_accepts(struct MHD_Connection *connection, const char *type);

/* What the request's Accept-Encoding says; ENOMEM. */
int header_weights(struct MHD_Connection *connection, struct encoding_weights *out);

/* Which form the request's Accept-Encoding asks for; ENOMEM. */
int header_encoding(struct MHD_Connection *connection, enum encoding_choice *out);

#endif
