/* PUT /keys/<key> with X-Copy-From or X-Move-From: the value of another key, without its bytes
 * passing through the client. */
#include "answer.h"
#include "context.h"
#include "handlers.h"
#include "header.h"
#include "key.h"
#include "precondition.h"
#include "upload.h"
#include <strings.h>

#define COPY_FROM "X-Copy-From"
#define MOVE_FROM "X-Move-From"
#define TRIES_MAX 5 /* of a copy whose source is changed by another program meanwhile */

struct copy {
    bool moves;
    char *from;
    size_t from_len;
    struct precondition source; /* what must hold of it */
    struct precondition target;
    struct metadata metadata;
    bool replaces; /* those of the request, in place of the source's */
    struct diskv_write_options options;
    struct diskv_move move;
    diskv_reader *reader;
    diskv_writer *writer;
    enum MHD_Result (*next)(struct request *r, struct copy *c); /* after what is under way */
    unsigned tries;
};

static const char has_body[] = "a copy takes no body";

static enum MHD_Result look_for_copy(void *cls, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    bool *asked = cls;

    (void)kind;
    (void)value;
    *asked =
        strncasecmp(name, "X-Copy-", strlen("X-Copy-")) == 0 || strcasecmp(name, MOVE_FROM) == 0;
    return *asked ? MHD_NO : MHD_YES;
}

/* Conditions about a source make a copy too: without one they are refused, not dropped. */
bool copy_is_asked(const struct request *r)
{
    bool asked = false;

    MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, look_for_copy, &asked);
    return asked;
}

/* Reads where the value comes from, or refuses. */
static bool read_source(struct request *r, struct copy *c)
{
    const char *copy, *move, *path, *fault;
    size_t lines = header_lines(r->mhd, COPY_FROM, &copy) + header_lines(r->mhd, MOVE_FROM, &move);
    size_t before = strlen("/keys/"), len;

    c->moves = move != NULL;
    path = c->moves ? move : lines > 0 ? copy : "";
    len = strcspn(path, " \t");
    c->from = malloc(len + 1);
    if (c->from == NULL) {
        request_refuse_rc(r, DISKV_ENOMEM);
        return false;
    }
    if (lines != 1)
        fault = "there must be one " COPY_FROM " or " MOVE_FROM;
    else if (strncmp(path, "/keys/", before) != 0 || strcspn(path, "?#") < len ||
             path[len + strspn(path + len, " \t")] != '\0')
        fault = COPY_FROM " and " MOVE_FROM " take /keys/<key>, as it stands in a URL";
    else
        fault = key_decode(path + before, len - before, c->from, &c->from_len);
    if (fault != NULL)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, fault);
    return fault == NULL;
}

static bool is_onto_itself(const struct request *r, const struct copy *c)
{
    return r->key_len == c->from_len && memcmp(r->key, c->from, c->from_len) == 0;
}

static void copy_begin(struct request *r)
{
    struct copy *c = r->state;

    if (!request_read_key(r) || !read_source(r, c) || !precondition_begin(r, &c->target) ||
        !precondition_begin_source(r, &c->source) || !upload_read_metadata(r, &c->metadata))
        return;
    c->replaces = c->metadata.type[0] != '\0' || c->metadata.count > 0;
    if (c->moves && is_onto_itself(r, c))
        request_refuse(r, MHD_HTTP_BAD_REQUEST, "a value cannot be moved onto itself");
    else if (r->framing.length > 0)
        request_refuse(r, MHD_HTTP_BAD_REQUEST, has_body);
}

static enum MHD_Result copy_body(struct request *r, const char *data, size_t *len)
{
    (void)data;
    (void)len;
    request_refuse(r, MHD_HTTP_BAD_REQUEST, has_body);
    return MHD_YES;
}

static int source_guard(void *ctx, const struct diskv_info *current)
{
    const struct copy *c = ctx;

    return precondition_check(&c->source, true, current) == 0 ? 0 : DISKV_EPRECONDITION;
}

