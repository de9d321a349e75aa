/* The options of `diskv serve`: one table makes the parser, the environment and `--help`. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "diskv.h"
#include "server.h"

#define LISTEN_MAX 16

struct serve_options {
    const char *dir;
    struct diskv_options store;
    struct http_options http;
    unsigned drain_seconds;
    const char *listen[LISTEN_MAX];
    char *listen_env; /* the copy of DISKV_LISTEN that `listen` points into, or NULL */
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
