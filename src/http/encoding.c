#include "encoding.h"
#include "diskv.h"
#include <limits.h>
#include <strings.h>
#include <zlib.h>

#define LEVEL 1 /* listings repeat themselves: more effort gains little */

bool encoding_takes_gzip(const char *list)
{
    while (list != NULL && *list != '\0') {
        size_t len;

        list += strspn(list, " \t,");
        len = strcspn(list, ",");
        if (strncasecmp(list, "gzip", 4) == 0 && strcspn(list, " \t;,") == 4) {
            const char *weight = memchr(list, '=', len);

            return weight == NULL ||
                   strspn(weight + 1, "0. \t") < len - (size_t)(weight + 1 - list);
        }
        list += len;
    }
    return false;
}

int encoding_gzip(struct buf *text)
{
    z_stream z = {.next_in = (unsigned char *)text->data, .avail_in = (uInt)text->len};
    size_t size;
    char *packed;

    if (text->len > UINT_MAX / 2 ||
        deflateInit2(&z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return DISKV_ENOMEM;
    size = deflateBound(&z, (uLong)text->len);
    packed = malloc(size);
    if (packed == NULL) {
        deflateEnd(&z);
        return DISKV_ENOMEM;
    }
    z.next_out = (unsigned char *)packed;
    z.avail_out = (uInt)size;
    deflate(&z, Z_FINISH); /* cannot fail: the bound is enough */
    free(text->data);
    *text = (struct buf){.data = packed, .len = size - z.avail_out, .cap = size};
    deflateEnd(&z);
    return 0;
}
