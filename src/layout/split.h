/* The layouts `split:N` and, as that without groups, `flat`. */
#ifndef SPLIT_H
#define SPLIT_H

#include "layout.h"

/* Sets all of `*out` but its name. */
void layout_split(unsigned group, struct layout *out);

#endif
