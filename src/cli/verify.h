/* `diskv verify`: returns the process's exit status. */
#ifndef CLI_VERIFY_H
#define CLI_VERIFY_H

/* `argv[0]` is the command's name. */
int verify_command(int argc, char **argv);

#endif
