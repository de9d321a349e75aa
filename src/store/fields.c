#include "fields.h"

#include "util.h"

static bool name_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~");
    return len > 0 && len <= FIELD_NAME_MAX && name[len] == '\0';
}

static bool value_valid(const char *value)
{
    size_t len = strlen(value);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == '\x7f')
            return false;
    return utf8_valid(value, len);
}

/* The name that comes last; "" where there is none. */
static const char *name_last(const diskv_fields *fields)
{
    const char *last = "";
    struct diskv_field field;
    for (size_t i = 0; diskv_fields_at(fields, i, &field); i++)
        last = field.name;
    return last;
}

static void text_add(diskv_fields *fields, const char *text)
{
    size_t len = strlen(text) + 1;
    memcpy(fields->text + fields->len, text, len);
    fields->len += len;
}

int fields_add(diskv_fields *fields, const struct diskv_field *field)
{
    if (!name_valid(field->name) || !value_valid(field->value) ||
        strcmp(field->name, name_last(fields)) <= 0)
        return DISKV_EINVAL;
    if (strlen(field->name) + strlen(field->value) + 2 > sizeof fields->text - fields->len)
        return DISKV_EMETADATA;
    text_add(fields, field->name);
    text_add(fields, field->value);
    return 0;
}

/* The first by name of those after `name`; NULL where there is none. */
static const struct diskv_field *next_of(const struct diskv_field *items, size_t count,
                                         const char *name)
{
    const struct diskv_field *next = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].name, name) > 0 && (!next || strcmp(items[i].name, next->name) < 0))
            next = &items[i];
    return next;
}

int fields_set(diskv_fields *fields, const struct diskv_field *items, size_t count)
{
    const char *name = "";
    size_t added = 0;
    fields->len = 0;
    for (const struct diskv_field *next; (next = next_of(items, count, name)); added++) {
        int rc = fields_add(fields, next);
        if (rc)
            return rc;
        name = next->name;
    }
    return added == count ? 0 : DISKV_EINVAL;
}

bool diskv_fields_at(const diskv_fields *fields, size_t index, struct diskv_field *out)
{
    const char *at = fields->text, *end = at + fields->len;
    for (; at < end; index--) {
        const char *value = at + strlen(at) + 1;
        if (index == 0) {
            *out = (struct diskv_field){.name = at, .value = value};
            return true;
        }
        at = value + strlen(value) + 1;
    }
    return false;
}
