#include "layout.h"

#include "split.h"

#include <ctype.h>

int layout_parse(const char *name, struct layout *out)
{
    if (strcmp(name, layout_path.name) == 0) {
        *out = layout_path;
        return 0;
    }
    unsigned group = 0;
    if (strcmp(name, "flat") != 0) {
        const char *digits = name + strlen("split:");
        if (strncmp(name, "split:", strlen("split:")) != 0 || !isdigit((unsigned char)*digits) ||
            *digits == '0')
            return DISKV_EINVAL;
        char *end;
        unsigned long n = strtoul(digits, &end, 10);
        if (*end || n > LAYOUT_GROUP_MAX)
            return DISKV_EINVAL;
        group = (unsigned)n;
    }
    layout_split(group, out);
    snprintf(out->name, sizeof out->name, "%s", name);
    return 0;
}

bool diskv_layout_valid(const char *name)
{
    struct layout layout;
    return layout_parse(name, &layout) == 0;
}
