#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DRAW_MS     200
#define BAR_COLUMNS 20
#define LINE_SIZE   160

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A terminal that cannot go back to the start of its line gets no line. */
static bool terminal(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && (!kind || strcmp(kind, "dumb") != 0);
}

void progress_begin(struct progress *p, uint64_t total_items, uint64_t total_bytes)
{
    *p = (struct progress){.shown = terminal(),
                           .total_items = total_items,
                           .total_bytes = total_bytes,
                           .began_ms = now_ms()};
    p->drawn_ms = p->began_ms;
    pthread_mutex_init(&p->lock, NULL);
}

/* --- The line --- */

struct line {
    char text[LINE_SIZE];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line->text + line->len, LINE_SIZE - line->len, format, args);
    va_end(args);
    if (n > 0)
        line->len += (size_t)n < LINE_SIZE - line->len ? (size_t)n : LINE_SIZE - 1 - line->len;
}

static void add_bytes(struct line *line, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    for (; bytes >= 999.5 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        bytes /= 1000;
    add(line, "%.*f %s", unit && bytes < 99.95 ? 1 : 0, bytes, units[unit]);
}

static void add_duration(struct line *line, double seconds)
{
    uint64_t s = seconds < 1e9 ? (uint64_t)seconds : 1000000000;
    if (s >= 3600)
        add(line, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
    else
        add(line, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
}

static void add_bar(struct line *line, double done)
{
    int full = (int)(done * BAR_COLUMNS);
    add(line, "[%.*s%.*s] %3d%%  ", full, "####################", BAR_COLUMNS - full,
        "                    ", (int)(done * 100));
}

/* The part that is done, by bytes and values alike where both totals are known: neither many small
 * values nor a few large ones mislead it. Negative where it is not known. */
static double part_done(const struct progress *p)
{
    double sum = 0;
    int known = 0;
    if (p->total_bytes) {
        sum += (double)p->bytes / (double)p->total_bytes;
        known++;
    }
    if (p->total_items) {
        sum += (double)p->items / (double)p->total_items;
        known++;
    }
    double done = known ? sum / known : -1;
    return done < 1 ? done : 1;
}

static unsigned terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

/* Called with the lock held. */
static void draw(struct progress *p, int64_t now)
{
    struct line line = {.len = 0};
    double seconds = (double)(now - p->began_ms) / 1000, done = part_done(p);
    if (done >= 0)
        add_bar(&line, done);
    add(&line, "%" PRIu64 " values  ", p->items);
    add_bytes(&line, (double)p->bytes);
    add(&line, "  ");
    add_bytes(&line, (double)p->bytes / seconds);
    add(&line, "/s");
    if (done > 0) {
        add(&line, "  ");
        add_duration(&line, seconds / done * (1 - done));
        add(&line, " left");
    }
    fprintf(stderr, "\r%.*s\033[K", (int)terminal_columns() - 1, line.text);
    fflush(stderr);
    p->drawn_ms = now;
}

void progress_total(struct progress *p, uint64_t total_items, uint64_t total_bytes)
{
    pthread_mutex_lock(&p->lock);
    p->total_items = total_items;
    p->total_bytes = total_bytes;
    pthread_mutex_unlock(&p->lock);
}

void progress_add(struct progress *p, uint64_t items, uint64_t bytes)
{
    if (!p->shown)
        return;
    pthread_mutex_lock(&p->lock);
    p->items += items;
    p->bytes += bytes;
    int64_t now = now_ms();
    if (now - p->drawn_ms >= DRAW_MS)
        draw(p, now);
    pthread_mutex_unlock(&p->lock);
}

void progress_hide(struct progress *p)
{
    if (!p->shown)
        return;
    pthread_mutex_lock(&p->lock);
    fputs("\r\033[K", stderr);
    fflush(stderr);
    pthread_mutex_unlock(&p->lock);
}

void progress_end(struct progress *p)
{
    progress_hide(p);
    pthread_mutex_destroy(&p->lock);
}
