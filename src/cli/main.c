#include "serve.h"
#include "verify.h"

#include <stdio.h>
#include <string.h>

static void usage(FILE *out)
{
    fprintf(out, "Usage: diskv serve [OPTION]... DIR    serve a directory over HTTP\n"
                 "       diskv verify [OPTION]... DIR   hold every value against its checksum\n"
                 "       diskv COMMAND --help           what the options are\n"
                 "       diskv --version\n");
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "serve") == 0)
        return serve_command(argc - 2, argv + 2);
    if (strcmp(command, "verify") == 0)
        return verify_command(argc - 1, argv + 1);
    if (strcmp(command, "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(command, "--version") == 0) {
        printf("diskv %s\n", DISKV_VERSION);
        return 0;
    }
    if (*command)
        fprintf(stderr, "diskv: there is no command \"%s\"\n", command);
    usage(stderr);
    return 2;
}
