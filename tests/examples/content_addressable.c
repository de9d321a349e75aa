/* content_addressable DIR: stores each line of standard input under a hash of it, then prints what
 * is stored. */
#include <diskv.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LEN 16

static void check(int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s\n", diskv_strerror(rc));
    exit(EXIT_FAILURE);
}

/* FNV-1a of 64 bits: enough for an example; a store that strangers write to needs SHA-256. */
static void key_of(const char *data, size_t size, char key[static KEY_LEN + 1])
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3;
    snprintf(key, KEY_LEN + 1, "%016" PRIx64, hash);
}

static void lines_store(diskv *store)
{
    char line[256], key[KEY_LEN + 1];
    while (fgets(line, sizeof line, stdin)) {
        size_t size = strcspn(line, "\n");
        key_of(line, size, key);
        check(diskv_put(store, key, KEY_LEN, line, size, NULL));
    }
}

static void values_print(diskv *store)
{
    diskv_iter *iter;
    const struct diskv_item *item;
    size_t count = 0;
    int rc;
    check(diskv_iter_open(store, "", 0, &iter));
    for (; (rc = diskv_iter_next(iter, &item)) == 1; count++) {
        void *data;
        size_t size;
        check(diskv_get(store, item->name, item->len, &data, &size));
        printf("%.*s: %s\n", (int)item->len, item->name, (char *)data);
        free(data);
    }
    check(rc);
    diskv_iter_close(iter);
    printf("%zu keys in all\n", count);
}

int main(int argc, char **argv)
{
    diskv *store;
    check(argc == 2 ? diskv_open(argv[1], NULL, &store) : DISKV_EINVAL);
    lines_store(store);
    values_print(store);
    diskv_close(store);
    return 0;
}
