/* What other programs compress is read, and what the store compresses they read: Go diskv, gzip,
 * zcat and Python's zlib. */
#include "compress_helpers.h"

#include <jansson.h>

#define DICTIONARY "all work and no play "

/* One kind of file, and the program that reads it: a command whose stdin is the file. */
struct kind {
    const char *compress, *dictionary, *command;
    const char *go; /* what the Go program calls it */
};

#define PYTHON(arguments)                                                                   \
    "python3 -c 'import sys, zlib; d = zlib.decompressobj(" arguments "); "                 \
    "sys.stdout.buffer.write(d.decompress(sys.stdin.buffer.read())); assert d.eof and not " \
    "d.unused_data'"

static const struct kind kinds[] = {
    {"gzip", NULL, "zcat", "gzip"},
    {"gzip:0", NULL, "zcat", "gzip"},
    {"gzip:9", NULL, PYTHON("31"), "gzip"},
    {"zlib", NULL, PYTHON(""), "zlib"},
    {"zlib:1", NULL, PYTHON(""), "zlib"},
    {"zlib", DICTIONARY, PYTHON("zdict=b\"" DICTIONARY "\""), "zlibdict"},
    {"zlib:9", DICTIONARY, PYTHON("zdict=b\"" DICTIONARY "\""), "zlibdict"},
};

static diskv *open_kind(const char *dir, const char *compress, const char *dictionary)
{
    const struct diskv_options options = {.sync = DISKV_SYNC_NONE,
                                          .layout = "flat",
                                          .compress = compress,
                                          .dictionary = dictionary,
                                          .dictionary_len = dictionary ? strlen(dictionary) : 0};
    return open_store(dir, &options);
}

/* --- Programs --- */

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

/* Writes a file through a command. */
static void file_make(const char *dir, const char *name, const char *command)
{
    assert_int_equal(run("cd '%s' && %s > %s", dir, command, name), 0);
}

static void assert_output(const char *dir, const char *command, const char *name,
                          const struct bytes *expected)
{
    char line[2048];
    struct bytes output = {malloc(expected->size + 1), 0};
    snprintf(line, sizeof line, "cd '%s' && %s < %s", dir, command, name);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    output.size = fread(output.data, 1, expected->size + 1, pipe);
    assert_int_equal(pclose(pipe), 0);
    assert_bytes(output.data, output.size, expected);
    free(output.data);
}

/* --- Values of all sorts --- */

struct value {
    const char *key;
    struct bytes bytes;
};

#define VALUES 4

static void values_new(struct value out[static VALUES])
{
    out[0] = (struct value){"empty", {calloc(1, 1), 0}};
    out[1] = (struct value){"tiny", {strdup("no play"), 7}};
    out[2] = (struct value){"text", text_new(MIB)};
    out[3] = (struct value){"noise", noise_new(MIB)};
}

static void values_free(struct value values[static VALUES])
{
    for (size_t i = 0; i < VALUES; i++)
        free(values[i].bytes.data);
}

static void values_put(const char *dir, const struct kind *kind, const struct value *values)
{
    diskv *store = open_kind(dir, kind->compress, kind->dictionary);
    for (size_t i = 0; i < VALUES; i++)
        assert_int_equal(put(store, values[i].key, &values[i].bytes), 0);
    diskv_close(store);
}

/* --- What Go diskv wrote --- */

static unsigned sextet(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    assert_true(at || c == '=');
    return at ? (unsigned)(at - digits) : 0;
}

static struct bytes base64_decode(const char *text)
{
    size_t len = strlen(text);
    struct bytes out = {malloc(len + 3), 0};
    for (size_t i = 0; i < len; i += 4) {
        unsigned bits = sextet(text[i]) << 18 | sextet(text[i + 1]) << 12 |
                        sextet(text[i + 2]) << 6 | sextet(text[i + 3]);
        for (int shift = 16; shift >= 0; shift -= 8)
            out.data[out.size++] = (char)(bits >> shift);
    }
    out.size -= len && text[len - 1] == '=' ? 1 : 0;
    out.size -= len && text[len - 2] == '=' ? 1 : 0;
    return out;
}

