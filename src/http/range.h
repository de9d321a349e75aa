/* Ranges of a value (RFC 9110, section 14). */
#ifndef RANGE_H
#define RANGE_H

#include <stddef.h>
#include <stdint.h>

/* More are not answered one by one: the whole value is. */
#define RANGES_MAX 32

struct range {
    uint64_t from, len;
};

enum range_outcome {
    RANGE_WHOLE,         /* no bytes ranges, or none that can be answered: send the value */
    RANGE_PARTS,         /* 206 */
    RANGE_UNSATISFIABLE, /* 416 */
};

/* What a Range header's value asks for of a value of `size` bytes. With RANGE_PARTS, `*count` of
 * `out` are set, in ascending order; those that overlap or lie closer together than a part's
 * headers are long are one. Pure. */
enum range_outcome range_parse(const char *header, uint64_t size, struct range out[RANGES_MAX],
                               size_t *count);

#endif