static enum MHD_Result answer_copied(struct request *r, struct copy *c)
{
    bool created = c->moves ? c->move.created : diskv_writer_created(c->writer);

    return answer_stored(r, created ? MHD_HTTP_CREATED : MHD_HTTP_NO_CONTENT,
                         c->moves ? &c->move.info : diskv_writer_info(c->writer), r->key,
                         r->key_len);
}

static enum MHD_Result commit(struct request *r, struct copy *c)
{
    if (!request_wait(r))
        return MHD_NO;
    c->next = answer_copied;
    diskv_writer_commit(c->writer, request_done, r);
    return MHD_YES;
}

/* Opens the writer for what the reader has. */
static int open_writer(struct request *r, struct copy *c)
{
    struct diskv_write_options options = {
        .guard = precondition_is_empty(&c->target) ? NULL : precondition_guard,
        .guard_ctx = &c->target,
    };
    int rc = source_guard(c, diskv_reader_info(c->reader));

    if (rc == 0 && !c->replaces) {
        metadata_free(&c->metadata);
        rc =
            metadata_of(diskv_reader_info(c->reader), diskv_reader_fields(c->reader), &c->metadata);
    }
    if (rc != 0)
        return rc;
    metadata_options(&c->metadata, &options);
    return diskv_writer_open(r->server->store, r->key, r->key_len, &options, &c->writer);
}

static enum MHD_Result copy_content(struct request *r, struct copy *c)
{
    int rc = open_writer(r, c);

    if (rc != 0)
        return request_fail_rc(r, rc);
    if (!request_wait(r))
        return MHD_NO;
    c->next = commit;
    diskv_writer_copy(c->writer, c->reader, request_done, r);
    return MHD_YES;
}

static void drop(struct copy *c)
{
    diskv_writer_close(c->writer);
    diskv_reader_close(c->reader);
    c->writer = NULL;
    c->reader = NULL;
}

static enum MHD_Result open_source(struct request *r, struct copy *c)
{
    drop(c);
    if (!request_wait(r))
        return MHD_NO;
    c->next = copy_content;
    diskv_reader_open(r->server->store, c->from, c->from_len, DISKV_READ_STORED, &c->reader,
                      request_done, r);
    return MHD_YES;
}

static enum MHD_Result move(struct request *r, struct copy *c)
{
    metadata_options(&c->metadata, &c->options);
    c->move = (struct diskv_move){
        .from = c->from,
        .from_len = c->from_len,
        .to = r->key,
        .to_len = r->key_len,
        .from_guard = precondition_is_empty(&c->source) ? NULL : source_guard,
        .from_guard_ctx = c,
        .to_guard = precondition_is_empty(&c->target) ? NULL : precondition_guard,
        .to_guard_ctx = &c->target,
        .metadata = c->replaces ? &c->options : NULL,
    };
    if (!request_wait(r))
        return MHD_NO;
    c->next = answer_copied;
    diskv_move(r->server->store, &c->move, request_done, r);
    return MHD_YES;
}

static enum MHD_Result copy_end(struct request *r)
{
    struct copy *c = r->state;

    if (c->next == NULL)
        return c->moves ? move(r, c) : open_source(r, c);
    if (r->rc == DISKV_ESTALE && !c->moves && ++c->tries < TRIES_MAX)
        return open_source(r, c);
    if (r->rc != 0)
        return request_fail_rc(r, r->rc == DISKV_ESTALE ? DISKV_EUNAVAILABLE : r->rc);
    return c->next(r, c);
}

static void copy_close(struct request *r)
{
    struct copy *c = r->state;

    drop(c);
    metadata_free(&c->metadata);
    precondition_free(&c->target);
    precondition_free(&c->source);
    free(c->from);
}

const struct handler copy_handler = {
    .state_size = sizeof(struct copy),
    .begin = copy_begin,
    .body = copy_body,
    .end = copy_end,
    .close = copy_close,
};
