#include "date.h"
#include "util.h"

void date_format(time_t time, char out[DATE_SIZE])
{
    static const char form[] = "Www, DD Mmm YYYY HH:MM:SS GMT", days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;

    out[0] = '\0';
    if (gmtime_r(&time, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return;
    memcpy(out, form, sizeof(form));
    memcpy(out, &days[3 * tm.tm_wday], 3);
    digits_put(&out[5], (unsigned)tm.tm_mday, 2);
    memcpy(&out[8], &months[3 * tm.tm_mon], 3);
    digits_put(&out[12], (unsigned)(1900 + tm.tm_year), 4);
    digits_put(&out[17], (unsigned)tm.tm_hour, 2);
    digits_put(&out[20], (unsigned)tm.tm_min, 2);
    digits_put(&out[23], (unsigned)tm.tm_sec, 2);
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
