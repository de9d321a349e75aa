#include "options.h"

#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum kind { KIND_LISTEN, KIND_LAYOUT, KIND_SYNC, KIND_COMPRESS, KIND_UNSIGNED, KIND_U64 };

/* One option. Numbers lie at `offset` in struct serve_options. */
struct option {
    const char *name;
    const char *value;    /* what `--help` calls it */
    const char *fallback; /* as it would be typed */
    const char *help;
    enum kind kind;
    size_t offset;
    uint64_t min, max;
};

#define FIELD(member) offsetof(struct serve_options, member)

static const struct option options_table[] = {
    {"listen", "ADDRESS", "127.0.0.1:8080",
     "HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 picks a free one; may be repeated", KIND_LISTEN,
     0, 0, 0},
    {"layout", "path|flat|split:N", "path",
     "where files lie: keys split at each /, all in DIR, or in a directory per N (1 to 16) "
     "characters",
     KIND_LAYOUT, 0, 0, 0},
    {"sync", "always|none", "always",
     "whether a change is on stable storage before it is acknowledged", KIND_SYNC, 0, 0, 0},
    {"compress", "none|gzip|zlib", "none",
     "how values are compressed in their files; with a level from 0 to 9 as gzip:9", KIND_COMPRESS,
     0, 0, 0},
    {"cache-bytes", "BYTES", "67108864", "memory for values that are read often; 0 for none",
     KIND_U64, FIELD(store.cache_bytes), 0, INT64_MAX},
    {"threads", "N", "0", "event loops; 0 for one per processor", KIND_UNSIGNED,
     FIELD(http.threads), 0, 256},
    {"workers", "N", "8", "threads for what waits for the disk", KIND_UNSIGNED,
     FIELD(store.workers), 1, 1024},
    {"max-connections", "N", "1024", "further connections are answered 503", KIND_UNSIGNED,
     FIELD(http.max_connections), 1, 1000000},
    {"max-value-bytes", "BYTES", "0", "a longer value is answered 413; 0 for no limit", KIND_U64,
     FIELD(http.max_value_bytes), 0, INT64_MAX},
    {"idle-seconds", "N", "60", "a connection without a request is closed after so long",
     KIND_UNSIGNED, FIELD(http.idle_seconds), 1, 86400},
    {"request-seconds", "N", "60",
     "a request may take so long, plus the time its bytes need at --min-rate", KIND_UNSIGNED,
     FIELD(http.request_seconds), 1, 86400},
    {"min-rate", "BYTES", "1024", "bytes per second that a client must keep up with", KIND_U64,
     FIELD(http.min_rate), 1, INT64_MAX},
    {"drain-seconds", "N", "10", "how long SIGTERM waits for requests in flight", KIND_UNSIGNED,
     FIELD(drain_seconds), 0, 86400},
};

#define OPTION_COUNT array_len(options_table)

static void env_name(const struct option *option, char out[static 64])
{
    int n = snprintf(out, 64, "DISKV_%s", option->name);
    for (int i = 0; i < n; i++)
        out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

void serve_options_help(void)
{
    printf("Usage: diskv serve [OPTION]... DIR\n\n"
           "Serves directory DIR, made where it is missing, as an HTTP object store.\n\n"
           "Options (each also in the environment; the command line wins):\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options_table[i];
        char env[64];
        env_name(o, env);
        printf("  --%s %s\n      %s\n      default %s; %s\n", o->name, o->value, o->help,
               o->fallback, env);
    }
    printf("  --help\n      this text\n");
}

static bool complain(const char *given_as, const char *what)
{
    fprintf(stderr, "diskv: %s %s (see diskv serve --help)\n", given_as, what);
    return false;
}

static bool listen_add(struct serve_options *options, const char *value, const char *given_as)
{
    if (options->http.listen_count == LISTEN_MAX)
        return complain(given_as, "is given too often");
    options->listen[options->http.listen_count++] = value;
    return true;
}

/* The environment's list of addresses is separated by commas. */
static bool listen_add_env(struct serve_options *options, const char *value, const char *given_as)
{
    options->listen_env = strdup(value);
    if (!options->listen_env)
        return complain(given_as, "could not be read: out of memory");
    char *rest = options->listen_env;
    for (char *one; (one = strsep(&rest, ","));)
        if (!listen_add(options, one, given_as))
            return false;
    return true;
}

static bool number_set(struct serve_options *options, const struct option *o, const char *value,
                       const char *given_as)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || errno || n < o->min || n > o->max) {
        fprintf(stderr, "diskv: %s takes a whole number from %llu to %llu, not \"%s\"\n", given_as,
                (unsigned long long)o->min, (unsigned long long)o->max, value);
        return false;
    }
    char *field = (char *)options + o->offset;
    unsigned small = (unsigned)n;
    uint64_t large = n;
    if (o->kind == KIND_UNSIGNED)
        memcpy(field, &small, sizeof small);
    else
        memcpy(field, &large, sizeof large);
    return true;
}

