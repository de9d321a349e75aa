/* What is kept beside a value, over each engine: set with it, changed alone, read back. */
#include "store_helpers.h"
#include "tempdir.h"

#include <pthread.h>
#include <sys/xattr.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
    const char *engine;
    char dir[TEMPDIR_SIZE];
    diskv *store;
};

static void open_store(struct fixture *f, const char *compress)
{
    const struct diskv_options options = {
        .engine = f->engine, .compress = compress, .sync = DISKV_SYNC_NONE, .cache_bytes = 1 << 20};
    diskv_close(f->store);
    f->store = NULL;
    assert_int_equal(diskv_open(f->dir, &options, &f->store), 0);
}

static int setup(void **state, const char *engine)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->engine = engine;
    tempdir_new(f->dir);
    open_store(f, NULL);
    return 0;
}

static int setup_fs(void **state)
{
    return setup(state, "fs");
}

static int setup_memory(void **state)
{
    return setup(state, "memory");
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

/* --- What the cases share --- */

static const struct diskv_field three[] = {
    {"x-meta-z", "last"}, {"cache-control", "no-cache"}, {"x-meta-a", "gr\xc3\xbcn, \"\\"}};

static struct diskv_write_options with(const char *type, const struct diskv_field *fields,
                                       size_t count)
{
    return (struct diskv_write_options){.type = type, .fields = fields, .field_count = count};
}

static int put(diskv *store, const char *key, const char *value,
               const struct diskv_write_options *options)
{
    return diskv_put(store, key, strlen(key), value, strlen(value), options);
}

static int annotate(diskv *store, const char *key, const struct diskv_write_options *options)
{
    return diskv_annotate_wait(store, key, strlen(key), options, NULL);
}

/* The fields, as `name=value;` each, and the type in front. */
static void assert_notes(const diskv_reader *reader, const char *expected)
{
    char text[4096];
    struct diskv_field field;
    size_t len = (size_t)snprintf(text, sizeof text, "%s|", diskv_reader_info(reader)->type);
    for (size_t i = 0; diskv_fields_at(diskv_reader_fields(reader), i, &field); i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s=%s;", field.name, field.value);
    assert_string_equal(text, expected);
    assert_false(diskv_fields_at(diskv_reader_fields(reader), 1000, &field));
}

static void assert_kept(diskv *store, const char *key, const char *expected)
{
    static const enum diskv_read ways[] = {DISKV_READ_CACHED, DISKV_READ_DIRECT, DISKV_READ_STORED};
    for (size_t i = 0; i < COUNT(ways); i++) {
        diskv_reader *reader;
        assert_int_equal(diskv_reader_open_wait(store, key, strlen(key), ways[i], &reader), 0);
        assert_notes(reader, expected);
        diskv_reader_close(reader);
    }
}

#define THREE "cache-control=no-cache;x-meta-a=gr\xc3\xbcn, \"\\;x-meta-z=last;"

/* --- Fields of a write --- */

static void fields_come_back_in_the_order_of_their_names(void **state)
{
    struct fixture *f = *state;
    const struct diskv_write_options options = with("text/plain", three, COUNT(three));
    assert_int_equal(put(f->store, "k", "value", &options), 0);
    assert_kept(f->store, "k", "text/plain|" THREE);
    assert_value(f->store, "k", "value");
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    assert_kept(f->store, "k", "|");
}

static void what_is_no_field_is_refused_by_writes_and_annotations(void **state)
{
    static const struct diskv_field wrong[] = {
        {"", "v"},
        {"A", "v"},
        {"a b", "v"},
        {"a:", "v"},
        {"\xc3\xbc", "v"},
        {"a", "\n"},
        {"a", "\x7f"},
        {"a", "\t"},
        {"a", "\xff"},
        {"a", "\xc0\x80"},
        {"a", "\x01"},
        {"a\n", "v"},
        {"a\"", "v"},
        {"(", "v"},
        {"a/b", "v"},
        {"a65-bytes-long-name-is-one-byte-longer-than-the-longest-that-fits", "v"}};
    static const struct diskv_field twice[] = {{"a", "1"}, {"b", "1"}, {"a", "2"}};
    struct fixture *f = *state;
    struct diskv_write_options options;
    assert_int_equal(store_put(f->store, "k", "old"), 0);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        options = with("", &wrong[i], 1);
        assert_int_equal(put(f->store, "k", "new", &options), DISKV_EINVAL);
        assert_int_equal(annotate(f->store, "k", &options), DISKV_EINVAL);
    }
    options = with("", twice, COUNT(twice));
    assert_int_equal(put(f->store, "k", "new", &options), DISKV_EINVAL);
    assert_int_equal(annotate(f->store, "k", &options), DISKV_EINVAL);
    options = with("te\nxt", NULL, 0);
    assert_int_equal(annotate(f->store, "k", &options), DISKV_EINVAL);
    assert_int_equal(diskv_annotate_wait(f->store, "", 0, &options, NULL), DISKV_EKEY);
    assert_value(f->store, "k", "old");
    assert_kept(f->store, "k", "|");
}

/* Up to some length all is well, beyond it nothing is changed. */
static void fields_that_have_no_room_are_emetadata(void **state)
{
    struct fixture *f = *state;
    char value[DISKV_META_MAX + 1] = "";
    const struct diskv_field field = {"x", value};
    const struct diskv_write_options options = with("text/plain", &field, 1);
    size_t len = 1700;
    int rc = 0;
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    memset(value, '"', len / 2); /* each takes two bytes in JSON */
    assert_int_equal(annotate(f->store, "k", &options), 0);
    memset(value, 'x', len);
    for (; !rc && len < DISKV_META_MAX; len++) {
        value[len] = 'x';
        rc = annotate(f->store, "k", &options);
        assert_int_equal(put(f->store, "other", "value", &options), rc);
    }
    assert_int_equal(rc, DISKV_EMETADATA);
    assert_in_range(len, DISKV_META_MAX - 200, DISKV_META_MAX - 1);
    memset(value, '"', len / 2 + 50);
    value[len / 2 + 50] = '\0';
    assert_int_equal(annotate(f->store, "k", &options), DISKV_EMETADATA);
    diskv_reader *reader = store_reader(f->store, "k");
    struct diskv_field kept;
    assert_true(diskv_fields_at(diskv_reader_fields(reader), 0, &kept));
    assert_int_equal(strlen(kept.value), len - 1); /* the longest that fitted */
    diskv_reader_close(reader);
}

/* --- Annotations --- */

static void an_annotation_replaces_type_and_fields_and_leaves_the_value(void **state)
{
    struct fixture *f = *state;
    static const struct diskv_field one = {"x-meta-b", "1"};
    struct diskv_write_options options = with("text/plain", three, COUNT(three));
    assert_int_equal(put(f->store, "k", "value", &options), 0);
    struct diskv_info before = store_stat(f->store, "k"), out, after;
    options = with("text/html", &one, 1);
    assert_int_equal(diskv_annotate_wait(f->store, "k", 1, &options, &out), 0);
    assert_kept(f->store, "k", "text/html|x-meta-b=1;");
    assert_value(f->store, "k", "value");
    after = store_stat(f->store, "k");
    assert_memory_equal(&after.modified, &before.modified, sizeof before.modified);
    assert_memory_equal(&out.modified, &before.modified, sizeof before.modified);
    assert_string_not_equal(after.etag, before.etag);
    assert_string_equal(out.etag, after.etag);
    assert_string_equal(out.type, "text/html");
    assert_int_equal(out.size, 5);
    options = with(NULL, NULL, 0);
    assert_int_equal(annotate(f->store, "k", &options), 0);
    assert_kept(f->store, "k", "|");
    options = with("text/plain", three, COUNT(three));
    assert_int_equal(annotate(f->store, "k", &options), 0);
    assert_string_equal(store_stat(f->store, "k").etag, before.etag);
}

struct seen {
    unsigned calls;
    int answer;
    struct diskv_info info;
};

static int guard(void *ctx, const struct diskv_info *current)
{
    struct seen *seen = ctx;
    seen->calls++;
    assert_non_null(current);
    seen->info = *current;
    return seen->answer;
}

static void a_missing_key_is_enotfound_and_its_guard_is_not_asked(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {0};
    struct diskv_write_options options = with("text/plain", three, COUNT(three));
    options.guard = guard;
    options.guard_ctx = &seen;
    assert_int_equal(store_put(f->store, "d/k", "value"), 0);
    assert_int_equal(annotate(f->store, "k", &options), DISKV_ENOTFOUND);
    assert_int_equal(annotate(f->store, "d", &options), DISKV_ENOTFOUND);
    assert_int_equal(annotate(f->store, "d/k/k", &options), DISKV_ENOTFOUND);
    assert_int_equal(seen.calls, 0);
    assert_false(store_has(f->store, "k"));
}

static void a_guard_sees_the_value_as_it_is_and_decides(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {.answer = DISKV_EPRECONDITION};
    struct diskv_info out = {.size = 99};
    struct diskv_write_options options = with("text/plain", NULL, 0);
    assert_int_equal(put(f->store, "k", "value", &options), 0);
    struct diskv_info before = store_stat(f->store, "k");
    options = with("text/html", three, COUNT(three));
    options.guard = guard;
    options.guard_ctx = &seen;
    assert_int_equal(diskv_annotate_wait(f->store, "k", 1, &options, &out), DISKV_EPRECONDITION);
    assert_true(seen.calls > 0);
    assert_string_equal(seen.info.etag, before.etag);
    assert_string_equal(seen.info.type, "text/plain");
    assert_int_equal(seen.info.size, 5);
    assert_int_equal(out.size, 99);
    assert_kept(f->store, "k", "text/plain|");
    assert_string_equal(store_stat(f->store, "k").etag, before.etag);
    seen.answer = 0;
    assert_int_equal(diskv_annotate_wait(f->store, "k", 1, &options, &out), 0);
    assert_kept(f->store, "k", "text/html|" THREE);
}

static void a_reader_that_was_opened_before_keeps_its_type_fields_and_tag(void **state)
{
    struct fixture *f = *state;
    struct diskv_write_options options = with("text/plain", three, COUNT(three));
    assert_int_equal(put(f->store, "k", "value", &options), 0);
    diskv_reader *reader = store_reader(f->store, "k");
    struct diskv_info before = *diskv_reader_info(reader);
    options = with("text/html", NULL, 0);
    assert_int_equal(annotate(f->store, "k", &options), 0);
    assert_notes(reader, "text/plain|" THREE);
    assert_string_equal(diskv_reader_info(reader)->etag, before.etag);
    assert_reads(reader, "value");
    assert_kept(f->store, "k", "text/html|");
}

/* Many in a row: what was read and cached last is never taken for what is there now. */
static void a_reader_that_is_opened_after_has_the_new_ones(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    for (int i = 0; i < 1000; i++) {
        char number[16], expected[64];
        const struct diskv_field field = {"x-meta-n", number};
        const struct diskv_write_options options = with(i % 2 ? "text/plain" : "", &field, 1);
        snprintf(number, sizeof number, "%d", i);
        snprintf(expected, sizeof expected, "%s|x-meta-n=%d;", i % 2 ? "text/plain" : "", i);
        assert_int_equal(annotate(f->store, "k", &options), 0);
        assert_kept(f->store, "k", expected);
        assert_value(f->store, "k", "value");
    }
}

static void a_compressed_value_is_read_as_before(void **state)
{
    static const char *const codecs[] = {"gzip", "zlib"};
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(codecs); i++) {
        const struct diskv_write_options options = with("text/plain", three, COUNT(three));
        open_store(f, codecs[i]);
        assert_int_equal(store_put(f->store, "k", "value"), 0);
        assert_int_equal(annotate(f->store, "k", &options), 0);
        assert_value(f->store, "k", "value");
        assert_int_equal(store_stat(f->store, "k").size, 5);
        diskv_reader *reader = store_reader(f->store, "k");
        assert_string_equal(diskv_reader_codec(reader), codecs[i]);
        assert_notes(reader, "text/plain|" THREE);
        assert_reads(reader, "value");
    }
}

