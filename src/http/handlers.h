/* What the routes do; each is defined in the file that is named after it. */
#ifndef HANDLERS_H
#define HANDLERS_H

#include "request.h"

extern const struct handler get_handler;          /* GET, HEAD /keys/<key> */
extern const struct handler meta_handler;         /* GET, HEAD /keys/<key>?meta */
extern const struct handler patch_handler;        /* PATCH /keys/<key>?meta */
extern const struct handler put_handler;          /* PUT /keys/<key> */
extern const struct handler create_handler;       /* POST /keys */
extern const struct handler copy_handler;         /* PUT /keys/<key> where copy_is_asked */
extern const struct handler erase_handler;        /* DELETE /keys/<key> */
extern const struct handler erase_prefix_handler; /* DELETE /keys?prefix= */
extern const struct handler list_handler;         /* GET, HEAD /keys */
extern const struct handler ndjson_handler;       /* the same as application/x-ndjson */
extern const struct handler index_page_handler;   /* GET, HEAD /keys/<folder>/ as HTML */
extern const struct handler tar_get_handler;      /* the same, with the values, as a tar */
extern const struct handler tar_put_handler;      /* POST /keys?prefix= */
extern const struct handler events_handler;       /* GET, HEAD /events */
extern const struct handler foreign_handler;      /* GET, HEAD /stats?foreign */
extern const struct handler rescan_handler;       /* POST /rescan */
extern const struct handler asset_handler;        /* GET, HEAD / and the page's other files */
extern const struct handler site_handler;         /* GET, HEAD of all else, with --site */
extern const struct handler options_handler;      /* OPTIONS of whatever there is */

/* True where a PUT says that its value is to come from another key. */
bool copy_is_asked(const struct request *r);

/* In status.c. */
extern const struct handler health_handler; /* GET, HEAD /healthz */
extern const struct handler ready_handler;  /* GET, HEAD /readyz */
extern const struct handler stats_handler;  /* GET, HEAD /stats */

#endif
