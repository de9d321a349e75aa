/* The order of keys in an index is the user's. */
#include "index_helpers.h"
#include "random.h"

static void assert_order(diskv_compare *compare, const struct key *keys, size_t count)
{
    struct index *index;
    assert_int_equal(index_memory_new(compare, NULL, &index), 0);
    for (size_t i = 0; i < count; i++)
        insert_all(index, &keys[i * 5 % count], 1); /* some order, for counts that are no fives */
    assert_keys(index, keys, count);
    index->ops->free(index);
}

static void keys_may_be_in_reverse_order(void **state)
{
    (void)state;
    static const struct key keys[] = {{1, "c"}, {2, "ba"}, {1, "b"}, {1, "a"}};
    assert_order(reverse, keys, array_len(keys));
}

static void keys_that_an_order_calls_equal_are_ordered_by_their_bytes(void **state)
{
    (void)state;
    static const struct key keys[] = {{1, "A"},  {1, "a"},  {2, "AB"}, {2, "Ab"},
                                      {2, "aB"}, {2, "ab"}, {1, "C"}};
    assert_order(ignore_case, keys, array_len(keys));
}

static void numbers_in_keys_may_be_in_the_order_of_numbers(void **state)
{
    (void)state;
    static const struct key keys[] = {{2, "v1"},   {3, "v09"}, {2, "v9"}, {5, "v09.1"},
                                      {4, "v9.1"}, {3, "v10"}, {1, "w"}};
    assert_order(by_number, keys, array_len(keys));
}

static int no_order(void *ctx, const char *a, size_t a_len, const char *b, size_t b_len)
{
    (void)a;
    (void)a_len;
    (void)b;
    (void)b_len;
    return (int)random_below(ctx, 3) - 1;
}

static void an_order_that_is_none_breaks_no_memory(void **state)
{
    (void)state;
    struct random random = random_new();
    struct index *index;
    assert_int_equal(index_memory_new(no_order, &random, &index), 0);
    for (size_t i = 0; i < 50000; i++) {
        char key[3] = {(char)('a' + random_below(&random, 26)), (char)('a' + i % 3)};
        change(index, random_below(&random, 2), key, 2);
    }
    index->ops->free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_may_be_in_reverse_order),
        cmocka_unit_test(keys_that_an_order_calls_equal_are_ordered_by_their_bytes),
        cmocka_unit_test(numbers_in_keys_may_be_in_the_order_of_numbers),
        cmocka_unit_test(an_order_that_is_none_breaks_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
