/* The answers that send a value, parts of it, or what the client need not fetch again. */
#ifndef VALUE_H
#define VALUE_H

#include "answer.h"
#include "range.h"

/* What is sent of which value, in which form. */
struct value {
    diskv_reader *reader;    /* an answer that streams takes it over and sets this to NULL */
    enum diskv_read how;     /* … which was opened so */
    const char *type;        /* the media type to give */
    const char *coding;      /* the Content-Encoding to give where the value has none; or NULL */
    const char *tag_suffix;  /* what the ETag has behind that of the value; or "" */
    const char *disposition; /* the Content-Disposition to give in place of the value's; or NULL */
    const char *digest;      /* the Repr-Digest to give, "" for none */
    bool as_ever; /* the answer is the same whenever the same version of the value is open */
    bool varies_by_encoding; /* Accept-Encoding decided what is sent … */
    bool varies_by_accept;   /* … and Accept */
    bool
        missing; /* it is the page that says so: 404, and nothing by which a client would keep it */
};

/* What the ETag of the compressed form has behind that of the value. */
#define VALUE_GZIP_SUFFIX "-gzip"

/* True where a value that was opened so goes out as its file has it, compressed. */
bool value_is_packed(const diskv_reader *reader, enum diskv_read how);

/* False where a value that was opened so cannot go out as its file has it: all but a gzip stream of
 * a value that is not itself one of an encoding has to be opened decompressed. */
bool value_has_form(const diskv_reader *reader, enum diskv_read how);

/* Sets what follows from the form in which the value of the request's key was opened. */
void value_set(struct value *v, const struct request *r, diskv_reader *reader, enum diskv_read how);

/* Each to be returned from a handler. */
enum MHD_Result value_whole(struct request *r, struct value *v);
enum MHD_Result value_parts(struct request *r, struct value *v, const struct range *ranges,
                            size_t count);
enum MHD_Result value_not_modified(struct request *r, struct value *v);
enum MHD_Result value_unsatisfiable(struct request *r, const struct value *v);

/* Prints the head of the answer that value_whole gives to a GET, or value_parts where there is a
 * `part`, where no Origin is asked after, and returns its length; 0 where there is no room. The
 * request needs server and key only. */
size_t value_print_head(const struct request *r, const struct value *v, const struct range *part,
                        const char *date, char *out, size_t room);

#endif
