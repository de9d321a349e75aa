#include "encoding.h"
#include "diskv.h"
#include <limits.h>
#include <strings.h>
#include <zlib.h>

#define LEVEL 1 /* listings repeat themselves: more effort gains little */

#define BLANK  " \t"
#define UNSAID (-1) /* the quality of what a list does not name */

/* In thousandths; UNSAID where `p`, up to `end`, is no qvalue. */
static int parse_quality(const char *p, const char *end)
{
    int quality;

    if (*p != '0' && *p != '1')
        return UNSAID;
    quality = 1000 * (*p++ - '0');
    if (p < end && *p++ != '.')
        return UNSAID;
    for (int unit = 100; p < end; unit /= 10) {
        if (unit == 0 || *p < '0' || *p > '9')
            return UNSAID;
        quality += unit * (*p++ - '0');
    }
    return quality <= 1000 ? quality : UNSAID;
}

/* What follows a coding's name, up to `end`: nothing or a weight; UNSAID if it is neither. */
static int parse_weight(const char *p, const char *end)
{
    while (end > p && strchr(BLANK, end[-1]) != NULL)
        end--;
    if (p == end)
        return 1000;
    p += strspn(p, BLANK);
    if (*p++ != ';')
        return UNSAID;
    p += strspn(p, BLANK);
    return strncasecmp(p, "q=", 2) == 0 ? parse_quality(p + 2, end) : UNSAID;
}

static bool names(const char *p, size_t len, const char *coding)
{
    return strlen(coding) == len && strncasecmp(p, coding, len) == 0;
}

/* The weight of a coding of which the list may say nothing. */
static int or_else(int weight, int any, int otherwise)
{
    if (weight != UNSAID)
        return weight;
    return any != UNSAID ? any : otherwise;
}

void encoding_weigh(const char *list, struct encoding_weights *out)
{
    int br = UNSAID, gzip = UNSAID, identity = UNSAID, any = UNSAID;

    list = list != NULL ? list : "identity";
    for (list += strspn(list, BLANK ","); *list != '\0'; list += strspn(list, BLANK ",")) {
        const char *end = list + strcspn(list, ",");
        size_t len = strcspn(list, BLANK ";,");
        int weight = parse_weight(list + len, end);

        if (gzip == UNSAID && (names(list, len, "gzip") || names(list, len, "x-gzip")))
            gzip = weight;
        else if (br == UNSAID && names(list, len, "br"))
            br = weight;
        else if (identity == UNSAID && names(list, len, "identity"))
            identity = weight;
        else if (any == UNSAID && names(list, len, "*"))
            any = weight;
        list = end;
    }
    out->br = or_else(br, any, 0);
    out->gzip = or_else(gzip, any, 0);
    out->identity = or_else(identity, any, 1);
}

enum encoding_choice encoding_prefer(const struct encoding_weights *weights)
{
    if (weights->gzip > 0 && weights->gzip >= weights->identity)
        return ENCODING_GZIP;
    return weights->identity > 0 ? ENCODING_IDENTITY : ENCODING_NONE;
}

enum encoding_choice encoding_choose(const char *list)
{
    struct encoding_weights weights;

    encoding_weigh(list, &weights);
    return encoding_prefer(&weights);
}

bool encoding_names(const char *list, const char *name)
{
    if (list == NULL)
        return false;
    for (list += strspn(list, BLANK ","); *list != '\0'; list += strspn(list, BLANK ",")) {
        const char *end = list + strcspn(list, ",");
        size_t len = strcspn(list, BLANK ";,");

        if (names(list, len, name))
            return parse_weight(list + len, end) != 0;
        list = end;
    }
    return false;
}

int encoding_gzip(struct buf *text)
{
    z_stream z = {.next_in = (unsigned char *)text->data, .avail_in = (uInt)text->len};
    size_t size;
    char *packed;

    if (text->len > UINT_MAX / 2 ||
        deflateInit2(&z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return DISKV_ENOMEM;
    size = deflateBound(&z, (uLong)text->len);
    packed = malloc(size);
    if (packed == NULL) {
        deflateEnd(&z);
        return DISKV_ENOMEM;
    }
    z.next_out = (unsigned char *)packed;
    z.avail_out = (uInt)size;
    deflate(&z, Z_FINISH); /* cannot fail: the bound is enough */
    free(text->data);
    *text = (struct buf){.data = packed, .len = size - z.avail_out, .cap = size};
    deflateEnd(&z);
    return 0;
}
