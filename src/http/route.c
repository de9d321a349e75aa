#include "route.h"
#include "answer.h"
#include "assets.h"
#include "handlers.h"
#include "key.h"
#include "util.h"

static const char *const method_names[] = {"GET",     "HEAD",  "PUT", "DELETE",
                                           "OPTIONS", "PATCH", "POST"};

enum match {
    MATCH_WHOLE, /* the path and no other */
    MATCH_BELOW, /* every path that begins so */
    MATCH_ASSET, /* a file of the page */
};

#define READ (METHOD_GET | METHOD_HEAD)

/* The first that matches path, method and query wins. Each path takes OPTIONS as well. */
static const struct route {
    enum match match;
    const char *path;
    const char *query; /* the parameter that must be there, NULL for none */
    unsigned methods;
    const struct handler *handler;
} routes[] = {
    {MATCH_WHOLE, "/keys", NULL, READ, &list_handler},
    {MATCH_WHOLE, "/keys/", NULL, READ, &list_handler},
    {MATCH_BELOW, "/keys/", "meta", READ, &meta_handler},
    {MATCH_BELOW, "/keys/", "meta", METHOD_PATCH, &patch_handler},
    {MATCH_BELOW, "/keys/", NULL, READ, &get_handler},
    {MATCH_BELOW, "/keys/", NULL, METHOD_PUT, &put_handler},
    {MATCH_BELOW, "/keys/", NULL, METHOD_DELETE, &erase_handler},
    {MATCH_WHOLE, "/healthz", NULL, READ, &health_handler},
    {MATCH_WHOLE, "/readyz", NULL, READ, &ready_handler},
    {MATCH_WHOLE, "/stats", NULL, READ, &stats_handler},
    {MATCH_WHOLE, "/rescan", NULL, METHOD_POST, &rescan_handler},
    {MATCH_ASSET, "", NULL, READ, &asset_handler},
    {MATCH_WHOLE, "*", NULL, 0, NULL}, /* OPTIONS for the server as a whole */
};

static enum MHD_Result options_end(struct request *r)
{
    struct answer a = answer_empty();
    char allow[ROUTE_ALLOW_SIZE];

    route_allow(r->allow, allow);
    answer_header(&a, MHD_HTTP_HEADER_ALLOW, allow);
    return answer_send(r, MHD_HTTP_NO_CONTENT, &a);
}

static const struct handler options_handler = {.end = options_end};

static unsigned method_of(const char *name)
{
    for (size_t i = 0; i < array_len(method_names); i++) {
        if (strcmp(name, method_names[i]) == 0)
            return 1u << i;
    }
    return 0;
}

static bool matches(const struct route *route, const struct request *r)
{
    size_t len = strlen(route->path);

    if (route->match == MATCH_ASSET)
        return asset_find(r->path, r->path_len) != NULL;
    if (route->match == MATCH_WHOLE ? r->path_len != len : r->path_len < len)
        return false;
    return memcmp(r->path, route->path, len) == 0 &&
           (route->query == NULL || query_has(r->query, route->query));
}

const struct handler *route_find(struct request *r, const char *method)
{
    unsigned wanted = method_of(method);
    bool found = false;

    for (size_t i = 0; i < array_len(routes); i++) {
        if (!matches(&routes[i], r))
            continue;
        found = true;
        r->allow |= routes[i].methods | METHOD_OPTIONS;
        if (routes[i].methods & wanted)
            return routes[i].handler;
    }
    if (!found)
        request_refuse(r, MHD_HTTP_NOT_FOUND, "there is nothing at this path");
    else if (wanted == METHOD_OPTIONS)
        return &options_handler;
    else
        request_refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "this path does not take that method");
    return NULL;
}

void route_allow(unsigned methods, char out[ROUTE_ALLOW_SIZE])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < array_len(method_names); i++) {
        if (methods & 1u << i)
            len += (size_t)snprintf(out + len, ROUTE_ALLOW_SIZE - len, "%s%s", len > 0 ? ", " : "",
                                    method_names[i]);
    }
}
