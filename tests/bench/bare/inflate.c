/* inflate SECONDS: what deflate allows a range of 64 KiB of a value compressed in its file. Such a
 * range begins somewhere in a segment of 64 KiB, of which all before it has to be inflated too, and
 * ends in the next: on average these are 96 KiB. A thread for each processor inflates as much of
 * hexadecimal digits, again and again, and does nothing else; always other ones, as a processor
 * learns what branches the same few take. Prints how often that was, the seconds it took and the
 * processor time spent, in microseconds. */
#define _GNU_SOURCE
#include <err.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { SEGMENT = 64 << 10, BYTES = SEGMENT + SEGMENT / 2, TEXTS = 256 };

struct text {
    uint8_t packed[BYTES];
    size_t len;
};

static struct text texts[TEXTS];
static atomic_bool ended;

static void pack(struct text *text)
{
    static uint8_t digits[BYTES];
    z_stream z = {
        .next_in = digits, .avail_in = BYTES, .next_out = text->packed, .avail_out = BYTES};
    if (getrandom(digits, BYTES, 0) != BYTES)
        err(1, "getrandom");
    for (size_t i = 0; i < BYTES; i++)
        digits[i] = (uint8_t) "0123456789abcdef"[digits[i] & 15];
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) !=
            Z_OK ||
        deflate(&z, Z_FINISH) != Z_STREAM_END)
        errx(1, "deflate");
    text->len = z.total_out;
    deflateEnd(&z);
}

static void *inflate_on(void *argument)
{
    uint8_t digits[BYTES];
    long *count = argument;
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    for (; !ended; ++*count) {
        const struct text *text = &texts[*count % TEXTS];
        if (!decompressor || libdeflate_deflate_decompress(decompressor, text->packed, text->len,
                                                           digits, BYTES, NULL))
            errx(1, "libdeflate");
    }
    libdeflate_free_decompressor(decompressor);
    return NULL;
}

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: inflate SECONDS");
    int threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t thread[threads];
    long counts[threads], count = 0;
    for (int i = 0; i < TEXTS; i++)
        pack(&texts[i]);
    double start = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < threads; i++) {
        counts[i] = 0;
        if (pthread_create(&thread[i], NULL, inflate_on, &counts[i]))
            errx(1, "pthread_create");
    }
    usleep((useconds_t)(strtod(argv[1], NULL) * 1e6));
    ended = true;
    for (int i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        count += counts[i];
    }
    printf("%ld %.3f %.0f\n", count, now(CLOCK_MONOTONIC) - start,
           (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6);
}
