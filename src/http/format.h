/* In which form `GET /keys` is answered. */
#ifndef FORMAT_H
#define FORMAT_H

#include "request.h"

enum format { FORMAT_JSON, FORMAT_NDJSON, FORMAT_TAR, FORMAT_UNKNOWN };

/* The form that the query's `format` names, UNKNOWN where there is none of that name; without the
 * parameter the first that the request's Accept names, else JSON. */
enum format format_of(const struct request *r);

/* For the table of routes. */
bool format_is_ndjson(const struct request *r);
bool format_is_tar(const struct request *r);

/* The Vary of each of these answers. */
#define FORMAT_VARY "Accept, Accept-Encoding"

#endif
