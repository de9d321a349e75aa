#include "metadata.h"
#include "util.h"
#include <ctype.h>
#include <strings.h>

#define CUSTOM "x-meta-"

static const struct kept {
    const char *name; /* as it is stored */
    const char *header;
    enum metadata_part part;
    bool is_list;
} kept_fields[] = {
    {"cache-control", MHD_HTTP_HEADER_CACHE_CONTROL, METADATA_CACHING, true},
    {"content-disposition", MHD_HTTP_HEADER_CONTENT_DISPOSITION, METADATA_DISPOSITION, false},
    {"content-encoding", MHD_HTTP_HEADER_CONTENT_ENCODING, METADATA_REST, true},
    {"content-language", MHD_HTTP_HEADER_CONTENT_LANGUAGE, METADATA_REST, true},
};

const char metadata_no_memory[] = "out of memory";

static const struct kept *kept_find(const char *name)
{
    for (size_t i = 0; i < array_len(kept_fields); i++) {
        if (strcasecmp(kept_fields[i].name, name) == 0)
            return &kept_fields[i];
    }
    return NULL;
}

static bool is_custom(const char *name)
{
    return strncasecmp(name, CUSTOM, strlen(CUSTOM)) == 0;
}

void metadata_free(struct metadata *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free((char *)(uintptr_t)m->fields[i].name);
        free((char *)(uintptr_t)m->fields[i].value);
    }
    m->count = 0;
}

static struct diskv_field *field_find(struct metadata *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++) {
        if (strcasecmp(m->fields[i].name, name) == 0)
            return &m->fields[i];
    }
    return NULL;
}

static void field_remove(struct metadata *m, struct diskv_field *field)
{
    free((char *)(uintptr_t)field->name);
    free((char *)(uintptr_t)field->value);
    *field = m->fields[--m->count];
}

static const char *field_add(struct metadata *m, const char *name, const char *value)
{
    char *own_name, *own_value;

    if (m->count == METADATA_FIELDS_MAX)
        return "these are too many fields to keep";
    own_name = strdup(name);
    own_value = strdup(value);
    if (own_name == NULL || own_value == NULL) {
        free(own_value);
        free(own_name);
        return metadata_no_memory;
    }
    for (char *p = own_name; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    m->fields[m->count++] = (struct diskv_field){.name = own_name, .value = own_value};
    return NULL;
}

static const char *type_set(struct metadata *m, const char *value)
{
    if (strlen(value) > DISKV_TYPE_MAX || !answer_is_printable(value))
        return "a media type takes at most 255 bytes of printable ASCII";
    snprintf(m->type, sizeof(m->type), "%s", value);
    return NULL;
}

const char *metadata_set(struct metadata *m, const char *name, const char *value)
{
    struct diskv_field *field = field_find(m, name);

    if (strcasecmp(name, "type") == 0)
        return type_set(m, value != NULL ? value : "");
    if (kept_find(name) == NULL && !is_custom(name))
        return "only type, cache-control, content-disposition, content-encoding, content-language "
               "and x-meta-… can be set";
    if (field != NULL)
        field_remove(m, field);
    return value != NULL && value[0] != '\0' ? field_add(m, name, value) : NULL;
}

struct reading {
    struct metadata *out;
    bool has_type;
    const char *fault;
};

/* The value without blanks around it, in new memory. */
static char *trimmed(const char *value)
{
    size_t len;

    value += strspn(value, " \t");
    len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    return strndup(value, len);
}

static const char *line_take(struct reading *reading, const char *name, const char *value)
{
    const struct kept *kept = kept_find(name);
    struct diskv_field *field = field_find(reading->out, name);
    char *joined = NULL;
    const char *fault;

    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0) {
        if (reading->has_type)
            return "a value has one Content-Type";
        reading->has_type = true;
        return type_set(reading->out, value);
    }
    if ((kept == NULL && !is_custom(name)) || value[0] == '\0')
        return NULL;
    if (field == NULL)
        return field_add(reading->out, name, value);
    if (kept != NULL && !kept->is_list)
        return "a value has one Content-Disposition";
    if (asprintf(&joined, "%s, %s", field->value, value) < 0)
        return metadata_no_memory;
    fault = metadata_set(reading->out, name, joined);
    free(joined);
    return fault;
}

static enum MHD_Result line_visit(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct reading *reading = cls;
    char *text = trimmed(value != NULL ? value : "");

    (void)kind;
    reading->fault = text != NULL ? line_take(reading, name, text) : metadata_no_memory;
    free(text);
    return reading->fault == NULL ? MHD_YES : MHD_NO;
}

const char *metadata_read(struct MHD_Connection *connection, struct metadata *out)
{
    struct reading reading = {.out = out};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, line_visit, &reading);
    return reading.fault;
}

int metadata_of(const struct diskv_info *info, const diskv_fields *fields, struct metadata *out)
{
    struct diskv_field field;

    snprintf(out->type, sizeof(out->type), "%s", info->type);
    for (size_t i = 0; diskv_fields_at(fields, i, &field); i++) {
        if (field_add(out, field.name, field.value) != NULL)
            return DISKV_ENOMEM;
    }
    return 0;
}

bool metadata_is_given(const struct diskv_field *field)
{
    return field->value[0] != '\0' && (kept_find(field->name) != NULL || is_custom(field->name));
}

bool metadata_has(const diskv_reader *reader, const char *name)
{
    struct diskv_field field;

    for (size_t i = 0; diskv_fields_at(diskv_reader_fields(reader), i, &field); i++) {
        if (strcmp(field.name, name) == 0)
            return metadata_is_given(&field);
    }
    return false;
}

void metadata_answer(struct answer *a, const diskv_reader *reader, unsigned parts)
{
    struct diskv_field field;

    for (size_t i = 0; diskv_fields_at(diskv_reader_fields(reader), i, &field); i++) {
        const struct kept *kept = kept_find(field.name);
        unsigned part = kept != NULL ? kept->part : METADATA_REST;

        if (metadata_is_given(&field) && (parts & part))
            answer_header(a, kept != NULL ? kept->header : field.name, field.value);
    }
}

void metadata_options(const struct metadata *m, struct diskv_write_options *options)
{
    options->type = m->type;
    options->fields = m->fields;
    options->field_count = m->count;
}
