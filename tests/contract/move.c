/* Values that get other keys: the same cases over each kind of store. */
#include "store_kinds.h"

#include <pthread.h>
#include <time.h>

#define LARGE (2 * 1024 * 1024)

KIND(fs, .sync = DISKV_SYNC_NONE)
KIND(fs_durable, .sync = DISKV_SYNC_ALWAYS)
KIND(fs_with_gzip_and_cache, .compress = "gzip", .cache_bytes = 16 << 20, .sync = DISKV_SYNC_NONE)
KIND(fs_split, .layout = "split:2", .sync = DISKV_SYNC_NONE)
KIND(memory, .engine = "memory")
KIND(memory_with_zlib_and_cache, .engine = "memory", .compress = "zlib", .cache_bytes = 16 << 20)

/* --- What the cases share --- */

static const struct diskv_field note = {"x-meta-a", "1"};
static const struct diskv_write_options noted = {
    .type = "text/x", .fields = &note, .field_count = 1};

static struct diskv_move from_to(const char *from, const char *to)
{
    return (struct diskv_move){
        .from = from, .from_len = strlen(from), .to = to, .to_len = strlen(to)};
}

static int move(diskv *store, const char *from, const char *to)
{
    struct diskv_move m = from_to(from, to);
    return diskv_move_wait(store, &m);
}

static int put_noted(diskv *store, const char *key, const char *value)
{
    return diskv_put(store, key, strlen(key), value, strlen(value), &noted);
}

/* The type, and the value of the only field there may be. */
static void assert_kept(diskv *store, const char *key, const char *type, const char *value)
{
    struct diskv_field field;
    diskv_reader *reader = store_reader(store, key);
    assert_string_equal(diskv_reader_info(reader)->type, type);
    assert_int_equal(diskv_fields_at(diskv_reader_fields(reader), 0, &field), value != NULL);
    if (value)
        assert_string_equal(field.value, value);
    assert_false(diskv_fields_at(diskv_reader_fields(reader), 1, &field));
    diskv_reader_close(reader);
}

/* --- Over every kind --- */

static void a_moved_value_has_the_other_key_alone_and_is_what_it_was(void **state)
{
    const struct fixture *f = *state;
    struct diskv_move m = from_to("d/a", "e/f/b");
    assert_int_equal(put_noted(f->store, "d/a", "value"), 0);
    struct diskv_info before = store_stat(f->store, "d/a");
    assert_int_equal(diskv_move_wait(f->store, &m), 0);
    assert_int_equal(store_has(f->store, "d/a"), 0);
    assert_value(f->store, "e/f/b", "value");
    assert_kept(f->store, "e/f/b", "text/x", "1");
    struct diskv_info after = store_stat(f->store, "e/f/b");
    assert_string_equal(after.etag, before.etag);
    assert_memory_equal(&after.modified, &before.modified, sizeof before.modified);
    assert_true(m.created);
    assert_string_equal(m.info.etag, before.etag);
    assert_string_equal(m.info.type, "text/x");
    assert_int_equal(m.info.size, 5);
    assert_memory_equal(&m.info.modified, &before.modified, sizeof before.modified);
    assert_walk(f->store, "", "e/f/b");
}

static void a_move_replaces_a_value_and_open_readers_keep_theirs(void **state)
{
    const struct fixture *f = *state;
    struct diskv_move m = from_to("a", "b");
    assert_int_equal(store_put(f->store, "a", "moved"), 0);
    assert_int_equal(put_noted(f->store, "b", "replaced"), 0);
    diskv_reader *a = store_reader(f->store, "a"), *b = store_reader(f->store, "b");
    assert_int_equal(diskv_move_wait(f->store, &m), 0);
    assert_false(m.created);
    assert_reads(a, "moved");
    assert_reads(b, "replaced");
    assert_value(f->store, "b", "moved");
    assert_kept(f->store, "b", "", NULL);
    assert_int_equal(store_has(f->store, "a"), 0);
    assert_walk(f->store, "", "b");
}

static void a_large_value_replaces_a_large_one(void **state)
{
    const struct fixture *f = *state;
    char *bytes = malloc(LARGE + 1);
    bytes[LARGE] = '\0';
    for (char c = 'a'; c <= 'b'; c++) {
        memset(bytes, c, LARGE);
        assert_int_equal(store_put(f->store, c == 'a' ? "a" : "b", bytes), 0);
    }
    assert_int_equal(move(f->store, "b", "a"), 0);
    assert_value(f->store, "a", bytes);
    assert_walk(f->store, "", "a");
    free(bytes);
}

