#include "command.h"

#include <inttypes.h>

static bool line_print(void *ctx, const struct item *item)
{
    const struct words *words = ctx;
    if (words->all && item->size == DISKV_SIZE_UNKNOWN)
        printf("-\t%s\t%s\t", item->modified, item->etag);
    else if (words->all)
        printf("%" PRIu64 "\t%s\t%s\t", item->size, item->modified, item->etag);
    if (words->null)
        fputs(item->key, stdout);
    else
        name_print(stdout, item->key);
    putchar(words->null ? '\0' : '\n');
    return !ferror(stdout);
}

static bool ls_run(struct store *store, const struct words *words, struct report *report)
{
    const char *prefix = words->prefix ? words->prefix : "";
    if (store->ops->list(store, prefix, !words->all, line_print, (void *)(uintptr_t)words))
        return true;
    report_failure(report, words->place.name, store->problem);
    return false;
}

const struct command ls_command = {
    .name = "ls",
    .line = "[OPTION]... STORE",
    .what = "list keys",
    .help = "Prints the keys in the order of their bytes, each on a line, as they come. Of a "
            "directory\n"
            "all keys are in memory meanwhile. A size that is not known is a `-`.\n",
    .takes = TAKES_LONG | TAKES_NULL | TAKES_PREFIX,
    .run = ls_run,
};
