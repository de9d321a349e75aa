/* Whatever a user's index answers, it costs an error at most. */
#include "index.h"
#include "diskv.h"
#include "util.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Answers the same to every question, or with the keys "\x01", "\x02" and so on, after the last
 * of which it goes back. */
struct liar {
    struct diskv_index user;
    const char *key;
    size_t len;
    int rc;
    char last, back_to;
};

static int liar_change(void *ctx, const char *key, size_t len)
{
    struct liar *liar = ctx;
    (void)key;
    (void)len;
    return liar->rc;
}

static int liar_seek(void *ctx, const char *from, size_t from_len, bool after, char *key,
                     size_t *len)
{
    struct liar *liar = ctx;
    (void)after;
    if (liar->last) {
        *key = (char)(from_len == 0 ? 1 : *from == liar->last ? liar->back_to : *from + 1);
        *len = 1;
    } else if (liar->key) {
        memcpy(key, liar->key, liar->len < DISKV_KEY_MAX ? liar->len : DISKV_KEY_MAX);
        *len = liar->len;
    }
    return liar->rc;
}

static uint64_t liar_count(void *ctx)
{
    (void)ctx;
    return UINT64_MAX;
}

static struct index *liar_index(struct liar *liar)
{
    struct index *index;
    liar->user = (struct diskv_index){liar, liar_change, liar_change, liar_seek, liar_count};
    assert_int_equal(index_user_new(&liar->user, &index), 0);
    return index;
}

/* Goes through the whole index; returns how that ended. */
static int scan(struct index *index)
{
    struct index_cursor *c;
    assert_int_equal(index->ops->cursor_open(index, &c), 0);
    int rc = c->ops->cursor_seek(c, "", 0);
    for (size_t i = 0; i < 1000 && !rc; i++)
        rc = c->ops->cursor_next(c);
    c->ops->cursor_close(c);
    return rc;
}

static int scan_liar(struct liar liar)
{
    struct index *index = liar_index(&liar);
    int rc = scan(index);
    index->ops->free(index);
    return rc;
}

static void a_user_index_without_one_of_its_functions_is_refused(void **state)
{
    (void)state;
    struct index *index;
    const struct diskv_index whole = {NULL, liar_change, liar_change, liar_seek, liar_count};
    struct diskv_index users[] = {whole, whole, whole, whole};
    users[0].insert = NULL;
    users[1].erase = NULL;
    users[2].seek = NULL;
    users[3].count = NULL;
    for (size_t i = 0; i < array_len(users); i++)
        assert_int_equal(index_user_new(&users[i], &index), DISKV_EINVAL);
}

static void an_answer_that_is_no_key_is_refused(void **state)
{
    (void)state;
    static char long_key[DISKV_KEY_MAX];
    memset(long_key, 'k', sizeof long_key);
    assert_int_equal(scan_liar((struct liar){.rc = 0}), DISKV_ECORRUPT); /* says nothing */
    assert_int_equal(scan_liar((struct liar){.key = "", .len = 0}), DISKV_ECORRUPT);
    assert_int_equal(scan_liar((struct liar){.key = "a\0b", .len = 3}), DISKV_ECORRUPT);
    assert_int_equal(scan_liar((struct liar){.key = "\xFF", .len = 1}), DISKV_ECORRUPT);
    assert_int_equal(scan_liar((struct liar){.key = long_key, .len = 1001}), DISKV_ECORRUPT);
    assert_int_equal(scan_liar((struct liar){.key = long_key, .len = SIZE_MAX}), DISKV_ECORRUPT);
}

static void a_user_index_that_does_not_move_on_is_refused(void **state)
{
    (void)state;
    assert_int_equal(scan_liar((struct liar){.key = "a", .len = 1}), DISKV_ECORRUPT);
}

static void a_user_index_that_goes_in_circles_is_refused(void **state)
{
    (void)state;
    for (char last = 2; last < 100; last++)
        for (char back_to = 1; back_to < last; back_to++)
            assert_int_equal(scan_liar((struct liar){.last = last, .back_to = back_to}),
                             DISKV_ECORRUPT);
}

static void a_user_index_may_fail_with_errors_of_diskv_and_no_others(void **state)
{
    (void)state;
    static const struct {
        int rc, expected;
    } cases[] = {
        {DISKV_EACCESS, DISKV_EACCESS},
        {DISKV_EDECODE, DISKV_EDECODE},
        {DISKV_EDECODE - 1, DISKV_EIO},
        {INT_MIN, DISKV_EIO},
        {1, DISKV_EIO},
        {INT_MAX, DISKV_EIO},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct liar liar = {.key = "a", .len = 1, .rc = cases[i].rc};
        struct index *index = liar_index(&liar);
        for (int erasing = 0; erasing <= 1; erasing++) {
            struct index_change one = {erasing, "a", 1};
            assert_int_equal(index->ops->apply(index, &one, 1), cases[i].expected);
        }
        assert_int_equal(scan(index), cases[i].expected);
        index->ops->free(index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_index_without_one_of_its_functions_is_refused),
        cmocka_unit_test(an_answer_that_is_no_key_is_refused),
        cmocka_unit_test(a_user_index_that_does_not_move_on_is_refused),
        cmocka_unit_test(a_user_index_that_goes_in_circles_is_refused),
        cmocka_unit_test(a_user_index_may_fail_with_errors_of_diskv_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