static void a_value_moves_into_the_directory_of_its_name_and_out_of_it(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    assert_int_equal(move(f->store, "a", "a/b"), 0);
    assert_walk(f->store, "", "a/b");
    assert_int_equal(move(f->store, "a/b", "a/b/c"), 0);
    assert_walk(f->store, "", "a/b/c");
    assert_int_equal(move(f->store, "a/b/c", "a"), 0);
    assert_walk(f->store, "", "a");
    assert_value(f->store, "a", "value");
    assert_int_equal(store_put(f->store, "a/b", "other"), 0);
    assert_int_equal(move(f->store, "a", "a/c"), 0);
    assert_int_equal(move(f->store, "a/b", "a"), 0);
    assert_value(f->store, "a", "other");
    assert_value(f->store, "a/c", "value");
    assert_walk(f->store, "", "a a/c");
    assert_int_equal(move(f->store, "a", "a/c"), 0);
    assert_value(f->store, "a/c", "other");
    assert_walk(f->store, "", "a/c");
}

static void a_value_takes_a_key_that_is_a_directory_of_others_and_leaves_it(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "d/e/k", "below"), 0);
    assert_int_equal(store_put(f->store, "x", "value"), 0);
    assert_int_equal(move(f->store, "x", "d"), 0);
    assert_value(f->store, "d", "value");
    assert_int_equal(move(f->store, "d", "d/e"), 0);
    assert_value(f->store, "d/e", "value");
    assert_walk(f->store, "", "d/e d/e/k");
    assert_int_equal(move(f->store, "d/e", "x"), 0);
    assert_walk(f->store, "", "d/e/k x");
    assert_value(f->store, "d/e/k", "below");
}

static void what_is_given_beside_takes_the_place_of_what_was_kept(void **state)
{
    const struct fixture *f = *state;
    static const struct diskv_field other = {"x-meta-b", "2"};
    const struct diskv_write_options metadata = {
        .type = "text/y", .fields = &other, .field_count = 1};
    const struct diskv_write_options none = {0};
    assert_int_equal(put_noted(f->store, "a", "value"), 0);
    struct diskv_info before = store_stat(f->store, "a");
    struct diskv_move m = from_to("a", "b");
    m.metadata = &metadata;
    assert_int_equal(diskv_move_wait(f->store, &m), 0);
    assert_value(f->store, "b", "value");
    assert_kept(f->store, "b", "text/y", "2");
    struct diskv_info after = store_stat(f->store, "b");
    assert_string_not_equal(after.etag, before.etag);
    assert_string_equal(m.info.etag, after.etag);
    assert_string_equal(m.info.type, "text/y");
    assert_memory_equal(&after.modified, &before.modified, sizeof before.modified);
    m = from_to("b", "c");
    m.metadata = &none;
    assert_int_equal(diskv_move_wait(f->store, &m), 0);
    assert_kept(f->store, "c", "", NULL);
    m = from_to("c", "a");
    m.metadata = &noted;
    assert_int_equal(diskv_move_wait(f->store, &m), 0);
    assert_string_equal(store_stat(f->store, "a").etag, before.etag);
    assert_value(f->store, "a", "value");
}

static void what_cannot_be_kept_beside_is_refused_and_nothing_is_moved(void **state)
{
    const struct fixture *f = *state;
    char value[DISKV_META_MAX] = "";
    const struct diskv_field wrong = {"A", ""}, large = {"a", value};
    const struct diskv_write_options options[] = {{.type = "te\nxt"},
                                                  {.fields = &wrong, .field_count = 1},
                                                  {.fields = &large, .field_count = 1}};
    const int errors[] = {DISKV_EINVAL, DISKV_EINVAL, DISKV_EMETADATA};
    memset(value, 'x', sizeof value - 1);
    assert_int_equal(put_noted(f->store, "a", "value"), 0);
    for (int i = 0; i < 4; i++) {
        struct diskv_move m = from_to("a", "d/b");
        if (i == 3)
            value[sizeof value - 40] = '\0'; /* it is the record that has no room */
        m.metadata = &options[i < 3 ? i : 2];
        assert_int_equal(diskv_move_wait(f->store, &m), errors[i < 3 ? i : 2]);
        assert_kept(f->store, "a", "text/x", "1");
        assert_walk(f->store, "", "a");
    }
}

struct seen {
    unsigned calls;
    bool exists;
    int answer;
    struct diskv_info info;
};

