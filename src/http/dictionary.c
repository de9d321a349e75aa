#include "dictionary.h"
#include "diskv.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define LETTER LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT  "0123456789"

#define INTEGER_MAX  15 /* digits */
#define DECIMAL_MAX  12 /* before the point */
#define FRACTION_MAX 3

/* The skip_ functions return what is behind the item, NULL where there is none. */

static const char *skip_key(const char *p)
{
    return strspn(p, LOWER "*") == 0 ? NULL : p + strspn(p, LOWER DIGIT "_-.*");
}

static const char *skip_integer(const char *p)
{
    size_t digits;

    p += *p == '-';
    digits = strspn(p, DIGIT);
    return digits >= 1 && digits <= INTEGER_MAX ? p + digits : NULL;
}

/* From the point on, of a number that begins at `number`. */
static const char *skip_fraction(const char *number, const char *point)
{
    size_t digits = strspn(point + 1, DIGIT);

    if (point - number - (*number == '-') > DECIMAL_MAX || digits < 1 || digits > FRACTION_MAX)
        return NULL;
    return point + 1 + digits;
}

static const char *skip_string(const char *p)
{
    while (*++p != '"') {
        if (*p == '\\' && *++p != '"' && *p != '\\')
            return NULL;
        if (*p < 0x20 || *p > 0x7e)
            return NULL;
    }
    return p + 1;
}

/* A display string, behind its `%`. Nobody reads it: whether it is UTF-8 does not matter. */
static const char *skip_display(const char *p)
{
    if (*p != '"')
        return NULL;
    while (*++p != '"') {
        if (*p < 0x20 || *p > 0x7e)
            return NULL;
        if (*p == '%') {
            if (strspn(p + 1, DIGIT "abcdef") < 2)
                return NULL;
            p += 2;
        }
    }
    return p + 1;
}

static const char *skip_bytes(const char *p)
{
    p += 1 + strspn(p + 1, LETTER DIGIT "+/=");
    return *p == ':' ? p + 1 : NULL;
}

static const char *skip_other(const char *p)
{
    switch (*p) {
    case '"':
        return skip_string(p);
    case '%':
        return skip_display(p + 1);
    case '@':
        return skip_integer(p + 1);
    case '?':
        return p[1] == '0' || p[1] == '1' ? p + 2 : NULL;
    default:
        return strspn(p, LETTER "*") == 0 ? NULL : p + strspn(p, LETTER DIGIT "!#$%&'*+-.^_`|~:/");
    }
}

static const char *read_item(const char *p, struct dictionary_member *out)
{
    const char *end;

    out->type = ITEM_OTHER;
    out->text = p;
    if (*p == ':') {
        end = skip_bytes(p);
        out->type = ITEM_BYTES;
        out->text = p + 1;
        out->len = end == NULL ? 0 : (size_t)(end - p) - 2;
        return end;
    }
    if (strspn(p, "-" DIGIT) > 0) {
        end = skip_integer(p);
        if (end != NULL && *end == '.')
            end = skip_fraction(p, end);
        else
            out->type = ITEM_INTEGER;
    } else {
        end = skip_other(p);
    }
    out->len = end == NULL ? 0 : (size_t)(end - p);
    return end;
}

/* A key and, behind `=`, its value, which is `true` where there is none. */
static const char *read_pair(const char *p, struct dictionary_member *out)
{
    const char *end = skip_key(p);

    *out = (struct dictionary_member){.key = p, .type = ITEM_OTHER};
    if (end == NULL)
        return NULL;
    out->key_len = (size_t)(end - p);
    return *end == '=' ? read_item(end + 1, out) : end;
}

int dictionary_next(const char **field, struct dictionary_member *out)
{
    const char *p = *field + strspn(*field, " ");
    struct dictionary_member parameter;

    if (*p == '\0')
        return 0;
    p = read_pair(p, out);
    while (p != NULL && *p == ';')
        p = read_pair(p + 1 + strspn(p + 1, " "), &parameter);
    if (p == NULL)
        return DISKV_EINVAL;
    p += strspn(p, " \t");
    if (*p == ',') {
        p++;
        p += strspn(p, " \t");
        if (*p == '\0')
            return DISKV_EINVAL;
    } else if (*p != '\0') {
        return DISKV_EINVAL;
    }
    *field = p;
    return 1;
}
