#include "buf.h"
#include "command.h"

static bool stat_run(struct store *store, const struct words *words, struct report *report)
{
    struct buf line = {0};
    bool fine =
        store_takes_key(store, words->rest[0]) && store->ops->stat(store, words->rest[0], &line);
    if (fine)
        fwrite(line.data, 1, line.len, stdout);
    else
        report_failure(report, words->rest[0], store->problem);
    buf_free(&line);
    return fine;
}

const struct command stat_command = {
    .name = "stat",
    .line = "[OPTION]... STORE KEY",
    .what = "say what is known of a value, in JSON",
    .help = "Prints a JSON object as GET /keys/KEY?meta answers it.\n",
    .min = 1,
    .max = 1,
    .run = stat_run,
};
