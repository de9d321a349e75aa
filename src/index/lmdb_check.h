/* Opens nothing that may be damaged. Internal to the LMDB index.
 *
 * LMDB maps its file and trusts it: damage crashes the reader, or hides until a later write spreads
 * it. So a child process reads the file that was left and writes what it holds to a new one, and
 * only that is ever opened. Whether it held the right content is told by the seal, a file beside it
 * with the digest of the content: of the one before and the one after while a change is being made.
 */
#ifndef LMDB_CHECK_H
#define LMDB_CHECK_H

#include "lmdb_tables.h"

#include <sys/types.h>

#define INDEX_DATA_NAME "data"
#define INDEX_SEAL_NAME "seal"
#define INDEX_NEW_NAME  "new"
#define INDEX_LOCK_NAME INDEX_DATA_NAME "-lock"

struct seal {
    char format[16];
    char boot[40]; /* the machine's boot: pages not yet on the disk are lost with it */
    struct digest now, next;
    uint64_t check;
};

/* Fills in all but `check`; `boot` is "" where there is no /proc to tell. */
void seal_init(struct seal *seal, const struct digest *now, const struct digest *next);

/* Reads the seal in file `fd`; ECORRUPT where it is none. */
int seal_read(int fd, struct seal *seal);

/* Sets `check` and writes the seal. */
int seal_write(int fd, struct seal *seal);

/* True when the seal is of this format and of this boot; a boot without a name is another one. */
bool seal_is_ours(const struct seal *seal);

/* Runs `work` in a child process whose current directory is `dir_fd` and that damage may crash: its
 * number, or -1. It lives for two minutes at most. */
pid_t child_start(int dir_fd, int (*work)(void *ctx), void *ctx);

/* Waits for it: whether `work` returned 0. */
bool child_wait(pid_t child);

/* Leaves INDEX_DATA_NAME in directory `dir_fd` fit to be opened, with the content that `*digest`
 * tells and true, or removed and false. */
bool check_data(int dir_fd, struct digest *digest);

#endif
