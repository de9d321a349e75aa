#include "context.h"
#include "folder.h"
#include "get.h"
#include "handlers.h"
#include "header.h"
#include "key.h"
#include "util.h"

#define SUFFIX_LEN 3

/* What lies compressed beside a value, the less preferred among equals first. Whether it is older
 * is not looked at: an upload writes the two in any order. */
static const struct sibling {
    char suffix[SUFFIX_LEN + 1];
    const char *coding;
} siblings[] = {
    {".gz", "gzip"},
    {".br", "br"},
};

#define SIBLINGS array_len(siblings)

/* What is looked for in turn. */
enum target {
    TARGET_VALUE,    /* at the path, or its index.html */
    TARGET_FOLDER,   /* index.html behind the slash that the path lacks */
    TARGET_FALLBACK, /* what --site-fallback names */
    TARGET_MISSING,  /* 404.html */
    TARGET_NONE,
};

struct site {
    struct get get; /* at first of the value, at last of what is sent */
    struct opening siblings[SIBLINGS];
    struct value value;
    enum target target;
    size_t opened;    /* of the target's forms: the value itself, then its siblings */
    bool chosen;      /* which of them is sent */
    struct buf key;   /* of the target; the request's key points to it */
    const char *path; /* decoded, behind its first slash */
    size_t path_len;
};

static void site_begin(struct request *r)
{
    struct site *s = r->state;

    s->path = r->key;
    if (r->path_len > 1 && key_decode(r->path + 1, r->path_len - 1, r->key, &s->path_len) != NULL)
        s->target = TARGET_MISSING;
    get_read(r, &s->get);
}

static bool is_folder(const struct site *s)
{
    return s->path_len == 0 || s->path[s->path_len - 1] == '/';
}

/* True where the target is one of this request's. */
static bool target_applies(const struct request *r, const struct site *s)
{
    switch (s->target) {
    case TARGET_FOLDER:
        return !is_folder(s);
    case TARGET_FALLBACK:
        return r->server->limits.site_fallback != NULL && header_accepts(r->mhd, "text/html");
    default:
        return true;
    }
}

/* Sets the request's key to that of the target, with room for a sibling's suffix; ENOMEM. */
static int target_name(struct request *r, struct site *s)
{
    const struct http_options *options = &r->server->limits;
    bool has_path = s->target == TARGET_VALUE || s->target == TARGET_FOLDER;
    const char *name = "";
    int rc;

    if (s->target == TARGET_VALUE && is_folder(s))
        name = "index.html";
    else if (s->target == TARGET_FOLDER)
        name = "/index.html";
    else if (s->target == TARGET_FALLBACK)
        name = options->site_fallback;
    else if (s->target == TARGET_MISSING)
        name = "404.html";
    s->key.len = 0;
    rc = buf_add_str(&s->key, options->site);
    if (rc == 0)
        rc = buf_add(&s->key, s->path, has_path ? s->path_len : 0);
    if (rc == 0)
        rc = buf_add_str(&s->key, name);
    if (rc == 0)
        rc = buf_reserve(&s->key, SUFFIX_LEN);
    r->key = s->key.data;
    r->key_len = s->key.len;
    return rc;
}

/* Opens what lies beside the value. What another program compressed is to a store that compresses
 * likewise the text in it: such a value is no gzip, and the one beside it is sent so anyway. */
static int sibling_open(struct request *r, struct site *s, size_t i)
{
    struct opening *o = &s->siblings[i];
    size_t len = r->key_len;
    int rc;

    memcpy(r->key + len, siblings[i].suffix, SUFFIX_LEN + 1);
    r->key_len = len + SUFFIX_LEN;
    rc = opening_go_on(r, o, DISKV_READ_CACHED);
    r->key[len] = '\0';
    r->key_len = len;
    if (rc == 0 && strcmp(diskv_reader_codec(o->reader), siblings[i].coding) == 0)
        opening_reset(o);
    return rc;
}

/* Opens all forms that there are of the target, so that Vary is true whichever is sent; ENOTFOUND,
 * or as opening_go_on. */
