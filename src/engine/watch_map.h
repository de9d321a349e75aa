/* The directories that are watched: found by the number of their watch and by their path, and known
 * by what they lie in. */
#ifndef WATCH_MAP_H
#define WATCH_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watched {
    struct watched *next_number, *next_path; /* in their slots */
    struct watched *outer; /* the next above that is watched; NULL for the topmost */
    struct watched *inner; /* the first of those right below */
    struct watched *far;   /* the first of those below where one between is not watched */
    struct watched *next;  /* in the same of these lists, or the next that is detached */
    struct watched **at;   /* what points to this one */
    bool detached;
    int number;
    size_t len;
    char path[];
};

struct watch_map {
    struct watched **by_number, **by_path; /* `slots` each, a power of two; NULL at first */
    size_t slots, count;
    struct watched *topmost;
    struct watched *detached;
};

struct watched *watch_map_number(const struct watch_map *map, int number);
struct watched *watch_map_path(const struct watch_map *map, const char *path, size_t len);

/* Adds a directory, of which neither number nor path is there; of those below some may be.
 * ENOMEM. */
int watch_map_add(struct watch_map *map, int number, const char *path, size_t len);

/* One below which nothing is: the directory itself, or one of those below. */
struct watched *watch_map_leaf(struct watched *dir);

/* Takes its path from a directory below which nothing is: from then on only its number finds it. */
void watch_map_detach(struct watch_map *map, struct watched *dir);

/* Removes a detached one and frees it. */
void watch_map_remove(struct watch_map *map, struct watched *dir);

/* Empties the map and frees what it has. */
void watch_map_clear(struct watch_map *map);

#endif
