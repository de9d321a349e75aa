/* advanced_transform DIR KEY VALUE: writes a value into a text file, KEY.txt, and reads it back.
 * Files of other kinds are not the store's. */
#include <diskv.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX     ".txt"
#define SUFFIX_LEN strlen(SUFFIX)

static void check(int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s\n", diskv_strerror(rc));
    exit(EXIT_FAILURE);
}

static int to_path(void *ctx, const char *key, size_t len, char *path, size_t size)
{
    (void)ctx;
    int n = snprintf(path, size, "%.*s" SUFFIX, (int)len, key);
    return n < 0 || (size_t)n >= size;
}

static int to_key(void *ctx, const char *path, char *key, size_t size, size_t *len)
{
    (void)ctx;
    size_t path_len = strlen(path);
    if (path_len <= SUFFIX_LEN || strcmp(path + path_len - SUFFIX_LEN, SUFFIX) != 0)
        return -1;
    *len = path_len - SUFFIX_LEN;
    if (*len > size)
        return -1;
    memcpy(key, path, *len);
    return 0;
}

int main(int argc, char **argv)
{
    const struct diskv_options options = {.to_path = to_path, .to_key = to_key};
    diskv *store;
    void *value;
    size_t size;
    check(argc == 4 ? diskv_open(argv[1], &options, &store) : DISKV_EINVAL);
    check(diskv_put(store, argv[2], strlen(argv[2]), argv[3], strlen(argv[3]), NULL));
    check(diskv_get(store, argv[2], strlen(argv[2]), &value, &size));
    printf("%.*s\n", (int)size, (char *)value);
    free(value);
    struct diskv_stats stats;
    diskv_stats(store, &stats);
    printf("keys: %d, files of others: %d\n", (int)stats.keys, (int)stats.foreign);
    diskv_close(store);
    return 0;
}