/* The size shows once the value was read to its end, and not before. */
static void assert_size_shows_at_the_end(diskv *store, const char *key, const struct bytes *value)
{
    struct diskv_info info;
    char *data = malloc(value->size + 1);
    assert_int_equal(diskv_stat(store, key, strlen(key), &info), 0);
    assert_true(info.size == DISKV_SIZE_UNKNOWN);
    diskv_reader *reader = open_reader(store, key);
    assert_true(diskv_reader_info(reader)->size == DISKV_SIZE_UNKNOWN);
    assert_int_equal(diskv_reader_read_wait(reader, data, value->size + 1, 0), value->size);
    assert_true(diskv_reader_info(reader)->size == value->size);
    diskv_reader_close(reader);
    free(data);
}

/* With a dictionary, Go's encoder puts that before the bytes of a value that does not shrink: its
 * own decoder finds the checksum to be wrong. */
static bool go_cannot_read(const char *key, const char *dictionary)
{
    return dictionary && strcmp(key, "gamma delta") == 0;
}

/* Every key of the tree is listed, no other, and every value is the manifest's. */
static void assert_tree(diskv *store, json_t *entries, const char *dictionary)
{
    struct diskv_stats stats;
    size_t i;
    json_t *entry;
    diskv_stats(store, &stats);
    assert_int_equal(stats.keys, json_array_size(entries));
    assert_int_equal(stats.foreign, 0);
    json_array_foreach(entries, i, entry)
    {
        const char *key = json_string_value(json_object_get(entry, "key"));
        struct bytes value =
            base64_decode(json_string_value(json_object_get(entry, "value_base64")));
        if (go_cannot_read(key, dictionary)) {
            struct bytes none;
            assert_int_equal(get(store, key, &none), DISKV_EDECODE);
        } else {
            assert_value(store, key, &value);
            assert_size_shows_at_the_end(store, key, &value);
        }
        free(value.data);
    }
}

static void assert_go_tree(const char *dir, const char *name, const char *compress,
                           const char *dictionary)
{
    const char *trees = getenv("DISKV_TREES");
    char path[PATH_SIZE];
    json_t *tree, *manifest;
    size_t i, met = 0;
    path_of(path, trees, "manifest.json");
    manifest = json_load_file(path, 0, NULL);
    assert_non_null(manifest);
    assert_int_equal(
        run("tar -xf '%s/trees.tar' -C '%s' --strip-components=1 %s", trees, dir, name), 0);
    json_array_foreach(manifest, i, tree)
    {
        if (strcmp(json_string_value(json_object_get(tree, "Tree")), name) != 0)
            continue;
        met++;
        for (int start = 0; start < 2; start++) {
            diskv *store = open_kind(dir, compress, dictionary);
            assert_tree(store, json_object_get(tree, "Entries"), dictionary);
            diskv_close(store);
        }
    }
    assert_int_equal(met, 1);
    json_decref(manifest);
}

static void the_values_that_go_diskv_wrote_with_gzip_are_read(void **state)
{
    assert_go_tree(*state, "gzip", "gzip", NULL);
}

static void the_values_that_go_diskv_wrote_with_gzip_at_level_9_are_read(void **state)
{
    assert_go_tree(*state, "gzip9", "gzip:9", NULL);
}

static void the_values_that_go_diskv_wrote_with_zlib_are_read(void **state)
{
    assert_go_tree(*state, "zlib", "zlib", NULL);
}

static void the_values_that_go_diskv_wrote_with_a_dictionary_are_read(void **state)
{
    assert_go_tree(*state, "zlibdict", "zlib", DICTIONARY);
}

/* --- What the store wrote --- */

static void zcat_and_python_read_what_the_store_compressed(void **state)
{
    struct value values[VALUES];
    values_new(values);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        values_put(*state, &kinds[k], values);
        for (size_t i = 0; i < VALUES; i++)
            assert_output(*state, kinds[k].command, values[i].key, &values[i].bytes);
    }
    values_free(values);
}

static void go_diskv_reads_what_the_store_compressed(void **state)
{
    struct value values[VALUES];
    char bin[TEMPDIR_SIZE], command[PATH_SIZE];
    const char *trees = getenv("DISKV_TREES");
    if (run("command -v go > /dev/null") != 0) {
        print_message("skipped: there is no go\n");
        skip();
    }
    if (run("cd '%s/../diskv-go' && go mod download", trees) != 0) {
        print_message("skipped: the module github.com/peterbourgon/diskv/v3 cannot be fetched\n");
        skip();
    }
    tempdir_new(bin);
    values_new(values);
    assert_int_equal(run("cd '%s/../diskv-go' && go build -o '%s/read' .", trees, bin), 0);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        values_put(*state, &kinds[k], values);
        for (size_t i = 0; i < VALUES; i++) {
            snprintf(command, sizeof command, "%s/read . %s %s", bin, kinds[k].go, values[i].key);
            assert_output(*state, command, values[i].key, &values[i].bytes);
        }
    }
    values_free(values);
    tempdir_remove(bin);
}

