/* The page's files, in the binary. */
#ifndef ASSETS_H
#define ASSETS_H

#include <stddef.h>

struct asset {
    const char *path; /* "/" for index.html, "/NAME" for the others */
    const char *type;
    const char *etag; /* without quotes; the compressed form's has "-gz" behind it */
    const unsigned char *data;
    size_t size;
    const unsigned char *gzip; /* the same compressed; NULL where that gains nothing */
    size_t gzip_size;
};

/* Made from www/ by embed.py. */
extern const struct asset assets[];
extern const size_t asset_count;

/* The file at a path, or NULL. */
const struct asset *asset_find(const char *path, size_t len);

#endif
