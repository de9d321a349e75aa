/* The log of the last changes, for diskv_changes_now. It is kept from when somebody first asks for
 * changes; until then what is told here costs a look at a flag. Thread-safe. */
#ifndef CHANGES_H
#define CHANGES_H

#include "diskv.h"

struct changes;

/* ENOMEM. */
int changes_new(struct changes **out);

/* NULL is fine. */
void changes_free(struct changes *changes);

/* True once somebody has asked. */
bool changes_wanted(const struct changes *changes);

/* A key has this value, or none, from now on: logged unless it is what the log has of the key last.
 * Of what is gone `known` says whether there was a value, where the log does not. */
void changes_put(struct changes *changes, const char *key, size_t len,
                 const struct diskv_info *info);
void changes_gone(struct changes *changes, const char *key, size_t len, bool known);

/* Some changes are not known: whoever follows has to begin anew. */
void changes_break(struct changes *changes);

#endif