/* --- Entity tags --- */

static void equal_bytes_type_and_fields_have_the_same_tag_in_any_store(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.engine = f->engine};
    static const struct diskv_field shuffled[] = {
        {"x-meta-a", "gr\xc3\xbcn, \"\\"}, {"x-meta-z", "last"}, {"cache-control", "no-cache"}};
    struct diskv_write_options options = with("text/plain", three, COUNT(three));
    tempdir_new(other.dir);
    open_store(&other, "gzip");
    assert_int_equal(put(f->store, "k", "value", &options), 0);
    assert_int_equal(store_put(other.store, "another/key", "value"), 0);
    options.fields = shuffled;
    assert_int_equal(annotate(other.store, "another/key", &options), 0);
    assert_string_equal(store_stat(f->store, "k").etag,
                        store_stat(other.store, "another/key").etag);
    diskv_close(other.store);
    tempdir_remove(other.dir);
}

static void whatever_differs_makes_another_tag(void **state)
{
    static const struct {
        const char *type;
        struct diskv_field field;
    } notes[] = {{"", {"a", "bc"}}, {"", {"ab", "c"}}, {"", {"a", "b"}},  {"a", {"a", "b"}},
                 {"", {"a", ""}},   {"a", {"b", "c"}}, {"ab", {"c", "d"}}};
    char tags[COUNT(notes)][DISKV_ETAG_MAX + 1];
    struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "k", "value"), 0);
    for (size_t i = 0; i < COUNT(notes); i++) {
        const struct diskv_write_options options = with(notes[i].type, &notes[i].field, 1);
        assert_int_equal(annotate(f->store, "k", &options), 0);
        memcpy(tags[i], store_stat(f->store, "k").etag, sizeof tags[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(tags[i], tags[j]);
    }
}

/* --- Files, which other programs see too --- */

static void an_edit_in_place_keeps_type_and_fields(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE], before[DISKV_ETAG_MAX + 1];
    struct diskv_write_options options = with("text/plain", three, COUNT(three));
    assert_int_equal(put(f->store, "k", "value", &options), 0);
    memcpy(before, store_stat(f->store, "k").etag, sizeof before);
    path_join(path, f->dir, "k");
    file_write(path, "edited");
    assert_kept(f->store, "k", "text/plain|" THREE);
    assert_value(f->store, "k", "edited");
    assert_string_not_equal(store_stat(f->store, "k").etag, before);
    options = with("text/html", NULL, 0);
    assert_int_equal(annotate(f->store, "k", &options), 0);
    assert_kept(f->store, "k", "text/html|");
    assert_value(f->store, "k", "edited");
}

