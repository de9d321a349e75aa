/* Random numbers for tests, the same in every run unless DISKV_TEST_SEED asks for others. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct random {
    uint64_t state;
};

/* Tells the seed, so that a failure can be repeated. */
static inline struct random random_new(void)
{
    const char *seed = getenv("DISKV_TEST_SEED");
    struct random r = {seed ? strtoull(seed, NULL, 10) : 1};
    printf("DISKV_TEST_SEED=%llu\n", (unsigned long long)r.state);
    return r;
}

/* SplitMix64. */
static inline uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

/* A number from 0 to `end` - 1. */
static inline size_t random_below(struct random *r, size_t end)
{
    return (size_t)(random_next(r) % end);
}

#endif
