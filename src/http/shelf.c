#include "shelf.h"
#include "diskv.h"
#include <stdlib.h>

/* Versions are given out one by one, so that values in use together have slots of their own. What
 * is not asked for any more stays until its slot is needed. */
struct shelf {
    struct slot {
        uint64_t version;
        struct MHD_Response *response; /* or NULL */
    } slots[SHELF_KINDS][SHELF_MAX];
};

int shelf_new(struct shelf **out)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? 0 : DISKV_ENOMEM;
}

static void slot_clear(struct slot *slot)
{
    if (slot->response != NULL)
        MHD_destroy_response(slot->response);
    slot->response = NULL;
}

void shelf_free(struct shelf *shelf)
{
    if (shelf == NULL)
        return;
    for (size_t i = 0; i < SHELF_KINDS * SHELF_MAX; i++)
        slot_clear(&shelf->slots[i / SHELF_MAX][i % SHELF_MAX]);
    free(shelf);
}

struct MHD_Response *shelf_find(const struct shelf *shelf, uint64_t version, enum shelf_kind kind)
{
    const struct slot *slot = &shelf->slots[kind][version % SHELF_MAX];

    return slot->version == version ? slot->response : NULL;
}

void shelf_add(struct shelf *shelf, uint64_t version, enum shelf_kind kind,
               struct MHD_Response *response)
{
    struct slot *slot = &shelf->slots[kind][version % SHELF_MAX];

    slot_clear(slot);
    *slot = (struct slot){.version = version, .response = response};
}
