/* What every engine owes: the same cases against each. */
#include "engine_helpers.h"
#include "layout.h"
#include "random.h"
#include "tempdir.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct engine *engine;
    struct workers *workers;
    struct layout layout;
    char dir[TEMPDIR_SIZE];
};

static int memory_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    return f ? engine_memory_new(&f->engine) : -1;
}

static int fs_layout_setup(void **state, const char *layout)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    if (workers_new(4, &f->workers) || layout_parse(layout, &f->layout))
        return -1;
    int fd = open(f->dir, O_RDONLY | O_DIRECTORY);
    const struct engine_fs_options options = {.layout = &f->layout, .workers = f->workers};
    int rc = engine_fs_open(fd, &options, &f->engine);
    close(fd);
    return rc;
}

static int fs_setup(void **state)
{
    return fs_layout_setup(state, "path");
}

static int fs_flat_setup(void **state)
{
    return fs_layout_setup(state, "flat");
}

static int fs_split_1_setup(void **state)
{
    return fs_layout_setup(state, "split:1");
}

static int fs_split_3_setup(void **state)
{
    return fs_layout_setup(state, "split:3");
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    workers_free(f->workers);
    f->engine->ops->free(f->engine);
    if (*f->dir)
        tempdir_remove(f->dir);
    free(f);
    return 0;
}

static struct engine *engine_of(void **state)
{
    return ((struct fixture *)*state)->engine;
}

static int put(struct engine *e, const char *key, const char *value)
{
    return engine_put(e, key, strlen(key), value, strlen(value), (struct engine_commit){0}, NULL);
}

static int erase(struct engine *e, const char *key)
{
    return engine_erase_wait(e, key, strlen(key), NULL, NULL);
}

static void assert_value(struct engine *e, const char *key, const char *expected)
{
    char *value = engine_get(e, key, strlen(key));
    if (expected) {
        assert_non_null(value);
        assert_string_equal(value, expected);
    } else {
        assert_null(value);
    }
    free(value);
}

static void a_value_is_read_back_with_all_that_was_kept(void **state)
{
    struct engine *e = engine_of(state);
    const struct engine_commit commit = {
        .mtime = {1234567890, 123456789}, .type = "text/plain", .record = "{\"a\":1}"};
    bool created = false;
    assert_int_equal(engine_put(e, "k", 1, "value", 5, commit, &created), 0);
    assert_true(created);
    struct engine_info info;
    assert_int_equal(e->ops->stat(e, "k", 1, &info), 0);
    assert_int_equal(info.size, 5);
    assert_int_equal(info.mtime.tv_sec, 1234567890);
    assert_int_equal(info.mtime.tv_nsec, 123456789);
    assert_string_equal(info.type, "text/plain");
    assert_string_equal(info.record, "{\"a\":1}");
    assert_value(e, "k", "value");
}

static void points_are_kept_for_whoever_asks_for_them(void **state)
{
    struct engine *e = engine_of(state);
    uint8_t points[ENGINE_POINTS_MAX], buf[ENGINE_POINTS_MAX];
    for (size_t i = 0; i < sizeof points; i++)
        points[i] = (uint8_t)(i * 7);
    static const size_t sizes[] = {0, 1, sizeof points};
    for (size_t i = 0; i < array_len(sizes); i++) {
        const struct engine_commit commit = {
            .points = points, .points_len = sizes[i], .record = "{}"};
        struct engine_reader *r;
        assert_int_equal(engine_put(e, "k", 1, "v", 1, commit, NULL), 0);
        assert_int_equal(engine_open_wait(e, "k", 1, &r), 0);
        assert_int_equal(e->ops->points(r, buf), sizes[i]);
        assert_memory_equal(buf, points, sizes[i]);
        e->ops->close(r);
    }
}

