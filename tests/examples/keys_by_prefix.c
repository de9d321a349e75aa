/* keys_by_prefix DIR PREFIX [MAX]: prints the keys that begin with PREFIX and the sizes of their
 * values, and stops after MAX of them. */
#include <diskv.h>

#include <inttypes.h>
#include <limits.h>
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
    diskv *store;
    diskv_iter *iter;
    const struct diskv_item *item;
    check(argc >= 3 ? diskv_open(argv[1], NULL, &store) : DISKV_EINVAL);
    check(diskv_iter_open(store, argv[2], strlen(argv[2]), &iter));
    unsigned long left = argc > 3 ? strtoul(argv[3], NULL, 10) : ULONG_MAX;
    int rc = 1;
    for (; left > 0 && (rc = diskv_iter_next(iter, &item)) == 1; left--)
        printf("%.*s %" PRIu64 "\n", (int)item->len, item->name, item->info.size);
    check(rc);
    diskv_iter_close(iter);
    diskv_close(store);
    return 0;
}
