/* 32 threads do everything at once to the same 100 keys of one store, for DISKV_STRESS_SECONDS.
 * usage: stress_threads DIR CODEC. Ends with a message and SIGABRT where anything is not as diskv.h
 * says. */
#include "diskv.h"
#include "value.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#define THREADS     32
#define KEYS        100
#define KEY_SIZE    64
#define CACHE_BYTES (1024 * 1024) /* a fraction of what the values take */
#define SERIALS_MAX (1 << 24)
#define SECONDS     60

#define check(holds)                                                                          \
    do {                                                                                      \
        if (!(holds)) {                                                                       \
            fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #holds); \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

/* Some are directories of others. */
struct key {
    char name[KEY_SIZE];
    size_t len;
    bool stays;          /* is never erased */
    bool empty_at_times; /* has the empty value, which tells nothing, beside others */
};

struct stress {
    diskv *store;
    struct key keys[KEYS]; /* in byte order */
    atomic_ulong serial;
    atomic_uchar *replaced; /* by serial: a conditional write took this value's place */
    atomic_bool over;
};

/* A thread's own. */
struct worker {
    struct stress *stress;
    struct random random;
    pthread_t thread;
    char data[VALUE_MAX], scratch[VALUE_MAX];
};

static size_t key_index(const struct stress *stress, const char *name, size_t len)
{
    for (size_t i = 0; i < KEYS; i++)
        if (stress->keys[i].len == len && memcmp(stress->keys[i].name, name, len) == 0)
            return i;
    check(!"a key that was never written");
    return 0;
}

static const struct key *random_key(struct worker *w, size_t *index)
{
    *index = random_below(&w->random, KEYS);
    return &w->stress->keys[*index];
}

/* Checks what was read of a key and returns the value's serial, 0 of the empty one. */
static uint64_t check_value(struct worker *w, size_t index, const char *data, size_t size)
{
    struct value_head head = {0};
    if (size == 0)
        check(w->stress->keys[index].empty_at_times);
    else
        check(value_whole(index, data, size, w->scratch, &head));
    return head.serial;
}

/* --- Writing --- */

/* Makes a new value of a key in w->data and returns its size. */
static size_t new_value(struct worker *w, size_t index)
{
    if (w->stress->keys[index].empty_at_times && random_below(&w->random, 4) == 0)
        return 0;
    uint64_t serial = atomic_fetch_add(&w->stress->serial, 1) + 1;
    check(serial < SERIALS_MAX);
    size_t most = random_below(&w->random, 2) ? 1024 : VALUE_MAX;
    size_t size = VALUE_MIN + random_below(&w->random, most - VALUE_MIN + 1);
    value_make((struct value_head){index, serial, size}, w->data);
    return size;
}

static enum diskv_sync random_sync(struct worker *w)
{
    return random_below(&w->random, 8) ? DISKV_SYNC_NONE : DISKV_SYNC_ALWAYS;
}

static void put(struct worker *w, size_t index)
{
    const struct key *key = &w->stress->keys[index];
    struct diskv_write_options options = {.sync = random_sync(w)};
    size_t size = new_value(w, index);
    check(diskv_put(w->stress->store, key->name, key->len, w->data, size, &options) == 0);
}

static void write_whole(struct worker *w)
{
    size_t index;
    random_key(w, &index);
    put(w, index);
}

/* Appends in pieces; now and then gives up before the end. */
static void write_in_parts(struct worker *w)
{
    size_t index;
    const struct key *key = random_key(w, &index);
    size_t size = new_value(w, index);
    struct diskv_write_options options = {.sync = random_sync(w), .size_hint = size};
    diskv_writer *writer;
    check(diskv_writer_open(w->stress->store, key->name, key->len, &options, &writer) == 0);
    for (size_t at = 0, n; at < size; at += n) {
        n = 1 + random_below(&w->random, size - at);
        check(diskv_writer_append_wait(writer, w->data + at, n) == 0);
    }
    if (random_below(&w->random, 8)) {
        check(diskv_writer_commit_wait(writer) == 0);
        check(diskv_writer_info(writer)->size == size);
    }
    diskv_writer_close(writer);
}

static int as_expected(void *ctx, const struct diskv_info *current)
{
    const char *etag = ctx;
    return strcmp(current ? current->etag : "", etag) == 0 ? 0 : DISKV_EPRECONDITION;
}

/* What a key has now: its entity tag, "" for none, and the serial of its value. */
static uint64_t look(struct worker *w, size_t index, char etag[static DISKV_ETAG_MAX + 1])
{
    const struct key *key = &w->stress->keys[index];
    diskv_reader *reader;
    etag[0] = '\0';
    int rc =
        diskv_reader_open_wait(w->stress->store, key->name, key->len, DISKV_READ_CACHED, &reader);
    check(rc == 0 || (rc == DISKV_ENOTFOUND && !key->stays));
    if (rc)
        return 0;
    int64_t n = diskv_reader_read_wait(reader, w->data, VALUE_MAX, 0);
    check(n >= 0);
    memcpy(etag, diskv_reader_info(reader)->etag, DISKV_ETAG_MAX + 1);
    diskv_reader_close(reader);
    return check_value(w, index, w->data, (size_t)n);
}

/* Of all that would take the place of one value, one may. */
static void write_if_unchanged(struct worker *w)
{
    size_t index;
    const struct key *key = random_key(w, &index);
    char etag[DISKV_ETAG_MAX + 1];
    uint64_t serial = look(w, index, etag);
    struct diskv_write_options options = {
        .sync = random_sync(w), .guard = as_expected, .guard_ctx = etag};
    size_t size = new_value(w, index);
    int rc = diskv_put(w->stress->store, key->name, key->len, w->data, size, &options);
    check(rc == 0 || rc == DISKV_EPRECONDITION);
    if (rc == 0 && serial)
        check(atomic_exchange(&w->stress->replaced[serial], 1) == 0);
}

static void erase(struct worker *w)
{
    size_t index;
    const struct key *key = random_key(w, &index);
    if (key->stays)
        return;
    char etag[DISKV_ETAG_MAX + 1];
    uint64_t serial = look(w, index, etag);
    bool guarded = random_below(&w->random, 2);
    int rc =
        diskv_erase_wait(w->stress->store, key->name, key->len, guarded ? as_expected : NULL, etag);
    check(rc == 0 || rc == DISKV_ENOTFOUND || (guarded && rc == DISKV_EPRECONDITION));
    if (rc == 0 && guarded && serial)
        check(atomic_exchange(&w->stress->replaced[serial], 1) == 0);
}

/* --- Reading --- */

/* Opens a reader of a key, in any of the ways; false where the key has no value. */
static bool open_reader(struct worker *w, size_t index, diskv_reader **out)
{
    const struct key *key = &w->stress->keys[index];
    enum diskv_read how = random_below(&w->random, 3) ? DISKV_READ_CACHED : DISKV_READ_DIRECT;
    int rc = DISKV_EAGAIN;
    if (random_below(&w->random, 2))
        rc = diskv_reader_open_now(w->stress->store, key->name, key->len, how, out);
    if (rc == DISKV_EAGAIN)
        rc = diskv_reader_open_wait(w->stress->store, key->name, key->len, how, out);
    check(rc == 0 || (rc == DISKV_ENOTFOUND && !key->stays));
    return rc == 0;
}

static void read_exactly(struct worker *w, diskv_reader *reader, char *out, size_t len,
                         uint64_t offset)
{
    int64_t n = DISKV_EAGAIN;
    if (random_below(&w->random, 2))
        n = diskv_reader_read_now(reader, out, len, offset);
    if (n == DISKV_EAGAIN || (n > 0 && (size_t)n < len)) /* what is in memory may be a part */
        n = diskv_reader_read_wait(reader, out, len, offset);
    check(n == (int64_t)len);
}

/* Reads all of a value from the place `at` on, in pieces, and looks past its end. */
static void read_pieces(struct worker *w, diskv_reader *reader, char *out, size_t at, size_t size)
{
    while (at < size) {
        size_t n = 1 + random_below(&w->random, size - at);
        read_exactly(w, reader, out + at, n, at);
        at += n;
    }
    char past;
    check(diskv_reader_read_wait(reader, &past, 1, size) == 0);
}

static void read_whole(struct worker *w)
{
    size_t index, size;
    const struct key *key = random_key(w, &index);
    void *data;
    int rc = diskv_get(w->stress->store, key->name, key->len, &data, &size);
    check(rc == 0 || (rc == DISKV_ENOTFOUND && !key->stays));
    if (rc)
        return;
    check(((const char *)data)[size] == '\0');
    check_value(w, index, data, size);
    free(data);
}

static void read_in_parts(struct worker *w)
{
    size_t index;
    random_key(w, &index);
    diskv_reader *reader;
    if (!open_reader(w, index, &reader))
        return;
    size_t size = (size_t)diskv_reader_info(reader)->size;
    check(size <= VALUE_MAX);
    read_pieces(w, reader, w->data, 0, size);
    check_value(w, index, w->data, size);
    diskv_reader_close(reader);
}

/* A reader keeps its value while others take that one's place. */
static void read_under_a_write(struct worker *w)
{
    size_t index;
    random_key(w, &index);
    diskv_reader *reader;
    char *old = malloc(VALUE_MAX);
    check(old);
    if (open_reader(w, index, &reader)) {
        size_t size = (size_t)diskv_reader_info(reader)->size;
        check(size <= VALUE_MAX);
        size_t half = random_below(&w->random, size + 1);
        if (half)
            read_exactly(w, reader, old, half, 0);
        put(w, index);
        read_pieces(w, reader, old, half, size);
        check_value(w, index, old, size);
        diskv_reader_close(reader);
    }
    free(old);
}

static void ask(struct worker *w)
{
    size_t index;
    const struct key *key = random_key(w, &index);
    struct diskv_info info;
    int rc = diskv_stat(w->stress->store, key->name, key->len, &info);
    check(rc == 0 || (rc == DISKV_ENOTFOUND && !key->stays));
    if (rc == 0)
        check(info.size <= VALUE_MAX && (info.size >= VALUE_MIN || key->empty_at_times));
    rc = diskv_has(w->stress->store, key->name, key->len);
    check(rc == 1 || (rc == 0 && !key->stays));
}

/* --- Listing --- */

/* A walk comes to a key: they are in order, and of those that stay none was left out. `*next` is
 * the first that may still come. */
static void walk_to(const struct stress *stress, size_t *next, size_t index)
{
    check(index >= *next);
    while (*next < index)
        check(!stress->keys[(*next)++].stays);
    *next = index + 1;
}

static void list_pages(struct worker *w)
{
    struct stress *stress = w->stress;
    size_t next = 0;
    char from[KEY_SIZE];
    struct diskv_list_options options = {
        .from = "", .prefix = "", .delimiter = "", .limit = 1 + random_below(&w->random, KEYS)};
    for (bool more = true; more;) {
        struct diskv_page *page;
        check(diskv_list_wait(stress->store, &options, &page) == 0);
        check(page->count <= options.limit);
        for (size_t i = 0; i < page->count; i++)
            walk_to(stress, &next, key_index(stress, page->items[i].name, page->items[i].len));
        more = page->next;
        if (more) {
            check(page->next_len <= sizeof from);
            memcpy(from, page->next, page->next_len);
            options.from = from;
            options.from_len = page->next_len;
        }
        diskv_page_free(page);
    }
    walk_to(stress, &next, KEYS);
}

static size_t iterate(struct stress *stress)
{
    size_t next = 0;
    size_t count = 0;
    diskv_iter *iter;
    const struct diskv_item *item;
    check(diskv_iter_open(stress->store, "", 0, &iter) == 0);
    int rc;
    for (; (rc = diskv_iter_next(iter, &item)) == 1; count++)
        walk_to(stress, &next, key_index(stress, item->name, item->len));
    check(rc == 0);
    walk_to(stress, &next, KEYS);
    diskv_iter_close(iter);
    return count;
}

static void list_by_iterator(struct worker *w)
{
    iterate(w->stress);
}

/* --- All at once --- */

static void *work(void *ctx)
{
    static void (*const acts[])(struct worker * w) = {
        write_whole, write_in_parts,     write_if_unchanged, erase,      read_whole,
        read_whole,  read_in_parts,      read_in_parts,      read_whole, read_under_a_write,
        ask,         write_if_unchanged, list_pages,         ask,        list_by_iterator,
    };
    struct worker *w = ctx;
    while (!atomic_load(&w->stress->over))
        acts[random_below(&w->random, sizeof acts / sizeof *acts)](w);
    return NULL;
}

static void *watch(void *ctx)
{
    struct stress *stress = ctx;
    while (!atomic_load(&stress->over)) {
        struct diskv_stats stats;
        diskv_stats(stress->store, &stats);
        check(stats.cache_bytes <= CACHE_BYTES);
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct key *)a)->name, ((const struct key *)b)->name);
}

