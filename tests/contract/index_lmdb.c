/* What the LMDB index promises beyond the contract: it survives its process, and is never wrong. */
#include "lmdb_check.h"
#include "diskv.h"
#include "index.h"
#include "util.h"
#include "random.h"
#include "tempdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#define KEYS  400 /* numbers of keys; those that 3 divides are erased again */
#define NOTES 40
#define PAGE  4096

/* All damages are tried; under the sanitizer, where a look at each takes three times as long, only
 * every fourth. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 4
#else
#define STEP 1
#endif

struct fixture {
    struct random *random;
    char dir[TEMPDIR_SIZE];
    char data[TEMPDIR_SIZE + 8];
    char seal[TEMPDIR_SIZE + 8];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->random = *state;
    *state = f;
    tempdir_new(f->dir);
    snprintf(f->data, sizeof f->data, "%s/" INDEX_DATA_NAME, f->dir);
    snprintf(f->seal, sizeof f->seal, "%s/" INDEX_SEAL_NAME, f->dir);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

/* --- A content that uses every part of the file --- */

/* Every third key goes on behind LMDB's longest. */
static size_t make_key(char key[DISKV_KEY_MAX], size_t number)
{
    size_t same = number % 3 == 1 ? 600 : 1;
    memset(key, 'x', same);
    return same + (size_t)snprintf(key + same, 20, "%06zu", number * 7919 % 1000000);
}

static void apply_one(struct index *index, bool erase, size_t number)
{
    char key[DISKV_KEY_MAX];
    struct index_change one = {erase, key, make_key(key, number)};
    assert_int_equal(index->ops->apply(index, &one, 1), 0);
}

static void set_note(struct index *index, size_t number)
{
    char name[INDEX_NOTE_NAME_MAX];
    memset(name, 'n', sizeof name);
    assert_int_equal(index->ops->note_set(index, name, number * 100, &number, sizeof number), 0);
}

static bool has_key(struct index_cursor *c, size_t number)
{
    char key[DISKV_KEY_MAX];
    const char *found;
    size_t len = make_key(key, number), found_len;
    if (c->ops->cursor_seek(c, key, len))
        return false;
    c->ops->cursor_key(c, &found, &found_len);
    return bytes_compare(found, found_len, key, len) == 0;
}

/* How many keys a scan meets; they ascend. */
static size_t scan(struct index_cursor *c)
{
    char last[DISKV_KEY_MAX];
    size_t count = 0, last_len = 0;
    int rc = c->ops->cursor_seek(c, "", 0);
    for (; !rc; rc = c->ops->cursor_next(c)) {
        const char *key;
        size_t len;
        c->ops->cursor_key(c, &key, &len);
        assert_true(bytes_compare(last, last_len, key, len) < 0);
        memcpy(last, key, len);
        last_len = len;
        count++;
    }
    assert_int_equal(rc, DISKV_ENOTFOUND);
    return count;
}

static int count_note(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
    (void)name;
    size_t number = 0;
    assert_int_equal(len, sizeof number);
    memcpy(&number, value, len);
    assert_int_equal(name_len, number * 100);
    ++*(size_t *)ctx;
    return 0;
}

/* The index has the first `keys` keys but for those that 3 divides, `notes` notes, nothing else. */
static void assert_content(struct index *index, size_t keys, size_t notes)
{
    struct index_cursor *c;
    size_t expected = 0, noted = 0;
    assert_int_equal(index->ops->cursor_open(index, &c), 0);
    for (size_t i = 0; i < keys; i++) {
        assert_true(has_key(c, i) == (i % 3 != 0));
        expected += i % 3 != 0;
    }
    assert_int_equal(scan(c), expected);
    c->ops->cursor_close(c);
    assert_int_equal(index->ops->count(index), expected);
    assert_int_equal(index->ops->note_each(index, count_note, &noted), 0);
    assert_int_equal(noted, notes);
}

/* Adds keys from number `begin` on, so that there are `end`. */
static void add_keys(struct index *index, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        apply_one(index, false, i);
    for (size_t i = begin; i < end; i++)
        if (i % 3 == 0)
            apply_one(index, true, i);
}

static struct index *open_index(const struct fixture *f, bool expect_fresh)
{
    struct index *index;
    bool fresh;
    assert_int_equal(index_lmdb_open(f->dir, &fresh, &index), 0);
    assert_true(fresh == expect_fresh);
    return index;
}

