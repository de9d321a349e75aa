/* Answers that have what they send of a value in memory, and send it in one piece with their
 * headers. */
#ifndef PIECE_H
#define PIECE_H

#include "answer.h"
#include "value.h"

/* `len` bytes of the value from `from` on, all of which it has. False where they have to be
 * streamed: they are too many, or neither in the cache nor in the page cache. The answer may take
 * over the reader and set `v->reader` to NULL: that then lives until the answer is sent. */
bool piece_answer(struct request *r, struct value *v, uint64_t from, uint64_t len,
                  struct answer *out);

#endif
