/* Tar archives, both ways; GNU tar says what is right. */
#include "diskv.h"
#include "tar.h"
#include "tar_header.h"
#include "tempdir.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define STOP      (-1000) /* what an event returns that has seen enough */
#define SHORT_MAX 100     /* bytes of content that a log shows */

/* What came of an archive, as text. */
struct log {
    struct buf text;
    uint64_t left; /* of the entry's content */
    uint64_t size;
    bool stop; /* at the first entry */
};

static int log_begin(void *ctx, const struct tar_entry *entry)
{
    struct log *log = ctx;
    struct tar_record record;

    buf_printf(&log->text, "%c %.*s %llu", "FDLO"[entry->type], (int)entry -> name_len,
               entry -> name, (unsigned long long)entry -> size);
    if (tar_find_record(entry, "DISKV.key", &record))
        buf_printf(&log->text, " key=%.*s", (int)record.value_len, record.value);
    buf_add_str(&log->text, "<");
    log->size = log->left = entry->size;
    return log->stop ? STOP : 0;
}

static int log_data(void *ctx, const char *data, size_t len)
{
    struct log *log = ctx;

    assert_in_range(len, 1, log->left);
    log->left -= len;
    return log->size <= SHORT_MAX ? buf_add(&log->text, data, len) : 0;
}

static int log_end(void *ctx)
{
    struct log *log = ctx;

    assert_int_equal(log->left, 0);
    return buf_add_str(&log->text, ">\n");
}

static const struct tar_events events = {log_begin, log_data, log_end};

/* Reads an archive in pieces and returns how it ended; `*text` is for free(). */
static int read_pieces(const struct buf *tar, size_t piece, bool stop, char **text)
{
    struct log log = {.stop = stop};
    struct tar_reader t = {.events = &events, .ctx = &log};
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < tar->len; at += piece) {
        size_t n = tar->len - at < piece ? tar->len - at : piece;
        char *copy = malloc(n); /* that the sanitizers know the end of */

        memcpy(copy, tar->data + at, n);
        rc = tar_read(&t, copy, n);
        free(copy);
    }
    if (rc == 0)
        rc = tar_read_end(&t);
    assert_true((rc == DISKV_EINVAL) == (t.fault != NULL));
    tar_reader_free(&t);
    buf_add_str(&log.text, "");
    *text = buf_steal(&log.text);
    return rc;
}

static void check_outcome(const struct buf *tar, int expected, const char *text)
{
    static const size_t pieces[] = {1, 7, 511, 512, 513, 10000, 1 << 20};

    for (size_t i = 0; i < array_len(pieces); i++) {
        char *got;
        int rc = read_pieces(tar, pieces[i], false, &got);

        if (rc != expected || strcmp(got, text) != 0)
            fail_msg("pieces of %zu: %d\n%s\nnot %d\n%s", pieces[i], rc, got, expected, text);
        free(got);
    }
}

static void check_entries(const struct buf *tar, const char *text)
{
    check_outcome(tar, 0, text);
}

/* No entry comes before the damage. */
static void check_damaged(const struct buf *tar)
{
    check_outcome(tar, DISKV_EINVAL, "");
}

static void check_first_size(const struct buf *tar, const char *text)
{
    char *got;

    assert_int_equal(read_pieces(tar, 512, true, &got), STOP);
    assert_string_equal(got, text);
    free(got);
}

/* --- Archives of our own making --- */

static void add_file(struct buf *tar, const char *name, const char *content)
{
    struct tar_entry entry = {.name = name, .name_len = strlen(name), .size = strlen(content)};

    assert_int_equal(tar_add_header(tar, &entry, 0), 0);
    assert_int_equal(buf_add_str(tar, content), 0);
    assert_int_equal(tar_pad(tar, entry.size), 0);
}

static void add_end(struct buf *tar)
{
    assert_int_equal(tar_add_end(tar, tar->len), 0);
    assert_int_equal(tar->len % TAR_RECORD, 0);
}

/* The header at `at`, with a right checksum again after a change. */
static struct tar_header *header_at(struct buf *tar, size_t at)
{
    return (struct tar_header *)(tar->data + at);
}

static void sign(struct tar_header *header)
{
    snprintf(header->checksum, sizeof(header->checksum), "%06lo", tar_checksum(header, false));
}

