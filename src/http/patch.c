/* PATCH /keys/<key>?meta: a JSON merge patch (RFC 7396) of what is kept beside a value. */
#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "header.h"
#include "metadata.h"
#include "open.h"
#include "precondition.h"
#include <jansson.h>
#include <strings.h>

#define BODY_MAX  (16 * 1024)
#define TRIES_MAX 100

#define MERGE_PATCH "application/merge-patch+json"

struct patch {
    struct precondition precondition;
    struct buf body;
    json_t *change;
    struct opening opening;
    struct metadata metadata;
    char etag[DISKV_ETAG_MAX + 1]; /* of the value that the metadata were made from */
    struct diskv_info info;        /* as it is then */
    bool annotating;
    unsigned tries;
};

static bool is_type(const char *value, const char *type)
{
    size_t len = strcspn(value, "; \t");

    return len == strlen(type) && strncasecmp(value, type, len) == 0;
}

static void patch_begin(struct request *r)
{
    struct patch *p = r->state;
    const char *type;

    if (!request_read_key(r) || !precondition_begin(r, &p->precondition))
        return;
    if (header_lines(r->mhd, MHD_HTTP_HEADER_CONTENT_TYPE, &type) != 1 ||
        !(is_type(type, MERGE_PATCH) || is_type(type, "application/json")))
        r->refusal = (struct problem){.status = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                      .detail = "a change of metadata is JSON: " MERGE_PATCH,
                                      .header = "Accept-Patch",
                                      .value = MERGE_PATCH ", application/json"};
    else if (r->framing.length > BODY_MAX)
        request_refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "a change of metadata takes at most 16 KiB");
}

static enum MHD_Result patch_body(struct request *r, const char *data, size_t *len)
{
    struct patch *p = r->state;

    if (p->body.len + *len > BODY_MAX)
        request_refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "a change of metadata takes at most 16 KiB");
    else if (buf_add(&p->body, data, *len) != 0)
        request_refuse_rc(r, DISKV_ENOMEM);
    else
        *len = 0;
    return MHD_YES;
}

/* Applies the change to what the value has; the fault that stands against it, or NULL. */
static const char *merge(struct patch *p)
{
    const char *name;
    json_t *value;

    json_object_foreach(p->change, name, value)
    {
        const char *fault;

        if (!json_is_string(value) && !json_is_null(value))
            return "metadata are strings, or null to remove them";
        fault = metadata_set(&p->metadata, name, json_string_value(value));
        if (fault != NULL)
            return fault;
    }
    return NULL;
}

/* The change is made only to the value that it was made from. */
static int patch_guard(void *ctx, const struct diskv_info *current)
{
    const struct patch *p = ctx;

    if (precondition_check(&p->precondition, false, current) != 0)
        return DISKV_EPRECONDITION;
    return strcmp(p->etag, current->etag) == 0 ? 0 : DISKV_EAGAIN;
}

static enum MHD_Result annotate(struct request *r, struct patch *p)
{
    struct diskv_write_options options = {.guard = patch_guard, .guard_ctx = p};
    const char *fault;

    metadata_free(&p->metadata);
    if (metadata_of(p->opening.reader, &p->metadata) != 0)
        return request_fail_rc(r, DISKV_ENOMEM);
    fault = merge(p);
    if (fault == metadata_no_memory)
        return request_fail_rc(r, DISKV_ENOMEM);
    if (fault != NULL)
        return request_fail(r, MHD_HTTP_BAD_REQUEST, fault);
    snprintf(p->etag, sizeof(p->etag), "%s", diskv_reader_info(p->opening.reader)->etag);
    opening_reset(&p->opening);
    if (!request_wait(r))
        return MHD_NO;
    p->annotating = true;
    metadata_options(&p->metadata, &options);
    diskv_annotate(r->server->store, r->key, r->key_len, &options, &p->info, request_done, r);
    return MHD_YES;
}

static enum MHD_Result answer_changed(struct request *r, const struct patch *p)
{
    struct answer a = answer_empty();

    answer_validators(&a, &p->info, "");
    return answer_send(r, MHD_HTTP_NO_CONTENT, &a);
}

static enum MHD_Result patch_end(struct request *r)
{
    struct patch *p = r->state;
    int rc;

    if (p->change == NULL) {
        p->change = json_loadb(p->body.data != NULL ? p->body.data : "", p->body.len,
                               JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(p->change))
            return request_fail(r, MHD_HTTP_BAD_REQUEST, "a change of metadata is a JSON object");
    }
    if (p->annotating) {
        p->annotating = false;
        if (r->rc == 0)
            return answer_changed(r, p);
        if (r->rc != DISKV_EAGAIN)
            return request_fail_rc(r, r->rc);
        if (++p->tries == TRIES_MAX)
            return request_fail_rc(r, DISKV_EUNAVAILABLE);
    }
    rc = opening_go_on(r, &p->opening, DISKV_READ_CACHED);
    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc == 0 &&
        precondition_check(&p->precondition, false, diskv_reader_info(p->opening.reader)) != 0)
        rc = DISKV_EPRECONDITION;
    return rc != 0 ? request_fail_rc(r, rc) : annotate(r, p);
}

static void patch_close(struct request *r)
{
    struct patch *p = r->state;

    opening_reset(&p->opening);
    metadata_free(&p->metadata);
    json_decref(p->change);
    buf_free(&p->body);
    precondition_free(&p->precondition);
}

const struct handler patch_handler = {
    .state_size = sizeof(struct patch),
    .begin = patch_begin,
    .body = patch_body,
    .end = patch_end,
    .close = patch_close,
};
