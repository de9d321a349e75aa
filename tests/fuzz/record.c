/* The store's record of a value, with any bytes in its place. Three lines: the file's size and
 * mtime (seconds, nanoseconds), the media type, the record. */
#include "store.h"
#include "fuzz.h"

#include <inttypes.h>

static void check_info(const struct engine_info *from, const struct diskv_info *info,
                       const struct record *record)
{
    assert(type_valid(info->type));
    assert(!*info->type || strcmp(info->type, from->type) == 0 || record->retyped);
    assert(strlen(info->etag) == DISKV_ETAG_MAX);
    assert(strspn(info->etag, "0123456789abcdef") == DISKV_ETAG_MAX);
}

/* What was read of a record and written anew is read as the same. */
static void check_record(const diskv *store, const struct engine_info *from,
                         const struct diskv_info *info, const diskv_fields *fields,
                         const struct record *record)
{
    struct engine_info again = *from;
    struct diskv_info info_again;
    struct record record_again;
    assert(record->size == from->size && info->size == record->length);
    assert(record_format(record, fields, again.record) == 0);
    assert(info_from_engine(store, &again, &info_again, NULL, &record_again));
    assert(strcmp(info_again.etag, info->etag) == 0 && info_again.size == info->size);
    assert(strcmp(record_again.codec, record->codec) == 0);
}

/* Copies a line, without its end, as far as there is room; returns where the next begins. */
static const uint8_t *line(const uint8_t *at, const uint8_t *end, char *out, size_t size)
{
    const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
    size_t len = (size_t)((stop ? stop : end) - at);
    memcpy(out, at, len < size ? len : size - 1);
    out[len < size ? len : size - 1] = '\0';
    return stop ? stop + 1 : end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    static const diskv store;
    struct engine_info from = {0};
    struct diskv_info info;
    diskv_fields fields;
    struct record record;
    char numbers[64];
    int64_t seconds = 0, nanoseconds = 0;
    data = line(data, end, numbers, sizeof numbers);
    data = line(data, end, from.type, sizeof from.type);
    line(data, end, from.record, sizeof from.record);
    sscanf(numbers, "%18" SCNu64 " %18" SCNd64 " %9" SCNd64, &from.size, &seconds, &nanoseconds);
    from.mtime = (struct timespec){.tv_sec = seconds, .tv_nsec = nanoseconds < 0 ? 0 : nanoseconds};
    bool recorded = info_from_engine(&store, &from, &info, &fields, &record);
    check_info(&from, &info, &record);
    if (recorded)
        check_record(&store, &from, &info, &fields, &record);
    return 0;
}