static void fill(const struct fixture *f)
{
    struct index *index = open_index(f, true);
    add_keys(index, 0, KEYS);
    for (size_t i = 0; i < NOTES; i++)
        set_note(index, i);
    index->ops->free(index);
}

static void assert_fresh(const struct fixture *f)
{
    struct index *index = open_index(f, true);
    assert_content(index, 0, 0);
    index->ops->free(index);
}

/* --- Files --- */

struct file {
    size_t len;
    char *bytes;
};

static struct file file_read(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    struct file file = {(size_t)st.st_size, malloc((size_t)st.st_size)};
    assert_int_equal(read(fd, file.bytes, file.len), file.len);
    close(fd);
    return file;
}

static void file_write(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

/* --- Reopening --- */

static void a_missing_directory_is_made(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(rmdir(f->dir), 0);
    assert_fresh(f);
}

static void a_missing_parent_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct index *index;
    bool fresh;
    char dir[TEMPDIR_SIZE + 8];
    snprintf(dir, sizeof dir, "%s/no/dir", f->dir);
    assert_int_equal(index_lmdb_open(dir, &fresh, &index), DISKV_ENOTFOUND);
}

static void reopening_keeps_everything(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (size_t i = 0; i < 5; i++) {
        struct index *index = open_index(f, false);
        assert_content(index, KEYS + i * 30, NOTES);
        add_keys(index, KEYS + i * 30, KEYS + i * 30 + 30);
        index->ops->free(index);
    }
}

static void an_empty_index_is_not_fresh_the_second_time(void **state)
{
    struct fixture *f = *state;
    assert_fresh(f);
    struct index *index = open_index(f, false);
    assert_content(index, 0, 0);
    index->ops->free(index);
}

/* More entries than are copied in one transaction. */
static void a_large_index_is_reopened(void **state)
{
    struct fixture *f = *state;
    enum { BATCH = 1000, BATCHES = 50 };
    struct index *index = open_index(f, true);
    for (size_t i = 0; i < BATCHES; i++) {
        static char keys[BATCH][DISKV_KEY_MAX];
        struct index_change changes[BATCH];
        for (size_t k = 0; k < BATCH; k++)
            changes[k] = (struct index_change){false, keys[k], make_key(keys[k], i * BATCH + k)};
        assert_int_equal(index->ops->apply(index, changes, BATCH), 0);
    }
    index->ops->free(index);
    index = open_index(f, false);
    struct index_cursor *c;
    assert_int_equal(index->ops->count(index), BATCH * BATCHES);
    assert_int_equal(index->ops->cursor_open(index, &c), 0);
    assert_int_equal(scan(c), BATCH * BATCHES);
    c->ops->cursor_close(c);
    index->ops->free(index);
}

static void another_boot_or_format_makes_it_fresh(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        struct seal seal;
        fill(f);
        int fd = open(f->seal, O_RDWR);
        assert_int_equal(seal_read(fd, &seal), 0);
        (i == 0 ? seal.boot : seal.format)[3] ^= 1;
        assert_int_equal(seal_write(fd, &seal), 0);
        close(fd);
        assert_fresh(f);
        assert_int_equal(unlink(f->data), 0);
    }
}

/* --- Damage --- */

static void a_missing_file_makes_it_fresh(void **state)
{
    struct fixture *f = *state;
    fill(f);
    assert_int_equal(unlink(f->data), 0);
    assert_fresh(f);
    assert_int_equal(unlink(f->seal), 0);
    assert_fresh(f);
}

static void a_file_of_garbage_makes_it_fresh(void **state)
{
    struct fixture *f = *state;
    const char *paths[] = {f->data, f->seal};
    char garbage[8 * PAGE];
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (char)random_next(f->random);
    for (size_t i = 0; i < 2 * array_len(paths); i++) {
        tempdir_remove(f->dir);
        fill(f);
        file_write(paths[i / 2], garbage, i % 2 ? sizeof garbage : 0);
        assert_fresh(f);
    }
}

/* Writes the damaged files, opens them, and goes on writing. */
static bool survives(const struct fixture *f, struct file data, struct file seal)
{
    struct index *index;
    bool fresh;
    file_write(f->data, data.bytes, data.len);
    file_write(f->seal, seal.bytes, seal.len);
    assert_int_equal(index_lmdb_open(f->dir, &fresh, &index), 0);
    size_t keys = fresh ? 0 : KEYS, notes = fresh ? 0 : NOTES;
    assert_content(index, keys, notes);
    add_keys(index, keys, keys + 30);
    index->ops->free(index);
    index = open_index(f, false);
    assert_content(index, keys + 30, notes);
    index->ops->free(index);
    return !fresh;
}

