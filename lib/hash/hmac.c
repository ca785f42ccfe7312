/* SPDX-License-Identifier: Apache-2.0 */
#include "hash/hmac.h"

#include <string.h>

static void wipe(struct hmac_ctx *c)
{
	explicit_bzero(c, sizeof(*c));
}

void hmac_init(struct hmac_ctx *c, struct bytes key)
{
	uint8_t pad[SHA256_BLOCK_BYTES] = { 0 };

	if (key.n > sizeof(pad)) {
		struct digest d;

		sha256_one(key, &d);
		memcpy(pad, d.b, DIGEST_BYTES);
		explicit_bzero(&d, sizeof(d));
	} else if (key.n > 0) {
		memcpy(pad, key.p, key.n);
	}
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	sha256_init(&c->inner);
	sha256_update(&c->inner, bytes_of(pad, sizeof(pad)));
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	sha256_init(&c->outer);
	sha256_update(&c->outer, bytes_of(pad, sizeof(pad)));
	explicit_bzero(pad, sizeof(pad));
}

void hmac_update(struct hmac_ctx *c, struct bytes piece)
{
	sha256_update(&c->inner, piece);
}

void hmac_final(struct hmac_ctx *c, struct digest *out)
{
	struct digest d;

	sha256_final(&c->inner, &d);
	sha256_update(&c->outer, bytes_of(d.b, DIGEST_BYTES));
	sha256_final(&c->outer, out);
	explicit_bzero(&d, sizeof(d));
	wipe(c);
}

void hmac_one(struct bytes key, struct bytes msg, struct digest *out)
{
	struct hmac_ctx c;

	hmac_init(&c, key);
	hmac_update(&c, msg);
	hmac_final(&c, out);
}

bool hmac_equal(const struct digest *a, const struct digest *b)
{
	volatile uint8_t differ = 0;

	for (size_t i = 0; i < DIGEST_BYTES; i++)
		differ = (uint8_t)(differ | (a->b[i] ^ b->b[i]));
	return differ == 0;
}

void hkdf_extract(struct bytes salt, struct bytes ikm, struct digest *prk)
{
	/* HMAC pads a key with zeros: an empty salt is 32 of them already. */
	hmac_one(salt, ikm, prk);
}

enum bc_err hkdf_expand(const struct digest *prk, struct bytes info,
			uint8_t *out, size_t n)
{
	struct hmac_ctx keyed, c;
	struct digest t;

	if (n > HKDF_MAX_BYTES)
		return BC_EINVAL;
	hmac_init(&keyed, bytes_of(prk->b, DIGEST_BYTES));
	for (size_t at = 0; at < n; at += DIGEST_BYTES) {
		uint8_t count = (uint8_t)(at / DIGEST_BYTES + 1);
		size_t part = n - at < DIGEST_BYTES ? n - at : DIGEST_BYTES;

		c = keyed;
		if (at > 0)
			hmac_update(&c, bytes_of(t.b, DIGEST_BYTES));
		hmac_update(&c, info);
		hmac_update(&c, bytes_of(&count, 1));
		hmac_final(&c, &t);
		memcpy(out + at, t.b, part);
	}
	wipe(&keyed);
	explicit_bzero(&t, sizeof(t));
	return BC_OK;
}