/* --- Files put beside the store's --- */

static void a_plain_file_in_a_compressing_store_is_read_as_it_is(void **state)
{
    static const char *const codecs[] = {"gzip", "zlib"};
    struct diskv_info info;
    for (size_t i = 0; i < COUNT(codecs); i++) {
        diskv *store = open_compressing(*state, codecs[i]);
        file_make(*state, "plain", "printf 'not compressed'");
        file_make(*state, "empty", "true");
        file_make(*state, "polynomial", "printf 'x^2 + y^2 = z^2'"); /* zlib may begin so */
        assert_text(store, "plain", "not compressed");
        assert_text(store, "empty", "");
        assert_text(store, "polynomial", "x^2 + y^2 = z^2");
        diskv_reader *reader = open_reader(store, "plain");
        assert_true(diskv_reader_info(reader)->size == 14);
        diskv_reader_close(reader);
        assert_int_equal(diskv_stat(store, "plain", 5, &info), 0);
        assert_true(info.size == DISKV_SIZE_UNKNOWN);
        diskv_close(store);
    }
}

static void a_long_text_that_begins_as_zlib_does_is_read_as_it_is(void **state)
{
    diskv *store = open_compressing(*state, "zlib");
    struct bytes text = text_new(MIB);
    memcpy(text.data, "x^2", 3);
    file_write(*state, "polynomial", text.data, text.size);
    assert_value(store, "polynomial", &text);
    diskv_close(store);
    free(text.data);
}

static void what_gzip_made_is_read_decompressed(void **state)
{
    diskv *store = open_compressing(*state, "gzip");
    struct bytes text = text_new(3 * MIB);
    file_write(*state, "plain", text.data, text.size);
    file_make(*state, "packed", "gzip -c plain"); /* with a name in its header */
    file_make(*state, "small", "printf hello | gzip -c -9");
    file_make(*state, "nothing", "gzip -c < /dev/null");
    assert_value(store, "packed", &text);
    assert_text(store, "small", "hello");
    assert_text(store, "nothing", "");
    assert_size_shows_at_the_end(store, "packed", &text);
    diskv_close(store);
    free(text.data);
}

static void a_file_of_several_gzip_members_is_one_value(void **state)
{
    diskv *store = open_compressing(*state, "gzip");
    struct bytes text = text_new(MIB);
    file_write(*state, "half", text.data, MIB / 2);
    file_write(*state, "rest", text.data + MIB / 2, MIB / 2);
    file_make(*state, "both", "(gzip -c half; printf '' | gzip -c; gzip -c rest)");
    assert_value(store, "both", &text);
    diskv_reader *reader = open_reader(store, "both");
    char part[1000];
    assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, MIB / 2 - 500), 1000);
    assert_memory_equal(part, text.data + MIB / 2 - 500, sizeof part);
    assert_int_equal(diskv_reader_read_wait(reader, part, sizeof part, 10), 1000);
    assert_memory_equal(part, text.data + 10, sizeof part);
    diskv_reader_close(reader);
    diskv_close(store);
    free(text.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_values_that_go_diskv_wrote_with_gzip_are_read),
        CASE(the_values_that_go_diskv_wrote_with_gzip_at_level_9_are_read),
        CASE(the_values_that_go_diskv_wrote_with_zlib_are_read),
        CASE(the_values_that_go_diskv_wrote_with_a_dictionary_are_read),
        CASE(zcat_and_python_read_what_the_store_compressed),
        CASE(go_diskv_reads_what_the_store_compressed),
        CASE(a_plain_file_in_a_compressing_store_is_read_as_it_is),
        CASE(a_long_text_that_begins_as_zlib_does_is_read_as_it_is),
        CASE(what_gzip_made_is_read_decompressed),
        CASE(a_file_of_several_gzip_members_is_one_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