/* An entry of a type that tar_write does not make, in front of nothing. */
static void add_typed(struct buf *tar, char type, const char *name, const char *content)
{
    size_t at = tar->len;

    add_file(tar, name, content);
    header_at(tar, at)->type = type;
    sign(header_at(tar, at));
}

/* --- GNU tar --- */

static void run(const char *dir, const char *command, struct buf *out)
{
    char line[3000], bytes[4096];
    FILE *pipe;
    size_t n;

    snprintf(line, sizeof(line), "cd %s && %s", dir, command);
    pipe = popen(line, "r");
    assert_non_null(pipe);
    while ((n = fread(bytes, 1, sizeof(bytes), pipe)) > 0)
        buf_add(out, bytes, n);
    assert_int_equal(pclose(pipe), 0);
}

#define D90 \
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define E90 \
    "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define TEN "0123456789"

static const char make_tree[] =
    "mkdir -p sub/empty && printf hello >a && printf %02000d 0 >sub/b && : >sub/none && "
    "printf 1 >'sub/\xc3\xa4 b' && ln a hard && ln -s a soft && mkfifo fifo";

static const char tree[] = "F a 5<hello>\n"
                           "D sub/ 0<>\n"
                           "F sub/b 2000<>\n"
                           "F sub/none 0<>\n"
                           "F sub/\xc3\xa4 b 1<1>\n"
                           "L hard 0<>\n"
                           "L soft 0<>\n"
                           "O fifo 0<>\n";

static void every_format_of_gnu_tar_gives_the_same_entries(void **state)
{
    static const char *const formats[] = {"v7", "oldgnu", "gnu", "ustar", "posix"};
    char dir[TEMPDIR_SIZE], command[200];

    (void)state;
    tempdir_new(dir);
    run(dir, make_tree, &(struct buf){0});
    for (size_t i = 0; i < array_len(formats); i++) {
        struct buf tar = {0};
        bool v7 = i == 0; /* knows no fifos */

        snprintf(command, sizeof(command),
                 "tar c --format=%s --no-recursion a sub sub/b sub/none sub/*' b' hard soft %s",
                 formats[i], v7 ? "" : "fifo");
        run(dir, command, &tar);
        if (v7) {
            char *without = strndup(tree, strlen(tree) - strlen("O fifo 0<>\n"));

            check_entries(&tar, without);
            free(without);
        } else {
            check_entries(&tar, tree);
        }
        buf_free(&tar);
    }
    tempdir_remove(dir);
}

static void long_names_come_whole_in_each_format_that_has_them(void **state)
{
    static const char *const formats[] = {"oldgnu", "gnu", "posix"};
    const char *name = D90 "/" E90 "/" D90 "/" E90;
    char dir[TEMPDIR_SIZE], command[2000], text[1000];

    (void)state;
    tempdir_new(dir);
    snprintf(command, sizeof(command), "mkdir -p %.*s && printf x >%s && ln -s %s l",
             (int)(strrchr(name, '/') - name), name, name, name);
    run(dir, command, &(struct buf){0});
    snprintf(text, sizeof(text), "F %s 1<x>\nL l 0<>\n", name);
    for (size_t i = 0; i < array_len(formats); i++) {
        struct buf tar = {0};

        snprintf(command, sizeof(command), "tar c --format=%s %s l", formats[i], name);
        run(dir, command, &tar);
        check_entries(&tar, text);
        buf_free(&tar);
    }
    tempdir_remove(dir);
}

static void sparse_files_are_told_from_files(void **state)
{
    static const char *const formats[] = {"gnu", "posix --sparse-version=0.0",
                                          "posix --sparse-version=0.1",
                                          "posix --sparse-version=1.0"};
    char dir[TEMPDIR_SIZE], command[200];

    (void)state;
    tempdir_new(dir);
    run(dir,
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29; do"
        " printf x | dd of=s bs=1 seek=$((i * 200000)) conv=notrunc status=none; done; printf 1 >z",
        &(struct buf){0});
    for (size_t i = 0; i < array_len(formats); i++) {
        struct buf tar = {0};
        char *got;

        snprintf(command, sizeof(command), "tar cS --hole-detection=raw --format=%s s z",
                 formats[i]);
        run(dir, command, &tar);
        assert_int_equal(read_pieces(&tar, 1000, false, &got), 0);
        assert_int_equal(got[0], 'O');
        assert_non_null(strstr(got, ">\nF z 1<1>\n"));
        free(got);
        buf_free(&tar);
    }
    tempdir_remove(dir);
}

