/* What listings told of values, in memory: a row is good as long as the identity of its value is
 * the same, which costs one look to learn, where all that a listing tells costs an open file and
 * its attributes. Bounded: beyond that some are lost. Thread-safe. */
#ifndef ROWS_H
#define ROWS_H

#include "engine.h"

struct rows;

/* `bytes` is what all rows may take together. ENOMEM. */
int rows_new(uint64_t bytes, struct rows **out);

/* NULL is fine. */
void rows_free(struct rows *rows);

/* An identity as rows keep it. */
struct rows_ident {
    uint64_t hash[2];
};

struct rows_ident rows_ident(const uint8_t ident[static ENGINE_IDENT_LEN]);

/* Sets `out` to what is kept of the key and `of` to the identity that its value had, and returns
 * true; false where there is no row. */
bool rows_get(struct rows *rows, const char *key, size_t len, struct rows_ident *of,
              struct diskv_info *out);

/* Keeps what is known of the key's value, in place of what was. */
void rows_keep(struct rows *rows, const char *key, size_t len,
               const uint8_t ident[static ENGINE_IDENT_LEN], const struct diskv_info *info);

#endif
