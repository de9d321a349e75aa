/* git_like DIR KEY...: keeps values as Git keeps objects, and lists the keys. A key of 40
 * hexadecimal digits lies in a directory of its first two below objects/; any other key is its own
 * path. Each KEY is given itself as its value. */
#include <diskv.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECTS     "objects/"
#define OBJECTS_LEN strlen(OBJECTS)
#define HASH_LEN    40

static void check(int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s\n", diskv_strerror(rc));
    exit(EXIT_FAILURE);
}

static int is_hash(const char *key, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isxdigit((unsigned char)key[i]))
            return 0;
    return len == HASH_LEN;
}

static int is_object(const char *path, size_t len)
{
    return len >= OBJECTS_LEN && memcmp(path, OBJECTS, OBJECTS_LEN) == 0;
}

static int to_path(void *ctx, const char *key, size_t len, char *path, size_t size)
{
    (void)ctx;
    if (is_object(key, len))
        return -1; /* its path might be that of a hash */
    int n = is_hash(key, len)
                ? snprintf(path, size, OBJECTS "%.2s/%.*s", key, HASH_LEN - 2, key + 2)
                : snprintf(path, size, "%.*s", (int)len, key);
    return n < 0 || (size_t)n >= size;
}

static int to_key(void *ctx, const char *path, char *key, size_t size, size_t *len)
{
    (void)ctx;
    *len = strlen(path);
    if (!is_object(path, *len)) {
        if (*len > size)
            return -1;
        memcpy(key, path, *len);
        return 0;
    }
    if (*len != OBJECTS_LEN + 1 + HASH_LEN || path[OBJECTS_LEN + 2] != '/')
        return -1;
    memcpy(key, path + OBJECTS_LEN, 2);
    memcpy(key + 2, path + OBJECTS_LEN + 3, HASH_LEN - 2);
    *len = HASH_LEN;
    return !is_hash(key, *len);
}

int main(int argc, char **argv)
{
    const struct diskv_options options = {.to_path = to_path, .to_key = to_key};
    diskv *store;
    diskv_iter *iter;
    const struct diskv_item *item;
    int rc;
    check(argc > 1 ? diskv_open(argv[1], &options, &store) : DISKV_EINVAL);
    for (int i = 2; i < argc; i++)
        check(diskv_put(store, argv[i], strlen(argv[i]), argv[i], strlen(argv[i]), NULL));
    check(diskv_iter_open(store, "", 0, &iter));
    while ((rc = diskv_iter_next(iter, &item)) == 1)
        printf("%.*s\n", (int)item->len, item->name);
    check(rc);
    diskv_iter_close(iter);
    diskv_close(store);
    return 0;
}
