/* Tar archives that GNU tar made, and those that it is to read: it says what is right. */
#include "http_tar_helpers.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_of_gnu_tar_gives_the_same_entries),
        cmocka_unit_test(long_names_come_whole_in_each_format_that_has_them),
        cmocka_unit_test(sparse_files_are_told_from_files),
        cmocka_unit_test(a_header_is_the_one_that_gnu_tar_writes),
        cmocka_unit_test(gnu_tar_reads_what_ustar_has_no_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
