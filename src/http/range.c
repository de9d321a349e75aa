#include "range.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* About what the headers of a part take: a smaller gap is cheaper sent than left out. */
#define GAP_MIN 80

/* Reads digits, as many as there are; what is too large is the largest. False where there are none.
 */
static bool read_number(const char **p, uint64_t *out)
{
    const char *start = *p;

    *out = 0;
    for (; isdigit((unsigned char)**p); (*p)++) {
        uint64_t digit = (uint64_t)(**p - '0');

        *out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
    }
    return *p > start;
}

/* Reads `first-last`, `first-` or `-length`. False for anything else; a range that has nothing of
 * the value has `len` 0. */
static bool read_range(const char **p, uint64_t size, struct range *out)
{
    uint64_t first, last;
    bool has_first = read_number(p, &first);

    if (*(*p)++ != '-')
        return false;
    if (!has_first) {
        if (!read_number(p, &last))
            return false;
        out->len = last < size ? last : size;
        out->from = size - out->len;
        return true;
    }
    if (!read_number(p, &last))
        last = UINT64_MAX;
    else if (last < first)
        return false;
    *out = (struct range){.from = first};
    if (first < size)
        out->len = (last < size ? last + 1 : size) - first;
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

static size_t merge(struct range *ranges, size_t count)
{
    size_t last = 0;

    qsort(ranges, count, sizeof(ranges[0]), by_start);
    for (size_t i = 1; i < count; i++) {
        uint64_t end = ranges[last].from + ranges[last].len;

        if (ranges[i].from > end + GAP_MIN)
            ranges[++last] = ranges[i];
        else if (ranges[i].from + ranges[i].len > end)
            ranges[last].len = ranges[i].from + ranges[i].len - ranges[last].from;
    }
    return last + 1;
}

enum range_outcome range_parse(const char *header, uint64_t size, struct range out[RANGES_MAX],
                               size_t *count)
{
    size_t seen = 0;

    *count = 0;
    if (strncasecmp(header, "bytes=", 6) != 0)
        return RANGE_WHOLE;
    for (const char *p = header + 6; *p != '\0';) {
        struct range range;

        p += strspn(p, " \t,");
        if (*p == '\0')
            break;
        if (!read_range(&p, size, &range))
            return RANGE_WHOLE;
        p += strspn(p, " \t");
        if (*p != ',' && *p != '\0')
            return RANGE_WHOLE;
        if (++seen > RANGES_MAX)
            return RANGE_WHOLE;
        if (range.len > 0)
            out[(*count)++] = range;
    }
    if (seen == 0)
        return RANGE_WHOLE;
    if (*count == 0)
        return RANGE_UNSATISFIABLE;
    *count = merge(out, *count);
    return RANGE_PARTS;
}
