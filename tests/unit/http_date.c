/* Dates as they stand in header fields. */
#include "date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void check(time_t time, const char *wanted)
{
    char text[DATE_SIZE];

    date_format(time, text);
    assert_string_equal(text, wanted);
}

static void each_part_of_a_date_has_its_place_and_its_digits(void **state)
{
    (void)state;
    check(784111777, "Sun, 06 Nov 1994 08:49:37 GMT");
    check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
    check(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    check(-62167219200, "Sat, 01 Jan 0000 00:00:00 GMT");
    check(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void a_year_that_has_no_four_digits_has_no_date(void **state)
{
    (void)state;
    check(-62167219201, "");
    check(253402300800, "");
    check(INT64_MAX, "");
}

static void what_is_written_is_read_again_as_it_was(void **state)
{
    char text[DATE_SIZE];

    (void)state;
    for (time_t time = 0, read; time < 4102444800; time += 86400 * 9 + 12345) {
        date_format(time, text);
        assert_true(date_parse(text, &read));
        assert_int_equal(read, time);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_of_a_date_has_its_place_and_its_digits),
        cmocka_unit_test(a_year_that_has_no_four_digits_has_no_date),
        cmocka_unit_test(what_is_written_is_read_again_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
