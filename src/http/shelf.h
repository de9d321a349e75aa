/* Answers that are kept, ready to be sent again: one loop's, for its thread alone. */
#ifndef SHELF_H
#define SHELF_H

#include <microhttpd.h>
#include <stdint.h>

#define SHELF_BODY_MAX 8192 /* bytes */

enum shelf_kind {
    SHELF_WHOLE,
    SHELF_HEAD,
    SHELF_NOT_MODIFIED,
    SHELF_KINDS,
};

struct shelf;

/* At most so many answers of each kind. ENOMEM. */
#define SHELF_MAX 512
int shelf_new(struct shelf **out);

/* No loop may use them any more. NULL is fine. */
void shelf_free(struct shelf *shelf);

/* The answer that gives this version of a value (diskv_reader_version), still owned by `shelf`;
 * NULL where none is kept. */
struct MHD_Response *shelf_find(const struct shelf *shelf, uint64_t version, enum shelf_kind kind);

/* Keeps an answer, which it takes over, in place of another. */
void shelf_add(struct shelf *shelf, uint64_t version, enum shelf_kind kind,
               struct MHD_Response *response);

#endif
