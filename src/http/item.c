#include "item.h"
#include "answer.h"
#include "json.h"
#include "metadata.h"

/* What begins the object; its end is the caller's. */
static int print_open(struct buf *out, const char *key, size_t len, const struct diskv_info *info)
{
    const char *type = answer_type(info, key, len);
    int rc = buf_add_str(out, "{\"key\":");

    if (rc == 0)
        rc = json_string(out, key, len);
    if (rc == 0)
        rc = buf_add_str(out, ",\"size\":");
    if (rc == 0 && info->size == DISKV_SIZE_UNKNOWN)
        rc = buf_add_str(out, "null");
    else if (rc == 0)
        rc = buf_add_number(out, info->size);
    if (rc == 0)
        rc = buf_add_str(out, ",\"modified\":");
    if (rc == 0)
        rc = json_time(out, &info->modified);
    if (rc == 0)
        rc = buf_add_str(out, ",\"etag\":\"");
    if (rc == 0)
        rc = buf_add_str(out, info->etag);
    if (rc == 0)
        rc = buf_add_str(out, "\",\"type\":");
    if (rc == 0)
        rc = json_string(out, type, strlen(type));
    return rc;
}

int item_print(struct buf *out, const char *key, size_t len, const struct diskv_info *info)
{
    int rc = print_open(out, key, len, info);

    return rc == 0 ? buf_add_str(out, "}") : rc;
}

int item_print_all(struct buf *out, const char *key, size_t len, const diskv_reader *reader)
{
    int rc = print_open(out, key, len, diskv_reader_info(reader));
    struct diskv_field field;

    for (size_t i = 0; rc == 0 && diskv_fields_at(diskv_reader_fields(reader), i, &field); i++) {
        if (!metadata_is_given(&field))
            continue;
        rc = buf_add_str(out, ",");
        if (rc == 0)
            rc = json_string(out, field.name, strlen(field.name));
        if (rc == 0)
            rc = buf_add_str(out, ":");
        if (rc == 0)
            rc = json_string(out, field.value, strlen(field.value));
    }
    return rc == 0 ? buf_add_str(out, "}") : rc;
}