/* Names as long as ustar takes them, at each seam. */
static void a_header_is_the_one_that_gnu_tar_writes(void **state)
{
    static const char *const names[] = {
        "a",
        "a b/\xc3\xa4",
        D90 "1234567/9",
        D90 TEN,
        D90 "/" TEN,
        D90 "/eeeeeeee/" TEN,
        E90 "/" D90,
        E90 "/" TEN "/" TEN "/" TEN "/" TEN "/" TEN "/" D90,
        E90 "/" TEN TEN TEN TEN TEN TEN "123/" D90 TEN,
    };
    char dir[TEMPDIR_SIZE], command[2000];

    (void)state;
    tempdir_new(dir);
    for (size_t i = 0; i < array_len(names); i++) {
        const char *name = names[i];
        struct tar_entry entry = {.name = name, .name_len = strlen(name), .size = 3};
        struct buf theirs = {0}, ours = {0};

        snprintf(command, sizeof(command),
                 "mkdir -p \"$(dirname '%s')\" && printf 123 >'%s' && touch -d @1234567890.5 '%s' "
                 "&& tar c --format=ustar --numeric-owner --owner=0 --group=0 --mode=0644 '%s'",
                 name, name, name, name);
        run(dir, command, &theirs);
        assert_int_equal(tar_add_header(&ours, &entry, 1234567890), 0);
        buf_add(&ours, "123", 3);
        tar_pad(&ours, 3);
        add_end(&ours);
        assert_int_equal(ours.len, theirs.len);
        assert_memory_equal(ours.data, theirs.data, ours.len);
        buf_free(&ours);
        buf_free(&theirs);
    }
    tempdir_remove(dir);
}

static void gnu_tar_reads_what_ustar_has_no_room_for(void **state)
{
    struct tar_entry entry = {.name = D90 TEN "/" E90 TEN "1", .size = UINT64_C(9) << 30};
    char dir[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 10];
    struct buf tar = {0}, list = {0};
    FILE *file;

    (void)state;
    entry.name_len = strlen(entry.name);
    tempdir_new(dir);
    assert_int_equal(tar_add_header(&tar, &entry, -86400), 0);
    snprintf(path, sizeof(path), "%s/t", dir);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(tar.data, 1, tar.len, file), tar.len);
    fclose(file);
    run(dir, "truncate -s 10G t && TZ=UTC tar tvf t", &list);
    assert_string_equal(list.data, "-rw-r--r-- 0/0      9663676416 1969-12-31 00:00 " D90 TEN
                                   "/" E90 TEN "1\n");
    buf_free(&list);
    buf_free(&tar);
    tempdir_remove(dir);
}

/* --- Both ways --- */

static void what_is_written_is_read(void **state)
{
    struct buf tar = {0}, pax = {0};
    struct tar_entry entry = {.name = "%2E", .name_len = 3};

    (void)state;
    assert_int_equal(tar_add_record(&pax, "SCHILY.xattr.user.mime_type", "a/b", 3), 0);
    assert_int_equal(tar_add_record(&pax, "DISKV.key", "..\n3 =", 6), 0);
    entry.pax = pax.data;
    entry.pax_len = pax.len;
    add_file(&tar, D90 TEN TEN, "no slash to split it at");
    assert_int_equal(tar_add_header(&tar, &entry, 0), 0);
    add_file(&tar, "b", "");
    add_end(&tar);
    check_entries(&tar, "F " D90 TEN TEN " 23<no slash to split it at>\n"
                        "F %2E 0 key=..\n3 =<>\n"
                        "F b 0<>\n");
    buf_free(&pax);
    buf_free(&tar);
}

static void a_record_counts_its_own_digits(void **state)
{
    char value[1100];

    (void)state;
    memset(value, 'v', sizeof(value));
    for (size_t len = 0; len <= sizeof(value); len++) {
        struct buf pax = {0};
        struct tar_record record;
        const char *at;
        size_t left;

        assert_int_equal(tar_add_record(&pax, "k", value, len), 0);
        at = pax.data;
        left = pax.len;
        assert_int_equal(tar_next_record(&at, &left, &record), 1);
        assert_int_equal(left, 0);
        assert_int_equal(record.value_len, len);
        assert_memory_equal(record.value, value, len);
        assert_int_equal(tar_next_record(&at, &left, &record), 0);
        buf_free(&pax);
    }
}

