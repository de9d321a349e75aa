/* The HTML of an index page, in pieces. */
#ifndef INDEX_HTML_H
#define INDEX_HTML_H

#include "buf.h"
#include "diskv.h"
#include <stdbool.h>

/* Appends what comes before the entries of the keys behind `prefix`, which is "" or ends with `/`,
 * with a link to the folder that it lies in; `query` is put behind links to folders. ENOMEM. */
int index_html_head(struct buf *out, const char *prefix, size_t len, const char *query);

/* Appends the entry of an item whose name begins with a prefix of that length. ENOMEM. */
int index_html_entry(struct buf *out, const struct diskv_item *item, size_t prefix_len,
                     const char *query);

/* Appends what comes after the entries. `next` is the link to a page with more, as it is to stand
 * in the attribute; NULL for none. ENOMEM. */
int index_html_foot(struct buf *out, const char *next);

#endif
