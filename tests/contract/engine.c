/* What every engine owes: the same cases against each. */
#include "engine_kinds.h"

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

static void whether_there_was_a_value_is_told_whatever_was_committed_before(void **state)
{
    struct engine *e = engine_of(state);
    static const char keys[][2] = {"a", "a", "a", "b", "c", "c", "d", "a", "e"};
    for (size_t i = 0; i < array_len(keys); i++) {
        bool first = true, created = false;
        for (size_t before = 0; before < i; before++)
            first &= *keys[before] != *keys[i];
        assert_int_equal(engine_put(e, keys[i], 1, "v", 1, (struct engine_commit){0}, &created), 0);
        assert_int_equal(created, first);
    }
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
    assert_int_equal(e->ops->begin(e, &w), 0);
    assert_int_equal(engine_write_wait(w, "new", 3), 0);
    e->ops->abort(w);
    assert_int_equal(e->ops->begin(e, &w), 0);
    e->ops->abort(w);
    assert_value(e, "k", "old");
}

static void a_value_written_in_parts_is_whole(void **state)
{
    struct engine *e = engine_of(state);
    enum { PART = 700 * 1024, PARTS = 5 };
    char *part = malloc(PART), *all = malloc(PART * PARTS);
    struct engine_writer *w;
    assert_int_equal(e->ops->begin(e, &w), 0);
    for (int i = 0; i < PARTS; i++) {
        memset(part, 'a' + i, PART);
        assert_int_equal(engine_write_wait(w, part, PART), 0);
    }
    const struct engine_commit commit = {.key = "large", .len = 5};
    assert_int_equal(engine_commit_wait(w, commit, NULL), 0);
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

static void a_commit_may_change_what_was_written(void **state)
{
    struct engine *e = engine_of(state);
    struct engine_writer *w;
    assert_int_equal(e->ops->begin(e, &w), 0);
    assert_int_equal(engine_write_wait(w, "begin____", 9), 0);
    const struct engine_commit commit = {.key = "k",
                                         .len = 1,
                                         .data = "end",
                                         .data_len = 3,
                                         .patch = "ning",
                                         .patch_len = 4,
                                         .patch_offset = 5};
    assert_int_equal(engine_commit_wait(w, commit, NULL), 0);
    assert_value(e, "k", "beginningend");
}

static void a_commit_may_bring_the_last_bytes_or_all_of_them(void **state)
{
    struct engine *e = engine_of(state);
    for (int sync = 0; sync < 2; sync++) {
        const struct engine_commit commit = {
            .key = "k", .len = 1, .data = "end", .data_len = 3, .op.sync = sync};
        struct engine_writer *w;
        assert_int_equal(e->ops->begin(e, &w), 0);
        assert_int_equal(engine_commit_wait(w, commit, NULL), 0);
        assert_value(e, "k", "end");
        assert_int_equal(e->ops->begin(e, &w), 0);
        assert_int_equal(engine_write_wait(w, "begin ", 6), 0);
        assert_int_equal(engine_commit_wait(w, commit, NULL), 0);
        assert_value(e, "k", "begin end");
    }
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
        assert_int_equal(e->ops->begin(e, &w), 0);
        assert_int_equal(engine_write_wait(w, "new", 3), 0);
        assert_int_equal(engine_clear_wait(e, round), 0);
        for (size_t i = 0; i < array_len(keys); i++)
            assert_value(e, keys[i], NULL);
        const struct engine_commit commit = {.key = "d/e", .len = 3};
        assert_int_equal(engine_commit_wait(w, commit, NULL), 0);
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
    const struct engine_visitor visitor = {.ctx = v, .key = visit_key, .place = visit_place};
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

#define CASES(setup)                                                                        \
    CASE(setup, a_value_is_read_back_with_all_that_was_kept),                               \
        CASE(setup, points_are_kept_for_whoever_asks_for_them),                             \
        CASE(setup, the_identity_is_told_without_opening),                                  \
        CASE(setup, a_commit_without_a_write_stores_an_empty_value),                        \
        CASE(setup, a_missing_key_is_not_found),                                            \
        CASE(setup, a_second_value_replaces_the_first_and_its_attributes),                  \
        CASE(setup, whether_there_was_a_value_is_told_whatever_was_committed_before),       \
        CASE(setup, a_reader_sees_the_value_as_it_was_when_opened),                         \
        CASE(setup, an_aborted_value_is_never_seen),                                        \
        CASE(setup, a_value_written_in_parts_is_whole),                                     \
        CASE(setup, a_commit_may_change_what_was_written),                                  \
        CASE(setup, a_commit_may_bring_the_last_bytes_or_all_of_them),                      \
        CASE(setup, a_file_becomes_a_value_and_may_go_then),                                \
        CASE(setup, only_a_regular_file_becomes_a_value),                                   \
        CASE(setup, clearing_removes_every_value_there_was_but_none_that_is_being_written), \
        CASE(setup, a_guard_decides_on_a_change_from_the_value_as_it_is),                   \
        CASE(setup, awkward_keys_are_distinct_values_in_both_orders),                       \
        CASE(setup, scanning_all_places_meets_each_key_once)

#define LAYOUT_CASES(setup)                                                             \
    CASE(setup, clearing_removes_every_value_there_was_but_none_that_is_being_written), \
        CASE(setup, a_missing_key_is_not_found),                                        \
        CASE(setup, awkward_keys_are_distinct_values_in_both_orders),                   \
        CASE(setup, scanning_all_places_meets_each_key_once)

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