static void the_identity_is_told_without_opening(void **state)
{
    struct engine *e = engine_of(state);
    static const char *const keys[] = {"a", "a/b", "a/b/c", "d/e"};
    uint8_t ident[ENGINE_IDENT_LEN];
    for (size_t i = 0; i < array_len(keys); i++)
        assert_int_equal(put(e, keys[i], keys[i]), 0);
    for (size_t i = 0; i < array_len(keys); i++) {
        struct engine_info info;
        assert_int_equal(e->ops->stat(e, keys[i], strlen(keys[i]), &info), 0);
        assert_int_equal(e->ops->identify(e, keys[i], strlen(keys[i]), ident), 0);
        assert_memory_equal(ident, info.ident, ENGINE_IDENT_LEN);
    }
    static const char *const missing[] = {"d", "x", "x/y", "a/b/c/d"};
    for (size_t i = 0; i < array_len(missing); i++)
        assert_int_equal(e->ops->identify(e, missing[i], strlen(missing[i]), ident),
                         DISKV_ENOTFOUND);
}

static void a_commit_without_a_write_stores_an_empty_value(void **state)
{
    struct engine *e = engine_of(state);
    assert_int_equal(put(e, "empty", ""), 0);
    assert_value(e, "empty", "");
}

static void a_missing_key_is_not_found(void **state)
{
    struct engine *e = engine_of(state);
    struct engine_reader *r;
    struct engine_info info;
    assert_int_equal(engine_open_wait(e, "none", 4, &r), DISKV_ENOTFOUND);
    assert_int_equal(engine_open_wait(e, "none/deeper", 11, &r), DISKV_ENOTFOUND);
    assert_int_equal(e->ops->stat(e, "none", 4, &info), DISKV_ENOTFOUND);
    assert_int_equal(erase(e, "none"), DISKV_ENOTFOUND);
    assert_int_equal(erase(e, "none/deeper"), DISKV_ENOTFOUND);
}

static void a_second_value_replaces_the_first_and_its_attributes(void **state)
{
    struct engine *e = engine_of(state);
    struct engine_info first, second;
    const struct engine_commit typed = {.type = "text/plain", .record = "{}"};
    assert_int_equal(engine_put(e, "k", 1, "one", 3, typed, NULL), 0);
    assert_int_equal(e->ops->stat(e, "k", 1, &first), 0);
    bool created = true;
    assert_int_equal(engine_put(e, "k", 1, "two", 3, (struct engine_commit){0}, &created), 0);
    assert_false(created);
    assert_int_equal(e->ops->stat(e, "k", 1, &second), 0);
    assert_string_equal(second.type, "");
    assert_string_equal(second.record, "");
    assert_memory_not_equal(first.ident, second.ident, ENGINE_IDENT_LEN);
    assert_value(e, "k", "two");
}

static void a_reader_sees_the_value_as_it_was_when_opened(void **state)
{
    struct engine *e = engine_of(state);
    struct engine_reader *r;
    char buf[8] = {0};
    size_t got;
    assert_int_equal(put(e, "k", "old"), 0);
    assert_int_equal(engine_open_wait(e, "k", 1, &r), 0);
    assert_int_equal(put(e, "k", "new value"), 0);
    assert_int_equal(engine_read_wait(r, buf, sizeof buf, 0, &got), 0);
    assert_string_equal(buf, "old");
    assert_int_equal(erase(e, "k"), 0);
    assert_int_equal(engine_read_wait(r, buf, 2, 1, &got), 0);
    assert_int_equal(got, 2);
    assert_memory_equal(buf, "ld", 2);
    assert_int_equal(engine_read_wait(r, buf, sizeof buf, 3, &got), 0);
    assert_int_equal(got, 0);
    e->ops->close(r);
}

static void an_aborted_value_is_never_seen(void **state)
{
    struct engine *e = engine_of(state);
    struct engine_writer *w;
    assert_int_equal(put(e, "k", "old"), 0);
    assert_int_equal(e->ops->begin(e, "k", 1, &w), 0);
    assert_int_equal(engine_write_wait(w, "new", 3), 0);
    e->ops->abort(w);
    assert_int_equal(e->ops->begin(e, "other", 5, &w), 0);
    e->ops->abort(w);
    assert_value(e, "k", "old");
    assert_value(e, "other", NULL);
}

