#include "command.h"

#include <limits.h>

static bool prefix_remove(struct store *store, const char *prefix, struct report *report)
{
    if (store->ops->remove_prefix(store, prefix))
        return true;
    report_failure(report, prefix, store->problem);
    return false;
}

static bool rm_run(struct store *store, const struct words *words, struct report *report)
{
    if (words->prefix && !*words->prefix)
        report_failure(report, "--prefix", "an empty one would be all there is");
    else if (words->prefix)
        prefix_remove(store, words->prefix, report);
    for (int i = 0; i < words->rest_count; i++) {
        const char *key = words->rest[i];
        if (!store_takes_key(store, key) || !store->ops->remove(store, key))
            report_failure(report, key, store->problem);
    }
    if (!store->ops->flush(store))
        report_failure(report, words->place.name, store->problem);
    return true;
}

const struct command rm_command = {
    .name = "rm",
    .line = "[OPTION]... STORE KEY...",
    .what = "remove values",
    .help = "Removes the values of the keys, and with --prefix of all that begin so. A key that "
            "has no\n"
            "value is a failure.\n",
    .takes = TAKES_PREFIX,
    .min = 1,
    .max = INT_MAX,
    .bulk = true,
    .run = rm_run,
};
