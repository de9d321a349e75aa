/* One line on standard error that says how far a long command is: values, bytes, rate and time
 * left. Drawn on a terminal only, some times a second. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The caller's, for progress_begin; its members are for progress.c alone. */
struct progress {
    bool shown;
    pthread_mutex_t lock;
    uint64_t items, bytes, total_items, total_bytes;
    int64_t began_ms, drawn_ms;
};

/* Totals are 0 where they are not known: then there is no bar, and no time left. */
void progress_begin(struct progress *p, uint64_t total_items, uint64_t total_bytes);

/* Says, or says anew, how much there is to do. Thread-safe, as is what follows. */
void progress_total(struct progress *p, uint64_t total_items, uint64_t total_bytes);

/* So many values and bytes more are done. Cheap: it may be called for every piece. */
void progress_add(struct progress *p, uint64_t items, uint64_t bytes);

/* Clears the line, for a message to take its place; the next progress_add draws it anew. */
void progress_hide(struct progress *p);

/* Clears the line for good. */
void progress_end(struct progress *p);

#endif
