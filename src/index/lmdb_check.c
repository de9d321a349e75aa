#include "lmdb_check.h"

#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#define FORMAT        "diskv index 1"
#define BATCH         16384 /* entries of a transaction, whose pages are all in memory */
#define CHILD_SECONDS 120   /* what takes longer to read is as quickly made anew */

/* --- The seal --- */

void seal_init(struct seal *seal, const struct digest *now, const struct digest *next)
{
    *seal = (struct seal){.format = FORMAT, .now = *now, .next = *next};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, seal->boot, sizeof seal->boot - 1) < 0)
        seal->boot[0] = '\0';
    close(fd);
}

static uint64_t seal_hash(const struct seal *seal)
{
    return XXH3_64bits(seal, offsetof(struct seal, check));
}

int seal_read(int fd, struct seal *seal)
{
    if (sys_pread(fd, seal, sizeof *seal, 0) != (int64_t)sizeof *seal)
        return DISKV_ECORRUPT;
    return seal->check == seal_hash(seal) ? 0 : DISKV_ECORRUPT;
}

int seal_write(int fd, struct seal *seal)
{
    seal->check = seal_hash(seal);
    int64_t n = sys_pwrite(fd, seal, sizeof *seal, 0);
    return n == (int64_t)sizeof *seal ? 0 : n < 0 ? lmdb_error((int)-n) : DISKV_ENOSPACE;
}

bool seal_is_ours(const struct seal *seal)
{
    struct seal ours;
    seal_init(&ours, &seal->now, &seal->next);
    return ours.boot[0] && memcmp(seal, &ours, offsetof(struct seal, check)) == 0;
}

/* --- The child: it may crash at any point and leaves everything to the kernel to clean up --- */

static int copy_table(MDB_txn *from, MDB_dbi table, struct edit *to,
                      int (*copy)(struct edit *, const MDB_val *, const MDB_val *))
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = lmdb_error(mdb_cursor_open(from, table, &cursor));
    for (size_t n = 1; !rc; n++) {
        rc = lmdb_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
        if (!rc)
            rc = copy(to, &key, &value);
        if (!rc && n % BATCH == 0) {
            rc = lmdb_error(mdb_txn_commit(to->txn));
            if (!rc)
                rc = lmdb_error(mdb_txn_begin(to->tables->env, NULL, 0, &to->txn));
        }
    }
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

static int copy_tables(const struct tables *from, const struct tables *to, struct digest *digest)
{
    struct edit edit = {.tables = to};
    MDB_txn *txn;
    int rc = lmdb_error(mdb_txn_begin(from->env, NULL, MDB_RDONLY, &txn));
    if (!rc)
        rc = lmdb_error(mdb_txn_begin(to->env, NULL, 0, &edit.txn));
    if (!rc)
        rc = copy_table(txn, from->keys, &edit, edit_copy_key);
    if (!rc)
        rc = copy_table(txn, from->notes, &edit, edit_copy_note);
    if (!rc)
        rc = lmdb_error(mdb_txn_commit(edit.txn));
    *digest = edit.digest;
    return rc;
}

struct copying {
    int seal_fd;
    const struct seal *seal;
};

/* Copies the content in the current directory to INDEX_NEW_NAME and seals it. */
static int copy_content(void *ctx)
{
    const struct copying *c = ctx;
    const struct seal *seal = c->seal;
    struct tables from, to;
    struct digest digest;
    struct seal settled;
    int rc = tables_open(&from, INDEX_DATA_NAME, MDB_RDONLY | MDB_NOLOCK);
    if (!rc)
        rc = tables_open(&to, INDEX_NEW_NAME, MDB_NOLOCK);
    if (!rc)
        rc = copy_tables(&from, &to, &digest);
    if (rc)
        return rc;
    if (memcmp(&digest, &seal->now, sizeof digest) != 0 &&
        memcmp(&digest, &seal->next, sizeof digest) != 0)
        return DISKV_ECORRUPT;
    seal_init(&settled, &digest, &digest);
    return seal_write(c->seal_fd, &settled);
}

static _Noreturn void child_main(int dir_fd, int (*work)(void *ctx), void *ctx)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0); /* no core file */
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    for (size_t i = 0; i < array_len(signals); i++)
        signal(signals[i], SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
    alarm(CHILD_SECONDS);
    int quiet = open("/dev/null", O_WRONLY); /* LMDB's failed assertions go to standard error */
    if (quiet < 0 || dup2(quiet, STDERR_FILENO) < 0 || fchdir(dir_fd))
        _exit(EXIT_FAILURE);
    _exit(work(ctx) ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* --- The parent --- */

pid_t child_start(int dir_fd, int (*work)(void *ctx), void *ctx)
{
    pid_t child = fork();
    if (child == 0)
        child_main(dir_fd, work, ctx);
    return child;
}

bool child_wait(pid_t child)
{
    int status;
    if (child < 0)
        return false;
    while (waitpid(child, &status, 0) != child)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static bool copy_in_child(int dir_fd, int seal_fd, const struct seal *seal)
{
    struct copying copying = {seal_fd, seal};
    return child_wait(child_start(dir_fd, copy_content, &copying));
}

bool check_data(int dir_fd, struct digest *digest)
{
    struct seal seal;
    unlinkat(dir_fd, INDEX_NEW_NAME, 0);
    int fd = openat(dir_fd, INDEX_SEAL_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool whole = fd >= 0 && seal_read(fd, &seal) == 0 && seal_is_ours(&seal) &&
                 copy_in_child(dir_fd, fd, &seal) && seal_read(fd, &seal) == 0 &&
                 renameat(dir_fd, INDEX_NEW_NAME, dir_fd, INDEX_DATA_NAME) == 0;
    *digest = whole ? seal.now : (struct digest){0};
    if (fd >= 0)
        close(fd);
    if (!whole) {
        unlinkat(dir_fd, INDEX_SEAL_NAME, 0);
        unlinkat(dir_fd, INDEX_DATA_NAME, 0);
        unlinkat(dir_fd, INDEX_NEW_NAME, 0);
    }
    unlinkat(dir_fd, INDEX_LOCK_NAME, 0); /* nobody else has it open; it may be damaged, too */
    return whole;
}
