#include "report.h"

#include <unistd.h>

void report_begin(struct report *r)
{
    atomic_init(&r->failed, false);
    progress_begin(&r->progress, 0, 0);
}

void report_end(struct report *r)
{
    progress_end(&r->progress);
}

bool report_is_seen(const struct report *r)
{
    return r->progress.shown;
}

void name_print(FILE *out, const char *name)
{
    bool seen = isatty(fileno(out));
    for (const char *c = name; *c; c++)
        putc(seen && ((unsigned char)*c < 0x20 || *c == 0x7f) ? '?' : *c, out);
}

void report_failure(struct report *r, const char *name, const char *problem)
{
    progress_hide(&r->progress);
    flockfile(stderr);
    fprintf(stderr, "diskv: ");
    name_print(stderr, name);
    fprintf(stderr, ": %s\n", problem);
    funlockfile(stderr);
    atomic_store(&r->failed, true);
}
