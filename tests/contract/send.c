/* Values that go from their files to a socket. */
#include "store_helpers.h"
#include "tempdir.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OURS, THEIRS };

struct fixture {
    diskv *store;
    char dir[TEMPDIR_SIZE];
    int sockets[2];
};

static int setup_with(void **state, const struct diskv_options *options)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    tempdir_new(f->dir);
    signal(SIGPIPE, SIG_IGN);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->sockets))
        return -1;
    return diskv_open(f->dir, options, &f->store);
}

static int setup(void **state)
{
    return setup_with(state, &(struct diskv_options){.sync = DISKV_SYNC_NONE});
}

static int setup_cache(void **state)
{
    return setup_with(state,
                      &(struct diskv_options){.sync = DISKV_SYNC_NONE, .cache_bytes = 1024 * 1024});
}

static int setup_gzip(void **state)
{
    return setup_with(state, &(struct diskv_options){.sync = DISKV_SYNC_NONE,
                                                     .compress = "gzip",
                                                     .cache_bytes = 1024 * 1024});
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diskv_close(f->store);
    close(f->sockets[OURS]);
    if (f->sockets[THEIRS] >= 0)
        close(f->sockets[THEIRS]);
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static uint64_t bytes_read(const struct fixture *f)
{
    struct diskv_stats stats;
    diskv_stats(f->store, &stats);
    return stats.bytes_read;
}

static diskv_reader *reader_of(const struct fixture *f, const char *value)
{
    assert_int_equal(store_put(f->store, "k", value), 0);
    return store_reader(f->store, "k");
}

static void what_is_sent_is_the_part_of_the_value_and_counts_as_read(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader = reader_of(f, "value");
    uint64_t before = bytes_read(f);
    char got[8];
    assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 3, 1), 3);
    assert_int_equal(recv(f->sockets[THEIRS], got, sizeof got, 0), 3);
    assert_memory_equal(got, "alu", 3);
    assert_int_equal(bytes_read(f), before + 3);
    diskv_reader_close(reader);
}

static void whether_it_can_be_sent_is_known_before(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader = reader_of(f, "value");
    assert_int_equal(diskv_reader_sendable_now(reader, 0, 2), 0);
    assert_int_equal(diskv_reader_sendable_now(reader, 3, 2), 0);
    diskv_reader_close(reader);
}

static void a_socket_without_room_is_not_waited_for(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader = reader_of(f, "value");
    while (send(f->sockets[OURS], "x", 1, 0) == 1)
        ;
    assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 5, 0), 0);
    diskv_reader_close(reader);
}

static void a_socket_that_nobody_reads_any_more_is_an_error(void **state)
{
    struct fixture *f = *state;
    diskv_reader *reader = reader_of(f, "value");
    close(f->sockets[THEIRS]);
    f->sockets[THEIRS] = -1;
    assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 5, 0), DISKV_EIO);
    diskv_reader_close(reader);
}

static void a_file_that_has_become_shorter_is_stale(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader = reader_of(f, "value");
    char path[STORE_PATH_SIZE];
    path_join(path, f->dir, "k");
    assert_int_equal(truncate(path, 2), 0);
    assert_int_equal(diskv_reader_sendable_now(reader, 5, 0), DISKV_ESTALE);
    assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 3, 2), DISKV_ESTALE);
    diskv_reader_close(reader);
}

static void what_is_compressed_in_its_file_is_not_sent_from_there_unless_as_it_is(void **state)
{
    const struct fixture *f = *state;
    char value[4096] = {0};
    memset(value, 'x', sizeof value - 1);
    diskv_reader *reader = reader_of(f, value);
    assert_int_equal(diskv_reader_sendable_now(reader, 1, 0), DISKV_ENOTSUP);
    assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 1, 0), DISKV_ENOTSUP);
    diskv_reader_close(reader);
    char got[2];
    assert_int_equal(diskv_reader_open_wait(f->store, "k", 1, DISKV_READ_STORED, &reader), 0);
    assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 2, 0), 2);
    assert_int_equal(recv(f->sockets[THEIRS], got, sizeof got, 0), 2);
    assert_memory_equal(got, "\x1f\x8b", 2);
    diskv_reader_close(reader);
}

static void what_fits_into_the_cache_is_not_sent_from_its_file(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader = reader_of(f, "value");
    diskv_reader_close(reader);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL); /* what is younger is not cached */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(diskv_reader_open_wait(f->store, "k", 1, DISKV_READ_CACHED, &reader), 0);
        assert_int_equal(diskv_reader_sendable_now(reader, 0, 0), DISKV_ENOTSUP);
        assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 5, 0), DISKV_ENOTSUP);
        assert_reads(reader, "value");
    }
}

static void what_the_cache_is_not_to_keep_is_sent(void **state)
{
    const struct fixture *f = *state;
    diskv_reader *reader = reader_of(f, "value");
    diskv_reader_close(reader);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(diskv_reader_open_wait(f->store, "k", 1, DISKV_READ_CACHED, &reader), 0);
        diskv_reader_once(reader);
        assert_int_equal(diskv_reader_sendable_now(reader, 5, 0), 0);
        assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 5, 0), 5);
        assert_reads(reader, "value");
    }
}

static void what_is_decompressed_the_cache_keeps_all_the_same(void **state)
{
    const struct fixture *f = *state;
    char value[4096] = {0};
    memset(value, 'x', sizeof value - 1);
    diskv_reader *reader = reader_of(f, value);
    diskv_reader_close(reader);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(diskv_reader_open_wait(f->store, "k", 1, DISKV_READ_CACHED, &reader), 0);
        assert_int_equal(diskv_reader_version(reader) != 0, i);
        diskv_reader_once(reader);
        char got[4096];
        assert_int_equal(diskv_reader_read_wait(reader, got, sizeof got, 0), strlen(value));
        diskv_reader_close(reader);
    }
}

static void what_is_too_large_for_the_cache_is_sent(void **state)
{
    const struct fixture *f = *state;
    char *value = calloc(1, 512 * 1024 + 1);
    assert_non_null(value);
    memset(value, 'x', 512 * 1024);
    diskv_reader *reader = reader_of(f, value);
    diskv_reader_close(reader);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    assert_int_equal(diskv_reader_open_wait(f->store, "k", 1, DISKV_READ_CACHED, &reader), 0);
    assert_int_equal(diskv_reader_send_now(reader, f->sockets[OURS], 5, 0), 5);
    diskv_reader_close(reader);
    free(value);
}

#define CASE(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_sent_is_the_part_of_the_value_and_counts_as_read, setup),
        CASE(whether_it_can_be_sent_is_known_before, setup),
        CASE(a_socket_without_room_is_not_waited_for, setup),
        CASE(a_socket_that_nobody_reads_any_more_is_an_error, setup),
        CASE(a_file_that_has_become_shorter_is_stale, setup),
        CASE(what_is_compressed_in_its_file_is_not_sent_from_there_unless_as_it_is, setup_gzip),
        CASE(what_fits_into_the_cache_is_not_sent_from_its_file, setup_cache),
        CASE(what_the_cache_is_not_to_keep_is_sent, setup_cache),
        CASE(what_is_decompressed_the_cache_keeps_all_the_same, setup_gzip),
        CASE(what_is_too_large_for_the_cache_is_sent, setup_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
