/* Makes the files of a tar values of a store. What it does may wait: it is for the threads of
 * request_work. */
#ifndef TAR_STORE_H
#define TAR_STORE_H

#include "diskv.h"
#include "tar.h"

struct tar_store;

/* For a reader whose ctx is the tar_store. An event fails for what concerns more than one entry, as
 * ENOSPACE, EIO and ENOMEM do; what is wrong with an entry alone is noted, and the next one comes.
 */
extern const struct tar_events tar_store_events;

/* Keys are `prefix` (copied) up to its last slash, and the entry's name; they must begin with all
 * of it. `max` is how long a value may be, 0 for no limit. ENOMEM. */
int tar_store_new(diskv *store, const char *prefix, size_t len, uint64_t max,
                  struct tar_store **out);

/* Waits until every entry that ended is stored, or is not: 0, or as an event. */
int tar_store_settle(struct tar_store *s);

/* Appends the members of a JSON object that say what was stored and what was refused; ENOMEM. */
int tar_store_print(const struct tar_store *s, struct buf *out);

/* Drops the entry that has not ended. Everything must be settled. Never waits. NULL is fine. */
void tar_store_free(struct tar_store *s);

#endif
