#ifndef ERROR_H
#define ERROR_H

#include "diskv.h"

/* The error of diskv's table that an errno of the file system stands for. Pure. */
int error_from_errno(int error);

#endif
