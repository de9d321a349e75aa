/* Opening the value that a request asks for. */
#ifndef OPEN_H
#define OPEN_H

#include "request.h"
#include "diskv.h"

/* All zeroes at first. */
struct opening {
    diskv_reader *reader;
    bool waited;
};

/* Opens the value of the request's key as `how` says, waiting for the disk if need be. EAGAIN: the
 * request waits now, call again when the handler is called again. Else 0 with the caller's
 * `reader`, or why there is none. */
int opening_go_on(struct request *r, struct opening *o, enum diskv_read how);

/* Closes the reader, for another beginning or none. */
void opening_reset(struct opening *o);

#endif
