/* Writing a value compressed. */
#include "writer.h"

#define PIECE (16 * 1024)

int writer_encode(diskv_writer *w)
{
    struct diskv_coding io = {.in = w->buf, .in_len = w->len};
    int rc = 0;
    while (!rc && (io.in_len || w->ending)) {
        rc = buf_reserve(&w->encoded, PIECE);
        if (rc)
            break;
        io.out = w->encoded.data + w->encoded.len;
        io.out_len = PIECE;
        rc = w->encoder->ops->encode(w->encoder, &io, w->ending);
        w->encoded.len += PIECE - io.out_len;
    }
    return rc < 0 ? rc : 0;
}
