/* Header fields that are kept with a value. */
#ifndef FIELDS_H
#define FIELDS_H

#include "diskv.h"
#include "engine.h"

#include <jansson.h>

#define FIELD_NAME_MAX 64 /* bytes */

/* Names and values, each with its NUL, in the order of the names. */
struct fields {
    size_t len;
    char text[ENGINE_RECORD_MAX];
};

/* Checks and copies `count` fields. EINVAL where a name is not of a-z, 0-9 and `-`, comes twice or
 * is too long, or a value is no UTF-8 or has control characters; EMETADATA where they have no room.
 */
int fields_set(struct fields *fields, const struct diskv_field *items, size_t count);

/* The same from a JSON object of strings, which is not trusted. */
int fields_from_json(struct fields *fields, const json_t *object);

/* A JSON object of strings; the caller's. NULL for out of memory. */
json_t *fields_to_json(const struct fields *fields);

/* Sets `*out` to the field at `index`; false where there are fewer. */
bool fields_at(const struct fields *fields, size_t index, struct diskv_field *out);

#endif
