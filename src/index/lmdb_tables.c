#include "lmdb_tables.h"

#include "error.h"
#include "util.h"

#include <assert.h>
#include <errno.h>
#include <sys/resource.h>
#include <xxhash.h>

#define HEAD_MAX    511 /* LMDB's longest key */
#define SEEK_MAX    (DISKV_KEY_MAX + 2)
#define MARK        '\1'                /* an empty duplicate gets lost beside others */
#define MAP_MAX     (UINT64_C(1) << 36) /* address space, not memory */
#define READERS_MAX 512
#define ENTRY_MAX   (sizeof(uint16_t) + INDEX_NOTE_NAME_MAX + INDEX_NOTE_VALUE_MAX)

int lmdb_error(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return DISKV_ENOTFOUND;
    case MDB_MAP_FULL:
    case EIO: /* LMDB's word for a write cut short, which is what a full disk does first */
        return DISKV_ENOSPACE;
    case MDB_TXN_FULL:
        return DISKV_ENOMEM;
    case EINVAL: /* a page that is none */
        return DISKV_ECORRUPT;
    case MDB_READERS_FULL:
        return DISKV_EUNAVAILABLE;
    default:
        return rc > 0 ? error_from_errno(rc) : DISKV_ECORRUPT;
    }
}

/* How far the tables may grow. Where address space is limited, others need some as well. */
static size_t map_size(void)
{
    struct rlimit limit;
    uint64_t size = sizeof(size_t) > 4 ? MAP_MAX : MAP_MAX >> 6;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur / 4 < size)
        size = limit.rlim_cur / 4;
    return (size_t)size & ~(size_t)0xFFFFF;
}

int tables_open(struct tables *t, const char *path, unsigned flags)
{
    MDB_txn *txn;
    unsigned create = flags & MDB_RDONLY ? 0 : MDB_CREATE;
    int rc = mdb_env_create(&t->env);
    if (rc)
        return lmdb_error(rc);
    mdb_env_set_mapsize(t->env, map_size());
    mdb_env_set_maxdbs(t->env, 2);
    mdb_env_set_maxreaders(t->env, READERS_MAX);
    rc = mdb_env_open(t->env, path, flags | MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD,
                      0600);
    if (!rc)
        rc = mdb_txn_begin(t->env, NULL, flags & MDB_RDONLY, &txn);
    if (rc)
        goto close_env;
    rc = mdb_dbi_open(txn, "keys", MDB_DUPSORT | create, &t->keys);
    if (!rc)
        rc = mdb_dbi_open(txn, "notes", create, &t->notes);
    if (rc)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    if (!rc)
        return 0;
close_env:
    tables_close(t);
    return lmdb_error(rc);
}

void tables_close(struct tables *t)
{
    mdb_env_close(t->env);
    t->env = NULL;
}

static void digest_count(struct digest *d, XXH128_hash_t hash, bool gone)
{
    d->low += gone ? -hash.low64 : hash.low64;
    d->high += gone ? -hash.high64 : hash.high64;
}

void digest_key(struct digest *d, const char *key, size_t len, bool gone)
{
    d->keys += gone ? -UINT64_C(1) : 1;
    digest_count(d, XXH3_128bits(key, len), gone);
}

void digest_note(struct digest *d, const MDB_val *entry, bool gone)
{
    digest_count(d, XXH3_128bits_withSeed(entry->mv_data, entry->mv_size, 1), gone);
}

/* --- Keys --- */

struct split {
    char bytes[SEEK_MAX + 1]; /* the head, MARK, the rest */
    MDB_val head, tail;
};

static void split_key(struct split *s, const char *key, size_t len)
{
    assert(len <= SEEK_MAX);
    size_t head = len < HEAD_MAX ? len : HEAD_MAX;
    memcpy(s->bytes, key, head);
    s->bytes[head] = MARK;
    memcpy(s->bytes + head + 1, key + head, len - head);
    s->head = (MDB_val){head, s->bytes};
    s->tail = (MDB_val){len - head + 1, s->bytes + head};
}

int keys_join(const MDB_val *head, const MDB_val *tail, char *key, size_t *len)
{
    size_t n = head->mv_size, rest = tail->mv_size - 1;
    if (tail->mv_size == 0 || *(char *)tail->mv_data != MARK || n > HEAD_MAX ||
        (rest > 0 && n < HEAD_MAX) || rest > DISKV_KEY_MAX - n)
        return DISKV_ECORRUPT;
    memcpy(key, head->mv_data, n);
    memcpy(key + n, (char *)tail->mv_data + 1, rest);
    *len = n + rest;
    return 0;
}

int keys_seek(MDB_cursor *cursor, const char *key, size_t len, MDB_val *head, MDB_val *tail)
{
    if (len == 0)
        return mdb_cursor_get(cursor, head, tail, MDB_FIRST);
    struct split s;
    split_key(&s, key, len);
    *head = s.head;
    *tail = s.tail;
    int rc = mdb_cursor_get(cursor, head, tail, MDB_GET_BOTH_RANGE);
    if (!rc) /* the head found still lies in this frame: take LMDB's own */
        return mdb_cursor_get(cursor, head, tail, MDB_GET_CURRENT);
    if (rc != MDB_NOTFOUND)
        return rc;
    *head = s.head;
    rc = mdb_cursor_get(cursor, head, tail, MDB_SET_RANGE);
    bool same_head = !rc && head->mv_size == s.head.mv_size &&
                     memcmp(head->mv_data, s.head.mv_data, s.head.mv_size) == 0;
    return same_head ? mdb_cursor_get(cursor, head, tail, MDB_NEXT_NODUP) : rc;
}

