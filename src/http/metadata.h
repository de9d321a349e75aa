/* What is kept beside a value and given back with it: its media type, the header fields of a small
 * list, and those that begin with `X-Meta-`. */
#ifndef METADATA_H
#define METADATA_H

#include "answer.h"

#define METADATA_FIELDS_MAX 64

/* All zeroes: none. Names are in lower case. */
struct metadata {
    char type[DISKV_TYPE_MAX + 1];
    struct diskv_field fields[METADATA_FIELDS_MAX];
    size_t count;
};

void metadata_free(struct metadata *m);

/* Functions that return a text say why a request's metadata are refused, for the client, and NULL
 * where they are not. This one is not the client's fault. */
extern const char metadata_no_memory[];

/* Takes what the header of a request gives. Lines of one field are joined as RFC 9110, section 5.3,
 * has it; an empty one is as good as none. */
const char *metadata_read(struct MHD_Connection *connection, struct metadata *out);

/* Sets one field, or the media type as "type"; `value` NULL or "" removes it. The name's case does
 * not matter. */
const char *metadata_set(struct metadata *m, const char *name, const char *value);

/* Takes what a value has; ENOMEM. */
int metadata_of(const struct diskv_info *info, const diskv_fields *fields, struct metadata *out);

/* False for a field that another program noted beside a value and that is none of those that are
 * kept, or is empty, which libmicrohttpd does not send. */
bool metadata_is_given(const struct diskv_field *field);

/* True where a value has the field, whose name is in lower case. */
bool metadata_has(const diskv_reader *reader, const char *name);

/* Which of the fields. */
enum metadata_part {
    METADATA_CACHING = 1, /* what belongs into a 304 too (RFC 9110, section 15.4.5) */
    METADATA_DISPOSITION = 2,
    METADATA_REST = 4,
    METADATA_ALL = 7,
};

/* Adds the fields of a value, those of a set of `enum metadata_part`, to an answer; not its media
 * type. */
void metadata_answer(struct answer *a, const diskv_reader *reader, unsigned parts);

/* Tells the options of a change what it is to keep: they point into `m`. */
void metadata_options(const struct metadata *m, struct diskv_write_options *options);

#endif
