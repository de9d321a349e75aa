#include "verify.h"

#include "buf.h"

struct walk {
    const struct walker *walker;
    struct buf places; /* to scan, each with its NUL: the last is next */
    int rc;            /* of the walker */
};

static int walk_key(void *ctx, const char *key, size_t len)
{
    struct walk *w = ctx;
    return w->rc = w->walker->key(w->walker->ctx, key, len);
}

static int walk_place(void *ctx, const char *name, size_t len)
{
    struct walk *w = ctx;
    w->rc = buf_add(&w->places, name, len);
    if (!w->rc)
        w->rc = buf_add(&w->places, "", 1);
    return w->rc;
}

static int walk_foreign(void *ctx, const char *name, const char *what)
{
    struct walk *w = ctx;
    return w->rc = w->walker->foreign ? w->walker->foreign(w->walker->ctx, name, what) : 0;
}

static void place_pop(struct buf *places, char name[static ENGINE_PLACE_MAX])
{
    size_t end = places->len - 1;
    const char *before = end ? memrchr(places->data, '\0', end) : NULL;
    size_t start = before ? (size_t)(before - places->data) + 1 : 0;
    snprintf(name, ENGINE_PLACE_MAX, "%s", places->data + start);
    places->len = start;
}

static int place_walk(struct walk *w, struct engine *engine, const char *name)
{
    const struct walker *to = w->walker;
    const struct engine_visitor visitor = {w, walk_key, walk_place, walk_foreign};
    struct engine_place place;
    int rc = to->place ? to->place(to->ctx, name) : 0;
    if (rc)
        return rc;
    rc = engine->ops->scan(engine, name, &visitor, &place);
    if (w->rc || !rc || rc == DISKV_ENOTFOUND)
        return w->rc;
    return to->closed ? to->closed(to->ctx, name, rc) : 0;
}

int verify_walk(struct engine *engine, const struct walker *walker)
{
    struct walk w = {.walker = walker};
    char name[ENGINE_PLACE_MAX];
    int rc = buf_add(&w.places, "", 1);
    while (!rc && w.places.len) {
        place_pop(&w.places, name);
        rc = place_walk(&w, engine, name);
    }
    buf_free(&w.places);
    return rc;
}