static void a_size_of_nine_gibibytes_is_read_from_either_form(void **state)
{
    static const char base_256[12] = {(char)0x80, 0, 0, 0, 0, 0, 0, 2, 0x40, 0, 0, 0};
    struct tar_entry entry = {.name = "x", .name_len = 1, .size = UINT64_C(9) << 30};
    struct buf tar = {0};

    (void)state;
    assert_int_equal(tar_add_header(&tar, &entry, 0), 0);
    check_first_size(&tar, "F x 9663676416<");
    tar.len = 0;
    add_file(&tar, "x", "");
    memcpy(header_at(&tar, 0)->size, base_256, sizeof(base_256));
    sign(header_at(&tar, 0));
    check_first_size(&tar, "F x 9663676416<");
    buf_free(&tar);
}

/* --- What else there is --- */

static void a_global_header_is_passed_over(void **state)
{
    struct buf tar = {0};

    (void)state;
    add_typed(&tar, 'g', "pax_global_header", "12 path=abc\n");
    add_file(&tar, "a", "1");
    add_end(&tar);
    check_entries(&tar, "F a 1<1>\n");
    buf_free(&tar);
}

static void a_name_in_a_pax_header_comes_before_one_of_gnus(void **state)
{
    struct buf tar = {0};

    (void)state;
    add_typed(&tar, 'L', "././@LongLink", "gnu");
    add_typed(&tar, 'x', "././@PaxHeader", "9 path=p\n9 path=q\n");
    add_file(&tar, "a", "1");
    add_file(&tar, "b", "2");
    add_typed(&tar, 'L', "././@LongLink", "gnu");
    add_file(&tar, "c", "3");
    add_end(&tar);
    check_entries(&tar, "F q 1<1>\nF b 1<2>\nF gnu 1<3>\n");
    buf_free(&tar);
}

static void links_devices_and_directories_have_no_content(void **state)
{
    struct buf tar = {0};

    (void)state;
    for (char type = '1'; type <= '6'; type++) {
        size_t at = tar.len;

        add_file(&tar, "x", "");
        header_at(&tar, at)->type = type;
        memcpy(header_at(&tar, at)->size, "00000001000", 12);
        sign(header_at(&tar, at));
    }
    add_file(&tar, "a", "1");
    add_end(&tar);
    check_entries(&tar, "L x 0<>\nL x 0<>\nO x 0<>\nO x 0<>\nD x 0<>\nO x 0<>\nF a 1<1>\n");
    buf_free(&tar);
}

static void an_unknown_type_has_content_that_is_no_file(void **state)
{
    struct buf tar = {0};

    (void)state;
    add_typed(&tar, 'Z', "z", "123");
    add_typed(&tar, '7', "contiguous", "456");
    add_end(&tar);
    check_entries(&tar, "O z 3<123>\nF contiguous 3<456>\n");
    buf_free(&tar);
}

static void a_checksum_of_signed_bytes_is_right_too(void **state)
{
    struct buf tar = {0};
    struct tar_header *header;

    (void)state;
    add_file(&tar, "\xc3\xa4", "");
    add_end(&tar);
    header = header_at(&tar, 0);
    assert_int_not_equal(tar_checksum(header, true), tar_checksum(header, false));
    snprintf(header->checksum, sizeof(header->checksum), "%06lo", tar_checksum(header, true));
    check_entries(&tar, "F \xc3\xa4 0<>\n");
    buf_free(&tar);
}

static void what_follows_the_end_is_passed_over(void **state)
{
    struct buf tar = {0};

    (void)state;
    add_file(&tar, "a", "1");
    add_end(&tar);
    buf_add_str(&tar, "anything");
    check_entries(&tar, "F a 1<1>\n");
    buf_free(&tar);
}

/* --- Damage --- */

static void an_archive_that_is_cut_anywhere_is_damaged(void **state)
{
    struct buf tar = {0}, cut;
    size_t whole;

    (void)state;
    add_file(&tar, D90 TEN TEN, "long");
    add_file(&tar, "b", "2");
    whole = tar.len + TAR_BLOCK;
    add_end(&tar);
    cut = tar;
    for (cut.len = 0; cut.len < whole; cut.len++) {
        char *got;

        assert_int_equal(read_pieces(&cut, 300, false, &got), DISKV_EINVAL);
        free(got);
    }
    check_entries(&cut, "F " D90 TEN TEN " 4<long>\nF b 1<2>\n");
    buf_free(&tar);
}

