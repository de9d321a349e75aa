#include "item.h"
#include "answer.h"
#include "json.h"
#include <inttypes.h>

int item_print(struct buf *out, const char *key, size_t len, const struct diskv_info *info)
{
    const char *type = answer_type(info);
    int rc = buf_add_str(out, "{\"key\":");

    if (rc == 0)
        rc = json_string(out, key, len);
    if (rc == 0)
        rc = buf_add_str(out, ",\"size\":");
    if (rc == 0 && info->size == DISKV_SIZE_UNKNOWN)
        rc = buf_add_str(out, "null");
    else if (rc == 0)
        rc = buf_printf(out, "%" PRIu64, info->size);
    if (rc == 0)
        rc = buf_add_str(out, ",\"modified\":");
    if (rc == 0)
        rc = json_time(out, &info->modified);
    if (rc == 0)
        rc = buf_printf(out, ",\"etag\":\"%s\",\"type\":", info->etag);
    if (rc == 0)
        rc = json_string(out, type, strlen(type));
    return rc == 0 ? buf_add_str(out, "}") : rc;
}
