#include "date.h"
#include "util.h"

void date_format(time_t time, char out[DATE_SIZE])
{
    struct tm tm;

    if (gmtime_r(&time, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900 ||
        strftime(out, DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        out[0] = '\0';
}

bool date_parse(const char *text, time_t *out)
{
    static const char *const forms[] = {
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    };

    for (size_t i = 0; i < array_len(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);

        if (end != NULL && end[strspn(end, " \t")] == '\0') {
            int day = tm.tm_mday;

            *out = timegm(&tm);
            return tm.tm_mday == day; /* there is no 31 February */
        }
    }
    return false;
}
