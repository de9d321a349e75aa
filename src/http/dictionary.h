/* Dictionaries of structured fields (RFC 9651, which takes in RFC 8941). */
#ifndef DICTIONARY_H
#define DICTIONARY_H

#include <stddef.h>

enum item_type { ITEM_BYTES, ITEM_INTEGER, ITEM_OTHER };

/* A member whose texts lie in the field; parameters are left out. */
struct dictionary_member {
    const char *key;
    size_t key_len;
    enum item_type type;
    const char *text; /* of bytes what is between the colons: base64's alphabet, nothing else */
    size_t len;
};

/* Takes the next member off a field whose lines are joined by commas: 1, 0 at the end, EINVAL. Of
 * members with the same key the last one counts, which is left to the caller. Inner lists are
 * EINVAL: no field that is read here has them. */
int dictionary_next(const char **field, struct dictionary_member *out);

#endif
