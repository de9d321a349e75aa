#include "command.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
    &ls_command,   &get_command,    &put_command,    &rm_command,
    &stat_command, &import_command, &export_command,
};

/* From so many changes on one sync of the file system costs less than one of each. */
#define MANY 8

/* An option: what takes it, and where what it says goes in struct words. */
struct option {
    const char *name, *value; /* `value` NULL: it has none, and sets a bool */
    const char *env;          /* of what it is where it is not given, or NULL */
    unsigned takes;           /* one of enum takes; 0: every command */
    size_t offset;
    const char *help;
};

#define FIELD(member) offsetof(struct words, member)

static const struct option options[] = {
    {"long", NULL, NULL, TAKES_LONG, FIELD(all),
     "size, time of the last change, entity tag and key, with tabs between"},
    {"null", NULL, NULL, TAKES_NULL, FIELD(null),
     "end each line with a NUL, as keys may have line ends in them"},
    {"prefix", "P", NULL, TAKES_PREFIX, FIELD(prefix), "keys that begin with P"},
    {"type", "T", NULL, TAKES_TYPE, FIELD(type),
     "the value's media type; without, its key's extension decides"},
    {"move", NULL, NULL, TAKES_MOVE, FIELD(move), "remove each file once it is stored"},
    {"layout", "L", "DISKV_LAYOUT", 0, FIELD(place.layout),
     "as of diskv serve, for a directory: path, flat or split:N"},
    {"compress", "C", "DISKV_COMPRESS", 0, FIELD(place.compress),
     "as of diskv serve, for a directory: none, gzip or zlib, perhaps with a level"},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < array_len(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

void commands_print(FILE *out)
{
    for (size_t i = 0; i < array_len(commands); i++)
        fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->what);
}

static bool option_taken(const struct command *command, const struct option *o)
{
    return !o->takes || command->takes & o->takes;
}

static void command_help(const struct command *command)
{
    printf("Usage: diskv %s %s\n\n%s\n"
           "STORE is a directory, with or without a server running on it, or a server's URL,\n"
           "http://HOST:PORT, perhaps with a path.\n\nOptions:\n",
           command->name, command->line, command->help);
    for (size_t i = 0; i < array_len(options); i++) {
        const struct option *o = &options[i];
        if (option_taken(command, o))
            printf("  --%s%s%s\n      %s%s%s\n", o->name, o->value ? " " : "",
                   o->value ? o->value : "", o->help, o->env ? "; " : "", o->env ? o->env : "");
    }
    printf("  --help\n      this text\n\n"
           "Exit status: 0; 1 where something failed, which is named on standard error, and the\n"
           "rest is done; 2 for a command line that is not understood.\n");
}

static bool complain(const struct command *command, const char *word, const char *what)
{
    fprintf(stderr, "diskv: %s %s (see diskv %s --help)\n", word, what, command->name);
    return false;
}

/* Takes the option at `argv[*i]`, and its value. */
static bool option_parse(const struct command *command, int argc, char **argv, int *i,
                         struct words *words)
{
    const char *word = argv[*i], *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    for (size_t k = 0; k < array_len(options); k++) {
        const struct option *o = &options[k];
        void *field = (char *)words + o->offset;
        if (strlen(o->name) + 2 != len || strncmp(word, "--", 2) != 0 ||
            memcmp(word + 2, o->name, len - 2) != 0 || !option_taken(command, o))
            continue;
        if (!o->value) {
            memcpy(field, &(bool){true}, sizeof(bool));
            return !equals || complain(command, word, "is an option without a value");
        }
        const char *value = equals ? equals + 1 : ++*i < argc ? argv[*i] : NULL;
        memcpy(field, &value, sizeof value);
        return value || complain(command, word, "needs a value");
    }
    return complain(command, word, "is not an option");
}

/* Sorts `argv` into options and operands, which it moves to its front. */
static bool words_parse(const struct command *command, int argc, char **argv, struct words *words)
{
    bool only_operands = false;
    int count = 0;
    for (int i = 0; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0)
            only_operands = true;
        else if (only_operands || argv[i][0] != '-' || strcmp(argv[i], "-") == 0)
            argv[count++] = argv[i];
        else if (!option_parse(command, argc, argv, &i, words))
            return false;
    }
    words->rest = argv + 1;
    words->rest_count = count - 1;
    if (count == 0)
        return complain(command, command->name, "needs a store");
    if (words->rest_count > command->max)
        return complain(command, words->rest[command->max], "is one word too many");
    words->place.name = argv[0];
    bool enough = words->rest_count >= (words->prefix && command == &rm_command ? 0 : command->min);
    return enough || complain(command, command->name, "needs more words than that");
}

static bool place_check(const struct command *command, struct words *words)
{
    struct store_place *place = &words->place;
    bool far = store_is_far(place->name);
    if (far && (place->layout || place->compress))
        return complain(command, place->layout ? "--layout" : "--compress",
                        "is for directories: a server knows its own");
    for (size_t i = 0; i < array_len(options); i++) {
        const char *value = options[i].env ? getenv(options[i].env) : NULL;
        char *field = (char *)words + options[i].offset;
        if (value && !*(const char **)(void *)field)
            memcpy(field, &value, sizeof value);
    }
    if (place->layout && !diskv_layout_valid(place->layout))
        return complain(command, "--layout", "takes path, flat or split:1 to split:16");
    if (place->compress && !diskv_codec_valid(place->compress))
        return complain(command, "--compress",
                        "takes none, gzip or zlib, or with a level as gzip:9");
    place->make = command->makes;
    bool few = command == &rm_command && !words->prefix && words->rest_count < MANY;
    place->bulk = command->bulk && !words->move && !few;
    return true;
}

static bool words_run(const struct command *command, const struct words *words)
{
    struct report report;
    struct store *store = store_open(&words->place);
    if (!store)
        return false;
    report_begin(&report);
    bool fine = command->run(store, words, &report);
    report_end(&report);
    store->ops->close(store);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return fine && !report.failed;
    perror("diskv: standard output");
    return false;
}

int command_run(const struct command *command, int argc, char **argv)
{
    struct words words = {0};
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            command_help(command);
            return 0;
        }
    }
    if (!words_parse(command, argc, argv, &words) || !place_check(command, &words))
        return 2;
    return words_run(command, &words) ? 0 : 1;
}
