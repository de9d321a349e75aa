/* Media types by extension, from Debian's table of IANA's registrations and some in common use. */
#ifndef MEDIA_TYPE_H
#define MEDIA_TYPE_H

#include <stddef.h>

/* The media type that a key's extension stands for, NULL where it has none or one unknown: what is
 * behind the last dot of what is behind the last slash, or, where that is known, behind the last
 * two dots; the case of letters does not matter. The text is static. */
const char *media_type_of(const char *key, size_t len);

#endif
