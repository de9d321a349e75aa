/* What the index notes of places. Several may read the same one, and one find that it is gone
 * meanwhile: what is found out late must not bring a note back, as a place that is known is not
 * read when it is met again. */
#include "store.h"

static int place_note_get(diskv *store, const char *name, size_t name_len, struct place_note *note,
                          size_t *len)
{
    char value[INDEX_NOTE_VALUE_MAX];
    *len = 0;
    memset(note, 0, sizeof *note);
    int rc = store->index->ops->note_get(store->index, name, name_len, value, len);
    if (*len > sizeof *note)
        *len = 0; /* of another version */
    memcpy(note, value, rc ? 0 : *len);
    return rc;
}

int place_note_begin(diskv *store, const char *name, size_t name_len, struct place_note *note,
                     size_t *len)
{
    pthread_mutex_lock(&store->places_lock);
    int rc = place_note_get(store, name, name_len, note, len);
    bool first = rc == DISKV_ENOTFOUND;
    if (first)
        rc = store->index->ops->note_set(store->index, name, name_len, "", 0);
    pthread_mutex_unlock(&store->places_lock);
    return rc ? rc : first;
}

int place_note_end(diskv *store, const char *name, size_t name_len, const struct place_note *note,
                   size_t len)
{
    const struct index_ops *ops = store->index->ops;
    struct place_note old;
    size_t old_len;
    pthread_mutex_lock(&store->places_lock);
    int rc = place_note_get(store, name, name_len, &old, &old_len);
    if (!rc)
        rc = ops->note_set(store->index, name, name_len, note, len);
    pthread_mutex_unlock(&store->places_lock);
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

int place_note_doubt(diskv *store, const char *name, size_t name_len)
{
    const struct index_ops *ops = store->index->ops;
    struct place_note note;
    size_t len;
    pthread_mutex_lock(&store->places_lock);
    int rc = place_note_get(store, name, name_len, &note, &len);
    if (!rc && len > PLACE_NOTE_HEAD)
        rc = ops->note_set(store->index, name, name_len, &note, PLACE_NOTE_HEAD);
    pthread_mutex_unlock(&store->places_lock);
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

int place_note_erase(diskv *store, const char *name, size_t name_len)
{
    pthread_mutex_lock(&store->places_lock);
    int rc = store->index->ops->note_erase(store->index, name, name_len);
    pthread_mutex_unlock(&store->places_lock);
    return rc;
}
