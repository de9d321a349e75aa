#include "answer.h"
#include "context.h"
#include "handlers.h"
#include <inttypes.h>
#include "json.h"

static enum MHD_Result health_end(struct request *r)
{
    struct answer a = answer_text("ok\n", "text/plain");

    answer_header(&a, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return answer_send(r, MHD_HTTP_OK, &a);
}

static enum MHD_Result ready_end(struct request *r)
{
    struct diskv_stats s;

    diskv_stats(r->server->store, &s);
    if (atomic_load(&r->server->draining))
        return request_fail(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
    if (s.indexing)
        return request_fail(r, MHD_HTTP_SERVICE_UNAVAILABLE,
                            "the index is being built: values can be read and written, not listed");
    if (s.index_damaged)
        return request_fail(
            r, MHD_HTTP_SERVICE_UNAVAILABLE,
            "the index is damaged: nothing is listed until the server is restarted");
    return health_end(r);
}

static const char *watching_name(enum diskv_watching watching)
{
    switch (watching) {
    case DISKV_WATCHING_NOT:
        return "false";
    case DISKV_WATCHING_PARTLY:
        return "\"partly\"";
    case DISKV_WATCHING:
        break;
    }
    return "true";
}

static enum MHD_Result stats_end(struct request *r)
{
    struct http_server *server = r->server;
    struct diskv_stats s;
    struct buf text = {0};
    struct answer a;
    int rc;

    diskv_stats(server->store, &s);
    rc = buf_printf(&text,
                    "{\"version\":\"" DISKV_VERSION "\",\"uptime_seconds\":%" PRId64
                    ",\"connections\":%zu,\"requests\":%zu,\"keys\":%" PRIu64
                    ",\"foreign\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"writes\":%" PRIu64
                    ",\"erases\":%" PRIu64 ",\"bytes_read\":%" PRIu64 ",\"bytes_written\":%" PRIu64
                    ",\"cache_bytes\":%" PRIu64 ",\"cache_hits\":%" PRIu64
                    ",\"cache_misses\":%" PRIu64 ",\"watching\":%s,\"watches\":%" PRIu64
                    ",\"indexing\":%s,\"scrubbed\":%" PRIu64 ",\"scrub_wrong\":%" PRIu64
                    ",\"scrubbed_all_at\":",
                    (clock_ms() - server->started_ms) / 1000,
                    atomic_load(&server->connections.open), atomic_load(&server->requests), s.keys,
                    s.foreign, s.reads, s.writes, s.erases, s.bytes_read, s.bytes_written,
                    s.cache_bytes, s.cache_hits, s.cache_misses, watching_name(s.watching),
                    s.watches, s.indexing ? "true" : "false", s.scrubbed, s.scrub_wrong);
    if (rc == 0)
        rc = s.scrubbed_all_at ? json_time(&text, &(struct timespec){.tv_sec = s.scrubbed_all_at})
                               : buf_add_str(&text, "null");
    if (rc == 0)
        rc = buf_add_str(&text, "}\n");
    if (rc != 0) {
        buf_free(&text);
        return request_fail_rc(r, rc);
    }
    a = answer_buf(&text, "application/json");
    answer_header(&a, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return answer_send(r, MHD_HTTP_OK, &a);
}

const struct handler health_handler = {.end = health_end};
const struct handler ready_handler = {.end = ready_end};
const struct handler stats_handler = {.end = stats_end};