static int guard(void *ctx, const struct diskv_info *current)
{
    struct seen *seen = ctx;
    seen->calls++;
    seen->exists = current;
    if (current)
        seen->info = *current;
    return seen->answer;
}

static struct diskv_move guarded(const char *from, const char *to, struct seen seen[2])
{
    struct diskv_move m = from_to(from, to);
    m.from_guard = m.to_guard = guard;
    m.from_guard_ctx = &seen[0];
    m.to_guard_ctx = &seen[1];
    return m;
}

static void a_missing_value_is_enotfound_and_no_guard_is_asked(void **state)
{
    const struct fixture *f = *state;
    struct seen seen[2] = {0};
    assert_int_equal(store_put(f->store, "d/k", "value"), 0);
    static const char *const missing[] = {"a", "d", "d/k/x"};
    for (size_t i = 0; i < 3; i++) {
        struct diskv_move m = guarded(missing[i], "d/k", seen);
        m.metadata = &noted;
        assert_int_equal(diskv_move_wait(f->store, &m), DISKV_ENOTFOUND);
        assert_int_equal(move(f->store, missing[i], "new/directory/k"), DISKV_ENOTFOUND);
    }
    assert_int_equal(seen[0].calls + seen[1].calls, 0);
    assert_value(f->store, "d/k", "value");
    assert_kept(f->store, "d/k", "", NULL);
    assert_walk(f->store, "", "d/k");
}

static void guards_see_what_each_key_has_and_either_refuses(void **state)
{
    const struct fixture *f = *state;
    static const char *const to[] = {"b", "new/k", "a/below"};
    assert_int_equal(put_noted(f->store, "a", "value"), 0);
    assert_int_equal(store_put(f->store, "b", "old"), 0);
    for (size_t i = 0; i < 3; i++) {
        for (int refuses = 0; refuses < 2; refuses++) {
            struct seen seen[2] = {0};
            seen[refuses].answer = DISKV_EPRECONDITION;
            struct diskv_move m = guarded("a", to[i], seen);
            m.metadata = &noted;
            assert_int_equal(diskv_move_wait(f->store, &m), DISKV_EPRECONDITION);
            assert_true(seen[refuses].calls > 0);
            assert_string_equal(seen[0].info.etag, store_stat(f->store, "a").etag);
            if (refuses)
                assert_int_equal(seen[1].exists, i == 0);
            assert_value(f->store, "a", "value");
            assert_value(f->store, "b", "old");
            assert_walk(f->store, "", "a b");
        }
    }
    struct seen seen[2] = {0};
    struct diskv_info old = store_stat(f->store, "b");
    struct diskv_move m = guarded("a", "b", seen);
    assert_int_equal(diskv_move_wait(f->store, &m), 0);
    assert_string_equal(seen[1].info.etag, old.etag);
    assert_walk(f->store, "", "b");
}

static void keys_that_are_none_and_one_key_twice_are_refused(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    assert_int_equal(move(f->store, "a", ""), DISKV_EKEY);
    assert_int_equal(move(f->store, "", "a"), DISKV_EKEY);
    assert_int_equal(move(f->store, "a", "\xff"), DISKV_EKEY);
    assert_int_equal(move(f->store, "a", "a"), DISKV_EINVAL);
    assert_value(f->store, "a", "value");
    assert_walk(f->store, "", "a");
}

/* Both keys are read, and cached, before and after each move. */
static void reads_after_a_move_never_find_what_was_there_before(void **state)
{
    const struct fixture *f = *state;
    const struct timespec pause = {.tv_nsec = 200000000};
    assert_int_equal(store_put(f->store, "a", "one"), 0);
    assert_int_equal(store_put(f->store, "b", "two"), 0);
    nanosleep(&pause, NULL);
    assert_value(f->store, "a", "one");
    assert_value(f->store, "b", "two");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(move(f->store, "a", "c"), 0);
        assert_int_equal(store_has(f->store, "a"), 0);
        assert_value(f->store, "c", "one");
        assert_int_equal(move(f->store, "b", "a"), 0);
        assert_value(f->store, "a", "two");
        assert_int_equal(move(f->store, "a", "b"), 0);
        char type[16];
        snprintf(type, sizeof type, "text/%d", i);
        const struct diskv_write_options metadata = {.type = type};
        struct diskv_move m = from_to("c", "a");
        m.metadata = &metadata;
        assert_int_equal(diskv_move_wait(f->store, &m), 0);
        assert_kept(f->store, "a", type, NULL);
        assert_value(f->store, "a", "one");
        assert_value(f->store, "b", "two");
    }
    assert_walk(f->store, "", "a b");
}

