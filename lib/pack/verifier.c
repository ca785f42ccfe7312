/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/verifier.h"

#include <stdlib.h>
#include <string.h>

#include "codec/zstd.h"
#include "util/arith.h"

enum { CHUNKS_FIRST = 256 };

enum bc_err verifier_init(struct verifier *v, size_t room, bool keeps,
			  struct err *e)
{
	*v = (struct verifier){ .room = room, .keeps = keeps };
	return codec_dec_new(&v->dec, e);
}

void verifier_fini(struct verifier *v)
{
	codec_dec_free(v->dec);
	free(v->plain);
	free(v->jobs);
	free(v->chunks);
	*v = (struct verifier){ .dec = NULL };
}

/* Raw blocks are used where they are. */
static size_t needs(const struct verifier *v, const struct dir_block *b)
{
	return b->codec != BLOCK_RAW || v->keeps ? b->plain : 0;
}

bool verifier_fits(const struct verifier *v, const struct dir_block *b)
{
	return v->used + needs(v, b) <= max_size(v->cap, v->room);
}

/* Room for n bytes behind those used. */
static enum bc_err reserve(struct verifier *v, size_t n, struct err *e)
{
	uint8_t *p;

	if (v->used + n <= v->cap)
		return BC_OK;
	if (v->used > 0)
		return err_set(e, BC_EFULL, "too many blocks are open");
	n = max_size(n, v->room);
	p = malloc(n);
	if (p == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a block");
	free(v->plain);
	v->plain = p;
	v->cap = n;
	return BC_OK;
}

enum bc_err verifier_open(struct verifier *v, const struct dir_block *b,
			  struct bytes raw, struct bytes *plain, struct err *e)
{
	size_t n = needs(v, b);
	enum bc_err rc = reserve(v, n, e);
	uint8_t *to = n > 0 ? v->plain + v->used : NULL;
	struct bytes got;

	if (rc == BC_OK)
		rc = block_open_in(b, raw, v->dec, to, &got, e);
	if (rc != BC_OK)
		return rc;
	if (v->keeps && got.p != to && got.n > 0) {
		memcpy(to, got.p, got.n);
		got.p = to;
	}
	v->used += n;
	*plain = got;
	return BC_OK;
}

static bool grow(struct verifier *v)
{
	size_t cap = v->cap_chunks == 0 ? CHUNKS_FIRST : v->cap_chunks * 2;
	struct sha256_job *j = realloc(v->jobs, cap * sizeof(*j));
	struct verified *c;

	if (j == NULL)
		return false;
	v->jobs = j;
	c = realloc(v->chunks, cap * sizeof(*c));
	if (c == NULL)
		return false;
	v->chunks = c;
	v->cap_chunks = cap;
	return true;
}

enum bc_err verifier_add(struct verifier *v, struct bytes plain, uint64_t start,
			 uint64_t length, const struct digest *id,
			 struct err *e)
{
	if (length > plain.n || start > plain.n - length)
		return err_set(e, BC_EDAMAGE, "a block is too short");
	if (v->n == v->cap_chunks && !grow(v))
		return err_set(e, BC_ENOMEM, "no memory for chunks");
	v->jobs[v->n].msg = bytes_of(plain.p + start, (size_t)length);
	v->chunks[v->n++].want = id;
	return BC_OK;
}

void verifier_run(struct verifier *v)
{
	for (size_t i = 0; i < v->n; i++)
		v->jobs[i].out = &v->chunks[i].got;
	sha256_many(v->jobs, v->n);
}

bool verifier_take(const struct verifier *v, size_t i, struct bytes *out)
{
	if (!digest_eq(v->chunks[i].want, &v->chunks[i].got))
		return false;
	*out = v->jobs[i].msg;
	return true;
}

void verifier_clear(struct verifier *v)
{
	v->n = v->used = 0;
}
