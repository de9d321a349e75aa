/* Media types by the extensions of keys. */
#include "media_type.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct example {
    const char *key, *type;
};

static void check(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *key = examples[i].key, *wanted = examples[i].type;
        const char *type = media_type_of(key, strlen(key));

        if (wanted == NULL ? type != NULL : type == NULL || strcmp(type, wanted) != 0)
            fail_msg("%s: %s, not %s", key, type != NULL ? type : "none",
                     wanted != NULL ? wanted : "none");
    }
}

static void what_browsers_load_has_the_type_they_expect(void **state)
{
    static const struct example examples[] = {
        {"a.html", "text/html"},        {"a.htm", "text/html"},
        {"a.css", "text/css"},          {"a.js", "text/javascript"},
        {"a.mjs", "text/javascript"},   {"a.js.map", "application/json"},
        {"a.json", "application/json"}, {"a.webmanifest", "application/manifest+json"},
        {"a.wasm", "application/wasm"}, {"a.xml", "application/xml"},
        {"a.svg", "image/svg+xml"},     {"a.png", "image/png"},
        {"a.jpg", "image/jpeg"},        {"a.jpeg", "image/jpeg"},
        {"a.gif", "image/gif"},         {"a.webp", "image/webp"},
        {"a.avif", "image/avif"},       {"a.ico", "image/vnd.microsoft.icon"},
        {"a.woff", "font/woff"},        {"a.woff2", "font/woff2"},
        {"a.mp3", "audio/mpeg"},        {"a.ogg", "audio/ogg"},
        {"a.weba", "audio/webm"},       {"a.mp4", "video/mp4"},
        {"a.webm", "video/webm"},       {"a.m3u8", "application/vnd.apple.mpegurl"},
        {"a.vtt", "text/vtt"},          {"a.pdf", "application/pdf"},
        {"a.ts", "video/mp2t"},
    };
    (void)state;
    check(examples, array_len(examples));
}

static void documents_data_and_archives_are_known(void **state)
{
    static const struct example examples[] = {
        {"a.txt", "text/plain"},          {"a.log", "text/plain"},
        {"a.md", "text/markdown"},        {"a.csv", "text/csv"},
        {"a.yaml", "application/yaml"},   {"a.yml", "application/yaml"},
        {"a.toml", "application/toml"},   {"a.tar", "application/x-tar"},
        {"a.tar.gz", "application/gzip"}, {"a.bz2", "application/x-bzip2"},
        {"a.zst", "application/zstd"},    {"a.zip", "application/zip"},
    };
    (void)state;
    check(examples, array_len(examples));
}

static void the_extension_is_behind_the_last_dot_of_the_last_component(void **state)
{
    static const struct example examples[] = {
        {".png", "image/png"},
        {"a/b.c/d.png", "image/png"},
        {"a..png", "image/png"},
        {"a.png.html", "text/html"},
        {"a.unknown.png", "image/png"},
        {"a b.png", "image/png"},
        {"", NULL},
        {"png", NULL},
        {"a/png", NULL},
        {"a.png/", NULL},
        {"a.png/b", NULL},
        {"a.", NULL},
        {"a.png.", NULL},
        {"a.png ", NULL},
        {"a.png.unknown", NULL},
        {"...", NULL},
        {"/", NULL},
        {"a.pn", NULL},
        {"a.pngg", NULL},
        {"a.\xC3\xA9", NULL},
        {"a.\xFF", NULL},
    };
    (void)state;
    check(examples, array_len(examples));
}

static void case_does_not_matter(void **state)
{
    static const struct example examples[] = {
        {"a.PNG", "image/png"},
        {"a.HtMl", "text/html"},
        {"a.SPDX.Json", "application/spdx+json"},
        {"a.Z", NULL},
    };
    (void)state;
    check(examples, array_len(examples));
}

static void an_extension_of_two_parts_comes_before_its_last_part(void **state)
{
    static const struct example examples[] = {
        {"a.spdx.json", "application/spdx+json"},
        {"a.b.spdx.json", "application/spdx+json"},
        {"spdx.json", "application/json"},
        {"spdx/a.json", "application/json"},
        {"a.gpkg.tar", "application/vnd.gentoo.gpkg"},
    };
    (void)state;
    check(examples, array_len(examples));
}

static void of_two_types_for_an_extension_the_first_counts(void **state)
{
    static const struct example examples[] = {
        {"a.sh", "application/x-sh"},
    };
    (void)state;
    check(examples, array_len(examples));
}

static void the_first_and_the_last_row_are_found(void **state)
{
    static const struct example examples[] = {
        {"a.%", "application/x-trash"},
        {"a.~", "application/x-trash"},
        {"a.\x01", NULL},
        {"a.\x7F", NULL},
    };
    (void)state;
    check(examples, array_len(examples));
}

static void a_key_ends_where_its_length_says(void **state)
{
    (void)state;
    assert_string_equal(media_type_of("a.json-patch", 6), "application/json");
    assert_string_equal(media_type_of("a.jsx", 4), "text/javascript");
    assert_null(media_type_of("a.js\0x", 6));
    assert_null(media_type_of("a.png", 2));
    assert_null(media_type_of(".png", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_browsers_load_has_the_type_they_expect),
        cmocka_unit_test(documents_data_and_archives_are_known),
        cmocka_unit_test(the_extension_is_behind_the_last_dot_of_the_last_component),
        cmocka_unit_test(case_does_not_matter),
        cmocka_unit_test(an_extension_of_two_parts_comes_before_its_last_part),
        cmocka_unit_test(of_two_types_for_an_extension_the_first_counts),
        cmocka_unit_test(the_first_and_the_last_row_are_found),
        cmocka_unit_test(a_key_ends_where_its_length_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
