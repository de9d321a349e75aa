/* The log of changes: the store's own, and those of other programs. */
#include "store_helpers.h"
#include "tempdir.h"

#include <time.h>

#define FOLLOW_MS 20000 /* the promise is one second; a busy machine is given more */

struct fixture {
    diskv *store;
    char dir[TEMPDIR_SIZE];
};

static int setup(void **state, const struct diskv_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    return diskv_open(f->dir, options, &f->store);
}

static int memory(void **state)
{
    return setup(state, &(struct diskv_options){.engine = "memory"});
}

static int fs(void **state)
{
    return setup(state, &(struct diskv_options){.sync = DISKV_SYNC_NONE});
}

static int watched(void **state)
{
    return setup(state, &(struct diskv_options){.sync = DISKV_SYNC_NONE, .watch = true});
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

/* Changes as words: "+key" for a value, "-key" for none. */
struct words {
    char text[4096];
    size_t len;
};

static int word_add(void *ctx, const struct diskv_change *change)
{
    struct words *words = ctx;
    int n =
        snprintf(words->text + words->len, sizeof words->text - words->len, "%s%c%.*s",
                 words->len ? " " : "", change->erased ? '-' : '+', (int)change->len, change->key);
    words->len += (size_t)n;
    return 0;
}

static void assert_changes(diskv *store, uint64_t *next, const char *prefix, const char *expected)
{
    struct words words = {0};
    assert_int_equal(diskv_changes_now(store, next, prefix, strlen(prefix), word_add, &words), 0);
    assert_string_equal(words.text, expected);
}

static int change_copy(void *ctx, const struct diskv_change *change)
{
    struct diskv_info *info = ctx;
    info->size = change->size;
    info->modified = change->modified;
    snprintf(info->etag, sizeof info->etag, "%s", change->etag);
    return 0;
}

static int change_count(void *ctx, const struct diskv_change *change)
{
    (void)change;
    size_t *count = ctx;
    ++*count;
    return 0;
}

/* Follows the changes until the last of them is `+until`. */
static void follow(diskv *store, uint64_t *next, const char *until, struct words *words)
{
    size_t len = strlen(until);
    for (int ms = 0;; ms += 10) {
        assert_int_equal(diskv_changes_now(store, next, "", 0, word_add, words), 0);
        if (words->len >= len && strcmp(words->text + words->len - len, until) == 0)
            return;
        assert_true(ms < FOLLOW_MS);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static void file_below(const struct fixture *f, const char *name, const char *text)
{
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, name);
    file_write(path, text);
}

/* --- The store's own changes --- */

static void each_change_comes_once_in_the_order_in_which_they_were_made(void **state)
{
    const struct fixture *f = *state;
    uint64_t next = diskv_changes_next(f->store);
    assert_int_equal(store_put(f->store, "a", "1"), 0);
    assert_int_equal(store_put(f->store, "b/c", "2"), 0);
    assert_int_equal(store_put(f->store, "a", "3"), 0);
    struct diskv_move move = {.from = "a", .from_len = 1, .to = "d", .to_len = 1};
    assert_int_equal(diskv_move_wait(f->store, &move), 0);
    assert_int_equal(store_erase(f->store, "b/c"), 0);
    assert_int_equal(store_erase(f->store, "b/c"), DISKV_ENOTFOUND);
    assert_changes(f->store, &next, "", "+a +b/c +a -a +d -b/c");
    assert_changes(f->store, &next, "", "");
}

static void a_change_says_what_the_value_is(void **state)
{
    const struct fixture *f = *state;
    uint64_t next = diskv_changes_next(f->store);
    struct diskv_info told = {0};
    assert_int_equal(store_put(f->store, "a", "hello"), 0);
    assert_int_equal(diskv_changes_now(f->store, &next, "", 0, change_copy, &told), 0);
    struct diskv_info info = store_stat(f->store, "a");
    assert_int_equal(told.size, 5);
    assert_string_equal(told.etag, info.etag);
    assert_memory_equal(&told.modified, &info.modified, sizeof info.modified);
}

static void what_is_kept_beside_a_value_changes_it(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(store_put(f->store, "a", "hello"), 0);
    uint64_t next = diskv_changes_next(f->store);
    struct diskv_info told = {0}, info;
    const struct diskv_write_options options = {.type = "text/x-a"};
    assert_int_equal(diskv_annotate_wait(f->store, "a", 1, &options, &info), 0);
    assert_int_equal(diskv_changes_now(f->store, &next, "", 0, change_copy, &told), 0);
    assert_string_equal(told.etag, info.etag);
}

static void only_keys_that_begin_with_the_prefix_are_visited(void **state)
{
    const struct fixture *f = *state;
    uint64_t next = diskv_changes_next(f->store);
    assert_int_equal(store_put(f->store, "a/1", ""), 0);
    assert_int_equal(store_put(f->store, "b/1", ""), 0);
    assert_int_equal(store_put(f->store, "a/2", ""), 0);
    assert_changes(f->store, &next, "a/", "+a/1 +a/2");
    assert_int_equal(next, diskv_changes_next(f->store));
}

static int stop(void *ctx, const struct diskv_change *change)
{
    (void)change;
    const int *rc = ctx;
    return *rc;
}

static void a_visit_that_stops_is_gone_on_with_behind_or_before_the_change(void **state)
{
    const struct fixture *f = *state;
    uint64_t next = diskv_changes_next(f->store), before = next;
    assert_int_equal(store_put(f->store, "a", ""), 0);
    assert_int_equal(store_put(f->store, "b", ""), 0);
    int rc = DISKV_ENOMEM;
    assert_int_equal(diskv_changes_now(f->store, &next, "", 0, stop, &rc), DISKV_ENOMEM);
    assert_int_equal(next, before);
    rc = 1;
    assert_int_equal(diskv_changes_now(f->store, &next, "", 0, stop, &rc), 1);
    assert_changes(f->store, &next, "", "+b");
}

static void count_news(void *ctx)
{
    atomic_int *count = ctx;
    atomic_fetch_add(count, 1);
}

static void news_are_told_until_nobody_wants_them(void **state)
{
    const struct fixture *f = *state;
    atomic_int count = 0;
    struct diskv_changes_watch watch = {.news = count_news, .ctx = &count};
    diskv_changes_watch(f->store, &watch);
    assert_int_equal(store_put(f->store, "a", ""), 0);
    assert_int_equal(store_erase(f->store, "a"), 0);
    assert_int_equal(atomic_load(&count), 2);
    diskv_changes_unwatch(f->store, &watch);
    assert_int_equal(store_put(f->store, "a", ""), 0);
    assert_int_equal(atomic_load(&count), 2);
}

/* --- Where the log does not reach back --- */

static void assert_stale(diskv *store, uint64_t next)
{
    struct words words = {0};
    assert_int_equal(diskv_changes_now(store, &next, "", 0, word_add, &words), DISKV_ESTALE);
    assert_string_equal(words.text, "");
}

static void the_oldest_changes_go_when_there_are_too_many(void **state)
{
    const struct fixture *f = *state;
    uint64_t oldest = diskv_changes_next(f->store);
    size_t seen = 0;
    for (int i = 0; i < 40000; i++)
        assert_int_equal(store_put(f->store, i % 2 ? "a" : "b", ""), 0);
    assert_stale(f->store, oldest);
    uint64_t next = oldest + 40000 - 20000;
    assert_int_equal(diskv_changes_now(f->store, &next, "", 0, change_count, &seen), 0);
    assert_int_equal(seen, 20000);
}

static void the_oldest_changes_go_when_their_keys_are_too_long(void **state)
{
    const struct fixture *f = *state;
    uint64_t oldest = diskv_changes_next(f->store);
    char key[DISKV_KEY_MAX];
    memset(key, 'k', sizeof key);
    for (int i = 0; i < 6000; i++) {
        memcpy(key, &(char[]){(char)('a' + i % 20), (char)('a' + i / 20 % 20)}, 2);
        assert_int_equal(diskv_put(f->store, key, sizeof key, "", 0, NULL), 0);
    }
    assert_stale(f->store, oldest);
    size_t seen = 0;
    uint64_t next = oldest + 3000;
    assert_int_equal(diskv_changes_now(f->store, &next, "", 0, change_count, &seen), 0);
    assert_int_equal(seen, 3000);
}

static void numbers_of_another_run_are_not_of_this_one(void **state)
{
    struct fixture *f = *state;
    uint64_t next = diskv_changes_next(f->store);
    assert_int_equal(store_put(f->store, "a", ""), 0);
    assert_stale(f->store, 0);
    assert_stale(f->store, 1);
    assert_stale(f->store, next + 2);
    assert_stale(f->store, UINT64_MAX);
    diskv_close(f->store);
    assert_int_equal(diskv_open(f->dir, NULL, &f->store), 0);
    assert_stale(f->store, next);
    assert_stale(f->store, next + 1);
}

static void a_rescan_tells_what_came_and_went_and_that_more_may_have_changed(void **state)
{
    const struct fixture *f = *state;
    char path[STORE_PATH_SIZE];
    assert_int_equal(store_put(f->store, "gone", ""), 0);
    assert_int_equal(store_put(f->store, "stays", ""), 0);
    uint64_t next = diskv_changes_next(f->store);
    file_below(f, "new", "x");
    path_join(path, f->dir, "gone");
    assert_int_equal(unlink(path), 0);
    assert_changes(f->store, &next, "", "");
    assert_int_equal(diskv_rescan_wait(f->store), 0);
    assert_stale(f->store, next);
    next = diskv_changes_next(f->store);
    assert_int_equal(diskv_rescan_wait(f->store), 0);
    assert_stale(f->store, next);
}

/* --- Other programs' changes --- */

static void the_files_of_other_programs_are_followed(void **state)
{
    const struct fixture *f = *state;
    struct words words = {0};
    char path[STORE_PATH_SIZE];
    uint64_t next = diskv_changes_next(f->store);
    file_below(f, "a", "1");
    follow(f->store, &next, "+a", &words);
    path_join(path, f->dir, "a");
    assert_int_equal(unlink(path), 0);
    file_below(f, "b", "2"); /* told of behind what was before it */
    words = (struct words){0};
    follow(f->store, &next, "+b", &words);
    assert_non_null(strstr(words.text, "-a"));
}

/* Looks come in the order of names: what the file z shows was looked at behind all of the rest. */
static void the_stores_own_changes_are_not_told_again_by_the_watches(void **state)
{
    const struct fixture *f = *state;
    struct words words = {0};
    uint64_t next = diskv_changes_next(f->store);
    assert_int_equal(store_put(f->store, "a", "1"), 0);
    assert_int_equal(store_put(f->store, "a", "2"), 0);
    assert_int_equal(store_put(f->store, "d/e/f", "3"), 0);
    assert_int_equal(store_put(f->store, "g", "4"), 0);
    assert_int_equal(store_erase(f->store, "g"), 0);
    file_below(f, "y", "");
    follow(f->store, &next, "+y", &words);
    file_below(f, "z", "");
    follow(f->store, &next, "+z", &words);
    assert_string_equal(words.text, "+a +a +d/e/f +g -g +y +z");
}

static void a_directory_that_replaces_another_changes_the_values_in_it(void **state)
{
    const struct fixture *f = *state;
    struct words words = {0};
    char from[STORE_PATH_SIZE], to[STORE_PATH_SIZE], away[STORE_PATH_SIZE];
    assert_int_equal(store_put(f->store, "a/sub/k", "1"), 0);
    assert_int_equal(store_put(f->store, "b/sub/k", "22"), 0);
    uint64_t next = diskv_changes_next(f->store);
    file_below(f, "x", ""); /* behind what the two writes are told of */
    follow(f->store, &next, "+x", &words);
    path_join(from, f->dir, "b");
    path_join(to, f->dir, "a");
    path_join(away, f->dir, ".diskv/a");
    assert_int_equal(rename(to, away), 0);
    assert_int_equal(rename(from, to), 0);
    file_below(f, "y", "");
    words = (struct words){0};
    follow(f->store, &next, "+y", &words);
    assert_non_null(strstr(words.text, "+a/sub/k"));
    assert_non_null(strstr(words.text, "-b/sub/k"));
}

/* --- */

#define CASE(setup, name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define CASES(setup)                                                                 \
    CASE(setup, each_change_comes_once_in_the_order_in_which_they_were_made),        \
        CASE(setup, a_change_says_what_the_value_is),                                \
        CASE(setup, what_is_kept_beside_a_value_changes_it),                         \
        CASE(setup, only_keys_that_begin_with_the_prefix_are_visited),               \
        CASE(setup, a_visit_that_stops_is_gone_on_with_behind_or_before_the_change), \
        CASE(setup, news_are_told_until_nobody_wants_them)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(memory),
        CASES(fs),
        CASE(memory, the_oldest_changes_go_when_there_are_too_many),
        CASE(memory, the_oldest_changes_go_when_their_keys_are_too_long),
        CASE(fs, numbers_of_another_run_are_not_of_this_one),
        CASE(fs, a_rescan_tells_what_came_and_went_and_that_more_may_have_changed),
        CASE(watched, the_files_of_other_programs_are_followed),
        CASE(watched, the_stores_own_changes_are_not_told_again_by_the_watches),
        CASE(watched, a_directory_that_replaces_another_changes_the_values_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
