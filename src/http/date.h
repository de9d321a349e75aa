/* HTTP dates (RFC 9110, section 5.6.7). */
#ifndef DATE_H
#define DATE_H

#include <stdbool.h>
#include <time.h>

#define DATE_SIZE 40 /* of the text with its NUL */

/* Writes an IMF-fixdate, as in "Sun, 06 Nov 1994 08:49:37 GMT"; "" for a year before 0 or
 * past 9999. */
void date_format(time_t time, char out[DATE_SIZE]);

/* Reads a date in any of the three forms; false for anything else. */
bool date_parse(const char *text, time_t *out);

#endif