static void a_value_written_in_parts_is_whole(void **state)
{
    struct engine *e = engine_of(state);
    enum { PART = 700 * 1024, PARTS = 5 };
    char *part = malloc(PART), *all = malloc(PART * PARTS);
    struct engine_writer *w;
    assert_int_equal(e->ops->begin(e, "large", 5, &w), 0);
    for (int i = 0; i < PARTS; i++) {
        memset(part, 'a' + i, PART);
        assert_int_equal(engine_write_wait(w, part, PART), 0);
    }
    assert_int_equal(engine_commit_wait(w, (struct engine_commit){0}, NULL), 0);
    struct engine_reader *r;
    size_t got;
    assert_int_equal(engine_open_wait(e, "large", 5, &r), 0);
    assert_int_equal(r->info.size, PART * PARTS);
    assert_int_equal(engine_read_wait(r, all, PART * PARTS, 0, &got), 0);
    assert_int_equal(got, PART * PARTS);
    for (int i = 0; i < PARTS; i++) {
        assert_int_equal(all[i * PART], 'a' + i);
        assert_int_equal(all[(i + 1) * PART - 1], 'a' + i);
    }
    e->ops->close(r);
    free(all);
    free(part);
}

static void import_file(struct engine *e, const char *dir, const char *text, bool share)
{
    char path[TEMPDIR_SIZE + 8];
    snprintf(path, sizeof path, "%s/source", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    const struct engine_commit commit = {.type = "text/plain", .record = "{}"};
    assert_int_equal(engine_import(e, "d/k", 3, path, share, commit), 0);
    assert_int_equal(unlink(path), 0);
    struct engine_info info;
    assert_int_equal(e->ops->stat(e, "d/k", 3, &info), 0);
    assert_string_equal(info.type, "text/plain");
    assert_string_equal(info.record, "{}");
    assert_value(e, "d/k", text);
}

static void a_file_becomes_a_value_and_may_go_then(void **state)
{
    struct engine *e = engine_of(state);
    char dir[TEMPDIR_SIZE];
    tempdir_new(dir);
    import_file(e, dir, "copied", false);
    import_file(e, dir, "shared", true);
    import_file(e, dir, "", false);
    import_file(e, dir, "", true);
    tempdir_remove(dir);
}

static void only_a_regular_file_becomes_a_value(void **state)
{
    struct engine *e = engine_of(state);
    const struct engine_commit none = {0};
    assert_int_equal(engine_import(e, "k", 1, "/var/tmp", false, none), DISKV_EINVAL);
    assert_int_equal(engine_import(e, "k", 1, "/dev/null", true, none), DISKV_EINVAL);
    assert_int_equal(engine_import(e, "k", 1, "/proc/self/exe", true, none), DISKV_EINVAL);
    assert_int_equal(engine_import(e, "k", 1, "/var/tmp/none/x", true, none), DISKV_ENOTFOUND);
    assert_value(e, "k", NULL);
}

static void clearing_removes_every_value_there_was_but_none_that_is_being_written(void **state)
{
    struct engine *e = engine_of(state);
    static const char *const keys[] = {"a", "a/b", "a/b/c", "d/e/f/g", ".diskv/x", "%"};
    struct engine_reader *r;
    struct engine_writer *w;
    char buf[8] = "";
    size_t got;
    assert_int_equal(engine_clear_wait(e, false), 0);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < array_len(keys); i++)
            assert_int_equal(put(e, keys[i], keys[i]), 0);
        assert_int_equal(engine_open_wait(e, "a/b", 3, &r), 0);
        assert_int_equal(e->ops->begin(e, "d/e", 3, &w), 0);
        assert_int_equal(engine_write_wait(w, "new", 3), 0);
        assert_int_equal(engine_clear_wait(e, round), 0);
        for (size_t i = 0; i < array_len(keys); i++)
            assert_value(e, keys[i], NULL);
        assert_int_equal(engine_commit_wait(w, (struct engine_commit){0}, NULL), 0);
        assert_value(e, "d/e", "new");
        assert_int_equal(engine_read_wait(r, buf, sizeof buf, 0, &got), 0);
        assert_string_equal(buf, "a/b");
        e->ops->close(r);
    }
}

static int refuse(void *ctx, const struct engine_info *current)
{
    (void)current;
    ++*(int *)ctx;
    return DISKV_EPRECONDITION;
}

static int only_if_absent(void *ctx, const struct engine_info *current)
{
    (void)ctx;
    return current ? DISKV_EPRECONDITION : 0;
}

static int only_if_size(void *ctx, const struct engine_info *current)
{
    return current && current->size == *(uint64_t *)ctx ? 0 : DISKV_EPRECONDITION;
}

