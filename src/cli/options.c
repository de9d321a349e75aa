#include "options.h"

#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum kind {
    KIND_LIST, /* may be repeated; in the environment separated by one of `separators` */
    KIND_TEXT,
    KIND_LAYOUT,
    KIND_SYNC,
    KIND_COMPRESS,
    KIND_UNSIGNED,
    KIND_U64,
    KIND_NO /* without a value: turns off; in the environment 1 for that, or 0 */
};

/* One option. Numbers lie at `offset` in struct serve_options. */
struct option {
    const char *name;
    const char *value;    /* what `--help` calls it */
    const char *fallback; /* as it would be typed; NULL for none */
    const char *help;
    enum kind kind;
    size_t offset;
    uint64_t min, max;
    const char *separators;
};

#define FIELD(member) offsetof(struct serve_options, member)

static const struct option options_table[] = {
    {"listen", "ADDRESS", "127.0.0.1:8080",
     "HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 picks a free one; may be repeated", KIND_LIST,
     FIELD(listen), 0, 0, ","},
    {"layout", "path|flat|split:N", "path",
     "where files lie: keys split at each /, all in DIR, or in a directory per N (1 to 16) "
     "characters",
     KIND_LAYOUT, 0, 0, 0, NULL},
    {"sync", "always|none", "always",
     "whether a change is on stable storage before it is acknowledged", KIND_SYNC, 0, 0, 0, NULL},
    {"compress", "none|gzip|zlib", "none",
     "how values are compressed in their files; with a level from 0 to 9 as gzip:9", KIND_COMPRESS,
     0, 0, 0, NULL},
    {"cache-bytes", "BYTES", "67108864",
     "memory for values that are read often, and a quarter more for what listings told; 0 for none",
     KIND_U64, FIELD(store.cache_bytes), 0, INT64_MAX, NULL},
    {"cors-origin", "ORIGIN", NULL,
     "pages of this web origin, as https://app.example, or of all (*) may use the store; may be "
     "repeated",
     KIND_LIST, FIELD(cors_origins), 0, 0, ","},
    {"cache-control", "PATTERN=VALUE", NULL,
     "the Cache-Control of values that bring none, for keys that match the shell pattern (* "
     "matches / too); the first that matches counts; may be repeated, in the environment with ;",
     KIND_LIST, FIELD(cache_control), 0, 0, ";"},
    {"site", "PREFIX", NULL, "serve the keys that begin so as a web site at /", KIND_TEXT,
     FIELD(http.site), 0, 0, NULL},
    {"site-fallback", "PATH", NULL,
     "behind that prefix: what a page that is missing gets, as index.html", KIND_TEXT,
     FIELD(http.site_fallback), 0, 0, NULL},
    {"threads", "N", "0", "event loops; 0 for one per processor", KIND_UNSIGNED,
     FIELD(http.threads), 0, 256, NULL},
    {"workers", "N", "8", "threads for what waits for the disk", KIND_UNSIGNED,
     FIELD(store.workers), 1, 1024, NULL},
    {"max-connections", "N", "1024", "further connections are answered 503", KIND_UNSIGNED,
     FIELD(http.max_connections), 1, 1000000, NULL},
    {"max-value-bytes", "BYTES", "0", "a longer value is answered 413; 0 for no limit", KIND_U64,
     FIELD(http.max_value_bytes), 0, INT64_MAX, NULL},
    {"idle-seconds", "N", "60", "a connection without a request is closed after so long",
     KIND_UNSIGNED, FIELD(http.idle_seconds), 1, 86400, NULL},
    {"request-seconds", "N", "60",
     "a request may take so long, plus the time its bytes need at --min-rate", KIND_UNSIGNED,
     FIELD(http.request_seconds), 1, 86400, NULL},
    {"min-rate", "BYTES", "1024", "bytes per second that a client must keep up with", KIND_U64,
     FIELD(http.min_rate), 1, INT64_MAX, NULL},
    {"event-heartbeat-seconds", "N", "15",
     "how often /events sends something, so that what lies between keeps the connection",
     KIND_UNSIGNED, FIELD(http.event_heartbeat_seconds), 1, 3600, NULL},
    {"no-watch", NULL, "0",
     "do not watch the directories: listings follow what other programs do at SIGHUP, POST /rescan "
     "and the next start",
     KIND_NO, FIELD(store.watch), 0, 0, NULL},
    {"scrub-days", "N", "0",
     "verify every value once in so many days, as diskv verify does; 0: do not", KIND_UNSIGNED,
     FIELD(scrub_days), 0, 3650, NULL},
    {"drain-seconds", "N", "10", "how long SIGTERM waits for requests in flight", KIND_UNSIGNED,
     FIELD(drain_seconds), 0, 86400, NULL},
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
        printf("  --%s%s%s\n      %s\n      default %s; %s\n", o->name, o->value ? " " : "",
               o->value ? o->value : "", o->help, o->fallback ? o->fallback : "none", env);
    }
    printf("  --help\n      this text\n");
}