static int target_open(struct request *r, struct site *s)
{
    bool found;
    int rc = target_name(r, s);

    for (; rc == 0 && s->opened <= SIBLINGS; s->opened++) {
        rc = s->opened == 0 ? get_open(r, &s->get) : sibling_open(r, s, s->opened - 1);
        if (rc == DISKV_ENOTFOUND || rc == DISKV_EKEY)
            rc = 0;
        if (rc != 0)
            return rc;
    }
    found = s->get.opening.reader != NULL;
    for (size_t i = 0; i < SIBLINGS; i++)
        found = found || s->siblings[i].reader != NULL;
    return rc == 0 && !found ? DISKV_ENOTFOUND : rc;
}

static void target_close(struct site *s)
{
    get_reset(&s->get);
    for (size_t i = 0; i < SIBLINGS; i++)
        opening_reset(&s->siblings[i]);
    s->opened = 0;
}

/* Finds the first target that there is and opens it. */
static int find(struct request *r, struct site *s)
{
    for (; s->target < TARGET_NONE; s->target++) {
        int rc = target_applies(r, s) ? target_open(r, s) : DISKV_ENOTFOUND;

        if (rc != DISKV_ENOTFOUND)
            return rc;
        target_close(s);
    }
    return DISKV_ENOTFOUND;
}

/* Has the sibling sent in place of the value, which stays open for its type. */
static void send_sibling(struct request *r, struct site *s, size_t i)
{
    static const struct diskv_info unknown = {0};
    struct opening plain = s->get.opening;
    const struct diskv_info *info =
        plain.reader != NULL ? diskv_reader_info(plain.reader) : &unknown;

    s->value.type = answer_type(info, r->key, r->key_len);
    s->value.coding = siblings[i].coding;
    s->get.opening = s->siblings[i];
    s->get.how = DISKV_READ_CACHED;
    s->siblings[i] = plain;
}

/* Picks what the client likes best of what is open; false where it takes none of it. */
static bool choose(struct request *r, struct site *s)
{
    const struct encoding_weights *w = &s->get.weights;
    const int weights[SIBLINGS] = {w->gzip, w->br};
    size_t chosen = SIBLINGS;
    int best = 0;

    if (s->get.opening.reader != NULL)
        best = get_is_packed(&s->get) ? w->gzip : w->identity;
    for (size_t i = 0; i < SIBLINGS; i++) {
        if (s->siblings[i].reader == NULL)
            continue;
        s->value.varies_by_encoding = true;
        if (weights[i] > 0 && weights[i] >= best) {
            best = weights[i];
            chosen = i;
        }
    }
    if (chosen < SIBLINGS)
        send_sibling(r, s, chosen);
    return s->get.opening.reader != NULL;
}

static enum MHD_Result fail(struct request *r, unsigned status, const char *detail,
                            const char *vary)
{
    return request_fail_problem(r, &(struct problem){.status = status,
                                                     .detail = detail,
                                                     .header = vary != NULL ? "Vary" : NULL,
                                                     .value = vary});
}

static enum MHD_Result fail_missing(struct request *r)
{
    return fail(r, MHD_HTTP_NOT_FOUND, "there is nothing at this path",
                r->server->limits.site_fallback != NULL ? MHD_HTTP_HEADER_ACCEPT : NULL);
}

static enum MHD_Result fail_encoding(struct request *r)
{
    return fail(r, MHD_HTTP_NOT_ACCEPTABLE, "this is here in br or gzip only: neither is accepted",
                MHD_HTTP_HEADER_ACCEPT_ENCODING);
}

static enum MHD_Result site_end(struct request *r)
{
    struct site *s = r->state;
    int rc = s->chosen ? 0 : find(r, s);

    if (rc == DISKV_EAGAIN)
        return MHD_YES;
    if (rc == DISKV_ENOTFOUND)
        return fail_missing(r);
    if (rc != 0)
        return request_fail_rc(r, rc);
    if (s->target == TARGET_FOLDER)
        return folder_redirect(r, NULL);
    if (!s->chosen && !choose(r, s))
        return s->target == TARGET_MISSING ? fail_missing(r) : fail_encoding(r);
    s->chosen = true;
    s->value.missing = s->target == TARGET_MISSING;
    s->value.varies_by_accept =
        r->server->limits.site_fallback != NULL && s->target >= TARGET_FALLBACK;
    return get_answer(r, &s->get, &s->value);
}

static void site_close(struct request *r)
{
    struct site *s = r->state;

    target_close(s);
    get_free(&s->get);
    buf_free(&s->key);
}

const struct handler site_handler = {
    .state_size = sizeof(struct site),
    .begin = site_begin,
    .end = site_end,
    .close = site_close,
};