static void a_guard_decides_on_a_change_from_the_value_as_it_is(void **state)
{
    struct engine *e = engine_of(state);
    int asked = 0;
    uint64_t size = 3;
    const struct engine_commit refused = {.guard = refuse, .guard_ctx = &asked};
    const struct engine_commit absent = {.guard = only_if_absent};
    const struct engine_commit sized = {.guard = only_if_size, .guard_ctx = &size};
    assert_int_equal(engine_put(e, "d/k", 3, "x", 1, refused, NULL), DISKV_EPRECONDITION);
    assert_true(asked > 0);
    assert_value(e, "d/k", NULL);
    assert_int_equal(engine_put(e, "d/k", 3, "x", 1, sized, NULL), DISKV_EPRECONDITION);
    assert_int_equal(engine_put(e, "d/k", 3, "one", 3, absent, NULL), 0);
    assert_int_equal(engine_put(e, "d/k", 3, "two", 3, absent, NULL), DISKV_EPRECONDITION);
    assert_value(e, "d/k", "one");
    assert_int_equal(engine_put(e, "d/k", 3, "longer", 6, sized, NULL), 0);
    assert_int_equal(engine_erase_wait(e, "d/k", 3, only_if_size, &size), DISKV_EPRECONDITION);
    assert_value(e, "d/k", "longer");
    size = 6;
    assert_int_equal(engine_erase_wait(e, "d/k", 3, only_if_size, &size), 0);
    assert_value(e, "d/k", NULL);
    assert_int_equal(engine_erase_wait(e, "d/k", 3, refuse, &asked), DISKV_ENOTFOUND);
}

static const char *const awkward_keys[] = {
    "a",
    "a/b",
    "a/b/c",
    "a/",
    "a//b",
    "/a",
    "/",
    "//",
    ".",
    "..",
    "../x",
    "./a",
    "a/./b",
    "a/../b",
    ".diskv",
    ".diskv/x",
    ".diskv/tmp/1.1",
    "a/.diskv",
    "%",
    "%25",
    "%value",
    "a/%value",
    "%_",
    "%2E",
    "%+",
    "a%+/b",
    "\x01",
    "a\nb",
    "\x7f",
    "\xc3\xbc",
    "\xf0\x9f\x92\xbe/\xe2\x82\xac",
    " ",
    " a ",
    "A",
    "aa",
    "aaa",
    "aaaaaa",
    "aaaaaaa",
    "aaabbb",
    "con",
    "a\\b",
    "a:b",
    "\"",
    "'",
    "~",
    "#",
    "?",
    "*",
    "<b>",
};

static void awkward_keys_are_distinct_values_in_both_orders(void **state)
{
    struct engine *e = engine_of(state);
    char long_key[1001];
    memset(long_key, 'x', 1000);
    size_t n = array_len(awkward_keys);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            const char *key = awkward_keys[round ? n - 1 - i : i];
            assert_int_equal(put(e, key, key), 0);
        }
        for (size_t len = 200; len <= 1000; len += 20)
            assert_int_equal(
                engine_put(e, long_key, len, long_key, len, (struct engine_commit){0}, NULL), 0);
        for (size_t i = 0; i < n; i++)
            assert_value(e, awkward_keys[i], awkward_keys[i]);
        for (size_t len = 200; len <= 1000; len += 20) {
            struct engine_info info;
            assert_int_equal(e->ops->stat(e, long_key, len, &info), 0);
            assert_int_equal(info.size, len);
            assert_int_equal(engine_erase_wait(e, long_key, len, NULL, NULL), 0);
        }
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(erase(e, awkward_keys[i]), 0);
            assert_value(e, awkward_keys[i], NULL);
            for (size_t k = i + 1; k < n; k++) {
                struct engine_info info;
                assert_int_equal(e->ops->stat(e, awkward_keys[k], strlen(awkward_keys[k]), &info),
                                 0);
            }
        }
    }
}

struct visit {
    struct engine *engine;
    char places[512][ENGINE_PLACE_MAX];
    size_t count, keys;
    uint64_t sum;
};

static uint64_t key_sum(const char *key, size_t len)
{
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (unsigned char)key[i]) * 1099511628211u;
    return sum;
}