static bool complain(const char *given_as, const char *what)
{
    fprintf(stderr, "diskv: %s %s (see diskv serve --help)\n", given_as, what);
    return false;
}

static struct option_list *list_of(struct serve_options *options, const struct option *o)
{
    return (struct option_list *)(void *)((char *)options + o->offset);
}

static bool list_add(struct option_list *list, const char *value, const char *given_as)
{
    if (list->count == LIST_MAX)
        return complain(given_as, "is given too often");
    list->items[list->count++] = value;
    return true;
}

static bool list_add_env(struct option_list *list, const char *separators, const char *value,
                         const char *given_as)
{
    list->env = strdup(value);
    if (!list->env)
        return complain(given_as, "could not be read: out of memory");
    char *rest = list->env;
    for (char *one; (one = strsep(&rest, separators));)
        if (!list_add(list, one, given_as))
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
    case KIND_LIST:
        return list_add(list_of(options, o), value, given_as);
    case KIND_TEXT:
        memcpy((char *)options + o->offset, &value, sizeof value);
        return true;
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
    case KIND_NO:
        if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
            return complain(given_as, "takes 1, or 0 for its opposite");
        *((bool *)((char *)options + o->offset)) = *value == '0';
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
        if (!value && o->kind == KIND_NO)
            value = "1";
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

/* Takes an option from the environment, where an empty text is none, or the default. */
static bool rest_set_one(struct serve_options *options, const struct option *o)
{
    char env[64];
    env_name(o, env);
    const char *value = getenv(env);
    bool listed = o->kind == KIND_LIST || o->kind == KIND_TEXT;
    if (value && listed && !*value && !o->fallback)
        return true;
    if (value && o->kind == KIND_LIST)
        return list_add_env(list_of(options, o), o->separators, value, env);
    if (value)
        return option_set(options, o, value, env);
    return !o->fallback || option_set(options, o, o->fallback, env);
}

/* Takes what the command line did not name. */
static bool rest_set(struct serve_options *options, const bool given[static OPTION_COUNT])
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (!given[i] && !rest_set_one(options, &options_table[i]))
            return false;
    return true;
}

/* An origin is a scheme, a host and perhaps a port (RFC 6454, section 6.2), in lower case as
 * browsers send it. */
static bool origin_valid(const char *origin)
{
    if (strcmp(origin, "*") == 0)
        return true;
    const char *host = strstr(origin, "://");
    return host && host > origin && host[3] && !strpbrk(host + 3, "/?#@ ") &&
           !strpbrk(origin, "ABCDEFGHIJKLMNOPQRSTUVWXYZ,");
}

static bool origins_check(struct serve_options *options)
{
    const struct option_list *list = &options->cors_origins;
    for (size_t i = 0; i < list->count; i++)
        if (!origin_valid(list->items[i]))
            return complain(list->items[i], "is no origin: --cors-origin takes * or "
                                            "scheme://host[:port] in lower case");
    options->http.cors_origins = list->items;
    options->http.cors_origin_count = list->count;
    return true;
}

/* True for what may stand in a header field. */
static bool printable(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            return false;
    return *text;
}

static bool cache_rules_make(struct serve_options *options)
{
    const struct option_list *list = &options->cache_control;
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (!equals || equals == list->items[i] || !printable(equals + 1))
            return complain(list->items[i], "is no rule: --cache-control takes PATTERN=VALUE");
        char *pattern = strndup(list->items[i], (size_t)(equals - list->items[i]));
        if (!pattern)
            return complain("--cache-control", "could not be read: out of memory");
        options->cache_rules[i] = (struct http_cache_rule){pattern, equals + 1};
        options->http.cache_rule_count++;
    }
    options->http.cache_rules = options->cache_rules;
    return true;
}

static bool site_check(const struct serve_options *options)
{
    return options->http.site || !options->http.site_fallback ||
           complain("--site-fallback", "needs --site");
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
    if (!rest_set(options, given) || !origins_check(options) || !cache_rules_make(options) ||
        !site_check(options))
        return PARSED_ERROR;
    if (options->http.threads == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        options->http.threads = processors > 0 ? (unsigned)processors : 1;
    }
    options->store.scrub_seconds = options->scrub_days * 86400;
    options->store.max_value_bytes = options->http.max_value_bytes;
    options->store.background = true;
    options->http.listen = options->listen.items;
    options->http.listen_count = options->listen.count;
    return PARSED_RUN;
}

void serve_options_free(struct serve_options *options)
{
    for (size_t i = 0; i < options->http.cache_rule_count; i++)
        free((char *)(uintptr_t)options->cache_rules[i].pattern);
    free(options->cache_control.env);
    free(options->cors_origins.env);
    free(options->listen.env);
}
