/* SPDX-License-Identifier: Apache-2.0 */
#include "util/buf.h"

#include <stdlib.h>

#include "util/arith.h"
#include "util/le.h"

enum { BUF_FIRST_BYTES = 256, VARINT_MAX_BYTES = 10 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void buf_fini(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}

enum bc_err buf_reserve(struct buf *b, size_t more)
{
	size_t want, cap;
	uint8_t *p;

	if (!add_size(b->n, more, &want) || want > b->max)
		return BC_ELIMIT;
	if (want <= b->cap)
		return BC_OK;
	cap = b->cap == 0 ? BUF_FIRST_BYTES : b->cap;
	while (cap < want)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	p = realloc(b->p, cap);
	if (p == NULL)
		return BC_ENOMEM;
	b->p = p;
	b->cap = cap;
	return BC_OK;
}

enum bc_err buf_extend(struct buf *b, size_t n, uint8_t **out)
{
	enum bc_err rc = buf_reserve(b, n);

	if (rc != BC_OK)
		return rc;
	*out = b->p == NULL ? NULL : b->p + b->n;
	b->n += n;
	return BC_OK;
}

enum bc_err buf_add(struct buf *b, const void *p, size_t n)
{
	uint8_t *at;
	enum bc_err rc = buf_extend(b, n, &at);

	if (rc == BC_OK && n != 0)
		memcpy(at, p, n);
	return rc;
}

enum bc_err buf_u8(struct buf *b, uint8_t v)
{
	return buf_add(b, &v, 1);
}

enum bc_err buf_u16(struct buf *b, uint16_t v)
{
	uint8_t raw[2];

	le_put16(raw, v);
	return buf_add(b, raw, sizeof(raw));
}

enum bc_err buf_u32(struct buf *b, uint32_t v)
{
	uint8_t raw[4];

	le_put32(raw, v);
	return buf_add(b, raw, sizeof(raw));
}

enum bc_err buf_u64(struct buf *b, uint64_t v)
{
	uint8_t raw[8];

	le_put64(raw, v);
	return buf_add(b, raw, sizeof(raw));
}

enum bc_err buf_varint(struct buf *b, uint64_t v)
{
	uint8_t raw[VARINT_MAX_BYTES];
	size_t n = 0;

	while (v >= 0x80) {
		raw[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	raw[n++] = (uint8_t)v;
	return buf_add(b, raw, n);
}

enum bc_err buf_str(struct buf *b, struct bytes s)
{
	size_t before = b->n;
	enum bc_err rc = buf_varint(b, s.n);

	if (rc == BC_OK)
		rc = buf_add(b, s.p, s.n);
	if (rc != BC_OK)
		b->n = before;
	return rc;
}
