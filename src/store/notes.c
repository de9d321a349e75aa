#include "notes.h"

int notes_take(struct notes *notes, const struct diskv_write_options *options)
{
    const char *type = options->type ? options->type : "";
    if (!type_valid(type))
        return DISKV_EINVAL;
    snprintf(notes->type, sizeof notes->type, "%s", type);
    return fields_set(&notes->fields, options->fields, options->field_count);
}

int notes_make(struct notes *notes, const struct engine_info *current, struct record *record,
               struct engine_notes *out)
{
    struct record bare = {.size = current->size, .mtime = current->mtime};
    if (!record)
        record = &bare;
    *out = (struct engine_notes){.type = notes->type, .record = notes->record};
    record->retyped = strcmp(current->type, notes->type) != 0;
    if (record->retyped) {
        snprintf(record->was_type, sizeof record->was_type, "%s", current->type);
        snprintf(record->type, sizeof record->type, "%s", notes->type);
        int rc = record_format(record, &notes->fields, notes->between);
        if (rc)
            return rc;
        out->between = notes->between;
        record->retyped = false;
    }
    return record_format(record, &notes->fields, notes->record);
}
