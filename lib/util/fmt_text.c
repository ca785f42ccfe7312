/* SPDX-License-Identifier: Apache-2.0 */
#include "util/fmt_text.h"

#include <stdio.h>

/* Bytes of the sequence that `b` begins, 0 if it begins none. */
static size_t sequence_length(uint8_t b)
{
	if (b < 0x80)
		return 1;
	if (b >= 0xc2 && b <= 0xdf)
		return 2;
	if ((b & 0xf0) == 0xe0)
		return 3;
	return b >= 0xf0 && b <= 0xf4 ? 4 : 0;
}

bool fmt_utf8_next(struct bytes *s, uint32_t *cp)
{
	static const uint8_t MASK[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	static const uint32_t LEAST[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = sequence_length(s->p[0]);
	uint32_t v;

	if (n == 0 || n > s->n)
		goto bad;
	v = s->p[0] & MASK[n];
	for (size_t i = 1; i < n; i++) {
		if ((s->p[i] & 0xc0) != 0x80)
			goto bad;
		v = v << 6 | (s->p[i] & 0x3f);
	}
	if (v < LEAST[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		goto bad;
	*s = bytes_of(s->p + n, s->n - n);
	*cp = v;
	return true;
bad:
	*s = bytes_of(s->p + 1, s->n - 1);
	*cp = FMT_REPLACEMENT;
	return false;
}

bool fmt_utf8_ok(struct bytes s)
{
	uint32_t cp;

	while (s.n > 0)
		if (!fmt_utf8_next(&s, &cp))
			return false;
	return true;
}

static enum bc_err add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

/* Append what stands between *done and `at`, then `text`. */
static enum bc_err splice(struct buf *b, const uint8_t **done,
			  const uint8_t *at, const uint8_t *after,
			  const char *text)
{
	enum bc_err rc = buf_add(b, *done, (size_t)(at - *done));

	*done = after;
	return rc != BC_OK ? rc : add_str(b, text);
}

/* The JSON escape of a code point; false if it stands for itself. */
static bool json_escape(uint32_t cp, char out[8])
{
	switch (cp) {
	case '"':
		snprintf(out, 8, "\\\"");
		return true;
	case '\\':
		snprintf(out, 8, "\\\\");
		return true;
	case '\n':
		snprintf(out, 8, "\\n");
		return true;
	case '\r':
		snprintf(out, 8, "\\r");
		return true;
	case '\t':
		snprintf(out, 8, "\\t");
		return true;
	default:
		if (cp >= 0x20 && cp != 0x7f)
			return false;
		snprintf(out, 8, "\\u%04x", (unsigned)cp & 0xffffU);
		return true;
	}
}

enum bc_err fmt_json_text(struct buf *b, struct bytes s)
{
	const uint8_t *done = s.p, *at;
	char esc[8];
	uint32_t cp;

	while (s.n > 0) {
		enum bc_err rc = BC_OK;

		at = s.p;
		if (!fmt_utf8_next(&s, &cp))
			rc = splice(b, &done, at, s.p, "\xef\xbf\xbd");
		else if (json_escape(cp, esc))
			rc = splice(b, &done, at, s.p, esc);
		if (rc != BC_OK)
			return rc;
	}
	return buf_add(b, done, (size_t)(s.p - done));
}

enum bc_err fmt_base64(struct buf *b, struct bytes s)
{
	static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)s.p[i] << 16;
		char out[4];
		enum bc_err rc;

		if (left > 1)
			v |= (uint32_t)s.p[i + 1] << 8;
		if (left > 2)
			v |= s.p[i + 2];
		out[0] = DIGITS[v >> 18];
		out[1] = DIGITS[v >> 12 & 63];
		out[2] = left > 1 ? DIGITS[v >> 6 & 63] : '=';
		out[3] = left > 2 ? DIGITS[v & 63] : '=';
		rc = buf_add(b, out, sizeof(out));
		if (rc != BC_OK)
			return rc;
	}
	return BC_OK;
}

/* Marks that reorder what follows, so that a name can look like another. */
static bool turns_direction(uint32_t cp)
{
	return cp == 0x200e || cp == 0x200f || cp == 0x61c ||
	       (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

/* Not to be shown as it is. */
static bool is_odd(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || turns_direction(cp);
}

enum bc_err fmt_terminal(struct buf *b, struct bytes s)
{
	const uint8_t *done = s.p, *at;
	char esc[16];
	uint32_t cp;

	while (s.n > 0) {
		enum bc_err rc = BC_OK;

		at = s.p;
		esc[0] = '\0';
		if (!fmt_utf8_next(&s, &cp))
			snprintf(esc, sizeof(esc), "\\x%02x", at[0]);
		else if (cp == '\n' || cp == '\t' || cp == '\r')
			snprintf(esc, sizeof(esc), "\\%c",
				 cp == '\n'   ? 'n'
				 : cp == '\t' ? 't'
					      : 'r');
		else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			snprintf(esc, sizeof(esc), "\\x%02x", (unsigned)cp);
		else if (turns_direction(cp))
			snprintf(esc, sizeof(esc), "\\u%04x", (unsigned)cp);
		if (esc[0] != '\0')
			rc = splice(b, &done, at, s.p, esc);
		if (rc != BC_OK)
			return rc;
	}
	return buf_add(b, done, (size_t)(s.p - done));
}

/* Is there anything that a terminal would not show as it is? */
static bool has_odd(struct bytes s)
{
	uint32_t cp;

	while (s.n > 0)
		if (!fmt_utf8_next(&s, &cp) || is_odd(cp))
			return true;
	return false;
}

/* $'...', which has escapes. */
static enum bc_err shell_escaped(struct buf *b, struct bytes s)
{
	enum bc_err rc = add_str(b, "$'");

	while (rc == BC_OK && s.n > 0) {
		const uint8_t *at = s.p;
		uint32_t cp;
		bool odd = !fmt_utf8_next(&s, &cp) || is_odd(cp);

		if (cp == '\n')
			rc = add_str(b, "\\n");
		else if (cp == '\'' || cp == '\\')
			rc = buf_u8(b, '\\');
		for (; rc == BC_OK && at < s.p && cp != '\n'; at++) {
			char esc[8];

			snprintf(esc, sizeof(esc), "\\x%02x", *at);
			rc = odd ? add_str(b, esc) : buf_u8(b, *at);
		}
	}
	return rc != BC_OK ? rc : add_str(b, "'");
}

enum bc_err fmt_shell(struct buf *b, struct bytes s)
{
	static const char PLAIN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
				    "qrstuvwxyz0123456789_-+=./:@%,";
	bool quote = s.n == 0;
	enum bc_err rc;

	for (size_t i = 0; i < s.n; i++)
		quote |= s.p[i] == 0 || strchr(PLAIN, s.p[i]) == NULL;
	if (!quote)
		return buf_add(b, s.p, s.n);
	if (has_odd(s))
		return shell_escaped(b, s);
	rc = add_str(b, "'");
	for (size_t i = 0; rc == BC_OK && i < s.n; i++)
		rc = s.p[i] == '\'' ? add_str(b, "'\\''") : buf_u8(b, s.p[i]);
	return rc != BC_OK ? rc : add_str(b, "'");
}
