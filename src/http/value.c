#include "value.h"
#include "body.h"
#include "cache_rule.h"
#include "context.h"
#include "cors.h"
#include "loop.h"
#include "metadata.h"
#include "piece.h"
#include "request.h"
#include "sending.h"
#include <inttypes.h>

bool value_is_packed(const diskv_reader *reader, enum diskv_read how)
{
    return how == DISKV_READ_STORED && diskv_reader_codec(reader)[0] != '\0';
}

bool value_has_form(const diskv_reader *reader, enum diskv_read how)
{
    return !value_is_packed(reader, how) || (!metadata_has(reader, "content-encoding") &&
                                             strcmp(diskv_reader_codec(reader), "gzip") == 0);
}

void value_set(struct value *v, const struct request *r, diskv_reader *reader, enum diskv_read how)
{
    bool packed = value_is_packed(reader, how);

    v->reader = reader;
    v->how = how;
    v->tag_suffix = packed ? VALUE_GZIP_SUFFIX : "";
    if (packed)
        v->coding = "gzip";
    if (v->type == NULL)
        v->type = answer_type(diskv_reader_info(reader), r->key, r->key_len);
}

/* What was kept with the value, or stands in for it. */
static void add_metadata(struct answer *a, const struct request *r, const struct value *v,
                         const diskv_reader *reader, bool all)
{
    unsigned parts = all ? METADATA_ALL : METADATA_CACHING;
    const char *rule = cache_rule_find(&r->server->limits, r->key);

    if (v->missing)
        parts &= ~METADATA_CACHING;
    else if (rule != NULL && !metadata_has(reader, "cache-control"))
        answer_header(a, MHD_HTTP_HEADER_CACHE_CONTROL, rule);
    if (v->disposition != NULL && all) {
        parts &= ~METADATA_DISPOSITION;
        answer_header(a, MHD_HTTP_HEADER_CONTENT_DISPOSITION, v->disposition);
    }
    metadata_answer(a, reader, parts);
}

