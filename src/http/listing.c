#include "listing.h"
#include "context.h"
#include "key.h"

#define PAGE 1000 /* items */

static bool read_text(struct request *r, const char *name, char text[DISKV_KEY_MAX], size_t *len,
                      const char *refusal)
{
    int rc = query_text(r->query, name, text, DISKV_KEY_MAX, len);

    if (rc == DISKV_EINVAL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, refusal);
    else if (rc != 0)
        request_refuse_rc(r, rc);
    return rc == 0;
}

bool listing_begin(struct request *r, struct listing *l, size_t left, size_t max)
{
    struct diskv_list_options *o = &l->options;

    o->from = l->from;
    o->prefix = l->prefix;
    o->delimiter = l->delimiter;
    l->left = left;
    if (!read_text(r, "from", l->from, &o->from_len, "from takes at most 1000 bytes of UTF-8") ||
        !read_text(r, "prefix", l->prefix, &o->prefix_len,
                   "prefix takes at most 1000 bytes of UTF-8") ||
        !read_text(r, "delimiter", l->delimiter, &o->delimiter_len,
                   "delimiter takes at most 1000 bytes of UTF-8"))
        return false;
    if (query_number(r->query, "limit", 1, max, &l->left) == 0)
        return true;
    request_refuse(r, MHD_HTTP_BAD_REQUEST,
                   max == DISKV_LIST_MAX ? "limit takes a number from 1 to 10000"
                                         : "limit takes a number from 1 on");
    return false;
}

int listing_next(struct listing *l, diskv *store, struct diskv_page **out)
{
    struct diskv_list_options *o = &l->options;
    int rc;

    *out = NULL;
    if (l->left == 0)
        return 0;
    o->limit = l->left < PAGE ? l->left : PAGE;
    rc = diskv_list_wait(store, o, out);
    if (rc != 0)
        return rc;
    l->left = (*out)->next != NULL ? l->left - (*out)->count : 0;
    if ((*out)->next != NULL) {
        memcpy(l->from, (*out)->next, (*out)->next_len);
        o->from_len = (*out)->next_len;
    }
    return 0;
}

struct problem listing_problem(const struct request *r, int rc)
{
    struct problem problem = problem_of(rc);
    struct diskv_stats s;

    diskv_stats(r->server->store, &s);
    if (rc == DISKV_EUNAVAILABLE && s.indexing)
        problem.detail = "the index is being built: keys cannot be listed yet";
    return problem;
}

enum MHD_Result listing_fail(struct request *r, int rc)
{
    const struct problem problem = listing_problem(r, rc);

    return request_fail_problem(r, &problem);
}
