#include "format.h"
#include "header.h"
#include "key.h"
#include "util.h"

static const struct {
    const char *name;
    const char *type;
} formats[] = {
    [FORMAT_JSON] = {"json", "application/json"},
    [FORMAT_NDJSON] = {"ndjson", "application/x-ndjson"},
    [FORMAT_TAR] = {"tar", "application/x-tar"},
};

static enum format format_named(const char *name, size_t len)
{
    for (size_t i = 0; i < array_len(formats); i++) {
        if (strlen(formats[i].name) == len && memcmp(formats[i].name, name, len) == 0)
            return (enum format)i;
    }
    return FORMAT_UNKNOWN;
}

enum format format_of(const struct request *r)
{
    char name[8];
    size_t len;

    if (query_has(r->query, "format"))
        return query_text(r->query, "format", name, sizeof(name), &len) == 0
                   ? format_named(name, len)
                   : FORMAT_UNKNOWN;
    for (size_t i = 0; i < array_len(formats); i++) {
        if (header_accepts(r->mhd, formats[i].type))
            return (enum format)i;
    }
    return FORMAT_JSON;
}

bool format_is_ndjson(const struct request *r)
{
    return format_of(r) == FORMAT_NDJSON;
}

bool format_is_tar(const struct request *r)
{
    return format_of(r) == FORMAT_TAR;
}
