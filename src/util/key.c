#include "diskv.h"
#include "util.h"

bool diskv_key_valid(const char *key, size_t len)
{
    return len >= 1 && len <= DISKV_KEY_MAX && !memchr(key, '\0', len) && utf8_valid(key, len);
}
