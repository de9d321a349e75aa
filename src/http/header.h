/* Reading header fields of a request (RFC 9110, section 5.3). */
#ifndef HEADER_H
#define HEADER_H

#include <microhttpd.h>
#include <stdbool.h>

/* True where the field is there in one line and no more, which `*value` is set to: what is no list
 * must not come twice. */
bool header_once(struct MHD_Connection *connection, const char *name, const char **value);

/* Joins the field's lines into one list, separated by commas: for free(), NULL where there is none.
 * ENOMEM. */
int header_joined(struct MHD_Connection *connection, const char *name, char **out);

#endif
