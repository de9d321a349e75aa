/* Values that tell of themselves: which key they belong to, a number no other value has, their
 * size, bytes made from these, and a checksum of all before it. */
#ifndef VALUE_H
#define VALUE_H

#include "random.h"

#include <stdbool.h>
#include <string.h>

#define VALUE_MIN (sizeof(struct value_head) + sizeof(uint64_t))
#define VALUE_MAX 65536

struct value_head {
    uint64_t key, serial, size;
};

static inline uint64_t value_checksum(const char *data, size_t size)
{
    uint64_t sum = 0xCBF29CE484222325; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ (unsigned char)data[i]) * 0x100000001B3;
    return sum;
}

/* Fills `size` bytes, VALUE_MIN to VALUE_MAX. */
static inline void value_make(struct value_head head, char *out)
{
    struct random r = {head.key * 1000003 + head.serial};
    memcpy(out, &head, sizeof head);
    char *at = out + sizeof head, *end = out + head.size - sizeof(uint64_t);
    while (at < end) {
        uint64_t word = random_next(&r);
        size_t left = (size_t)(end - at), n = left < sizeof word ? left : sizeof word;
        memcpy(at, &word, n);
        at += n;
    }
    uint64_t sum = value_checksum(out, head.size - sizeof(uint64_t));
    memcpy(end, &sum, sizeof sum);
}

/* True where `data` is one value of `key`, whole; sets its head. `scratch` holds VALUE_MAX bytes.
 */
static inline bool value_whole(uint64_t key, const char *data, size_t size, char *scratch,
                               struct value_head *head)
{
    uint64_t sum;
    if (size < VALUE_MIN || size > VALUE_MAX)
        return false;
    memcpy(head, data, sizeof *head);
    memcpy(&sum, data + size - sizeof sum, sizeof sum);
    if (head->key != key || head->size != size || sum != value_checksum(data, size - sizeof sum))
        return false;
    value_make(*head, scratch);
    return memcmp(data, scratch, size) == 0;
}

#endif