int edit_key(struct edit *e, const struct index_change *change)
{
    struct split s;
    split_key(&s, change->key, change->len);
    int rc = change->erase ? mdb_del(e->txn, e->tables->keys, &s.head, &s.tail)
                           : mdb_put(e->txn, e->tables->keys, &s.head, &s.tail, MDB_NODUPDATA);
    if (rc == (change->erase ? MDB_NOTFOUND : MDB_KEYEXIST))
        return 0;
    if (!rc)
        digest_key(&e->digest, change->key, change->len, change->erase);
    return lmdb_error(rc);
}

int edit_copy_key(struct edit *e, const MDB_val *head, const MDB_val *tail)
{
    char key[DISKV_KEY_MAX];
    size_t len;
    int rc = keys_join(head, tail, key, &len);
    if (rc)
        return rc;
    MDB_val to_head = *head, to_tail = *tail;
    rc = mdb_put(e->txn, e->tables->keys, &to_head, &to_tail, MDB_APPEND);
    if (rc == MDB_KEYEXIST) /* it shares its head with the one before */
        rc = mdb_put(e->txn, e->tables->keys, &to_head, &to_tail, MDB_APPENDDUP);
    if (!rc)
        digest_key(&e->digest, key, len, false);
    return lmdb_error(rc);
}

/* --- Notes --- */

int note_parse(const MDB_val *entry, struct note *out)
{
    uint16_t name_len;
    const char *bytes = entry->mv_data;
    if (entry->mv_size < sizeof name_len)
        return DISKV_ECORRUPT;
    memcpy(&name_len, bytes, sizeof name_len);
    size_t left = entry->mv_size - sizeof name_len;
    if (name_len > INDEX_NOTE_NAME_MAX || left < name_len || left - name_len > INDEX_NOTE_VALUE_MAX)
        return DISKV_ECORRUPT;
    const char *name = bytes + sizeof name_len;
    *out = (struct note){name, name_len, name + name_len, left - name_len};
    return 0;
}

static XXH128_canonical_t hash_name(const char *name, size_t len)
{
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(name, len));
    return hash;
}

int note_find(const struct tables *t, MDB_txn *txn, const char *name, size_t name_len,
              struct note *out)
{
    XXH128_canonical_t hash = hash_name(name, name_len);
    MDB_val key = {sizeof hash, &hash}, entry;
    int rc = lmdb_error(mdb_get(txn, t->notes, &key, &entry));
    if (!rc)
        rc = note_parse(&entry, out);
    if (!rc && bytes_compare(out->name, out->name_len, name, name_len) != 0)
        return DISKV_ENOTFOUND; /* two names with one hash: the later one stays */
    return rc;
}

/* Removes the entry under `hash`, whatever its name; 0 where there is none. */
static int note_remove(struct edit *e, MDB_val *hash)
{
    MDB_val entry;
    int rc = mdb_get(e->txn, e->tables->notes, hash, &entry);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : lmdb_error(rc);
    digest_note(&e->digest, &entry, true);
    return lmdb_error(mdb_del(e->txn, e->tables->notes, hash, NULL));
}

int edit_note_set(struct edit *e, const char *name, size_t name_len, const void *value, size_t len)
{
    assert(name_len <= INDEX_NOTE_NAME_MAX && len <= INDEX_NOTE_VALUE_MAX);
    XXH128_canonical_t hash = hash_name(name, name_len);
    MDB_val key = {sizeof hash, &hash};
    int rc = note_remove(e, &key);
    if (rc)
        return rc;
    char bytes[ENTRY_MAX];
    uint16_t prefix = (uint16_t)name_len;
    memcpy(bytes, &prefix, sizeof prefix);
    memcpy(bytes + sizeof prefix, name, name_len);
    memcpy(bytes + sizeof prefix + name_len, value, len);
    MDB_val entry = {sizeof prefix + name_len + len, bytes};
    rc = mdb_put(e->txn, e->tables->notes, &key, &entry, 0);
    if (!rc)
        digest_note(&e->digest, &entry, false);
    return lmdb_error(rc);
}

int edit_note_erase(struct edit *e, const char *name, size_t name_len)
{
    struct note note;
    int rc = note_find(e->tables, e->txn, name, name_len, &note);
    if (rc)
        return rc == DISKV_ENOTFOUND ? 0 : rc;
    XXH128_canonical_t hash = hash_name(name, name_len);
    return note_remove(e, &(MDB_val){sizeof hash, &hash});
}

int edit_copy_note(struct edit *e, const MDB_val *hash, const MDB_val *entry)
{
    struct note note;
    int rc = note_parse(entry, &note);
    if (rc)
        return rc;
    XXH128_canonical_t expected = hash_name(note.name, note.name_len);
    if (hash->mv_size != sizeof expected || memcmp(hash->mv_data, &expected, sizeof expected) != 0)
        return DISKV_ECORRUPT;
    MDB_val key = *hash, value = *entry;
    rc = mdb_put(e->txn, e->tables->notes, &key, &value, MDB_APPEND);
    if (!rc)
        digest_note(&e->digest, entry, false);
    return lmdb_error(rc);
}
