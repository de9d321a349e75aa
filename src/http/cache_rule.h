/* The Cache-Control of values that bring none. */
#ifndef CACHE_RULE_H
#define CACHE_RULE_H

#include "server.h"

/* What the first rule says whose pattern matches the NUL-terminated key; NULL where none does. */
const char *cache_rule_find(const struct http_options *options, const char *key);

#endif
