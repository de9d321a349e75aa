#include "error.h"

#include <errno.h>

const char *diskv_strerror(int rc)
{
    switch (rc) {
#define ERROR_TEXT(name, code, text) \
    case code:                       \
        return text;
        DISKV_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
    default:
        return rc >= 0 ? "success" : "unknown error";
    }
}

int error_from_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return DISKV_ENOTFOUND;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return DISKV_ENOSPACE;
    case ENOMEM:
        return DISKV_ENOMEM;
    case EACCES:
    case EPERM:
    case EROFS:
        return DISKV_EACCESS;
    case EAGAIN:
        return DISKV_EAGAIN;
    case ELOOP:
    case EXDEV:
        return DISKV_ECONFLICT;
    case EMFILE:
    case ENFILE:
        return DISKV_EUNAVAILABLE;
    case ENOTSUP:
        return DISKV_ENOTSUP;
    case EINVAL:
        return DISKV_EINVAL;
    default:
        return DISKV_EIO;
    }
}