static void what_changes_beside_a_file_of_another_program_changes_its_tag(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE], last[DISKV_ETAG_MAX + 1] = "";
    path_join(path, f->dir, "k");
    file_write(path, "by hand");
    for (int i = 0; i < 100; i++) {
        char number[16];
        const struct diskv_field field = {"x-meta-n", number};
        const struct diskv_write_options options = with("", &field, 1);
        snprintf(number, sizeof number, "%d", i);
        assert_int_equal(annotate(f->store, "k", &options), 0);
        struct diskv_info info = store_stat(f->store, "k");
        assert_string_not_equal(info.etag, last);
        memcpy(last, info.etag, sizeof last);
    }
    assert_kept(f->store, "k", "|x-meta-n=99;");
    assert_value(f->store, "k", "by hand");
}

/* As a crash between the two leaves it: the record says from what to what, the type is the old. */
static void a_change_that_was_cut_off_is_whole(void **state)
{
    struct fixture *f = *state;
    char path[STORE_PATH_SIZE], record[DISKV_META_MAX];
    const struct diskv_write_options options = with("text/old", NULL, 0);
    assert_int_equal(put(f->store, "k", "value", &options), 0);
    path_join(path, f->dir, "k");
    ssize_t n = getxattr(path, "user.diskv", record, 1000);
    assert_in_range(n, 1, 999);
    assert_int_equal(record[n - 1], '}');
    n += snprintf(record + n - 1, 1000,
                  ",\"type\":[\"text/old\",\"text/new\"],\"fields\":{\"x-meta-a\":\"new\"}}");
    assert_int_equal(setxattr(path, "user.diskv", record, (size_t)n - 1, 0), 0);
    assert_kept(f->store, "k", "text/new|x-meta-a=new;");
    assert_int_equal(setxattr(path, "user.mime_type", "text/new", 8, 0), 0);
    assert_kept(f->store, "k", "text/new|x-meta-a=new;");
    assert_int_equal(setxattr(path, "user.mime_type", "text/mine", 9, 0), 0);
    assert_kept(f->store, "k", "text/mine|x-meta-a=new;"); /* another program's word counts */
}