static void name_keys(struct stress *stress)
{
    static const char *const heads[] = {"k", "k", "dir/k", "../\xC3\xA9/k"};
    static const char *const tails[] = {"", "/value", "", "//"};
    for (size_t i = 0; i < KEYS; i++) {
        struct key *key = &stress->keys[i];
        key->len = (size_t)snprintf(key->name, sizeof key->name, "%s%02zu%s", heads[i % 4], i / 4,
                                    tails[i % 4]);
        key->stays = i % 5 == 0;
        key->empty_at_times = i % 10 == 1;
    }
    qsort(stress->keys, KEYS, sizeof *stress->keys, by_name);
}

/* Runs the threads until the time is over. */
static void run(struct stress *stress, struct worker *workers, unsigned seconds)
{
    pthread_t watcher;
    check(pthread_create(&watcher, NULL, watch, stress) == 0);
    for (size_t i = 0; i < THREADS; i++)
        check(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    atomic_store(&stress->over, true);
    for (size_t i = 0; i < THREADS; i++)
        check(pthread_join(workers[i].thread, NULL) == 0);
    check(pthread_join(watcher, NULL) == 0);
}

/* Every value is whole, and the listing and the count have each of them. */
static void check_all(struct worker *w)
{
    struct stress *stress = w->stress;
    size_t there = 0;
    for (size_t i = 0; i < KEYS; i++) {
        char etag[DISKV_ETAG_MAX + 1];
        look(w, i, etag);
        there += *etag != '\0';
    }
    struct diskv_stats stats;
    diskv_stats(stress->store, &stats);
    check(stats.keys == there && stats.foreign == 0);
    check(iterate(stress) == there);
}

static void check_no_temporary_files(const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/.diskv/tmp", dir);
    DIR *tmp = opendir(path);
    check(tmp);
    for (const struct dirent *entry; (entry = readdir(tmp));)
        check(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    closedir(tmp);
}

static void tell(const struct stress *stress)
{
    struct diskv_stats stats;
    diskv_stats(stress->store, &stats);
    printf("writes %ju, erases %ju, readers %ju, hits %ju, misses %ju\n", (uintmax_t)stats.writes,
           (uintmax_t)stats.erases, (uintmax_t)stats.reads, (uintmax_t)stats.cache_hits,
           (uintmax_t)stats.cache_misses);
    check(stats.writes && stats.erases && stats.reads && stats.cache_hits && stats.cache_misses);
}

int main(int argc, char **argv)
{
    static struct stress stress;
    const char *seconds = getenv("DISKV_STRESS_SECONDS");
    if (argc != 3) {
        fprintf(stderr, "usage: %s DIR CODEC\n", argv[0]);
        return EXIT_FAILURE;
    }
    const struct diskv_options options = {.compress = argv[2], .cache_bytes = CACHE_BYTES};
    struct random random = random_new();
    struct worker *workers = calloc(THREADS, sizeof *workers);
    stress.replaced = calloc(SERIALS_MAX, sizeof *stress.replaced);
    check(workers && stress.replaced);
    for (size_t i = 0; i < THREADS; i++)
        workers[i] = (struct worker){.stress = &stress, .random = {random_next(&random)}};

    name_keys(&stress);
    check(diskv_open(argv[1], &options, &stress.store) == 0);
    for (size_t i = 0; i < KEYS; i++)
        put(&workers[0], i);
    run(&stress, workers, seconds ? (unsigned)strtoul(seconds, NULL, 10) : SECONDS);
    tell(&stress);
    check_all(&workers[0]);
    diskv_close(stress.store);
    check_no_temporary_files(argv[1]);

    check(diskv_open(argv[1], &options, &stress.store) == 0);
    check_all(&workers[0]);
    diskv_close(stress.store);
    free(stress.replaced);
    free(workers);
    return EXIT_SUCCESS;
}
