/* The folder that a path names without its final slash. */
#ifndef FOLDER_H
#define FOLDER_H

#include "request.h"

/* Sends the client to the same path with a slash behind it, where relative links are right. To be
 * returned from a handler. `vary` is what the answer depends on, NULL for nothing. */
enum MHD_Result folder_redirect(struct request *r, const char *vary);

/* Takes over where the key, which is read, has no value: sends clients that take index pages to
 * that of its folder, where there is one; else a 404. */
extern const struct handler folder_handler;

#endif
