#include "tar_store.h"
#include "json.h"
#include "metadata.h"
#include "tar_name.h"
#include "util.h"
#include <assert.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>

#define FLIGHTS     64   /* commits at once: they share their syncs */
#define REFUSED_MAX 100  /* refusals told one by one */
#define TOLD_MAX    1000 /* bytes of a name in them */
#define TYPE        "SCHILY.xattr.user.mime_type"
#define FIELD       "SCHILY.xattr.user.diskv."

/* A value that is being committed. */
struct flight {
    struct tar_store *store;
    diskv_writer *writer; /* NULL: none */
    int rc;
    atomic_bool landed; /* `rc` is there */
    size_t key_len;
    char key[DISKV_KEY_MAX];
};

struct tar_store {
    diskv *store;
    uint64_t max;
    int rc;          /* what first concerned more than one entry */
    uint64_t stored; /* entries */
    uint64_t refused;
    struct buf told;        /* the refusals, as elements of a JSON array */
    struct flight *present; /* the entry whose content comes; NULL: its content is passed over */
    size_t in_flight;
    sem_t landed; /* once for each flight that landed */
    struct flight flights[FLIGHTS];
    size_t stem; /* bytes of the prefix that names go behind */
    size_t prefix_len;
    char prefix[DISKV_KEY_MAX];
};

int tar_store_new(diskv *store, const char *prefix, size_t len, uint64_t max,
                  struct tar_store **out)
{
    struct tar_store *s = calloc(1, sizeof(*s));
    const char *slash = memrchr(prefix, '/', len);

    if (s == NULL)
        return DISKV_ENOMEM;
    sem_init(&s->landed, 0, 0);
    s->store = store;
    s->max = max > 0 ? max : UINT64_MAX;
    s->stem = slash != NULL ? (size_t)(slash + 1 - prefix) : 0;
    s->prefix_len = len;
    memcpy(s->prefix, prefix, len);
    *out = s;
    return 0;
}

/* --- Refusals --- */

/* Tells the end of a name that is too long to be told: it says most. What is not UTF-8 is shown as
 * ASCII. */
static int tell(struct tar_store *s, const char *name, size_t len, const char *detail)
{
    char text[TOLD_MAX];
    size_t n = len < sizeof(text) ? len : sizeof(text);
    int rc = buf_add_str(&s->told, s->refused > 1 ? ",\n{\"name\":" : "\n{\"name\":");

    memcpy(text, name + (len - n), n);
    for (size_t i = 0; i < n && !utf8_valid(text, n); i++) {
        if ((unsigned char)text[i] >= 0x80)
            text[i] = '?';
    }
    if (rc == 0)
        rc = json_string(&s->told, text, n);
    if (rc == 0)
        rc = buf_add_str(&s->told, ",\"detail\":");
    if (rc == 0)
        rc = json_string(&s->told, detail, strlen(detail));
    return rc == 0 ? buf_add_str(&s->told, "}") : rc;
}

static int refuse(struct tar_store *s, const char *name, size_t len, const char *detail)
{
    return s->refused++ < REFUSED_MAX ? tell(s, name, len, detail) : 0;
}

/* True for what is wrong with one entry and says nothing of the others. */
static bool is_its_own(int rc)
{
    return rc == DISKV_EKEY || rc == DISKV_EINVAL || rc == DISKV_ETOOLARGE ||
           rc == DISKV_EMETADATA || rc == DISKV_ENOTSUP || rc == DISKV_EACCESS ||
           rc == DISKV_ECONFLICT;
}

/* Refuses the entry of a key, or ends it all. */
static int refuse_rc(struct tar_store *s, const struct flight *f, int rc)
{
    if (!is_its_own(rc))
        return rc;
    return refuse(s, f->key + s->stem, f->key_len - s->stem, diskv_strerror(rc));
}

/* --- Flights --- */

static void flight_land(void *ctx, int rc)
{
    struct flight *f = ctx;
    sem_t *landed = &f->store->landed;

    f->rc = rc;
    atomic_store(&f->landed, true);
    sem_post(landed);
}

static void flight_close(struct flight *f)
{
    diskv_writer_close(f->writer);
    f->writer = NULL;
}

/* Waits for one of the flights, and counts it. */
static void wait_for_one(struct tar_store *s)
{
    struct flight *f = s->flights;
    int rc;

    while (sem_wait(&s->landed) != 0)
        ; /* a signal handler ran */
    while (!atomic_load(&f->landed))
        f++;
    atomic_store(&f->landed, false);
    s->in_flight--;
    flight_close(f);
    rc = f->rc;
    if (rc == 0)
        s->stored++;
    else
        rc = refuse_rc(s, f, rc);
    if (s->rc == 0)
        s->rc = rc;
}

int tar_store_settle(struct tar_store *s)
{
    while (s->in_flight > 0)
        wait_for_one(s);
    return s->rc;
}

static bool is_in_flight(const struct tar_store *s, const char *key, size_t len)
{
    for (size_t i = 0; i < FLIGHTS; i++) {
        const struct flight *f = &s->flights[i];

        if (f->writer != NULL && f->key_len == len && memcmp(f->key, key, len) == 0)
            return true;
    }
    return false;
}

/* A place for a value of the key, none of which is on its way then: of two the later one stays. */
static struct flight *flight_new(struct tar_store *s, const char *key, size_t len)
{
    struct flight *f = s->flights;

    while (s->in_flight == FLIGHTS || is_in_flight(s, key, len))
        wait_for_one(s);
    while (f->writer != NULL)
        f++;
    f->store = s;
    f->key_len = len;
    memcpy(f->key, key, len);
    return f;
}

/* --- Entries --- */

