/* What every fuzz target is made of: one function, which fails an assertion for a wrong answer. */
#ifndef FUZZ_H
#define FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Takes any bytes; returns 0. Called by libFuzzer, or by main.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
