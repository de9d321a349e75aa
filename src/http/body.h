/* Streaming a value out. */
#ifndef BODY_H
#define BODY_H

#include "answer.h"

/* An answer whose body is what `reader` gives, which belongs to it from now on in every case. */
struct answer body_answer(struct request *r, diskv_reader *reader);

#endif