static void a_wrong_byte_in_a_header_is_noticed(void **state)
{
    struct buf tar = {0};

    (void)state;
    add_file(&tar, "a", "1");
    add_end(&tar);
    for (size_t at = 0; at < TAR_BLOCK; at++) {
        char *got;

        tar.data[at] ^= 1;
        if (at < offsetof(struct tar_header, checksum) + 6 ||
            at >= offsetof(struct tar_header, type))
            assert_int_equal(read_pieces(&tar, 512, false, &got), DISKV_EINVAL);
        else
            got = NULL;
        free(got);
        tar.data[at] ^= 1;
    }
    buf_free(&tar);
}

static void an_entry_behind_a_lone_block_of_zeroes_is_damage(void **state)
{
    struct buf tar = {0};

    (void)state;
    buf_reserve(&tar, TAR_BLOCK);
    memset(tar.data, 0, TAR_BLOCK);
    tar.len = TAR_BLOCK;
    add_file(&tar, "a", "1");
    add_end(&tar);
    check_damaged(&tar);
    buf_free(&tar);
}

static void a_number_that_is_none_is_damage(void **state)
{
    static const char sizes[][13] = {"0000000000x", "-0000000001", "12345678",
                                     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                                     "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    (void)state;
    for (size_t i = 0; i < array_len(sizes); i++) {
        struct buf tar = {0};

        add_file(&tar, "a", "");
        memcpy(header_at(&tar, 0)->size, sizes[i], 12);
        sign(header_at(&tar, 0));
        add_end(&tar);
        check_damaged(&tar);
        buf_free(&tar);
    }
}

static void a_malformed_pax_header_is_damage(void **state)
{
    static const char *const headers[] = {
        "x",
        "9 path=p",
        "9 path=pp\n",
        "8 path=p\n",
        "11 path=p\n",
        "6 path\n",
        " path=p\n",
        "0 =\n",
        "3 =\n\n",
        "-9 path=p\n",
        "9 size=x\n",
        "9 size=-\n",
        "8 size=\n",
        "28 size=9223372036854775808\n",
        "99999999999999999999999 path=p\n",
        "9 path=p\n2 ",
    };
    (void)state;
    for (size_t i = 0; i < array_len(headers); i++) {
        struct buf tar = {0};

        add_typed(&tar, 'x', "././@PaxHeader", headers[i]);
        add_file(&tar, "a", "1");
        add_end(&tar);
        check_damaged(&tar);
        buf_free(&tar);
    }
}

static void more_before_an_entry_than_64_kibibytes_is_refused(void **state)
{
    static const char types[] = {'x', 'L'};

    (void)state;
    for (size_t i = 0; i < sizeof(types); i++) {
        struct buf tar = {0};

        add_typed(&tar, types[i], "x", "");
        memcpy(header_at(&tar, 0)->size, "00000200001", 12);
        sign(header_at(&tar, 0));
        check_damaged(&tar);
        buf_free(&tar);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_of_gnu_tar_gives_the_same_entries),
        cmocka_unit_test(long_names_come_whole_in_each_format_that_has_them),
        cmocka_unit_test(sparse_files_are_told_from_files),
        cmocka_unit_test(a_header_is_the_one_that_gnu_tar_writes),
        cmocka_unit_test(gnu_tar_reads_what_ustar_has_no_room_for),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_record_counts_its_own_digits),
        cmocka_unit_test(a_size_of_nine_gibibytes_is_read_from_either_form),
        cmocka_unit_test(a_global_header_is_passed_over),
        cmocka_unit_test(a_name_in_a_pax_header_comes_before_one_of_gnus),
        cmocka_unit_test(links_devices_and_directories_have_no_content),
        cmocka_unit_test(an_unknown_type_has_content_that_is_no_file),
        cmocka_unit_test(a_checksum_of_signed_bytes_is_right_too),
        cmocka_unit_test(what_follows_the_end_is_passed_over),
        cmocka_unit_test(an_archive_that_is_cut_anywhere_is_damaged),
        cmocka_unit_test(a_wrong_byte_in_a_header_is_noticed),
        cmocka_unit_test(an_entry_behind_a_lone_block_of_zeroes_is_damage),
        cmocka_unit_test(a_number_that_is_none_is_damage),
        cmocka_unit_test(a_malformed_pax_header_is_damage),
        cmocka_unit_test(more_before_an_entry_than_64_kibibytes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
