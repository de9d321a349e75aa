/* Which form of a value an Accept-Encoding asks for. */
#include "encoding.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define IDENTITY ENCODING_IDENTITY
#define GZIP     ENCODING_GZIP
#define NONE     ENCODING_NONE

static const struct {
    const char *list;
    enum encoding_choice choice;
} examples[] = {
    {NULL, IDENTITY},
    {"", IDENTITY},
    {" ,\t, ", IDENTITY},
    {"gzip", GZIP},
    {"x-gzip", GZIP},
    {"GZip", GZIP},
    {"X-GZIP", GZIP},
    {"gzip, deflate, br, zstd", GZIP},
    {"deflate,\tgzip", GZIP},
    {"identity;q=0.5,,gzip , ", GZIP},
    {"deflate", IDENTITY},
    {"gzip2, xgzip, x-gzip-9, gzi", IDENTITY},

    /* RFC 9110, section 12.5.3 */
    {"compress, gzip", GZIP},
    {"*", GZIP},
    {"compress;q=0.5, gzip;q=1.0", GZIP},
    {"gzip;q=1.0, identity; q=0.5, *;q=0", GZIP},

    /* weights */
    {"gzip;q=0", IDENTITY},
    {"gzip;q=0.", IDENTITY},
    {"gzip;q=0.0", IDENTITY},
    {"gzip;q=0.000", IDENTITY},
    {"gzip;q=0.001", GZIP},
    {"gzip;Q=0.1", GZIP},
    {"gzip;q=1", GZIP},
    {"gzip;q=1.", GZIP},
    {"gzip;q=1.000", GZIP},
    {"gzip \t; \tq=0 \t, identity", IDENTITY},
    {"gzip \t; \tq=1 \t, identity", GZIP},
    {"gzip;q=0.5, identity;q=0.5", GZIP},
    {"gzip;q=0.499, identity;q=0.5", IDENTITY},
    {"gzip;q=0.5, identity;q=0.05", GZIP},
    {"gzip;q=0.9, identity", IDENTITY},

    /* the star is for what is not named */
    {"*;q=0.1", GZIP},
    {"*;q=0, gzip", GZIP},
    {"gzip;q=0, *", IDENTITY},
    {"gzip;q=0.3, *;q=0.8", IDENTITY},
    {"identity;q=0.3, *;q=0.8", GZIP},
    {"identity;q=0.8, *;q=0.3", IDENTITY},

    /* what is forbidden */
    {"identity;q=0", NONE},
    {"identity;q=0, br", NONE},
    {"identity;q=0, gzip", GZIP},
    {"identity;q=0, gzip;q=0.001", GZIP},
    {"identity;q=0, gzip;q=0", NONE},
    {"identity;q=0, *", GZIP},
    {"*;q=0", NONE},
    {"*;q=0, identity;q=0.1", IDENTITY},
    {"br, *;q=0.0", NONE},
    {"gzip;q=0, *;q=0", NONE},

    /* members that are malformed */
    {"gzip;", IDENTITY},
    {"gzip; ", IDENTITY},
    {"gzip;,q=1", IDENTITY},
    {"gzip;q", IDENTITY},
    {"gzip;q=", IDENTITY},
    {"gzip;q=,", IDENTITY},
    {"gzip;q= 1", IDENTITY},
    {"gzip;q =1", IDENTITY},
    {"gzip;q=1.001", IDENTITY},
    {"gzip;q=2", IDENTITY},
    {"gzip;q=-1", IDENTITY},
    {"gzip;q=.5", IDENTITY},
    {"gzip;q=0,5", IDENTITY},
    {"gzip;q=0.1234", IDENTITY},
    {"gzip;q=1.0000", IDENTITY},
    {"gzip;q=00", IDENTITY},
    {"gzip;q=0x1", IDENTITY},
    {"gzip;q=1e0", IDENTITY},
    {"gzip;q=\"1\"", IDENTITY},
    {"gzip;q=1;q=1", IDENTITY},
    {"gzip;level=9", IDENTITY},
    {"gzip q=1", IDENTITY},
    {"gzip deflate", IDENTITY},
    {"gzip;q=x, gzip", GZIP},
    {"gzip;q=x, *", GZIP},
    {"identity;q=0.0000", IDENTITY},
    {";q=0, =, ;;", IDENTITY},

    /* named twice */
    {"gzip, gzip;q=0", GZIP},
    {"x-gzip;q=0, gzip", IDENTITY},
    {"identity, identity;q=0", IDENTITY},
};

static void each_header_asks_for_the_form_that_the_rfc_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(examples); i++) {
        enum encoding_choice choice = encoding_choose(examples[i].list);

        if (choice != examples[i].choice)
            fail_msg("\"%s\": %d, not %d", examples[i].list, choice, examples[i].choice);
    }
}

static const struct {
    const char *list;
    struct encoding_weights weights;
} weighed[] = {
    {NULL, {.br = 0, .gzip = 0, .identity = 1000}},
    {"", {.br = 0, .gzip = 0, .identity = 1}},
    {"gzip, deflate, br, zstd", {.br = 1000, .gzip = 1000, .identity = 1}},
    {"br;q=0.25, gzip;q=0.5, *;q=0", {.br = 250, .gzip = 500, .identity = 0}},
    {"*", {.br = 1000, .gzip = 1000, .identity = 1000}},
    {"*;q=0.5, br;q=0", {.br = 0, .gzip = 500, .identity = 500}},
    {"BR;q=0.001, identity;q=0", {.br = 1, .gzip = 0, .identity = 0}},
    {"br;q=x, br, br;q=0, brotli", {.br = 1000, .gzip = 0, .identity = 1}},
};

static void each_coding_weighs_what_the_header_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(weighed); i++) {
        struct encoding_weights weights;

        encoding_weigh(weighed[i].list, &weights);
        assert_memory_equal(&weights, &weighed[i].weights, sizeof(weights));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header_asks_for_the_form_that_the_rfc_says),
        cmocka_unit_test(each_coding_weighs_what_the_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