/* Writes the key of an entry; returns what is wrong with its name, or NULL. */
static const char *read_key(const struct tar_store *s, const struct tar_entry *entry,
                            char key[DISKV_KEY_MAX], size_t *len)
{
    const char *name = entry->name;
    size_t name_len = entry->name_len;
    struct tar_record record;

    if (tar_find_record(entry, "DISKV.key", &record)) {
        name = record.value;
        name_len = record.value_len;
    } else {
        for (; name_len > 2 && name[0] == '.' && name[1] == '/'; name_len -= 2)
            name += 2;
        if (name_len > 0 && name[0] == '/')
            return "an absolute name";
        if (!tar_name_is_plain(name, name_len, SIZE_MAX))
            return "a name with an empty, `.` or `..` component";
    }
    *len = s->stem + name_len;
    if (*len > DISKV_KEY_MAX)
        return diskv_strerror(DISKV_EKEY);
    memcpy(key, s->prefix, s->stem);
    memcpy(key + s->stem, name, name_len);
    if (*len < s->prefix_len || memcmp(key, s->prefix, s->prefix_len) != 0)
        return "a key that does not begin with the prefix";
    return diskv_key_valid(key, *len) ? NULL : diskv_strerror(DISKV_EKEY);
}

static const char *set_field(struct metadata *m, const char *name, size_t name_len,
                             const struct tar_record *record)
{
    char *own = strndup(name, name_len), *value = strndup(record->value, record->value_len);
    const char *fault = metadata_no_memory;

    if (own != NULL && value != NULL)
        fault = metadata_set(m, own, value);
    free(value);
    free(own);
    return fault;
}

/* Takes the media type and the fields from an entry's extended attributes, or returns a fault. */
static const char *read_metadata(const struct tar_entry *entry, struct metadata *m)
{
    const char *pax = entry->pax, *fault = NULL;
    size_t len = entry->pax_len;
    struct tar_record record;

    while (fault == NULL && tar_next_record(&pax, &len, &record) > 0) {
        if (record.key_len == strlen(TYPE) && memcmp(record.key, TYPE, strlen(TYPE)) == 0)
            fault = set_field(m, "type", strlen("type"), &record);
        else if (record.key_len > strlen(FIELD) && memcmp(record.key, FIELD, strlen(FIELD)) == 0)
            fault =
                set_field(m, record.key + strlen(FIELD), record.key_len - strlen(FIELD), &record);
    }
    return fault;
}

/* What is wrong with an entry as a whole, or NULL. */
static const char *fault_of(const struct tar_store *s, const struct tar_entry *entry)
{
    if (entry->type == TAR_LINK)
        return "a link: only files are stored";
    if (entry->type != TAR_FILE)
        return "a device, fifo, sparse file or what is unknown: only files are stored";
    return entry->size > s->max ? diskv_strerror(DISKV_ETOOLARGE) : NULL;
}

static int begin_value(struct tar_store *s, const char *key, size_t len, uint64_t size,
                       const struct metadata *m)
{
    struct diskv_write_options options = {.size_hint = size};
    struct flight *f = flight_new(s, key, len);
    int rc = s->rc;

    if (rc != 0)
        return rc;
    metadata_options(m, &options);
    rc = diskv_writer_open(s->store, key, len, &options, &f->writer);
    if (rc == DISKV_EINVAL)
        return refuse(s, key + s->stem, len - s->stem, "metadata with characters that none has");
    if (rc != 0)
        return refuse_rc(s, f, rc);
    s->present = f;
    return 0;
}

static int entry_begin(void *ctx, const struct tar_entry *entry)
{
    struct tar_store *s = ctx;
    struct metadata m = {0};
    char key[DISKV_KEY_MAX];
    const char *fault;
    size_t len;
    int rc;

    if (entry->type == TAR_DIRECTORY)
        return 0;
    fault = fault_of(s, entry);
    if (fault == NULL)
        fault = read_key(s, entry, key, &len);
    if (fault == NULL)
        fault = read_metadata(entry, &m);
    if (fault == metadata_no_memory)
        rc = DISKV_ENOMEM;
    else if (fault != NULL)
        rc = refuse(s, entry->name, entry->name_len, fault);
    else
        rc = begin_value(s, key, len, entry->size, &m);
    metadata_free(&m);
    return rc;
}

static int entry_data(void *ctx, const char *data, size_t len)
{
    struct tar_store *s = ctx;
    int rc;

    if (s->present == NULL)
        return 0;
    rc = diskv_writer_append_wait(s->present->writer, data, len);
    if (rc == 0)
        return 0;
    flight_close(s->present);
    rc = refuse_rc(s, s->present, rc);
    s->present = NULL;
    return rc;
}

static int entry_end(void *ctx)
{
    struct tar_store *s = ctx;
    struct flight *f = s->present;

    if (f == NULL)
        return 0;
    s->present = NULL;
    s->in_flight++;
    diskv_writer_commit(f->writer, flight_land, f);
    return 0;
}

const struct tar_events tar_store_events = {
    .begin = entry_begin,
    .data = entry_data,
    .end = entry_end,
};

int tar_store_print(const struct tar_store *s, struct buf *out)
{
    int rc = buf_printf(out, "\"stored\":%" PRIu64 ",\"refused\":[", s->stored);

    if (rc == 0)
        rc = buf_add(out, s->told.data, s->told.len);
    return rc == 0 ? buf_printf(out, "],\"refused_count\":%" PRIu64, s->refused) : rc;
}

void tar_store_free(struct tar_store *s)
{
    if (s == NULL)
        return;
    assert(s->in_flight == 0);
    if (s->present != NULL)
        flight_close(s->present);
    sem_destroy(&s->landed);
    buf_free(&s->told);
    free(s);
}
