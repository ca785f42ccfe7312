/* SPDX-License-Identifier: Apache-2.0 */
#include "util/append.h"

enum bc_err append_end(struct append *a)
{
	if (a->rc != BC_OK)
		a->to->n = a->before;
	return a->rc;
}

void append_add(struct append *a, const void *p, size_t n)
{
	if (a->rc == BC_OK)
		a->rc = buf_add(a->to, p, n);
}

void append_u8(struct append *a, uint8_t v)
{
	if (a->rc == BC_OK)
		a->rc = buf_u8(a->to, v);
}

void append_u16(struct append *a, uint16_t v)
{
	if (a->rc == BC_OK)
		a->rc = buf_u16(a->to, v);
}

void append_u32(struct append *a, uint32_t v)
{
	if (a->rc == BC_OK)
		a->rc = buf_u32(a->to, v);
}

void append_u64(struct append *a, uint64_t v)
{
	if (a->rc == BC_OK)
		a->rc = buf_u64(a->to, v);
}

void append_varint(struct append *a, uint64_t v)
{
	if (a->rc == BC_OK)
		a->rc = buf_varint(a->to, v);
}

void append_str(struct append *a, struct bytes s)
{
	if (a->rc == BC_OK)
		a->rc = buf_str(a->to, s);
}
