/* When a request is for an index page. */
#ifndef INDEX_PAGE_H
#define INDEX_PAGE_H

#include "request.h"

/* True where the path ends with `/`, so that an index page's relative links lead to keys. */
bool index_page_is_folder(const struct request *r);

/* True where the request's Accept names HTML, and no `format` says otherwise. */
bool index_page_is_accepted(const struct request *r);

/* Answers for a key that has no value: with the index page of the folder that the path names, or
 * the way there, where that is accepted, else with a 404. To be returned from a handler's `end`. */
enum MHD_Result index_page_or_404(struct request *r);
enum MHD_Result index_page_404(struct request *r);

#endif
