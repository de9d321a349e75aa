/* OPTIONS: what a path takes, and preflights. */
#include "answer.h"
#include "cors.h"
#include "handlers.h"
#include "route.h"

static enum MHD_Result options_end(struct request *r)
{
    struct answer a = answer_empty();
    char allow[ROUTE_ALLOW_SIZE];

    route_allow(r->allow, allow);
    answer_header(&a, MHD_HTTP_HEADER_ALLOW, allow);
    cors_preflight(r, &a, allow);
    return answer_send(r, MHD_HTTP_NO_CONTENT, &a);
}

const struct handler options_handler = {.end = options_end};
