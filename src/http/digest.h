/* Digests of bodies: Content-MD5 (RFC 1864), Content-Digest and Repr-Digest (RFC 9530). */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum digest_algorithm { DIGEST_NONE, DIGEST_SHA256, DIGEST_SHA512, DIGEST_MD5 };

#define DIGEST_FIELD_SIZE 100 /* of a field's value with its NUL */

/* All zeroes: empty. For one thread at a time. */
struct digest {
    struct digest_state *state; /* NULL where there is nothing to hash */
};

/* Reads what an upload's headers say of its body, each a list joined by commas, NULL where it is
 * absent. sha-256 and sha-512 count, other algorithms do not: those left are unknown or broken. As
 * a body that is uploaded is the whole value, both of RFC 9530's headers mean the same bytes.
 * EINVAL for a malformed header or a digest of the wrong length; ENOMEM. `*d`, which must be empty,
 * is for digest_free in every case. */
int digest_expect(struct digest *d, const char *content_md5, const char *content_digest,
                  const char *repr_digest);

/* True where there is nothing to verify and nothing to make: updates do nothing. */
bool digest_is_empty(const struct digest *d);

void digest_update(struct digest *d, const void *data, size_t len);

/* Ends the body, once: true where every digest that was expected is the body's. */
bool digest_matches(struct digest *d);

/* The algorithm that a Want-Repr-Digest or Want-Content-Digest prefers among sha-256 and sha-512,
 * sha-256 where it likes both as much. NONE for NULL, for a malformed field, and where it wants
 * neither. */
enum digest_algorithm digest_wanted(const char *want);

/* Begins a digest that is to be made, by SHA256 or SHA512; `*d` must be empty. ENOMEM. */
int digest_begin(struct digest *d, enum digest_algorithm algorithm);

/* Ends the body, once, and writes the value of its Repr-Digest or Content-Digest, `sha-256=:…:`. */
void digest_finish(struct digest *d, char out[DIGEST_FIELD_SIZE]);

void digest_free(struct digest *d);

#endif