/* What an answer says of the value: all of it, or what belongs into a 304. */
static void add_headers(struct answer *a, const struct request *r, const struct value *v,
                        const diskv_reader *reader, bool all)
{
    const struct diskv_info *info = diskv_reader_info(reader);

    if (!v->missing)
        answer_validators(a, info, v->tag_suffix);
    add_metadata(a, r, v, reader, all);
    if (v->varies_by_encoding || diskv_reader_codec(reader)[0] != '\0')
        answer_header(a, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    if (v->varies_by_accept)
        answer_header(a, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
    if (!all)
        return;
    if (v->coding != NULL && !metadata_has(reader, "content-encoding"))
        answer_header(a, MHD_HTTP_HEADER_CONTENT_ENCODING, v->coding);
    if (v->digest[0] != '\0')
        answer_header(a, "Repr-Digest", v->digest);
    if (!v->missing)
        answer_header(a, MHD_HTTP_HEADER_ACCEPT_RANGES,
                      info->size == DISKV_SIZE_UNKNOWN ? "none" : "bytes");
}

/* The reader of `v` belongs to `a` from now on and lives until that is sent. */
static void hand_over(struct value *v, const struct answer *a)
{
    if (!a->broken)
        v->reader = NULL;
}

static ssize_t no_body(void *cls, uint64_t offset, char *out, size_t len)
{
    (void)cls;
    (void)offset;
    (void)out;
    (void)len;
    return MHD_CONTENT_READER_END_WITH_ERROR; /* never called */
}

/* Has the cache keep a small value that is asked about: what is asked once is asked again, and then
 * its file need not be opened. */
static void keep_small(diskv_reader *reader)
{
    char data[SHELF_BODY_MAX];
    uint64_t size = diskv_reader_info(reader)->size;

    if (size <= sizeof(data) && diskv_reader_version(reader) == 0)
        diskv_reader_read_now(reader, data, size, 0);
}

/* An answer without a body that shows the value's size all the same. Where the size is not known
 * libmicrohttpd would send the chunk that ends a body, which the client took for its next answer;
 * speaking as HTTP/1.0 it sends no chunk, and closes. */
static struct answer answer_bodiless(diskv_reader *reader)
{
    uint64_t size = diskv_reader_info(reader)->size;
    bool sized = size != DISKV_SIZE_UNKNOWN;
    struct answer a = answer_response(
        MHD_create_response_from_callback(sized ? size : MHD_SIZE_UNKNOWN, 1, no_body, NULL, NULL));

    keep_small(reader);
    if (!sized && !a.broken)
        MHD_set_response_options(a.response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return a;
}

/* The version that the answer may be kept for, 0 for none. */
static uint64_t version_to_keep(const struct request *r, const struct value *v)
{
    if (!v->as_ever || v->digest[0] != '\0' || r->server->limits.cors_origin_count > 0 ||
        atomic_load(&r->server->draining))
        return 0;
    return diskv_reader_version(v->reader);
}

/* A hot value: one look at its file, three allocations (of the request, its state and the reader),
 * no copy but the kernel's. */
static bool send_kept(struct request *r, const struct value *v, unsigned status, uint64_t version,
                      enum shelf_kind kind, enum MHD_Result *sent)
{
    struct MHD_Response *response = version != 0 ? shelf_find(r->loop->shelf, version, kind) : NULL;

    if (response == NULL)
        return false;
    *sent = MHD_queue_response(r->mhd, status, response);
    if (*sent == MHD_YES)
        replay_keep(r, v->how, version,
                    kind == SHELF_WHOLE ? diskv_reader_info(v->reader)->size : 0);
    return true;
}

static enum MHD_Result send_or_keep(struct request *r, unsigned status, struct answer *a,
                                    uint64_t version, enum shelf_kind kind)
{
    return version != 0 ? answer_send_and_keep(r, status, a, version, kind)
                        : answer_send(r, status, a);
}

/* False where the part has to be streamed. */
static bool answer_part(struct request *r, struct value *v, uint64_t from, uint64_t len,
                        struct answer *out)
{
    return sending_answer(r, v, from, len, out) || piece_answer(r, v, from, len, out);
}

enum MHD_Result value_whole(struct request *r, struct value *v)
{
    const diskv_reader *reader = v->reader;
    uint64_t version = version_to_keep(r, v);
    enum shelf_kind kind = r->is_head ? SHELF_HEAD : SHELF_WHOLE;
    enum MHD_Result sent;
    struct answer a;

    if (send_kept(r, v, MHD_HTTP_OK, version, kind, &sent))
        return sent;
    if (!r->is_head && diskv_reader_info(reader)->size > SHELF_BODY_MAX)
        version = 0;
    if (r->is_head) {
        a = answer_bodiless(v->reader);
    } else if (!answer_part(r, v, 0, diskv_reader_info(reader)->size, &a)) {
        a = body_whole(r, v->reader);
        hand_over(v, &a);
    }
    add_headers(&a, r, v, reader, true);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, v->type);
    return send_or_keep(r, v->missing ? MHD_HTTP_NOT_FOUND : MHD_HTTP_OK, &a, version, kind);
}

size_t value_print_head(const struct request *r, const struct value *v, const struct range *part,
                        const char *date, char *out, size_t room)
{
    struct answer a = answer_printed(
        part != NULL ? "HTTP/1.1 206 Partial Content\r\n" : "HTTP/1.1 200 OK\r\n", out, room);
    uint64_t size = diskv_reader_info(v->reader)->size;
    char len[24], range[BODY_RANGE_SIZE];

    answer_header(&a, MHD_HTTP_HEADER_DATE, date);
    add_headers(&a, r, v, v->reader, true);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, v->type);
    if (part != NULL) {
        body_print_range(part, size, range);
        answer_header(&a, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    }
    cors_answer(r, &a);
    snprintf(len, sizeof(len), "%" PRIu64, part != NULL ? part->len : size);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_LENGTH, len);
    return answer_print_end(&a);
}

enum MHD_Result value_parts(struct request *r, struct value *v, const struct range *ranges,
                            size_t count)
{
    char multipart[BODY_TYPE_SIZE], range[BODY_RANGE_SIZE];
    const diskv_reader *reader = v->reader;
    struct answer a;

    if (count > 1 || !answer_part(r, v, ranges[0].from, ranges[0].len, &a)) {
        a = body_parts(r, v->reader, ranges, count, v->type, multipart);
        hand_over(v, &a);
    }
    add_headers(&a, r, v, reader, true);
    answer_header(&a, MHD_HTTP_HEADER_CONTENT_TYPE, count == 1 ? v->type : multipart);
    if (count == 1) {
        body_print_range(&ranges[0], diskv_reader_info(reader)->size, range);
        answer_header(&a, MHD_HTTP_HEADER_CONTENT_RANGE, range);
    }
    return answer_send(r, MHD_HTTP_PARTIAL_CONTENT, &a);
}

/* libmicrohttpd sends a Content-Length with a 304: it must be that of the value. */
enum MHD_Result value_not_modified(struct request *r, struct value *v)
{
    uint64_t version = version_to_keep(r, v);
    enum MHD_Result sent;
    struct answer a;

    if (send_kept(r, v, MHD_HTTP_NOT_MODIFIED, version, SHELF_NOT_MODIFIED, &sent))
        return sent;
    a = answer_bodiless(v->reader);
    add_headers(&a, r, v, v->reader, false);
    return send_or_keep(r, MHD_HTTP_NOT_MODIFIED, &a, version, SHELF_NOT_MODIFIED);
}

enum MHD_Result value_unsatisfiable(struct request *r, const struct value *v)
{
    char range[BODY_RANGE_SIZE];

    snprintf(range, sizeof(range), "bytes */%" PRIu64, diskv_reader_info(v->reader)->size);
    return request_fail_problem(r,
                                &(struct problem){.status = MHD_HTTP_RANGE_NOT_SATISFIABLE,
                                                  .detail = "none of the ranges lies in the value",
                                                  .header = MHD_HTTP_HEADER_CONTENT_RANGE,
                                                  .value = range});
}
