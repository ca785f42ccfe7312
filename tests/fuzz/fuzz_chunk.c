/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first bytes of the input choose parameters, kernel and the sizes of the
 * windows, the rest is a program that writes a file: literal bytes, repeats,
 * zeros. Its segments must cover it, keep their bounds and equal those of the
 * scalar kernel over one window.
 */
#include <string.h>

#include "chunk/chunker.h"
#include "util/cursor.h"
#include "tests/fuzz/fuzz.h"

enum { FILE_MAX_BYTES = 1 << 17, SEGS_MAX = FILE_MAX_BYTES / 256 + 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct cuts {
	struct chunk_seg seg[SEGS_MAX];
	size_t n;
};

#define ENSURE(c)                                                              \
	do {                                                                   \
		if (!(c))                                                      \
			abort();                                               \
	} while (0)

static void add(struct cuts *c, struct chunk_seg s)
{
	struct chunk_seg *last = c->n > 0 ? &c->seg[c->n - 1] : NULL;

	if (last != NULL && s.kind == CHUNK_SEG_ZERO &&
	    last->kind == CHUNK_SEG_ZERO) {
		last->len += s.len;
		return;
	}
	ENSURE(c->n < SEGS_MAX);
	c->seg[c->n++] = s;
}

/* Windows grow by 1 to `grow` bytes; 0: the whole file at once. */
static void cut(const struct chunker *c, struct bytes file, uint32_t grow,
		struct cuts *out)
{
	struct chunk_cursor cur = { 0 };
	size_t at = 0, have = grow == 0 ? file.n : 0;
	uint32_t lcg = grow;

	out->n = 0;
	while (at < file.n) {
		struct chunk_seg seg[3];
		size_t used, n;

		n = chunker_next(c, &cur, bytes_of(file.p + at, have - at),
				 have == file.n, seg, 3, &used);
		for (size_t i = 0; i < n; i++)
			add(out, seg[i]);
		at += used;
		if (n > 0)
			continue;
		ENSURE(have < file.n && have - at < chunker_need(c));
		lcg = lcg * 1664525 + 1013904223;
		have += 1 + (lcg >> 8) % grow;
		have = have < file.n ? have : file.n;
	}
}

static void check(const struct chunk_params *p, struct bytes file,
		  const struct cuts *c)
{
	size_t at = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct chunk_seg *s = &c->seg[i];
		bool inner =
			i + 1 < c->n && c->seg[i + 1].kind == CHUNK_SEG_DATA;

		ENSURE(s->len > 0 && s->len <= file.n - at);
		if (s->kind == CHUNK_SEG_ZERO) {
			ENSURE(s->len >= p->min);
			for (size_t k = at; k < at + s->len; k++)
				ENSURE(file.p[k] == 0);
		} else {
			ENSURE(s->kind == CHUNK_SEG_DATA && s->len <= p->max);
			ENSURE(!inner || s->len >= p->min);
		}
		at += s->len;
	}
	ENSURE(at == file.n);
}

/* Runs the program in `in`; returns the length written. */
static size_t write_file(struct cursor *in, uint8_t *out)
{
	size_t n = 0;

	while (in->left > 0) {
		uint8_t op = cursor_u8(in);
		size_t room = FILE_MAX_BYTES - n, len;

		if (op < 128) {
			struct bytes b;

			len = (size_t)op + 1;
			len = len < in->left ? len : in->left;
			len = len < room ? len : room;
			b = cursor_span(in, len);
			if (len > 0)
				memcpy(out + n, b.p, len);
		} else {
			size_t back = op & 63;

			len = cursor_u16(in);
			len = len < room ? len : room;
			for (size_t i = n; i < n + len; i++) {
				out[i] = op >= 192 || back >= i
						 ? 0
						 : out[i - back - 1];
			}
		}
		n += len;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cuts want, have;
	struct cursor in = cursor_of(bytes_of(data, size));
	uint8_t how = cursor_u8(&in), shape = cursor_u8(&in);
	uint32_t grow = 1 + (uint32_t)cursor_u16(&in);
	struct chunk_params p = { CHUNK_CDC, 256u << (shape & 3), 4096,
				  8192u << (shape >> 2 & 3) };
	struct chunker scalar, c;
	uint8_t *whole, *file;
	size_t n;

	if (how & 1)
		p = (struct chunk_params){ CHUNK_FIXED, 4096, 4096, 4096 };
	ENSURE(chunk_params_valid(&p));
	whole = malloc(FILE_MAX_BYTES);
	if (whole == NULL)
		return 0;
	n = write_file(&in, whole);
	/* In a block of its own length, so that a read past it is seen. */
	file = malloc(n > 0 ? n : 1);
	if (file != NULL) {
		memcpy(file, whole, n);
		chunker_init(&scalar, &p, CHUNK_KERNEL_SCALAR);
		cut(&scalar, bytes_of(file, n), 0, &want);
		check(&p, bytes_of(file, n), &want);
		chunker_init(&c, &p,
			     (enum chunk_kernel)(how / 2 % CHUNK_KERNEL_COUNT));
		cut(&c, bytes_of(file, n), grow, &have);
		ENSURE(have.n == want.n);
		for (size_t i = 0; i < want.n; i++) {
			ENSURE(have.seg[i].len == want.seg[i].len &&
			       have.seg[i].kind == want.seg[i].kind &&
			       have.seg[i].natural == want.seg[i].natural);
		}
	}
	free(file);
	free(whole);
	return 0;
}
