#include "command.h"
#include "serve.h"
#include "verify.h"

#include <stdio.h>
#include <string.h>

static void usage(FILE *out)
{
    fprintf(out, "Usage: diskv COMMAND [OPTION]... WORD...\n\n"
                 "  serve    serve a directory over HTTP\n"
                 "  verify   hold every value of a directory against its checksum\n");
    commands_print(out);
    fprintf(out, "\ndiskv COMMAND --help says more; diskv --version.\n");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *command = command_find(name);
    if (strcmp(name, "serve") == 0)
        return serve_command(argc - 2, argv + 2);
    if (strcmp(name, "verify") == 0)
        return verify_command(argc - 1, argv + 1);
    if (command)
        return command_run(command, argc - 2, argv + 2);
    if (strcmp(name, "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("diskv %s\n", DISKV_VERSION);
        return 0;
    }
    if (*name)
        fprintf(stderr, "diskv: there is no command \"%s\"\n", name);
    usage(stderr);
    return 2;
}
