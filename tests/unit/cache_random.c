/* Any sequence of calls leaves a cache as a model of it says. */
#include "cache_helpers.h"
#include "random.h"

#define KEYS  40
#define ITEMS 200

/* An entry, as the model sees it. Free while neither found nor held. */
struct item {
    struct cache_entry *entry;
    size_t key, holds;
    unsigned version;
    bool found; /* is the one of its key */
    bool added;
    uint64_t bytes, last_use;
};

struct model {
    struct item items[ITEMS];
    uint64_t used, now;
};

static struct item *model_find(struct model *m, size_t key)
{
    for (size_t i = 0; i < ITEMS; i++)
        if (m->items[i].found && m->items[i].key == key)
            return &m->items[i];
    return NULL;
}

static void model_settle(struct model *m, struct item *item)
{
    if (item->found || item->holds)
        return;
    m->used -= item->bytes;
    *item = (struct item){0};
}

static void model_drop(struct model *m, struct item *item)
{
    if (!item)
        return;
    item->found = false;
    model_settle(m, item);
}

static bool model_evict(struct model *m)
{
    size_t found = 0;
    for (size_t i = 0; i < ITEMS; i++)
        found += m->items[i].found;
    while (found-- > 0) {
        struct item *oldest = NULL;
        for (size_t i = 0; i < ITEMS; i++)
            if (m->items[i].found && (!oldest || m->items[i].last_use < oldest->last_use))
                oldest = &m->items[i];
        if (!oldest->holds) {
            model_drop(m, oldest);
            return true;
        }
        oldest->last_use = ++m->now;
    }
    return false;
}

static bool model_reserve(struct model *m, uint64_t bytes)
{
    while (m->used + bytes > BYTES)
        if (!model_evict(m))
            return false;
    return true;
}

static struct item *model_unused(struct model *m)
{
    for (size_t i = 0; i < ITEMS; i++)
        if (!m->items[i].found && !m->items[i].holds)
            return &m->items[i];
    return NULL;
}

/* An item that is held, NULL when it guessed wrong too often. */
static struct item *model_held(struct model *m, struct random *r)
{
    for (size_t tries = 0; tries < 100; tries++) {
        struct item *item = &m->items[random_below(r, ITEMS)];
        if (item->holds)
            return item;
    }
    return NULL;
}

/* Begins an entry that takes `bytes`, in both. */
static void step_begin(struct model *m, struct cache *cache, struct cache *vast, struct random *r)
{
    char name[16];
    size_t key = random_below(r, KEYS);
    size_t size = random_below(r, random_below(r, 8) ? BYTES / 32 : BYTES / 3);
    unsigned version = (unsigned)random_below(r, 3);
    uint64_t before = used(vast);
    struct item *item = model_unused(m);
    if (!item)
        return;
    key_name(key, name);
    struct cache_entry *probe = begin(vast, name, version, size); /* tells what it takes */
    uint64_t bytes = used(vast) - before;
    cache_unref(probe);
    struct cache_entry *entry = begin(cache, name, version, size);
    bool fits = bytes <= BYTES / 4 && model_reserve(m, bytes);
    assert_int_equal(entry != NULL, fits);
    if (!fits)
        return;
    *item =
        (struct item){.entry = entry, .key = key, .holds = 1, .version = version, .bytes = bytes};
    m->used += bytes;
}

static void step_add(struct model *m, struct cache *cache, struct random *r)
{
    struct item *item = model_held(m, r);
    if (!item || item->added)
        return;
    model_drop(m, model_find(m, item->key));
    item->added = item->found = true;
    item->last_use = ++m->now;
    cache_add(cache, item->entry);
}

static void step_get(struct model *m, struct cache *cache, struct random *r)
{
    char name[16];
    size_t key = random_below(r, KEYS);
    struct item *item = model_find(m, key);
    unsigned version = item && random_below(r, 8) ? item->version : (unsigned)random_below(r, 3);
    key_name(key, name);
    struct cache_entry *entry = get(cache, name, version);
    if (!item || item->version != version) {
        assert_null(entry);
        model_drop(m, item);
        return;
    }
    assert_ptr_equal(entry, item->entry);
    assert_entry(entry, name, version, entry->size);
    item->last_use = ++m->now;
    item->holds++;
}

static void step_unref(struct model *m, struct random *r)
{
    struct item *item = model_held(m, r);
    if (!item)
        return;
    cache_unref(item->entry);
    item->holds--;
    model_settle(m, item);
}

static void step_drop(struct model *m, struct cache *cache, struct random *r)
{
    char name[16];
    size_t key = random_below(r, KEYS);
    key_name(key, name);
    cache_drop(cache, name, strlen(name));
    model_drop(m, model_find(m, key));
}

static void step_clear(struct model *m, struct cache *cache)
{
    cache_clear(cache);
    for (size_t i = 0; i < ITEMS; i++)
        if (m->items[i].found)
            model_drop(m, &m->items[i]);
}

static void any_sequence_of_calls_keeps_the_order_of_use_and_the_bound(void **state)
{
    (void)state;
    static struct model m;
    struct cache *cache, *vast;
    struct random r = random_new();
    assert_int_equal(cache_new(BYTES, &cache), 0);
    assert_int_equal(cache_new(BYTES * 100, &vast), 0);
    m = (struct model){.used = used(cache)};
    for (size_t i = 0; i < 200000; i++) {
        size_t what = random_below(&r, 100);
        if (what < 20)
            step_begin(&m, cache, vast, &r);
        else if (what < 38)
            step_add(&m, cache, &r);
        else if (what < 60)
            step_get(&m, cache, &r);
        else if (what < 96 - i / 1000 % 20) /* the more is held, the less fits */
            step_unref(&m, &r);
        else if (what < 99)
            step_drop(&m, cache, &r);
        else if (random_below(&r, 10) == 0)
            step_clear(&m, cache);
        assert_int_equal(used(cache), m.used);
        assert_true(m.used <= BYTES);
    }
    for (size_t i = 0; i < ITEMS; i++)
        for (; m.items[i].holds; m.items[i].holds--)
            cache_unref(m.items[i].entry);
    cache_free(cache);
    cache_free(vast);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sequence_of_calls_keeps_the_order_of_use_and_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
