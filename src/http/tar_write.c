#include "tar_header.h"
#include "diskv.h"
#include <inttypes.h>

#define OCTAL_MAX INT64_C(077777777777) /* of a field of twelve bytes */

static int add_zeroes(struct buf *out, size_t len)
{
    int rc = buf_reserve(out, len);

    if (rc != 0)
        return rc;
    memset(out->data + out->len, 0, len + 1);
    out->len += len;
    return 0;
}

int tar_pad(struct buf *out, uint64_t size)
{
    return add_zeroes(out, (size_t)(-size % TAR_BLOCK));
}

int tar_add_end(struct buf *out, uint64_t size)
{
    size += 2 * TAR_BLOCK;
    return add_zeroes(out, (size_t)(2 * TAR_BLOCK + (TAR_RECORD - size % TAR_RECORD) % TAR_RECORD));
}

/* A record begins with its own length, whose digits count too. */
int tar_add_record(struct buf *pax, const char *key, const char *value, size_t len)
{
    size_t bare = strlen(" =\n") + strlen(key) + len, total = bare;
    char digits[24];
    int rc;

    while (total != bare + (size_t)snprintf(digits, sizeof(digits), "%zu", total))
        total = bare + strlen(digits);
    rc = buf_reserve(pax, total);
    if (rc == 0)
        rc = buf_printf(pax, "%s %s=", digits, key);
    if (rc == 0)
        rc = buf_add(pax, value, len);
    return rc == 0 ? buf_add_str(pax, "\n") : rc;
}

static int add_number(struct buf *pax, const char *key, int64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, number);

    return tar_add_record(pax, key, digits, (size_t)len);
}

/* Puts a name into its fields, split at the last slash that lets it fit. False where it cannot. */
static bool put_name(struct tar_header *header, const char *name, size_t len)
{
    size_t at = len < sizeof(header->prefix) + 1 ? len : sizeof(header->prefix) + 1;

    if (len <= sizeof(header->name)) {
        memcpy(header->name, name, len);
        return true;
    }
    while (at > 0 && name[at - 1] != '/')
        at--;
    if (at <= 1 || len == at || len - at > sizeof(header->name))
        return false;
    memcpy(header->prefix, name, at - 1);
    memcpy(header->name, name + at, len - at);
    return true;
}

static void put_octal(char *field, size_t size, uint64_t number)
{
    field[--size] = '\0';
    for (; size > 0; number >>= 3)
        field[--size] = (char)('0' + (number & 7));
}

/* What is common to all headers; 0 stands for a number that has no room. */
static void header_fill(struct tar_header *header, char type, uint64_t size, int64_t mtime)
{
    put_octal(header->mode, sizeof(header->mode), 0644);
    put_octal(header->uid, sizeof(header->uid), 0);
    put_octal(header->gid, sizeof(header->gid), 0);
    put_octal(header->size, sizeof(header->size), size <= (uint64_t)OCTAL_MAX ? size : 0);
    put_octal(header->mtime, sizeof(header->mtime),
              mtime >= 0 && mtime <= OCTAL_MAX ? (uint64_t)mtime : 0);
    header->type = type;
    memcpy(header->magic, "ustar", sizeof(header->magic));
    memcpy(header->version, "00", sizeof(header->version));
    put_octal(header->devmajor, sizeof(header->devmajor), 0);
    put_octal(header->devminor, sizeof(header->devminor), 0);
    put_octal(header->checksum, sizeof(header->checksum) - 1,
              (uint64_t)tar_checksum(header, false));
    header->checksum[sizeof(header->checksum) - 1] = ' ';
}

static int add_pax_header(struct buf *out, const struct buf *pax)
{
    struct tar_header header = {.name = "././@PaxHeader"};
    int rc;

    header_fill(&header, 'x', pax->len, 0);
    rc = buf_add(out, &header, sizeof(header));
    if (rc == 0)
        rc = buf_add(out, pax->data, pax->len);
    return rc == 0 ? tar_pad(out, pax->len) : rc;
}

int tar_add_header(struct buf *out, const struct tar_entry *entry, int64_t mtime)
{
    struct tar_header header = {.name = ""};
    struct buf pax = {0};
    int rc = buf_add(&pax, entry->pax, entry->pax_len);

    if (!put_name(&header, entry->name, entry->name_len)) {
        memcpy(header.name, entry->name, sizeof(header.name));
        if (rc == 0)
            rc = tar_add_record(&pax, "path", entry->name, entry->name_len);
    }
    if (rc == 0 && entry->size > (uint64_t)OCTAL_MAX)
        rc = add_number(&pax, "size", (int64_t)entry->size);
    if (rc == 0 && (mtime < 0 || mtime > OCTAL_MAX))
        rc = add_number(&pax, "mtime", mtime);
    if (rc == 0 && pax.len > 0)
        rc = add_pax_header(out, &pax);
    buf_free(&pax);
    if (rc != 0)
        return rc;
    header_fill(&header, '0', entry->size, mtime);
    return buf_add(out, &header, sizeof(header));
}
