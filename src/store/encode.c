/* Writing a value compressed: the buffer goes through the encoder in pieces, so that what is on its
 * way to storage takes no more than one. */
#include "writer.h"

#define PIECE (64 * 1024)

static int begin(diskv_writer *w)
{
    const struct codec *codec = w->store->codec;
    if (w->encoder)
        return 0;
    w->encoded = malloc(PIECE);
    return w->encoded ? codec->ops->encoder_new(codec, w->size_hint, &w->encoder) : DISKV_ENOMEM;
}

int writer_encode(diskv_writer *w, size_t *len)
{
    int rc = begin(w);
    if (rc)
        return rc;
    struct diskv_coding io = {
        .in = w->buf + w->taken, .in_len = w->len - w->taken, .out = w->encoded, .out_len = PIECE};
    do {
        rc = w->encoder->ops->encode(w->encoder, &io, w->ending);
    } while (rc == 0 && io.out_len && (io.in_len || w->ending));
    w->taken = w->len - io.in_len;
    w->drained = rc == 1 || (io.out_len && !io.in_len && !w->ending);
    *len = PIECE - io.out_len;
    return rc < 0 ? rc : 0;
}
