/* SPDX-License-Identifier: Apache-2.0 */
#include "chunk/params.h"

#include <stdio.h>
#include <string.h>

#include "util/arith.h"
#include "util/parse.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

bool chunk_params_valid(const struct chunk_params *p)
{
	if (!is_pow2(p->min) || !is_pow2(p->avg) || !is_pow2(p->max) ||
	    p->max > CHUNK_MAX_BYTES)
		return false;
	switch (p->kind) {
	case CHUNK_CDC:
		return p->avg >= CHUNK_CDC_AVG_MIN_BYTES &&
		       p->avg <= CHUNK_CDC_AVG_MAX_BYTES &&
		       p->min >= CHUNK_CDC_MIN_BYTES && p->min <= p->avg / 2 &&
		       p->max >= p->avg * 2;
	case CHUNK_FIXED:
		return p->avg >= CHUNK_FIXED_MIN_BYTES && p->min == p->avg &&
		       p->max == p->avg;
	}
	return false; /* a number from disk that is no kind */
}

/* The size at *s, up to a slash or the end, and *s moved there. */
static bool take_size(const char **s, uint32_t *out)
{
	char word[24]; /* longer than any size that can be meant */
	size_t n = strcspn(*s, "/");
	uint64_t v;

	if (n >= sizeof(word))
		return false;
	memcpy(word, *s, n);
	word[n] = '\0';
	if (parse_size(word, &v, NULL) != BC_OK || v > CHUNK_MAX_BYTES)
		return false;
	*out = (uint32_t)v;
	*s += n;
	return true;
}

/* "AVG" or "MIN/AVG/MAX", to the end of the text. */
static bool take_cdc(const char *s, struct chunk_params *p)
{
	uint32_t v[3];
	int n = 0;

	for (;;) {
		if (!take_size(&s, &v[n++]))
			return false;
		if (n == 3 || *s != '/')
			break;
		s++;
	}
	if (*s != '\0')
		return false;
	p->kind = CHUNK_CDC;
	if (n == 3) {
		p->min = v[0];
		p->avg = v[1];
		p->max = v[2];
		return true;
	}
	p->min = v[0] / 4;
	p->avg = v[0];
	p->max = v[0] * 4; /* at most 64 MiB, and refused as not valid */
	return n == 1;
}

static bool take_fixed(const char *s, struct chunk_params *p)
{
	if (!take_size(&s, &p->avg) || *s != '\0')
		return false;
	p->kind = CHUNK_FIXED;
	p->min = p->avg;
	p->max = p->avg;
	return true;
}

enum bc_err chunk_params_parse(const char *text, struct chunk_params *out,
			       struct err *e)
{
	struct chunk_params p = { .kind = CHUNK_CDC };
	bool ok = false;

	if (strncmp(text, "cdc:", 4) == 0) {
		ok = take_cdc(text + 4, &p);
	} else if (strncmp(text, "fixed:", 6) == 0) {
		ok = take_fixed(text + 6, &p);
	} else {
		err_set(e, BC_EINVAL, "\"%s\" is no way to cut files", text);
		err_hint(e, "use cdc:SIZE or fixed:SIZE, as in cdc:64KiB");
		return BC_EINVAL;
	}
	if (ok && chunk_params_valid(&p)) {
		*out = p;
		return BC_OK;
	}
	err_set(e, BC_EINVAL, "\"%s\" has no size that chunks can have", text);
	err_hint(e, p.kind == CHUNK_FIXED
			    ? "fixed: takes a power of two, 4KiB to 16MiB"
			    : "cdc: takes a power of two, 4KiB to 4MiB");
	return BC_EINVAL;
}

static int put_size(char *out, size_t n, uint32_t v)
{
	if (v % MIB == 0)
		return snprintf(out, n, "%uMiB", v / MIB);
	if (v % KIB == 0)
		return snprintf(out, n, "%uKiB", v / KIB);
	return snprintf(out, n, "%u", v);
}

void chunk_params_format(const struct chunk_params *p, char *out)
{
	char min[16], avg[16], max[16];

	put_size(min, sizeof(min), p->min);
	put_size(avg, sizeof(avg), p->avg);
	put_size(max, sizeof(max), p->max);
	if (p->kind == CHUNK_FIXED)
		snprintf(out, CHUNK_PARAMS_TEXT_BYTES, "fixed:%s", avg);
	else if (p->min == p->avg / 4 && p->max == p->avg * 4)
		snprintf(out, CHUNK_PARAMS_TEXT_BYTES, "cdc:%s", avg);
	else
		snprintf(out, CHUNK_PARAMS_TEXT_BYTES, "cdc:%s/%s/%s", min, avg,
			 max);
}
