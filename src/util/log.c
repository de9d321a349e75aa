#include "log.h"

#include <stdarg.h>
#include <unistd.h>

/* One write per line, so that lines of several threads do not mix. */
__attribute__((format(printf, 2, 0))) static void log_line(const char *level, const char *format,
                                                           va_list args)
{
    char line[2048];
    int head = snprintf(line, sizeof line, "diskv: %s", level);
    int body = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, args);
    size_t len = strlen(line);
    if (body < 0)
        return;
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return; /* nowhere left to complain to */
}

#define LOG_FUNCTION(name, level)      \
    void name(const char *format, ...) \
    {                                  \
        va_list args;                  \
        va_start(args, format);        \
        log_line(level, format, args); \
        va_end(args);                  \
    }

LOG_FUNCTION(log_error, "error: ")
LOG_FUNCTION(log_warning, "warning: ")
LOG_FUNCTION(log_info, "")
