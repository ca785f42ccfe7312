/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash/hmac - HMAC-SHA-256 (RFC 2104, RFC 4231) and HKDF-SHA-256 (RFC 5869).
 *
 * Any thread, no allocation. A struct hmac_ctx holds what lets anyone compute
 * under the key: hmac_final() wipes it.
 */
#ifndef BC_HASH_HMAC_H
#define BC_HASH_HMAC_H

#include "hash/sha256.h"
#include "util/err.h"

struct hmac_ctx {
	struct sha256_ctx inner, outer;
};

/* hmac_init - begin under a key of any length. Copying the struct keeps a
 * keyed start that costs two blocks less than another hmac_init(). */
void hmac_init(struct hmac_ctx *c, struct bytes key);

/* hmac_update - the next piece of the message; borrowed until return. */
void hmac_update(struct hmac_ctx *c, struct bytes piece);

/* hmac_final - end the message and wipe c. */
void hmac_final(struct hmac_ctx *c, struct digest *out);

/* hmac_one - one key, one message. */
void hmac_one(struct bytes key, struct bytes msg, struct digest *out);

/* hmac_equal - compare in a time that does not depend on the contents. */
bool hmac_equal(const struct digest *a, const struct digest *b);

enum { HKDF_MAX_BYTES = 255 * DIGEST_BYTES };

/* hkdf_extract - a pseudorandom key from input key material. An empty salt
 * stands for 32 zero bytes, as the RFC has it. */
void hkdf_extract(struct bytes salt, struct bytes ikm, struct digest *prk);

/*
 * hkdf_expand - n bytes of key material from a pseudorandom key.
 *
 *   info  says what the key is for; may be empty
 *   out   n bytes; untouched on failure
 *
 *   BC_EINVAL  n is above HKDF_MAX_BYTES
 */
BC_MUST_CHECK enum bc_err hkdf_expand(const struct digest *prk,
				      struct bytes info, uint8_t *out,
				      size_t n);

#endif
