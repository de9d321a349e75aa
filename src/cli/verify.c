#include "verify.h"

#include "diskv.h"
#include "json.h"
#include "progress.h"
#include "util.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX 256

struct verify_words {
    const char *dir;
    bool json, repair, foreign, help;
    unsigned jobs;
    struct diskv_options store;
};

/* --- The command line --- */

static void help(void)
{
    printf(
        "Usage: diskv verify [OPTION]... DIR\n\n"
        "Reads every value in directory DIR and holds it against its checksum, compressed ones\n"
        "against what the format brings; tells of files that are no values, of what processes\n"
        "that were cut off left behind, and of an index that does not fit. Changes nothing, and\n"
        "may run beside a server, whose index and temporary files it leaves alone.\n\n"
        "Options:\n"
        "  --repair\n"
        "      mend what can be: drop an index or flush points that are wrong, remove leftovers;\n"
        "      a value's bytes are never changed\n"
        "  --json\n"
        "      a report for programs: {\"findings\": [{\"problem\", \"key\" or \"path\",\n"
        "      \"detail\", \"repaired\"}], \"counts\": {...}, \"served\": whether another\n"
        "      process has the store open, so that its index was not looked at}\n"
        "  --foreign\n"
        "      name each file that is no value, which is nothing wrong; --json does\n"
        "  --jobs N\n"
        "      threads; default one per processor\n"
        "  --layout path|flat|split:N\n"
        "      where files lie; default what the index says, else path; DISKV_LAYOUT\n"
        "  --compress none|gzip|zlib\n"
        "      as of diskv serve: other programs' files that are compressed so are\n"
        "      decompressed too; default none; DISKV_COMPRESS\n"
        "  --help\n"
        "      this text\n\n"
        "Problems: checksum, length, decode, codec, unreadable, points, index, leftover; and\n"
        "foreign, which is none. Exit status: 0 where all is well or was repaired; 1 where\n"
        "something is wrong; 2 for a command line that is not understood or a directory that\n"
        "cannot be read.\n");
}

static bool complain(const char *word, const char *what)
{
    fprintf(stderr, "diskv: %s %s (see diskv verify --help)\n", word, what);
    return false;
}

static bool jobs_parse(const char *text, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n < 1 || n > JOBS_MAX)
        return complain("--jobs", "takes a whole number from 1 to 256");
    *out = (unsigned)n;
    return true;
}

static bool option_take(struct verify_words *words, int option, char *word)
{
    switch (option) {
    case 'f':
        return words->foreign = true;
    case 'h':
        return words->help = true;
    case 'j':
        return words->json = true;
    case 'r':
        return words->repair = true;
    case 'n':
        return jobs_parse(optarg, &words->jobs);
    case 'l':
        words->store.layout = optarg;
        return true;
    case 'c':
        words->store.compress = optarg;
        return true;
    case ':':
        return complain(word, "needs a value");
    default:
        return complain(word, "is not an option");
    }
}

static bool words_check(struct verify_words *words)
{
    struct diskv_options *store = &words->store;
    if (!words->dir)
        return complain("verify", "needs a directory");
    if (!store->layout)
        store->layout = getenv("DISKV_LAYOUT");
    if (!store->compress)
        store->compress = getenv("DISKV_COMPRESS");
    if (store->layout && !diskv_layout_valid(store->layout))
        return complain("--layout", "takes path, flat or split:1 to split:16");
    if (store->compress && !diskv_codec_valid(store->compress))
        return complain("--compress", "takes none, gzip or zlib, or with a level as gzip:9");
    return true;
}

