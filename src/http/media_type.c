#include "media_type.h"
#include "util.h"
#include <stdint.h>
#include <strings.h>

/* Where in `strings` its texts begin: unlike pointers, offsets are not relocated at each start. */
struct row {
    uint16_t extension;
    uint16_t type;
};

#include "media_types.h" /* strings, and rows in the order of their extensions */

struct extension {
    const char *text;
    size_t len;
};

static int compare(const void *key, const void *member)
{
    const struct extension *wanted = key;
    const char *known = strings + ((const struct row *)member)->extension;
    int order = strncasecmp(wanted->text, known, wanted->len);

    if (order != 0)
        return order;
    return wanted->len < strlen(known) ? -1 : wanted->len > strlen(known);
}

static const char *find(const char *text, size_t len)
{
    const struct extension wanted = {text, len};
    const struct row *row = bsearch(&wanted, rows, array_len(rows), sizeof(*rows), compare);

    return row == NULL ? NULL : strings + row->type;
}

const char *media_type_of(const char *key, size_t len)
{
    const char *end = key + len, *type = NULL;
    int dots = 0;

    for (const char *p = end; p > key && p[-1] != '/' && dots < 2; p--) {
        if (p[-1] == '.') {
            const char *longer = find(p, (size_t)(end - p));

            type = longer != NULL ? longer : type;
            dots++;
        }
    }
    return type;
}
