/* What a command has to say on the way: how far it is, and what failed. Thread-safe. */
#ifndef REPORT_H
#define REPORT_H

#include "progress.h"

#include <stdatomic.h>
#include <stdio.h>

struct report {
    struct progress progress;
    atomic_bool failed;
};

void report_begin(struct report *r);
void report_end(struct report *r);

/* Says on standard error what is wrong with `name`: from then on the report has failed. */
void report_failure(struct report *r, const char *name, const char *problem);

/* True where somebody sees how far a command is, so that it may be worth counting what there is to
 * do. */
bool report_is_seen(const struct report *r);

/* Prints a key or a path; where somebody looks, control characters as `?`. */
void name_print(FILE *out, const char *name);

#endif
