#include "fields.h"

#include "util.h"

static bool name_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
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

static int text_add(struct fields *fields, const char *text)
{
    size_t len = strlen(text) + 1;
    if (len > sizeof fields->text - fields->len)
        return DISKV_EMETADATA;
    memcpy(fields->text + fields->len, text, len);
    fields->len += len;
    return 0;
}

/* Adds a field, whose name must come after all that are there. */
static int field_add(struct fields *fields, const struct diskv_field *field)
{
    if (!name_valid(field->name) || !value_valid(field->value))
        return DISKV_EINVAL;
    int rc = text_add(fields, field->name);
    return rc ? rc : text_add(fields, field->value);
}

/* The first by name of those after `name`; NULL where there is none. */
static const struct diskv_field *next_of(const struct diskv_field *items, size_t count,
                                         const char *name)
{
    const struct diskv_field *next = NULL;
    for (size_t i = 0; i < count; i++)
        if ((!name || strcmp(items[i].name, name) > 0) &&
            (!next || strcmp(items[i].name, next->name) < 0))
            next = &items[i];
    return next;
}

int fields_set(struct fields *fields, const struct diskv_field *items, size_t count)
{
    const char *name = NULL;
    size_t added = 0;
    fields->len = 0;
    for (const struct diskv_field *next; (next = next_of(items, count, name)); added++) {
        int rc = field_add(fields, next);
        if (rc)
            return rc;
        name = next->name;
    }
    return added == count ? 0 : DISKV_EINVAL;
}

int fields_from_json(struct fields *fields, const json_t *object)
{
    fields->len = 0;
    size_t count = json_object_size(object);
    struct diskv_field *items = calloc(count + 1, sizeof *items);
    if (!items)
        return DISKV_ENOMEM;
    int rc = 0;
    const char *name;
    const json_t *value;
    size_t i = 0;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        items[i++] = (struct diskv_field){.name = name, .value = json_string_value(value)};
        if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
            rc = DISKV_EINVAL;
    }
    if (!rc)
        rc = fields_set(fields, items, count);
    if (rc)
        fields->len = 0;
    free(items);
    return rc;
}

json_t *fields_to_json(const struct fields *fields)
{
    json_t *object = json_object();
    struct diskv_field field;
    for (size_t i = 0; object && fields_at(fields, i, &field); i++) {
        if (json_object_set_new(object, field.name, json_string(field.value))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

bool fields_at(const struct fields *fields, size_t index, struct diskv_field *out)
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
