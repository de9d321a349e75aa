/* super_simple DIR: writes a value, reads it back and erases it. */
#include <diskv.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s\n", diskv_strerror(rc));
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    static const char key[] = "alpha", value[] = {1, 2, 3};
    diskv *store;
    void *data;
    size_t size;
    check(argc == 2 ? diskv_open(argv[1], NULL, &store) : DISKV_EINVAL);
    check(diskv_put(store, key, strlen(key), value, sizeof value, NULL));
    check(diskv_get(store, key, strlen(key), &data, &size));
    for (size_t i = 0; i < size; i++)
        printf("%d\n", ((const char *)data)[i]);
    free(data);
    check(diskv_erase_wait(store, key, strlen(key), NULL, NULL));
    printf("%s\n", diskv_has(store, key, strlen(key)) ? "there" : "gone");
    diskv_close(store);
    return 0;
}