/* --- Many at once --- */

#define PAIRS 100

struct follower {
    diskv *store;
    int missed, doubled;
};

static void pair_key(char out[16], char side, int i)
{
    snprintf(out, 16, i % 2 ? "%c%d/k" : "%c%d", side, i);
}

/* Each value moves once: so what is no longer under the first key must be under the other, and what
 * is under the other can no longer be under the first. */
static void *follow(void *arg)
{
    struct follower *f = arg;
    char from[16], to[16];
    for (int i = 0; i < PAIRS; i++) {
        pair_key(from, 'a', i);
        pair_key(to, 'b', i);
        for (bool moved = false; !moved;) {
            moved = store_has(f->store, to);
            if (moved)
                f->doubled += store_has(f->store, from);
            else if (!store_has(f->store, from))
                f->missed += !store_has(f->store, to);
        }
    }
    return NULL;
}

static void a_reader_of_both_keys_never_sees_both_or_none(void **state)
{
    const struct fixture *f = *state;
    struct follower follower = {.store = f->store};
    pthread_t thread;
    char from[16], to[16];
    for (int i = 0; i < PAIRS; i++) {
        pair_key(from, 'a', i);
        assert_int_equal(store_put(f->store, from, "value"), 0);
    }
    assert_int_equal(pthread_create(&thread, NULL, follow, &follower), 0);
    for (int i = 0; i < PAIRS; i++) {
        pair_key(from, 'a', i);
        pair_key(to, 'b', i);
        assert_int_equal(move(f->store, from, to), 0);
    }
    pthread_join(thread, NULL);
    assert_int_equal(follower.missed, 0);
    assert_int_equal(follower.doubled, 0);
}

struct mover {
    diskv *store;
    unsigned number;
    int failed;
};

static const char *const contested[] = {"k", "k/a", "k/a/b", "k/c", "l/m"};

/* Puts, moves and erases keys that others do too; some are directories of others. */
static void *move_about(void *arg)
{
    struct mover *m = arg;
    unsigned random = m->number + 1;
    for (int i = 0; i < 150 && !m->failed; i++) {
        random = random * 1103515245 + 12345;
        unsigned a = random >> 16 & 0xff, what = random >> 24 & 0x0f;
        const char *from = contested[a % 5], *to = contested[(a % 5 + 1 + a / 5 % 4) % 5];
        int rc = what < 5   ? store_put(m->store, from, "value")
                 : what < 7 ? store_erase(m->store, from)
                            : move(m->store, from, to);
        m->failed = rc == DISKV_ENOTFOUND ? 0 : rc;
    }
    return NULL;
}

