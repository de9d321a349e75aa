#include "store.h"

struct diskv_foreign_iter {
    struct engine *engine;
    struct engine_foreign *walk; /* NULL where there can be nothing foreign */
};

int diskv_foreign_open(diskv *store, diskv_foreign_iter **out)
{
    struct engine *engine = store->engine;
    diskv_foreign_iter *iter = calloc(1, sizeof *iter);
    if (!iter)
        return DISKV_ENOMEM;
    iter->engine = engine;
    int rc = engine->ops->foreign_open ? engine->ops->foreign_open(engine, &iter->walk) : 0;
    if (rc) {
        free(iter);
        return rc;
    }
    *out = iter;
    return 0;
}

int diskv_foreign_next(diskv_foreign_iter *iter, struct diskv_foreign *out)
{
    return iter->walk ? iter->engine->ops->foreign_next(iter->walk, out) : 0;
}

void diskv_foreign_close(diskv_foreign_iter *iter)
{
    if (!iter)
        return;
    if (iter->walk)
        iter->engine->ops->foreign_close(iter->walk);
    free(iter);
}
