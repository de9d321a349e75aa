#include "problem.h"
#include "date.h"
#include "json.h"
#include "util.h"
#include <microhttpd.h>

/* The one list of statuses; what it does not name is a 500. */
#define STATUSES(X)       \
    X(ENOTFOUND, 404)     \
    X(EPRECONDITION, 412) \
    X(ENOSPACE, 507)      \
    X(EUNAVAILABLE, 503)  \
    X(EINDOUBT, 503)      \
    X(ENOMEM, 503)        \
    X(EKEY, 400)          \
    X(EINVAL, 400)        \
    X(ETOOLARGE, 413)     \
    X(EMETADATA, 400)     \
    X(ENOTSUP, 501)       \
    X(EACCESS, 403)       \
    X(ECONFLICT, 409)

struct problem problem_of(int rc)
{
    struct problem problem = {.status = 500, .detail = diskv_strerror(rc)};

    switch (rc) {
#define STATUS_CASE(name, number) \
    case DISKV_##name:            \
        problem.status = number;  \
        break;
        STATUSES(STATUS_CASE)
#undef STATUS_CASE
    default:
        break;
    }
    return problem;
}

int problem_body(const struct problem *problem, struct buf *out)
{
    int rc = buf_printf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":",
                        MHD_get_reason_phrase_for(problem->status), problem->status);

    if (rc == 0)
        rc = json_string(out, problem->detail, strlen(problem->detail));
    if (rc == 0 && problem->members != NULL)
        rc = buf_printf(out, ",%s", problem->members);
    return rc == 0 ? buf_add_str(out, "}\n") : rc;
}

int problem_print(const struct problem *problem, const struct diskv_field *fields, size_t count,
                  struct buf *out)
{
    struct buf body = {0};
    char date[DATE_SIZE];
    int rc = problem_body(problem, &body);

    date_format(time(NULL), date);
    if (rc == 0)
        rc = buf_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\n", problem->status,
                        MHD_get_reason_phrase_for(problem->status), date);
    if (rc == 0 && problem->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        rc = buf_add_str(out, "Retry-After: " PROBLEM_RETRY_AFTER "\r\n");
    if (rc == 0 && problem->header != NULL)
        rc = buf_printf(out, "%s: %s\r\n", problem->header, problem->value);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = buf_printf(out, "%s: %s\r\n", fields[i].name, fields[i].value);
    if (rc == 0)
        rc = buf_printf(out, "Content-Type: " PROBLEM_TYPE "\r\nContent-Length: %zu\r\n\r\n%s",
                        body.len, body.data);
    buf_free(&body);
    return rc;
}