static int visit_key(void *ctx, const char *key, size_t len)
{
    struct visit *v = ctx;
    v->keys++;
    v->sum += key_sum(key, len);
    return 0;
}

static int visit_place(void *ctx, const char *name, size_t len)
{
    struct visit *v = ctx;
    assert_true(v->count < array_len(v->places));
    memcpy(v->places[v->count++], name, len + 1);
    return 0;
}

static void scanning_all_places_meets_each_key_once(void **state)
{
    struct engine *e = engine_of(state);
    uint64_t expected = 0;
    for (size_t i = 0; i < array_len(awkward_keys); i++) {
        assert_int_equal(put(e, awkward_keys[i], "v"), 0);
        expected += key_sum(awkward_keys[i], strlen(awkward_keys[i]));
    }
    struct visit *v = calloc(1, sizeof *v);
    const struct engine_visitor visitor = {v, visit_key, visit_place};
    visit_place(v, "", 0);
    for (size_t i = 0; i < v->count; i++) {
        struct engine_place place, stamp;
        assert_int_equal(e->ops->scan(e, v->places[i], &visitor, &place), 0);
        assert_int_equal(e->ops->stamp(e, v->places[i], &stamp), 0);
        assert_int_equal(place.foreign, 0);
    }
    assert_int_equal(v->keys, array_len(awkward_keys));
    assert_int_equal(v->sum, expected);
    struct engine_place gone;
    assert_int_equal(e->ops->stamp(e, "no/such/place", &gone), DISKV_ENOTFOUND);
    free(v);
}

struct racer {
    struct engine *engine;
    unsigned number;
    int failed, won;
};

static void *race_for_absent(void *arg)
{
    struct racer *r = arg;
    char value[16];
    snprintf(value, sizeof value, "%u", r->number);
    const struct engine_commit absent = {.guard = only_if_absent};
    int rc = engine_put(r->engine, "race/k", 6, value, strlen(value), absent, NULL);
    r->won = rc == 0;
    r->failed = rc && rc != DISKV_EPRECONDITION;
    return NULL;
}

