#include "tar_header.h"
#include "diskv.h"

#define NAME_SIZE (sizeof(((struct tar_header *)NULL)->prefix) + 1 + 100)

static int damaged(struct tar_reader *t, const char *fault)
{
    t->fault = fault;
    return DISKV_EINVAL;
}

/* --- Numbers and text --- */

/* Octal digits between blanks, or GNU's form for large ones: a set bit, then the bytes of the
 * number. EINVAL. */
static int read_number(const char *field, size_t size, uint64_t *out)
{
    size_t i = 0;

    *out = 0;
    if ((unsigned char)field[0] == 0x80) {
        for (i = 1; i < size; i++) {
            if (*out >> 55 != 0)
                return DISKV_EINVAL;
            *out = *out << 8 | (unsigned char)field[i];
        }
        return 0;
    }
    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        *out = *out << 3 | (uint64_t)(field[i] - '0');
    return i == size || field[i] == ' ' || field[i] == '\0' ? 0 : DISKV_EINVAL;
}

/* Decimal digits and nothing else, up to what a file's size can be. EINVAL. */
static int read_decimal(const char *s, size_t len, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || *out > (INT64_MAX - 9) / 10)
            return DISKV_EINVAL;
        *out = *out * 10 + (uint64_t)(s[i] - '0');
    }
    return len > 0 ? 0 : DISKV_EINVAL;
}

static bool starts_with(const char *s, size_t len, const char *start)
{
    return len >= strlen(start) && memcmp(s, start, strlen(start)) == 0;
}

/* --- Pax records --- */

int tar_next_record(const char **pax, size_t *len, struct tar_record *out)
{
    const char *blank, *end, *equals;
    uint64_t total;

    if (*len == 0)
        return 0;
    blank = memchr(*pax, ' ', *len);
    if (blank == NULL || read_decimal(*pax, (size_t)(blank - *pax), &total) != 0 || total > *len ||
        total < (uint64_t)(blank - *pax) + strlen(" =\n"))
        return DISKV_EINVAL;
    end = *pax + total - 1;
    out->key = blank + 1;
    equals = memchr(out->key, '=', (size_t)(end - out->key));
    if (equals == NULL || *end != '\n')
        return DISKV_EINVAL;
    out->key_len = (size_t)(equals - out->key);
    out->value = equals + 1;
    out->value_len = (size_t)(end - out->value);
    *pax += total;
    *len -= total;
    return 1;
}

bool tar_find_record(const struct tar_entry *entry, const char *key, struct tar_record *out)
{
    const char *pax = entry->pax;
    size_t len = entry->pax_len;
    struct tar_record record;
    bool found = false;

    while (tar_next_record(&pax, &len, &record) > 0) {
        if (record.key_len == strlen(key) && memcmp(record.key, key, record.key_len) == 0) {
            *out = record;
            found = true;
        }
    }
    return found;
}

static int check_pax(struct tar_reader *t)
{
    const char *pax = t->pax.data;
    size_t len = t->pax.len;
    struct tar_record record;
    int rc;

    do {
        rc = tar_next_record(&pax, &len, &record);
    } while (rc > 0);
    return rc == 0 ? 0 : damaged(t, "a pax header of the tar is malformed");
}

/* GNU tar notes how a sparse file is put together in records of this name. */
static bool is_sparse(const struct tar_entry *entry)
{
    const char *pax = entry->pax;
    size_t len = entry->pax_len;
    struct tar_record record;

    while (tar_next_record(&pax, &len, &record) > 0) {
        if (starts_with(record.key, record.key_len, "GNU.sparse."))
            return true;
    }
    return false;
}

/* --- Content --- */

static int content_end(struct tar_reader *t)
{
    switch (t->goes_to) {
    case TAR_EVENTS:
        return t->events->end(t->ctx);
    case TAR_PAX:
        return check_pax(t);
    case TAR_NAME:
        t->name.len = strnlen(t->name.data, t->name.len);
        return 0;
    default:
        return 0;
    }
}

static int content_begin(struct tar_reader *t, uint64_t size)
{
    t->content = size;
    t->padding = (unsigned)(-size % TAR_BLOCK);
    return size > 0 ? 0 : content_end(t);
}

/* Content that is gathered, in place of any that was. */
static int gather_begin(struct tar_reader *t, struct buf *into, uint64_t size)
{
    if (size > TAR_EXTENSION_MAX)
        return damaged(t, "a pax header or a name of the tar is longer than 64 KiB");
    into->len = 0;
    if (buf_reserve(into, (size_t)size) != 0)
        return DISKV_ENOMEM;
    return content_begin(t, size);
}

static int take_content(struct tar_reader *t, const char *data, size_t len, size_t *taken)
{
    int rc = 0;

    *taken = t->content < len ? (size_t)t->content : len;
    t->content -= *taken;
    if (t->goes_to == TAR_EVENTS)
        rc = t->events->data(t->ctx, data, *taken);
    else if (t->goes_to == TAR_PAX)
        rc = buf_add(&t->pax, data, *taken);
    else if (t->goes_to == TAR_NAME)
        rc = buf_add(&t->name, data, *taken);
    return rc == 0 && t->content == 0 ? content_end(t) : rc;
}

/* --- Headers --- */

