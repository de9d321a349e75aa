#include "watch_map.h"

#include "diskv.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 256

/* FNV-1a. */
static size_t hash_path(const char *path, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)path[i]) * 0x100000001b3;
    return (size_t)(hash ^ hash >> 32);
}

static struct watched **number_slot(const struct watch_map *map, int number)
{
    return &map->by_number[(unsigned)number & (map->slots - 1)];
}

static struct watched **path_slot(const struct watch_map *map, const char *path, size_t len)
{
    return &map->by_path[hash_path(path, len) & (map->slots - 1)];
}

struct watched *watch_map_number(const struct watch_map *map, int number)
{
    struct watched *dir = map->slots ? *number_slot(map, number) : NULL;
    while (dir && dir->number != number)
        dir = dir->next_number;
    return dir;
}

struct watched *watch_map_path(const struct watch_map *map, const char *path, size_t len)
{
    struct watched *dir = map->slots ? *path_slot(map, path, len) : NULL;
    while (dir && (dir->len != len || memcmp(dir->path, path, len) != 0))
        dir = dir->next_path;
    return dir;
}

/* --- Adding --- */

static void slots_link(struct watch_map *map, struct watched *dir)
{
    struct watched **slot = number_slot(map, dir->number);
    dir->next_number = *slot;
    *slot = dir;
    if (dir->detached)
        return;
    slot = path_slot(map, dir->path, dir->len);
    dir->next_path = *slot;
    *slot = dir;
}

/* Doubles the slots. */
static int slots_grow(struct watch_map *map)
{
    struct watch_map old = *map;
    size_t slots = old.slots ? 2 * old.slots : SLOTS_MIN;
    map->by_number = calloc(slots, sizeof(struct watched *));
    map->by_path = calloc(slots, sizeof(struct watched *));
    if (!map->by_number || !map->by_path) {
        free(map->by_number);
        free(map->by_path);
        *map = old;
        return DISKV_ENOMEM;
    }
    map->slots = slots;
    for (size_t i = 0; i < old.slots; i++) {
        for (struct watched *dir = old.by_number[i], *next; dir; dir = next) {
            next = dir->next_number;
            slots_link(map, dir);
        }
    }
    free(old.by_number);
    free(old.by_path);
    return 0;
}

/* The length of what a path lies in. */
static size_t outer_len(const char *path, size_t len)
{
    do
        len--;
    while (len > 0 && path[len] != '/');
    return len;
}

/* The next above a path that is watched. */
static struct watched *outer_find(const struct watch_map *map, const char *path, size_t len)
{
    struct watched *outer = NULL;
    while (len > 0 && !outer) {
        len = outer_len(path, len);
        outer = watch_map_path(map, path, len);
    }
    return outer;
}

static void list_link(struct watched **first, struct watched *dir)
{
    dir->next = *first;
    dir->at = first;
    if (dir->next)
        dir->next->at = &dir->next;
    *first = dir;
}

static void list_unlink(struct watched *dir)
{
    *dir->at = dir->next;
    if (dir->next)
        dir->next->at = dir->at;
}

static void outer_set(struct watch_map *map, struct watched *dir, struct watched *outer)
{
    dir->outer = outer;
    if (!outer)
        list_link(&map->topmost, dir);
    else
        list_link(outer_len(dir->path, dir->len) == outer->len ? &outer->inner : &outer->far, dir);
}

static bool lies_in(const struct watched *dir, const struct watched *outer)
{
    return dir->len > outer->len && memcmp(dir->path, outer->path, outer->len) == 0 &&
           (!outer->len || dir->path[outer->len] == '/');
}

/* Those that were far below what a new one lies in may lie in that. */
static void far_take(struct watch_map *map, struct watched *outer)
{
    struct watched *dir = outer->outer ? outer->outer->far : map->topmost;
    for (struct watched *next; dir; dir = next) {
        next = dir->next;
        if (!lies_in(dir, outer))
            continue;
        list_unlink(dir);
        outer_set(map, dir, outer);
    }
}

int watch_map_add(struct watch_map *map, int number, const char *path, size_t len)
{
    int rc = map->count == map->slots ? slots_grow(map) : 0;
    struct watched *dir = rc ? NULL : calloc(1, sizeof *dir + len + 1);
    if (!dir)
        return DISKV_ENOMEM;
    dir->number = number;
    dir->len = len;
    memcpy(dir->path, path, len);
    outer_set(map, dir, outer_find(map, path, len));
    far_take(map, dir);
    slots_link(map, dir);
    map->count++;
    return 0;
}

/* --- Removing --- */

struct watched *watch_map_leaf(struct watched *dir)
{
    while (dir->inner || dir->far)
        dir = dir->inner ? dir->inner : dir->far;
    return dir;
}

void watch_map_detach(struct watch_map *map, struct watched *dir)
{
    struct watched **at = path_slot(map, dir->path, dir->len);
    while (*at != dir)
        at = &(*at)->next_path;
    *at = dir->next_path;
    list_unlink(dir);
    dir->outer = NULL;
    dir->detached = true;
    list_link(&map->detached, dir);
}

void watch_map_remove(struct watch_map *map, struct watched *dir)
{
    struct watched **at = number_slot(map, dir->number);
    while (*at != dir)
        at = &(*at)->next_number;
    *at = dir->next_number;
    list_unlink(dir);
    free(dir);
    map->count--;
}

void watch_map_clear(struct watch_map *map)
{
    for (size_t i = 0; i < map->slots; i++) {
        for (struct watched *dir = map->by_number[i], *next; dir; dir = next) {
            next = dir->next_number;
            free(dir);
        }
    }
    free(map->by_number);
    free(map->by_path);
    *map = (struct watch_map){0};
}