static void a_file_cut_short_leaves_the_right_content_or_none(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct file data = file_read(f->data), seal = file_read(f->seal);
    size_t survived = 0;
    for (size_t i = 0; i < 60; i++) {
        struct file cut = {i < 20 ? i * PAGE / 8 : random_below(f->random, data.len), data.bytes};
        survived += survives(f, cut, seal);
    }
    assert_in_range(survived, 0, 5); /* a last page may be unused */
    for (size_t len = 0; len < seal.len; len += 7)
        assert_false(survives(f, data, (struct file){len, seal.bytes}));
    free(data.bytes);
    free(seal.bytes);
}

static void flipped_bytes_leave_the_right_content_or_none(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct file data = file_read(f->data), seal = file_read(f->seal);
    size_t survived = 0;
    for (size_t round = 0; round < 300; round += STEP) {
        struct file damaged = {data.len, malloc(data.len)};
        memcpy(damaged.bytes, data.bytes, data.len);
        for (size_t n = 1 + random_below(f->random, 1 + round % 8); n > 0; n--)
            damaged.bytes[random_below(f->random, data.len)] ^=
                (char)(1 << random_below(f->random, 8));
        survived += survives(f, damaged, seal);
        free(damaged.bytes);
    }
    assert_in_range(survived, 1, 300 / STEP - 1);
    free(data.bytes);
    free(seal.bytes);
}

/* Where a flipped bit may lead back to what was there before the last changes. */
static void
every_flipped_byte_of_the_roots_and_the_seal_leaves_the_right_content_or_none(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct file data = file_read(f->data), seal = file_read(f->seal);
    for (size_t i = 0; i < 2 * 160; i += STEP) {
        char *byte = &data.bytes[i / 160 * PAGE + i % 160], old = *byte;
        *byte ^= (char)(1 << random_below(f->random, 8));
        survives(f, data, seal);
        *byte = old;
    }
    for (size_t i = 0; i < seal.len; i += STEP) {
        char old = seal.bytes[i];
        seal.bytes[i] ^= (char)(1 << random_below(f->random, 8));
        assert_false(survives(f, data, seal));
        seal.bytes[i] = old;
    }
    assert_true(survives(f, data, seal));
    free(data.bytes);
    free(seal.bytes);
}

static void a_file_from_before_the_last_change_makes_it_fresh(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct file old = file_read(f->data);
    struct index *index = open_index(f, false);
    apply_one(index, false, KEYS + 1);
    index->ops->free(index);
    file_write(f->data, old.bytes, old.len);
    assert_fresh(f);
    free(old.bytes);
}

static void a_damaged_lock_file_does_no_harm(void **state)
{
    struct fixture *f = *state;
    char lock[TEMPDIR_SIZE + 16], garbage[2 * PAGE];
    snprintf(lock, sizeof lock, "%s-lock", f->data);
    memset(garbage, 0xA5, sizeof garbage);
    fill(f);
    file_write(lock, garbage, sizeof garbage);
    struct index *index = open_index(f, false);
    add_keys(index, KEYS, KEYS + 30);
    assert_content(index, KEYS + 30, NOTES);
    index->ops->free(index);
}

/* --- A process that ends in the middle --- */

/* Adds `batch` keys at a time from `begin` on and tells after each batch how many there are. */
static _Noreturn void add_until_killed(const struct fixture *f, size_t begin, size_t batch,
                                       int tell)
{
    struct index *index;
    bool fresh;
    if (index_lmdb_open(f->dir, &fresh, &index) || fresh != (begin == 0))
        _exit(1);
    for (;;) {
        static char keys[20][DISKV_KEY_MAX];
        struct index_change changes[array_len(keys)];
        for (size_t i = 0; i < batch; i++)
            changes[i] = (struct index_change){false, keys[i], make_key(keys[i], begin + i)};
        if (index->ops->apply(index, changes, batch))
            _exit(1);
        begin += batch;
        if (write(tell, &begin, sizeof begin) != (ssize_t)sizeof begin)
            _exit(1);
    }
}