/* The name in the header itself; `out` has NAME_SIZE bytes. */
static size_t read_name(const struct tar_header *header, char *out)
{
    size_t len = 0;

    if (memcmp(header->magic, "ustar", sizeof(header->magic)) == 0 && header->prefix[0] != '\0') {
        len = strnlen(header->prefix, sizeof(header->prefix));
        memcpy(out, header->prefix, len);
        out[len++] = '/';
    }
    memcpy(out + len, header->name, sizeof(header->name));
    return len + strnlen(header->name, sizeof(header->name));
}

static enum tar_type type_of(const struct tar_entry *entry, char type)
{
    switch (type) {
    case '\0': /* as the first tars had it, which wrote directories so too */
    case '0':
    case '7':
        if (entry->name_len > 0 && entry->name[entry->name_len - 1] == '/')
            return TAR_DIRECTORY;
        return is_sparse(entry) ? TAR_OTHER : TAR_FILE;
    case '1':
    case '2':
        return TAR_LINK;
    case '5':
    case 'D':
        return TAR_DIRECTORY;
    default:
        return TAR_OTHER;
    }
}

static int entry_begin(struct tar_reader *t, const struct tar_header *header, uint64_t size)
{
    char own[NAME_SIZE];
    struct tar_entry entry = {.name = own, .size = size, .pax = t->pax.data, .pax_len = t->pax.len};
    struct tar_record record;
    int rc;

    entry.name_len = read_name(header, own);
    if (t->name.len > 0) {
        entry.name = t->name.data;
        entry.name_len = t->name.len;
    }
    if (tar_find_record(&entry, "path", &record)) {
        entry.name = record.value;
        entry.name_len = record.value_len;
    }
    if (tar_find_record(&entry, "size", &record) &&
        read_decimal(record.value, record.value_len, &entry.size) != 0)
        return damaged(t, "a size in a pax header of the tar is no number");
    if (header->type >= '1' && header->type <= '6')
        entry.size = 0; /* whatever it says: links, devices and directories have none */
    entry.type = type_of(&entry, header->type);
    t->in_map = header->type == 'S' && ((const char *)header)[TAR_GNU_IS_EXTENDED] != 0;
    t->goes_to = TAR_EVENTS;
    rc = t->events->begin(t->ctx, &entry);
    t->pax.len = t->name.len = 0;
    return rc == 0 ? content_begin(t, entry.size) : rc;
}

static int take_header(struct tar_reader *t, const struct tar_header *header)
{
    uint64_t sum, size;

    if (read_number(header->checksum, sizeof(header->checksum), &sum) != 0 ||
        ((long)sum != tar_checksum(header, false) && (long)sum != tar_checksum(header, true)))
        return damaged(t, "this is no tar, or it is damaged: a header's checksum is wrong");
    if (read_number(header->size, sizeof(header->size), &size) != 0)
        return damaged(t, "a size in a header of the tar is no number");
    switch (header->type) {
    case 'x':
        t->goes_to = TAR_PAX;
        return gather_begin(t, &t->pax, size);
    case 'L':
        t->goes_to = TAR_NAME;
        return gather_begin(t, &t->name, size);
    case 'g': /* for all entries to come */
    case 'K': /* where a link leads to */
        t->goes_to = TAR_IGNORED;
        return content_begin(t, size);
    default:
        return entry_begin(t, header, size);
    }
}

static int take_whole_block(struct tar_reader *t, const char *block)
{
    static const char zeroes[TAR_BLOCK];

    if (t->in_map) {
        t->in_map = block[TAR_MAP_IS_EXTENDED] != 0;
        return 0;
    }
    if (memcmp(block, zeroes, sizeof(zeroes)) == 0) {
        t->zero_blocks++;
        return 0;
    }
    if (t->zero_blocks > 0)
        return damaged(t, "the tar is damaged: an entry follows a block of zeroes");
    return take_header(t, (const struct tar_header *)block);
}

/* A block that comes whole is looked at where it is. */
static int take_block(struct tar_reader *t, const char *data, size_t len, size_t *taken)
{
    if (t->block_len == 0 && len >= TAR_BLOCK) {
        *taken = TAR_BLOCK;
        return take_whole_block(t, data);
    }
    *taken = len < TAR_BLOCK - t->block_len ? len : TAR_BLOCK - t->block_len;
    memcpy(t->block + t->block_len, data, *taken);
    t->block_len += *taken;
    if (t->block_len < TAR_BLOCK)
        return 0;
    t->block_len = 0;
    return take_whole_block(t, t->block);
}

int tar_read(struct tar_reader *t, const char *data, size_t len)
{
    size_t taken;
    int rc = 0;

    for (; rc == 0 && len > 0 && t->zero_blocks < 2; data += taken, len -= taken) {
        if (!t->in_map && t->content > 0) {
            rc = take_content(t, data, len, &taken);
        } else if (!t->in_map && t->padding > 0) {
            taken = t->padding < len ? t->padding : len;
            t->padding -= (unsigned)taken;
        } else {
            rc = take_block(t, data, len, &taken);
        }
    }
    return rc;
}

int tar_read_end(struct tar_reader *t)
{
    return t->zero_blocks > 0 ? 0 : damaged(t, "the tar is cut short");
}

void tar_reader_free(struct tar_reader *t)
{
    buf_free(&t->name);
    buf_free(&t->pax);
}
