#include "route.h"
#include "assets.h"
#include "context.h"
#include "format.h"
#include "handlers.h"
#include "index_page.h"
#include "key.h"
#include "util.h"

static const char *const method_names[] = {"GET",     "HEAD",  "PUT", "DELETE",
                                           "OPTIONS", "PATCH", "POST"};

enum match {
    MATCH_WHOLE, /* the path and no other */
    MATCH_BELOW, /* every path that begins so */
    MATCH_ASSET, /* a file of the page, where no site takes its place */
    MATCH_SITE,  /* where there is a site, every path that nothing before has matched */
};

#define READ (METHOD_GET | METHOD_HEAD)

/* The first that matches path, query and method wins. Each path takes OPTIONS as well. */
static const struct route {
    enum match match;
    const char *path;
    const char *query; /* the parameter that must be there, NULL for none */
    unsigned methods;
    const struct handler *handler;
    bool (*when)(const struct request *r); /* what else must hold, NULL for nothing */
} routes[] = {
    {MATCH_BELOW, "/keys/", "html", READ, &index_page_handler, index_page_is_folder},
    {MATCH_WHOLE, "/keys/", NULL, READ, &index_page_handler, index_page_is_accepted},
    {MATCH_WHOLE, "/keys", NULL, READ, &ndjson_handler, format_is_ndjson},
    {MATCH_WHOLE, "/keys/", NULL, READ, &ndjson_handler, format_is_ndjson},
    {MATCH_WHOLE, "/keys", NULL, READ, &tar_get_handler, format_is_tar},
    {MATCH_WHOLE, "/keys/", NULL, READ, &tar_get_handler, format_is_tar},
    {MATCH_WHOLE, "/keys", "prefix", METHOD_POST, &tar_put_handler, NULL},
    {MATCH_WHOLE, "/keys/", "prefix", METHOD_POST, &tar_put_handler, NULL},
    {MATCH_WHOLE, "/keys", NULL, READ, &list_handler, NULL},
    {MATCH_WHOLE, "/keys/", NULL, READ, &list_handler, NULL},
    {MATCH_WHOLE, "/keys", NULL, METHOD_DELETE, &erase_prefix_handler, NULL},
    {MATCH_BELOW, "/keys/", "meta", READ, &meta_handler, NULL},
    {MATCH_BELOW, "/keys/", "meta", METHOD_PATCH, &patch_handler, NULL},
    {MATCH_BELOW, "/keys/", NULL, READ, &get_handler, NULL},
    {MATCH_WHOLE, "/keys", NULL, METHOD_POST, &create_handler, NULL},
    {MATCH_WHOLE, "/keys/", NULL, METHOD_POST, &create_handler, NULL},
    {MATCH_BELOW, "/keys/", NULL, METHOD_PUT, &copy_handler, copy_is_asked},
    {MATCH_BELOW, "/keys/", NULL, METHOD_PUT, &put_handler, NULL},
    {MATCH_BELOW, "/keys/", NULL, METHOD_DELETE, &erase_handler, NULL},
    {MATCH_WHOLE, "/healthz", NULL, READ, &health_handler, NULL},
    {MATCH_WHOLE, "/readyz", NULL, READ, &ready_handler, NULL},
    {MATCH_WHOLE, "/stats", "foreign", READ, &foreign_handler, NULL},
    {MATCH_WHOLE, "/stats", NULL, READ, &stats_handler, NULL},
    {MATCH_WHOLE, "/events", NULL, READ, &events_handler, NULL},
    {MATCH_WHOLE, "/rescan", NULL, METHOD_POST, &rescan_handler, NULL},
    {MATCH_WHOLE, "/openapi.json", NULL, READ, &asset_handler, NULL},
    {MATCH_ASSET, "", NULL, READ, &asset_handler, NULL},
    {MATCH_WHOLE, "*", NULL, 0, NULL, NULL}, /* OPTIONS for the server as a whole */
    {MATCH_SITE, "", NULL, READ, &site_handler, NULL},
};

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
    bool has_site = r->server->limits.site != NULL;
    size_t len = strlen(route->path);

    if (route->match == MATCH_SITE)
        return has_site && r->allow == 0;
    if (route->match == MATCH_ASSET)
        return !has_site && asset_find(r->path, r->path_len) != NULL;
    if (route->match == MATCH_WHOLE ? r->path_len != len : r->path_len < len)
        return false;
    return memcmp(r->path, route->path, len) == 0 &&
           (route->query == NULL || query_has(r->query, route->query)) &&
           (route->when == NULL || route->when(r));
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