static void run_racers(struct engine *e, void *(*race)(void *), struct racer *racers, size_t n)
{
    pthread_t threads[32];
    for (size_t i = 0; i < n; i++) {
        racers[i] = (struct racer){.engine = e, .number = (unsigned)i};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(racers[i].failed, 0);
}

static void of_racing_guarded_writes_exactly_one_wins(void **state)
{
    struct engine *e = engine_of(state);
    for (int round = 0; round < 10; round++) {
        struct racer racers[16];
        run_racers(e, race_for_absent, racers, array_len(racers));
        int winners = 0;
        char value[16] = "";
        for (size_t i = 0; i < array_len(racers); i++) {
            winners += racers[i].won;
            if (racers[i].won)
                snprintf(value, sizeof value, "%zu", i);
        }
        assert_int_equal(winners, 1);
        assert_value(e, "race/k", value);
        assert_int_equal(erase(e, "race/k"), 0);
    }
}

/* Each racer has keys of its own in directories that all share, so that they come and go all the
 * time; its last change decides what is there. */
static void *race_in_shared_directories(void *arg)
{
    struct racer *r = arg;
    struct random random = {r->number + 1};
    static const char *const dirs[] = {"", "d/", "d/e/", "d/e/f/", "d/x"};
    for (int i = 0; i < 300 && !r->failed; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%u", dirs[random_below(&random, array_len(dirs))], r->number);
        bool writes = random_below(&random, 2);
        int rc = writes ? put(r->engine, key, key) : erase(r->engine, key);
        char *value = engine_get(r->engine, key, strlen(key));
        if (writes ? rc || !value || strcmp(value, key) != 0
                   : (rc && rc != DISKV_ENOTFOUND) || value)
            r->failed = 1;
        free(value);
    }
    return NULL;
}

static void writes_and_erases_that_share_directories_do_not_disturb_each_other(void **state)
{
    struct racer racers[8];
    run_racers(engine_of(state), race_in_shared_directories, racers, array_len(racers));
}

/* Even racers own keys "s/N", the directories of which are the values "s" and "s/N" of odd ones. */
static void *race_value_against_directory(void *arg)
{
    struct racer *r = arg;
    char key[64];
    snprintf(key, sizeof key, r->number % 2 ? "s/%u" : "s/%u/deep/er", r->number / 2);
    for (int i = 0; i < 100 && !r->failed; i++) {
        char value[32];
        snprintf(value, sizeof value, "%u.%d", r->number, i);
        r->failed = put(r->engine, key, value) != 0;
        char *got = engine_get(r->engine, key, strlen(key));
        r->failed |= !got || strcmp(got, value) != 0;
        free(got);
        if (i % 3 == 0)
            r->failed |= erase(r->engine, key) != 0;
    }
    return NULL;
}

static void a_key_and_keys_below_it_come_and_go_without_conflict(void **state)
{
    struct racer racers[8];
    run_racers(engine_of(state), race_value_against_directory, racers, array_len(racers));
}

static atomic_bool reading;

static void *read_always(void *arg)
{
    struct racer *r = arg;
    while (atomic_load(&reading) && !r->failed) {
        char *value = engine_get(r->engine, "a", 1);
        r->failed = !value || strcmp(value, "value of a") != 0;
        free(value);
    }
    return NULL;
}

static void a_reader_never_misses_a_value_that_becomes_a_directory(void **state)
{
    struct engine *e = engine_of(state);
    struct racer racer = {.engine = e};
    pthread_t thread;
    assert_int_equal(put(e, "a", "value of a"), 0);
    atomic_store(&reading, true);
    assert_int_equal(pthread_create(&thread, NULL, read_always, &racer), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(put(e, "a/b", "x"), 0);
        assert_int_equal(put(e, "a", "value of a"), 0);
        assert_int_equal(erase(e, "a/b"), 0);
        assert_int_equal(put(e, "a", "value of a"), 0);
    }
    atomic_store(&reading, false);
    pthread_join(thread, NULL);
    assert_int_equal(racer.failed, 0);
}

#define CASE(setup, name)                              \
    {                                                  \
#setup ": " #name, name, setup, teardown, NULL \
    }
#define CASES(setup)                                                                        \
    CASE(setup, a_value_is_read_back_with_all_that_was_kept),                               \
        CASE(setup, points_are_kept_for_whoever_asks_for_them),                             \
        CASE(setup, the_identity_is_told_without_opening),                                  \
        CASE(setup, a_commit_without_a_write_stores_an_empty_value),                        \
        CASE(setup, a_missing_key_is_not_found),                                            \
        CASE(setup, a_second_value_replaces_the_first_and_its_attributes),                  \
        CASE(setup, a_reader_sees_the_value_as_it_was_when_opened),                         \
        CASE(setup, an_aborted_value_is_never_seen),                                        \
        CASE(setup, a_value_written_in_parts_is_whole),                                     \
        CASE(setup, a_file_becomes_a_value_and_may_go_then),                                \
        CASE(setup, only_a_regular_file_becomes_a_value),                                   \
        CASE(setup, clearing_removes_every_value_there_was_but_none_that_is_being_written), \
        CASE(setup, a_guard_decides_on_a_change_from_the_value_as_it_is),                   \
        CASE(setup, awkward_keys_are_distinct_values_in_both_orders),                       \
        CASE(setup, scanning_all_places_meets_each_key_once),                               \
        CASE(setup, of_racing_guarded_writes_exactly_one_wins),                             \
        CASE(setup, writes_and_erases_that_share_directories_do_not_disturb_each_other),    \
        CASE(setup, a_key_and_keys_below_it_come_and_go_without_conflict),                  \
        CASE(setup, a_reader_never_misses_a_value_that_becomes_a_directory)

#define LAYOUT_CASES(setup)                                                              \
    CASE(setup, clearing_removes_every_value_there_was_but_none_that_is_being_written),  \
        CASE(setup, a_missing_key_is_not_found),                                         \
        CASE(setup, awkward_keys_are_distinct_values_in_both_orders),                    \
        CASE(setup, scanning_all_places_meets_each_key_once),                            \
        CASE(setup, writes_and_erases_that_share_directories_do_not_disturb_each_other), \
        CASE(setup, a_key_and_keys_below_it_come_and_go_without_conflict)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(memory_setup),
        CASES(fs_setup),
        LAYOUT_CASES(fs_flat_setup),
        LAYOUT_CASES(fs_split_1_setup),
        LAYOUT_CASES(fs_split_3_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
