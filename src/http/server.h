/* The HTTP server: routes requests to a store. */
#ifndef SERVER_H
#define SERVER_H

#include "diskv.h"

struct http_server;

/* The Cache-Control of values that bring none. */
struct http_cache_rule {
    const char *pattern; /* of the key, as fnmatch(3) has it; `*` matches `/` too */
    const char *value;
};

struct http_options {
    const char *const *listen; /* "HOST:PORT", "[ADDRESS]:PORT", "unix:PATH"; port 0: a free one */
    size_t listen_count;
    unsigned threads;         /* event loops */
    unsigned max_connections; /* further ones get a 503 and are closed */
    unsigned idle_seconds;    /* a connection without a request is closed after so long */
    unsigned request_seconds; /* a request may take so long, and longer … */
    uint64_t min_rate;        /* … by one second for each so many bytes of body that moved */
    unsigned event_heartbeat_seconds; /* who follows changes hears of us so often at least */
    uint64_t max_value_bytes; /* a longer body is refused before it is read; 0 for no limit */

    const char *const *cors_origins; /* web origins whose pages may read answers; "*" for all */
    size_t cors_origin_count;
    const struct http_cache_rule *cache_rules; /* the first that matches counts */
    size_t cache_rule_count;
    const char *site;          /* the prefix of the keys served as a web site at `/`; or NULL */
    const char *site_fallback; /* behind that prefix: what a page that is missing gets; or NULL */
};

/* Listens and serves `store`, which must outlive the server. What fails is logged: EINVAL for an
 * address that cannot be parsed or resolved, EUNAVAILABLE for one that cannot be listened on,
 * ENOMEM. What the options point to must outlive the server; the addresses need not. */
int http_server_start(diskv *store, const struct http_options *options, struct http_server **out);

/* The URL of a listener ("http://127.0.0.1:8080", "unix:/path"), with the port that was picked;
 * NULL past the last. Lives as long as the server. */
const char *http_server_url(const struct http_server *server, size_t listener);

/* Stops accepting, answers what is in flight with `Connection: close`, and waits until it is done,
 * at most `seconds`. Returns how many requests were still in flight. */
size_t http_server_drain(struct http_server *server, unsigned seconds);

/* Cuts what is left and frees the server. Waits for the store's operations under way. */
void http_server_free(struct http_server *server);

#endif
