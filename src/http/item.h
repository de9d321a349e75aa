/* What the API says of a value, as JSON. */
#ifndef ITEM_H
#define ITEM_H

#include "buf.h"
#include "diskv.h"

/* Appends {"key","size","modified","etag","type"}; ENOMEM. */
int item_print(struct buf *out, const char *key, size_t len, const struct diskv_info *info);

/* The same with the fields that are kept with the value behind it. */
int item_print_all(struct buf *out, const char *key, size_t len, const diskv_reader *reader);

#endif
