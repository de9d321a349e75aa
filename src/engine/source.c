#include "source.h"

#include "error.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int source_open(const char *path, struct stat *out)
{
    int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd == -ELOOP || fd == -ENXIO)
        return DISKV_EINVAL; /* a link or a socket */
    if (fd < 0)
        return error_from_errno(-fd);
    int rc = sys_stat(fd, "", out);
    if (!rc && S_ISREG(out->st_mode))
        return fd;
    close(fd);
    return rc ? error_from_errno(-rc) : DISKV_EINVAL;
}
