/* Some threads, each with a handle of its own on a store, for many small tasks. */
#ifndef CREW_H
#define CREW_H

#include "report.h"
#include "store.h"

struct crew;

/* What is done for a task, by any of the threads; the strings live for the call. */
typedef void crew_work(void *ctx, struct store *store, const char *a, const char *b);

/* Starts the threads; NULL, with a line in the report, where that fails. */
struct crew *crew_new(struct store *store, crew_work *work, void *ctx, struct report *report);

/* Hands a task over, its two strings copied; waits while there are many already. False where there
 * is no memory. */
bool crew_add(struct crew *crew, const char *a, const char *b);

/* Waits for the last task and ends the threads. */
void crew_finish(struct crew *crew);

#endif
