#include "cache_rule.h"
#include <fnmatch.h>

const char *cache_rule_find(const struct http_options *options, const char *key)
{
    for (size_t i = 0; i < options->cache_rule_count; i++) {
        if (fnmatch(options->cache_rules[i].pattern, key, 0) == 0)
            return options->cache_rules[i].value;
    }
    return NULL;
}