static void what_was_applied_survives_kill_9(void **state)
{
    struct fixture *f = *state;
    size_t there = 0;
    for (size_t round = 0; round < 40; round++) {
        int pipe_fd[2], status;
        size_t told = there, batch = 1 + random_below(f->random, 20);
        assert_int_equal(pipe(pipe_fd), 0);
        pid_t child = fork();
        if (child == 0)
            add_until_killed(f, there, batch, pipe_fd[1]);
        close(pipe_fd[1]);
        for (size_t n = 1 + random_below(f->random, 100); n > 0; n--)
            assert_int_equal(read(pipe_fd[0], &told, sizeof told), sizeof told);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(pipe_fd[0], &told, sizeof told) > 0)
            ;
        close(pipe_fd[0]);
        struct index *index = open_index(f, false);
        struct index_cursor *c;
        there = (size_t)index->ops->count(index);
        assert_true(there == told || there == told + batch);
        assert_int_equal(index->ops->cursor_open(index, &c), 0);
        for (size_t i = 0; i < there; i++)
            assert_true(has_key(c, i));
        assert_int_equal(scan(c), there);
        c->ops->cursor_close(c);
        index->ops->free(index);
    }
}

/* Runs `body` in a child process with a limit of its own; it returns 0 where all is well. */
static void assert_in_child(const struct fixture *f, int (*body)(const struct fixture *))
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(body(f));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int fill_up(const struct fixture *f)
{
    struct index *index;
    bool fresh;
    signal(SIGXFSZ, SIG_IGN);
    if (index_lmdb_open(f->dir, &fresh, &index) || fresh)
        return 1;
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    int rc = 0;
    size_t count = 0;
    for (size_t i = KEYS; !rc; i++) {
        char key[DISKV_KEY_MAX];
        struct index_change one = {false, key, make_key(key, i)};
        count = (size_t)index->ops->count(index);
        rc = index->ops->apply(index, &one, 1);
    }
    if (rc != DISKV_ENOSPACE || index->ops->count(index) != count)
        return 2;
    struct index_cursor *c;
    if (index->ops->cursor_open(index, &c) || scan(c) != count)
        return 3;
    c->ops->cursor_close(c);
    char key[DISKV_KEY_MAX];
    struct index_change one = {true, key, make_key(key, 1)};
    rc = index->ops->apply(index, &one, 1);
    index->ops->free(index);
    return rc && rc != DISKV_ENOSPACE ? 4 : 0;
}

static void a_full_disk_refuses_a_change_and_keeps_what_was_there(void **state)
{
    struct fixture *f = *state;
    fill(f);
    assert_in_child(f, fill_up);
    struct index *index = open_index(f, false);
    assert_in_range(index->ops->count(index), KEYS, KEYS * 100);
    index->ops->free(index);
}

static int open_in_a_gibibyte(const struct fixture *f)
{
    struct rlimit limit = {1 << 30, 1 << 30};
    struct index *index;
    bool fresh;
    setrlimit(RLIMIT_AS, &limit);
    if (index_lmdb_open(f->dir, &fresh, &index) || fresh)
        return 2;
    int rc = index->ops->count(index) == 0;
    index->ops->free(index);
    return rc;
}

static void a_gibibyte_of_address_space_is_enough(void **state)
{
    struct fixture *f = *state;
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_true(statm && fscanf(statm, "%lu", &pages) == 1);
    fclose(statm);
    if (pages > (1 << 30) / PAGE / 2)
        skip(); /* a sanitizer has taken terabytes of it */
    fill(f);
    assert_in_child(f, open_in_a_gibibyte);
}

#define CASE(f)                         \
    {                                   \
#f, f, setup, teardown, &random \
    }

int main(void)
{
    struct random random = random_new();
    const struct CMUnitTest tests[] = {
        CASE(a_missing_directory_is_made),
        CASE(a_missing_parent_is_an_error),
        CASE(reopening_keeps_everything),
        CASE(an_empty_index_is_not_fresh_the_second_time),
        CASE(a_large_index_is_reopened),
        CASE(another_boot_or_format_makes_it_fresh),
        CASE(a_missing_file_makes_it_fresh),
        CASE(a_file_of_garbage_makes_it_fresh),
        CASE(a_file_cut_short_leaves_the_right_content_or_none),
        CASE(flipped_bytes_leave_the_right_content_or_none),
        CASE(every_flipped_byte_of_the_roots_and_the_seal_leaves_the_right_content_or_none),
        CASE(a_file_from_before_the_last_change_makes_it_fresh),
        CASE(a_damaged_lock_file_does_no_harm),
        CASE(what_was_applied_survives_kill_9),
        CASE(a_full_disk_refuses_a_change_and_keeps_what_was_there),
        CASE(a_gibibyte_of_address_space_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