static bool option_set(struct serve_options *options, const struct option *o, const char *value,
                       const char *given_as)
{
    switch (o->kind) {
    case KIND_LISTEN:
        return listen_add(options, value, given_as);
    case KIND_LAYOUT:
        if (!diskv_layout_valid(value))
            return complain(given_as, "takes path, flat or split:1 to split:16");
        options->store.layout = value;
        return true;
    case KIND_COMPRESS:
        if (!diskv_codec_valid(value))
            return complain(given_as, "takes none, gzip or zlib, or with a level as gzip:9");
        options->store.compress = value;
        return true;
    case KIND_SYNC:
        if (strcmp(value, "always") != 0 && strcmp(value, "none") != 0)
            return complain(given_as, "takes always or none");
        options->store.sync = *value == 'a' ? DISKV_SYNC_ALWAYS : DISKV_SYNC_NONE;
        return true;
    default:
        return number_set(options, o, value, given_as);
    }
}

/* The option that `arg` ("--name" or "--name=value") names, or NULL; `*value` is behind the `=`. */
static const struct option *option_find(const char *arg, const char **value)
{
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    *value = equals ? equals + 1 : NULL;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *name = options_table[i].name;
        if (len == strlen(name) + 2 && memcmp(arg + 2, name, len - 2) == 0)
            return &options_table[i];
    }
    return NULL;
}

/* Takes the options and the directory from the command line; `given` says which it named. */
static enum parsed arguments_parse(int argc, char **argv, struct serve_options *options,
                                   bool given[static OPTION_COUNT])
{
    bool only_dirs = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (only_dirs || *arg != '-') {
            if (options->dir) {
                complain(arg, "is one directory too many");
                return PARSED_ERROR;
            }
            options->dir = arg;
            continue;
        }
        only_dirs = strcmp(arg, "--") == 0;
        if (only_dirs)
            continue;
        if (strcmp(arg, "--help") == 0)
            return PARSED_HELP;
        const char *value;
        const struct option *o = strncmp(arg, "--", 2) == 0 ? option_find(arg, &value) : NULL;
        if (!o) {
            complain(arg, "is not an option");
            return PARSED_ERROR;
        }
        if (!value && ++i < argc)
            value = argv[i];
        char given_as[64];
        snprintf(given_as, sizeof given_as, "--%s", o->name);
        if (!value)
            complain(given_as, "needs a value");
        if (!value || !option_set(options, o, value, given_as))
            return PARSED_ERROR;
        given[o - options_table] = true;
    }
    return PARSED_RUN;
}

/* Takes what the command line did not name from the environment, or the default. */
static bool rest_set(struct serve_options *options, const bool given[static OPTION_COUNT])
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options_table[i];
        char env[64];
        env_name(o, env);
        const char *value = getenv(env);
        if (given[i])
            continue;
        bool set = value && o->kind == KIND_LISTEN ? listen_add_env(options, value, env)
                   : value                         ? option_set(options, o, value, env)
                                                   : option_set(options, o, o->fallback, env);
        if (!set)
            return false;
    }
    return true;
}

enum parsed serve_options_parse(int argc, char **argv, struct serve_options *options)
{
    bool given[OPTION_COUNT] = {false};
    *options = (struct serve_options){0};
    enum parsed parsed = arguments_parse(argc, argv, options, given);
    if (parsed != PARSED_RUN)
        return parsed;
    if (!options->dir) {
        complain("serve", "needs a directory");
        return PARSED_ERROR;
    }
    if (!rest_set(options, given))
        return PARSED_ERROR;
    if (options->http.threads == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        options->http.threads = processors > 0 ? (unsigned)processors : 1;
    }
    options->store.max_value_bytes = options->http.max_value_bytes;
    options->http.listen = options->listen;
    return PARSED_RUN;
}

void serve_options_free(struct serve_options *options)
{
    free(options->listen_env);
}
