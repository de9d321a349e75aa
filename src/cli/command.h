/* The commands that work on a directory or a server, and what they are called with. */
#ifndef COMMAND_H
#define COMMAND_H

#include "report.h"
#include "store.h"

#define OPERANDS_MAX 2 /* that have names; more of the last may follow */

/* What the command line says. */
struct words {
    bool all, null, move;
    const char *prefix, *type; /* NULL where not given; `prefix` is "" then */
    struct store_place place;
    char **rest; /* what follows the store */
    int rest_count;
};

enum takes {
    TAKES_LONG = 1,
    TAKES_NULL = 2,
    TAKES_PREFIX = 4,
    TAKES_TYPE = 8,
    TAKES_MOVE = 16,
};

struct command {
    const char *name;
    const char *line; /* behind the name, for `Usage` */
    const char *what; /* for the list of commands */
    const char *help; /* more, for its own */
    unsigned takes;   /* enum takes */
    int min, max;     /* operands behind the store */
    bool makes;       /* a directory that is missing */
    bool bulk;        /* as of struct store_place */

    /* Exit status 1 where it says false or the report has failures. */
    bool (*run)(struct store *store, const struct words *words, struct report *report);
};

extern const struct command ls_command, get_command, put_command, rm_command, stat_command,
    import_command, export_command;

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);

/* Prints a line for each. */
void commands_print(FILE *out);

/* Reads what follows the name and does it: the exit status. */
int command_run(const struct command *command, int argc, char **argv);

#endif