static bool words_parse(int argc, char **argv, struct verify_words *words)
{
    static const struct option options[] = {
        {"repair", no_argument, NULL, 'r'},       {"json", no_argument, NULL, 'j'},
        {"foreign", no_argument, NULL, 'f'},      {"jobs", required_argument, NULL, 'n'},
        {"layout", required_argument, NULL, 'l'}, {"compress", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    *words = (struct verify_words){0};
    for (int option; (option = getopt_long(argc, argv, ":", options, NULL)) != -1;)
        if (!option_take(words, option, argv[optind - 1]))
            return false;
    if (words->help)
        return true;
    if (optind < argc)
        words->dir = argv[optind++];
    if (optind < argc)
        return complain(argv[optind], "is one directory too many");
    return words_check(words);
}

/* --- The report --- */

struct report {
    const struct verify_words *words;
    struct progress progress;
    uint64_t count; /* of findings in the JSON */
    int rc;
};

/* Valid UTF-8 is what JSON takes; what is none is shown as U+FFFD, byte for byte. */
static int json_name(struct buf *out, const char *name, size_t len)
{
    struct buf text = {0};
    int rc = 0;
    if (utf8_valid(name, len))
        return json_string(out, name, len);
    for (size_t i = 0; i < len && !rc; i++)
        rc = (unsigned char)name[i] < 0x80 ? buf_add(&text, &name[i], 1)
                                           : buf_add_str(&text, "\xEF\xBF\xBD");
    if (!rc)
        rc = json_string(out, text.data, text.len);
    buf_free(&text);
    return rc;
}

static int finding_json(struct report *r, const struct diskv_finding *f)
{
    struct buf line = {0};
    int rc = buf_printf(&line, "%s\n{\"problem\":\"%s\"", r->count++ ? "," : "",
                        diskv_problem_word(f->problem));
    if (!rc && (f->key || f->path))
        rc = buf_printf(&line, ",\"%s\":", f->key ? "key" : "path");
    if (!rc && f->key)
        rc = json_name(&line, f->key, f->len);
    if (!rc && f->path)
        rc = json_name(&line, f->path, strlen(f->path));
    if (!rc)
        rc = buf_add_str(&line, ",\"detail\":");
    if (!rc)
        rc = json_string(&line, f->detail, strlen(f->detail));
    if (!rc)
        rc = buf_printf(&line, ",\"repaired\":%s}", f->repaired ? "true" : "false");
    if (!rc)
        fwrite(line.data, 1, line.len, stdout);
    buf_free(&line);
    return rc;
}

/* One line, whatever the name. */
static void finding_line(const struct diskv_finding *f)
{
    const char *name = f->key ? f->key : f->path ? f->path : "";
    size_t len = f->key ? f->len : strlen(name);
    printf("%-10s  ", diskv_problem_word(f->problem));
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
    printf("%s%s%s\n", len ? ": " : "", f->detail, f->repaired ? "; repaired" : "");
}

static void found(void *ctx, const struct diskv_finding *finding)
{
    struct report *r = ctx;
    int rc = 0;
    if (r->words->json) {
        rc = finding_json(r, finding);
    } else if (finding->problem != DISKV_PROBLEM_FOREIGN || r->words->foreign) {
        progress_hide(&r->progress);
        finding_line(finding);
    }
    if (!r->rc)
        r->rc = rc;
}

static void total(void *ctx, uint64_t values, uint64_t bytes)
{
    struct report *r = ctx;
    progress_total(&r->progress, values, bytes);
}

static void done(void *ctx, uint64_t values, uint64_t bytes)
{
    struct report *r = ctx;
    progress_add(&r->progress, values, bytes);
}

static void counts_json(const struct diskv_verified *v)
{
    printf("\n],\"counts\":{\"values\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"unverified\":%" PRIu64
           ",\"indexed\":%" PRIu64 ",\"foreign\":%" PRIu64 ",\"leftovers\":%" PRIu64
           ",\"wrong\":%" PRIu64 ",\"repaired\":%" PRIu64 "},\"served\":%s}\n",
           v->values, v->bytes, v->unverified, v->indexed, v->foreign, v->leftovers, v->wrong,
           v->repaired, v->served ? "true" : "false");
}

static void counts_print(const struct diskv_verified *v)
{
    printf("values %" PRIu64 ", bytes %" PRIu64 ", without a checksum %" PRIu64 ", foreign %" PRIu64
           "\n",
           v->values, v->bytes, v->unverified, v->foreign);
    if (v->served)
        printf("another process has the store open: its index and leftovers were not looked at\n");
    if (v->wrong)
        printf("wrong %" PRIu64 ", repaired %" PRIu64 "\n", v->wrong, v->repaired);
    else
        printf("all is well\n");
}

static int run(const struct verify_words *words)
{
    struct report report = {.words = words};
    struct diskv_verified verified;
    progress_begin(&report.progress, 0, 0);
    const struct diskv_verify_options options = {
        .store = &words->store,
        .jobs = words->jobs,
        .repair = words->repair,
        .ctx = &report,
        .finding = found,
        .total = report.progress.shown ? total : NULL,
        .done = report.progress.shown ? done : NULL,
    };
    if (words->json)
        printf("{\"findings\":[");
    fflush(stdout); /* the index is read by a child process, which must not write it too */
    int rc = diskv_verify(words->dir, &options, &verified);
    progress_end(&report.progress);
    if (!rc)
        rc = report.rc;
    if (rc) {
        fprintf(stderr, "diskv: cannot verify %s: %s\n", words->dir,
                rc == DISKV_ENOTFOUND ? "no such directory" : diskv_strerror(rc));
        return 2;
    }
    if (words->json)
        counts_json(&verified);
    else
        counts_print(&verified);
    if (fflush(stdout) || ferror(stdout)) {
        perror("diskv: standard output");
        return 2;
    }
    return verified.wrong > verified.repaired;
}

int verify_command(int argc, char **argv)
{
    struct verify_words words;
    if (!words_parse(argc, argv, &words))
        return 2;
    if (!words.help)
        return run(&words);
    help();
    return 0;
}
