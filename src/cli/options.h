/* The options of `diskv serve`: one table makes the parser, the environment and `--help`. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "diskv.h"
#include "server.h"

#define LIST_MAX 64

/* The values of an option that may be repeated. */
struct option_list {
    const char *items[LIST_MAX];
    size_t count;
    char *env; /* the copy of its variable that the items point into, or NULL */
};

struct serve_options {
    const char *dir;
    struct diskv_options store;
    struct http_options http;
    unsigned drain_seconds, scrub_days;
    struct option_list listen, cors_origins, cache_control;
    struct http_cache_rule cache_rules[LIST_MAX]; /* of `cache_control`; the patterns are copies */
};

enum parsed { PARSED_RUN, PARSED_HELP, PARSED_ERROR };

/* Reads `argv` (what follows `serve`), then the environment for what it does not name, then the
 * defaults. On PARSED_ERROR the reason is on standard error. `options` points into `argv` and the
 * environment, and is for serve_options_free in any case. */
enum parsed serve_options_parse(int argc, char **argv, struct serve_options *options);
void serve_options_free(struct serve_options *options);

/* Prints what `diskv serve --help` says. */
void serve_options_help(void);

#endif
