/* POST /rescan: has the index brought in step with the files. */
#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "listing.h"

struct rescan {
    bool begun;
};

static enum MHD_Result rescan_end(struct request *r)
{
    struct rescan *state = r->state;
    struct answer a;

    if (!state->begun) {
        if (!request_wait(r))
            return MHD_NO;
        state->begun = true;
        diskv_rescan(r->server->store, request_done, r);
        return MHD_YES;
    }
    if (r->rc != 0)
        return listing_fail(r, r->rc);
    a = answer_empty();
    return answer_send(r, MHD_HTTP_NO_CONTENT, &a);
}

const struct handler rescan_handler = {.state_size = sizeof(struct rescan), .end = rescan_end};
