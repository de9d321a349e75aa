/* What a request asks for of a value, and the answer: for a key, and for a page of a site. */
#ifndef GET_H
#define GET_H

#include "encoding.h"
#include "open.h"
#include "precondition.h"
#include "repr_digest.h"
#include "value.h"

/* All zeroes at first. */
struct get {
    struct precondition precondition;
    const char *range;    /* the Range header, NULL where there is none or it means nothing */
    const char *if_range; /* likewise */
    struct encoding_weights weights;
    enum encoding_choice encoding; /* of the forms that the value may exist in */
    enum diskv_read how;
    struct opening opening;
    struct repr_digest digest;
};

/* Reads what the headers ask for, or refuses. */
bool get_read(struct request *r, struct get *g);

/* Opens the value of the request's key in the form to send, as opening_go_on does. */
int get_open(struct request *r, struct get *g);

/* Closes what get_open opened, for another beginning or none. */
void get_reset(struct get *g);

/* True where what is open goes out as its file has it, compressed. */
bool get_is_packed(const struct get *g);

/* Answers with what is open, to be returned from `end`; where the request waits then, call it again
 * when the handler is called again. Of `v` the caller sets what is not to be as it is for the key.
 */
enum MHD_Result get_answer(struct request *r, struct get *g, struct value *v);

void get_free(struct get *g);

#endif
