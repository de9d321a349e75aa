#include "folder.h"
#include "answer.h"
#include "context.h"
#include "index_page.h"

/* As seen from the path, so that a proxy may serve it below another. A segment that could be taken
 * for the beginning of a URL is marked as none (RFC 3986, section 4.2). */
enum MHD_Result folder_redirect(struct request *r, const char *vary)
{
    const char *segment = (const char *)memrchr(r->path, '/', r->path_len) + 1;
    int len = (int)(r->path + r->path_len - segment);
    bool is_odd = strcspn(segment, ":\\") < (size_t)len;
    struct buf location = {0};
    struct answer a;

    if (buf_printf(&location, "%s%.*s/%s%s", is_odd ? "./" : "", len, segment,
                   r->query != NULL ? "?" : "", r->query != NULL ? r->query : "") != 0)
        return request_fail_rc(r, DISKV_ENOMEM);
    a = answer_empty();
    answer_header(&a, MHD_HTTP_HEADER_LOCATION, location.data);
    if (vary != NULL)
        answer_header(&a, MHD_HTTP_HEADER_VARY, vary);
    buf_free(&location);
    return answer_send(r, MHD_HTTP_MOVED_PERMANENTLY, &a);
}

struct folder {
    struct diskv_list_options options; /* of one key in it */
    struct diskv_page *page;
    bool listing;
    char prefix[DISKV_KEY_MAX];
};

static enum MHD_Result folder_end(struct request *r)
{
    struct folder *f = r->state;

    if (!f->listing) {
        if (r->key_len == DISKV_KEY_MAX)
            return index_page_404(r);
        memcpy(f->prefix, r->key, r->key_len);
        f->prefix[r->key_len] = '/';
        f->options = (struct diskv_list_options){.from = "",
                                                 .prefix = f->prefix,
                                                 .prefix_len = r->key_len + 1,
                                                 .delimiter = "",
                                                 .limit = 1,
                                                 .bare = true};
        if (!request_wait(r))
            return MHD_NO;
        f->listing = true;
        diskv_list(r->server->store, &f->options, &f->page, request_done, r);
        return MHD_YES;
    }
    if (r->rc != 0)
        return request_fail_rc(r, r->rc);
    return f->page->count > 0 ? folder_redirect(r, MHD_HTTP_HEADER_ACCEPT) : index_page_404(r);
}

static void folder_close(struct request *r)
{
    struct folder *f = r->state;

    diskv_page_free(f->page);
}

const struct handler folder_handler = {
    .state_size = sizeof(struct folder),
    .end = folder_end,
    .close = folder_close,
};
