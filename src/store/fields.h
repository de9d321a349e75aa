/* Header fields that are kept with a value. */
#ifndef FIELDS_H
#define FIELDS_H

#include "diskv.h"
#include "engine.h"

#define FIELD_NAME_MAX 64 /* bytes */

/* Names and values, each with its NUL, in the order of the names. */
struct diskv_fields {
    size_t len;
    char text[ENGINE_RECORD_MAX];
};

/* Checks and copies `count` fields. EINVAL where a name is no token in lower case (RFC 9110,
 * section 5.6.2), comes twice or is too long, or a value is no UTF-8 or has control characters;
 * EMETADATA where they have no room. */
int fields_set(diskv_fields *fields, const struct diskv_field *items, size_t count);

/* Adds one, whose name must come after those that are there. Errors as fields_set. */
int fields_add(diskv_fields *fields, const struct diskv_field *field);

#endif