static void the_index_is_in_step_after_moves_of_the_same_keys_by_many(void **state)
{
    const struct fixture *f = *state;
    struct mover movers[6];
    pthread_t threads[6];
    char expected[64] = "";
    for (unsigned i = 0; i < 6; i++) {
        movers[i] = (struct mover){.store = f->store, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, move_about, &movers[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(movers[i].failed, 0);
    }
    uint64_t keys = 0;
    for (size_t i = 0; i < 5; i++) {
        if (!store_has(f->store, contested[i]))
            continue;
        size_t len = strlen(expected);
        snprintf(expected + len, sizeof expected - len, "%s%s", len ? " " : "", contested[i]);
        assert_value(f->store, contested[i], "value");
        keys++;
    }
    struct diskv_stats stats;
    diskv_stats(f->store, &stats);
    assert_int_equal(stats.keys, keys);
    assert_walk(f->store, "", expected);
}

/* --- Files --- */

static void directories_that_a_move_leaves_empty_are_gone(void **state)
{
    const struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    assert_int_equal(store_put(f->store, "d/e/k", "value"), 0);
    assert_int_equal(move(f->store, "d/e/k", "x"), 0);
    path_join(path, f->dir, "d");
    assert_false(file_exists(path));
    assert_int_equal(dir_count(f->dir, ".diskv"), 1);
    assert_nothing_left_in_tmp(f->dir);
}

static void a_file_of_another_program_moves_as_it_is(void **state)
{
    const struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "a");
    file_write(path, "by hand");
    struct stat before = file_stat(path);
    struct diskv_move m = from_to("a", "d/b");
    assert_int_equal(diskv_move_wait(f->store, &m), 0);
    path_join(path, f->dir, "d/b");
    assert_file(path, "by hand");
    assert_int_equal(file_stat(path).st_ino, before.st_ino);
    assert_string_equal(m.info.etag, store_stat(f->store, "d/b").etag);
    m = from_to("d/b", "c");
    m.metadata = &noted;
    assert_int_equal(diskv_move_wait(f->store, &m), 0);
    assert_value(f->store, "c", "by hand");
    assert_kept(f->store, "c", "text/x", "1");
    assert_string_equal(m.info.etag, store_stat(f->store, "c").etag);
}

/* A link is no value, whatever it leads to. */
static void what_is_no_value_is_neither_moved_nor_replaced(void **state)
{
    const struct fixture *f = *state;
    char path[STORE_PATH_SIZE], note_path[STORE_PATH_SIZE];
    assert_int_equal(put_noted(f->store, "d/a", "value"), 0);
    path_join(path, f->dir, "link");
    assert_int_equal(symlink("d/a", path), 0);
    path_join(note_path, f->dir, "d/%foreign");
    file_write(note_path, "foreign");
    struct diskv_move m = from_to("d/a", "link");
    static const struct diskv_write_options none;
    m.metadata = &none;
    assert_int_equal(diskv_move_wait(f->store, &m), DISKV_ECONFLICT);
    assert_kept(f->store, "d/a", "text/x", "1");
    assert_int_equal(move(f->store, "d/a", "link/below"), DISKV_ECONFLICT);
    assert_int_equal(move(f->store, "link", "b"), DISKV_ENOTFOUND);
    assert_int_equal(file_stat(path).st_mode & S_IFMT, S_IFLNK);
    assert_int_equal(move(f->store, "d/a", "b"), 0);
    assert_file(note_path, "foreign");
    assert_walk(f->store, "", "b");
}

static void one_of_two_names_of_a_file_that_moves_to_the_other_is_gone(void **state)
{
    const struct fixture *f = *state;
    char a[STORE_PATH_SIZE], b[STORE_PATH_SIZE];
    path_join(a, f->dir, "a");
    path_join(b, f->dir, "b");
    assert_int_equal(store_put(f->store, "a", "value"), 0);
    assert_int_equal(link(a, b), 0);
    assert_int_equal(move(f->store, "a", "b"), 0);
    assert_false(file_exists(a));
    assert_value(f->store, "b", "value");
    assert_int_equal(store_has(f->store, "a"), 0);
}

#define CASES(setup)                                                                     \
    CASE_OF(setup, a_moved_value_has_the_other_key_alone_and_is_what_it_was),            \
        CASE_OF(setup, a_move_replaces_a_value_and_open_readers_keep_theirs),            \
        CASE_OF(setup, a_large_value_replaces_a_large_one),                              \
        CASE_OF(setup, a_value_moves_into_the_directory_of_its_name_and_out_of_it),      \
        CASE_OF(setup, a_value_takes_a_key_that_is_a_directory_of_others_and_leaves_it), \
        CASE_OF(setup, what_is_given_beside_takes_the_place_of_what_was_kept),           \
        CASE_OF(setup, what_cannot_be_kept_beside_is_refused_and_nothing_is_moved),      \
        CASE_OF(setup, a_missing_value_is_enotfound_and_no_guard_is_asked),              \
        CASE_OF(setup, guards_see_what_each_key_has_and_either_refuses),                 \
        CASE_OF(setup, keys_that_are_none_and_one_key_twice_are_refused),                \
        CASE_OF(setup, reads_after_a_move_never_find_what_was_there_before),             \
        CASE_OF(setup, a_reader_of_both_keys_never_sees_both_or_none),                   \
        CASE_OF(setup, the_index_is_in_step_after_moves_of_the_same_keys_by_many)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(fs),
        CASES(fs_with_gzip_and_cache),
        CASES(fs_split),
        CASES(memory),
        CASES(memory_with_zlib_and_cache),
        CASE_OF(fs_durable, a_moved_value_has_the_other_key_alone_and_is_what_it_was),
        CASE_OF(fs_durable, a_large_value_replaces_a_large_one),
        CASE_OF(fs_durable, a_value_moves_into_the_directory_of_its_name_and_out_of_it),
        CASE_OF(fs_durable, what_is_given_beside_takes_the_place_of_what_was_kept),
        CASE_OF(fs, directories_that_a_move_leaves_empty_are_gone),
        CASE_OF(fs, a_file_of_another_program_moves_as_it_is),
        CASE_OF(fs_with_gzip_and_cache, a_file_of_another_program_moves_as_it_is),
        CASE_OF(fs, what_is_no_value_is_neither_moved_nor_replaced),
        CASE_OF(fs, one_of_two_names_of_a_file_that_moves_to_the_other_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