/* --- Changes made from what is there --- */

/* Adds a field of its own to those that are there. */
struct amendment {
    diskv *store;
    int rc;
    char name[32];
    struct diskv_field fields[64];
    char type[DISKV_TYPE_MAX + 1];
};

static int amend(void *ctx, const struct diskv_info *current, const diskv_fields *fields,
                 struct diskv_write_options *notes)
{
    struct amendment *a = ctx;
    size_t count = 0;
    while (count < COUNT(a->fields) - 1 && diskv_fields_at(fields, count, &a->fields[count]))
        count++;
    a->fields[count++] = (struct diskv_field){a->name, "mine"};
    snprintf(a->type, sizeof a->type, "%s", current->type);
    *notes = with(a->type, a->fields, count);
    return a->rc;
}

static void *amend_once(void *ctx)
{
    struct amendment *a = ctx;
    a->rc = diskv_amend_wait(a->store, "k", 1, amend, a, NULL);
    return NULL;
}

static void changes_that_meet_are_all_there(void **state)
{
    struct fixture *f = *state;
    enum { THREADS = 32 };
    struct amendment all[THREADS];
    pthread_t threads[THREADS];
    char expected[1024] = "text/plain|";
    const struct diskv_write_options options = with("text/plain", NULL, 0);
    assert_int_equal(put(f->store, "k", "value", &options), 0);
    for (int i = 0; i < THREADS; i++) {
        all[i] = (struct amendment){.store = f->store};
        snprintf(all[i].name, sizeof all[i].name, "x-meta-%02d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, amend_once, &all[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(all[i].rc, 0);
        size_t len = strlen(expected);
        snprintf(expected + len, sizeof expected - len, "%s=mine;", all[i].name);
    }
    assert_kept(f->store, "k", expected);
    assert_value(f->store, "k", "value");
}

static void a_change_that_is_refused_or_is_none_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct amendment a = {.store = f->store, .name = "x-meta-a", .rc = DISKV_EPRECONDITION};
    const struct diskv_write_options options = with("text/plain", three, COUNT(three));
    assert_int_equal(put(f->store, "j", "value", &options), 0);
    assert_int_equal(diskv_amend_wait(f->store, "j", 1, amend, &a, NULL), DISKV_EPRECONDITION);
    a.rc = 0;
    snprintf(a.name, sizeof a.name, "No Token");
    assert_int_equal(diskv_amend_wait(f->store, "j", 1, amend, &a, NULL), DISKV_EINVAL);
    assert_kept(f->store, "j", "text/plain|" THREE);
    assert_int_equal(diskv_amend_wait(f->store, "none", 4, amend, &a, NULL), DISKV_ENOTFOUND);
    assert_int_equal(diskv_amend_wait(f->store, "", 0, amend, &a, NULL), DISKV_EKEY);
}

