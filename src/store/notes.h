/* What is put beside a value that is there already. */
#ifndef NOTES_H
#define NOTES_H

#include "store.h"

struct notes {
    diskv_fields fields;
    char type[DISKV_TYPE_MAX + 1];
    char between[ENGINE_RECORD_MAX + 1];
    char record[ENGINE_RECORD_MAX + 1];
};

/* Takes type and fields, and copies them. EINVAL, EMETADATA. */
int notes_take(struct notes *notes, const struct diskv_write_options *options);

/* Says what the engine is to put beside the value as it is, whose hash stays: in `*out`, which
 * points into `notes`. `record` is the value's, changed here, NULL where it has none that holds.
 * EMETADATA. */
int notes_make(struct notes *notes, const struct engine_info *current, struct record *record,
               struct engine_notes *out);

#endif
