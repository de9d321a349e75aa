/* `diskv serve`: runs until a signal says stop. Returns the process's exit status. */
#ifndef SERVE_H
#define SERVE_H

int serve_command(int argc, char **argv);

#endif
