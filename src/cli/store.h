/* What a command works on, a directory or a server, behind one interface: what `list`, `get`, … are
 * called with and say is the same for both. A store is for one thread at a time.
 *
 * Keys are strings. Functions return false where something failed; `problem` says what it was, in
 * words for the user. */
#ifndef STORE_H
#define STORE_H

#include "diskv.h"
#include "progress.h"

#include <sys/stat.h>

struct buf;

struct store {
    const struct store_ops *ops;
    char problem[512];
};

/* Where a store lies, and how it is opened where that is a directory. */
struct store_place {
    const char *name; /* DIR or URL */
    const char *layout, *compress;
    bool make; /* a directory that is missing is made */
    bool bulk; /* many changes come, which are durable only after store_flush */
};

struct item {
    const char *key;
    uint64_t size;        /* or DISKV_SIZE_UNKNOWN */
    const char *modified; /* as RFC 3339 has it; "" where it was not asked for */
    const char *etag;     /* likewise */
};

/* False ends the listing, which is no failure. */
typedef bool item_visit(void *ctx, const struct item *item);

/* Takes a value: its size, which may not be known, then its bytes. Each says false to end that; the
 * problem is then its own to note. */
struct sink {
    bool (*begin)(void *ctx, uint64_t size); /* or NULL */
    bool (*take)(void *ctx, const void *data, size_t len);
    void *ctx;
};

/* A value to be stored: what is read from `fd`, to its end or, where `size` is known, just as much
 * as that. */
struct content {
    int fd;
    uint64_t size;             /* or DISKV_SIZE_UNKNOWN */
    const char *type;          /* or NULL */
    struct progress *progress; /* or NULL */
};

/* What a store has of a key, for who wonders whether to send it a file. */
struct held {
    bool found;
    uint64_t size;
    struct timespec since; /* the value was written after that, by this machine's clock */
};

struct store_ops {
    bool far; /* a question costs a round trip */
    void (*close)(struct store *store);

    /* Another handle on the same store, for another thread, to be closed first. NULL: ENOMEM. */
    struct store *(*again)(struct store *store);

    /* In the order of the keys. With `bare` the keys alone. */
    bool (*list)(struct store *store, const char *prefix, bool bare, item_visit *visit, void *ctx);
    bool (*get)(struct store *store, const char *key, const struct sink *sink);
    bool (*put)(struct store *store, const char *key, const struct content *content);

    /* Takes a regular file for the value; with `move` it is gone afterwards. */
    bool (*import)(struct store *store, const char *key, const char *path, bool move,
                   struct progress *progress);
    bool (*look)(struct store *store, const char *key, struct held *out);
    bool (*remove)(struct store *store, const char *key);
    bool (*remove_prefix)(struct store *store, const char *prefix);

    /* Appends what is known of a value, as a line of JSON. */
    bool (*stat)(struct store *store, const char *key, struct buf *out);

    /* Makes all changes durable. */
    bool (*flush)(struct store *store);

    /* True where `st` is the store's own directory. */
    bool (*is_dir)(struct store *store, const struct stat *st);
};

/* Opens what `place` names, for `ops->close`; NULL, with a line on standard error, where it cannot.
 * What it points to must live as long. */
struct store *store_open(const struct store_place *place);

/* A URL's store and a directory's, for store_open; `problem` is `size` bytes. */
struct store *remote_open(const struct store_place *place, char *problem, size_t size);
struct store *local_open(const struct store_place *place, char *problem, size_t size);

/* True for a name that is a URL. */
bool store_is_far(const char *name);

/* Notes a problem and is false. */
bool store_fails(struct store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool store_fails_rc(struct store *store, int rc);

/* Notes that `key` is none, and is false, unless it is one. */
bool store_takes_key(struct store *store, const char *key);

/* Sends the file as content; for `import`. */
bool store_put_file(struct store *store, const char *key, const char *path, bool move,
                    struct progress *progress);

#endif
