/* The block that every entry of a tar begins with (POSIX.1-2017, pax, "ustar Interchange Format").
 */
#ifndef TAR_HEADER_H
#define TAR_HEADER_H

#include "tar.h"

/* Numbers are octal digits; text fills its field or ends with a NUL. */
struct tar_header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char linkname[100];
    char magic[6]; /* "ustar", and version "00"; GNU: "ustar  " */
    char version[2];
    char uname[32];
    char gname[32];
    char devmajor[8];
    char devminor[8];
    char prefix[155]; /* with a slash, goes before the name; not GNU's */
    char rest[12];
};

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is a block");

/* In the header of a sparse file, and in each further block of its map: where it says that the map
 * goes on. */
#define TAR_GNU_IS_EXTENDED 482
#define TAR_MAP_IS_EXTENDED 504

/* The sum of a header's bytes, with blanks for the checksum itself; `is_signed` as some old
 * programs took it. */
static inline long tar_checksum(const struct tar_header *header, bool is_signed)
{
    const char *bytes = (const char *)header;
    long sum = 0;

    for (size_t i = 0; i < sizeof(*header); i++)
        sum += is_signed ? (signed char)bytes[i] : (unsigned char)bytes[i];
    for (size_t i = 0; i < sizeof(header->checksum); i++) {
        char c = header->checksum[i];

        sum += ' ' - (is_signed ? (signed char)c : (unsigned char)c);
    }
    return sum;
}

#endif