#define ON(engine, name)                                      \
    {                                                         \
#engine ": " #name, name, setup_##engine, teardown, 0 \
    }
#define CASE(name) ON(fs, name), ON(memory, name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fields_come_back_in_the_order_of_their_names),
        CASE(what_is_no_field_is_refused_by_writes_and_annotations),
        CASE(fields_that_have_no_room_are_emetadata),
        CASE(an_annotation_replaces_type_and_fields_and_leaves_the_value),
        CASE(a_missing_key_is_enotfound_and_its_guard_is_not_asked),
        CASE(a_guard_sees_the_value_as_it_is_and_decides),
        CASE(a_reader_that_was_opened_before_keeps_its_type_fields_and_tag),
        CASE(a_reader_that_is_opened_after_has_the_new_ones),
        CASE(a_compressed_value_is_read_as_before),
        CASE(equal_bytes_type_and_fields_have_the_same_tag_in_any_store),
        CASE(whatever_differs_makes_another_tag),
        CASE(changes_that_meet_are_all_there),
        CASE(a_change_that_is_refused_or_is_none_changes_nothing),
        ON(fs, an_edit_in_place_keeps_type_and_fields),
        ON(fs, what_changes_beside_a_file_of_another_program_changes_its_tag),
        ON(fs, a_change_that_was_cut_off_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
