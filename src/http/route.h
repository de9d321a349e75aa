/* Which handler answers a request. */
#ifndef ROUTE_H
#define ROUTE_H

#include "request.h"

enum method {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_PUT = 4,
    METHOD_DELETE = 8,
    METHOD_OPTIONS = 16,
    METHOD_PATCH = 32,
    METHOD_POST = 64,
};

#define ROUTE_ALLOW_SIZE 64

/* The handler of a request by its method, path and query. Sets `r->allow`; where there is none,
 * records a 404 or 405 and returns NULL. */
const struct handler *route_find(struct request *r, const char *method);

/* Writes a set of methods as the value of an Allow header. */
void route_allow(unsigned methods, char out[ROUTE_ALLOW_SIZE]);

#endif
