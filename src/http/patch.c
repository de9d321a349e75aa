/* PATCH /keys/<key>?meta: a JSON merge patch (RFC 7396) of what is kept beside a value. */
#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "header.h"
#include "metadata.h"
#include "precondition.h"
#include <jansson.h>
#include <strings.h>

#define BODY_MAX (16 * 1024)

#define MERGE_PATCH "application/merge-patch+json"

struct patch {
    struct precondition precondition;
    struct buf body;
    json_t *change;
    struct metadata metadata; /* what the value is to have */
    const char *fault;        /* what stands against it, or NULL */
    struct diskv_info info;   /* of the value with them */
    bool amending;
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

/* A diskv_amender: changes that meet are made one after the other. */
static int amend(void *ctx, const struct diskv_info *current, const diskv_fields *fields,
                 struct diskv_write_options *notes)
{
    struct patch *p = ctx;

    if (precondition_check(&p->precondition, false, current) != 0)
        return DISKV_EPRECONDITION;
    metadata_free(&p->metadata);
    if (metadata_of(current, fields, &p->metadata) != 0)
        return DISKV_ENOMEM;
    p->fault = merge(p);
    if (p->fault == metadata_no_memory)
        return DISKV_ENOMEM;
    if (p->fault != NULL)
        return DISKV_EINVAL;
    metadata_options(&p->metadata, notes);
    return 0;
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

    if (p->amending && r->rc == 0)
        return answer_changed(r, p);
    if (p->amending && r->rc == DISKV_EINVAL && p->fault != NULL)
        return request_fail(r, MHD_HTTP_BAD_REQUEST, p->fault);
    if (p->amending)
        return request_fail_rc(r, r->rc);
    p->change = json_loadb(p->body.data != NULL ? p->body.data : "", p->body.len,
                           JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(p->change))
        return request_fail(r, MHD_HTTP_BAD_REQUEST, "a change of metadata is a JSON object");
    if (!request_wait(r))
        return MHD_NO;
    p->amending = true;
    diskv_amend(r->server->store, r->key, r->key_len, amend, p, &p->info, request_done, r);
    return MHD_YES;
}

static void patch_close(struct request *r)
{
    struct patch *p = r->state;

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
