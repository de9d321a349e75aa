/* Tar archives, both ways, and archives that are none. */
#include "http_tar_helpers.h"

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
