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
        size_t head = strlen("split:");
        if (strncmp(name, "split:", head) != 0 || !isdigit((unsigned char)name[head]) ||
            name[head] == '0')
            return DISKV_EINVAL;
        char *end;
        unsigned long n = strtoul(name + head, &end, 10);
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
