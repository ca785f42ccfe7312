/* SPDX-License-Identifier: Apache-2.0 */
#include "t.h"
#include "util/fmt_text.h"

typedef enum bc_err writer(struct buf *b, struct bytes s);

static void check_text(writer *w, const char *in, size_t n, const char *want)
{
	struct buf b = BUF_INIT(4096);

	CHECK_EQ(w(&b, bytes_of(in, n)), BC_OK);
	CHECK_EQ(buf_u8(&b, 0), BC_OK);
	CHECK_STR((const char *)b.p, want);
	buf_fini(&b);
}

#define TEXT(w, in, want) check_text(w, in, sizeof(in) - 1, want)

static void json(void)
{
	TEXT(fmt_json_text, "", "");
	TEXT(fmt_json_text, "plain", "plain");
	TEXT(fmt_json_text, "a\"b\\c/d", "a\\\"b\\\\c/d");
	TEXT(fmt_json_text, "\n\r\t\b\x1b\x7f",
	     "\\n\\r\\t\\u0008\\u001b\\u007f");
	TEXT(fmt_json_text, "a\0b", "a\\u0000b");
	TEXT(fmt_json_text, "caf\xc3\xa9 \xf0\x9f\x98\x80",
	     "caf\xc3\xa9 \xf0\x9f\x98\x80");
	TEXT(fmt_json_text, "x\xff\xfey", "x\xef\xbf\xbd\xef\xbf\xbdy");
	TEXT(fmt_json_text, "\xc3", "\xef\xbf\xbd");
}

static void base64(void)
{
	TEXT(fmt_base64, "", "");
	TEXT(fmt_base64, "f", "Zg==");
	TEXT(fmt_base64, "fo", "Zm8=");
	TEXT(fmt_base64, "foo", "Zm9v");
	TEXT(fmt_base64, "foob", "Zm9vYg==");
	TEXT(fmt_base64, "foobar", "Zm9vYmFy");
	TEXT(fmt_base64, "\xff\xfb\xbf", "//u/");
}

static void terminal(void)
{
	TEXT(fmt_terminal, "plain \xc3\xa9", "plain \xc3\xa9");
	TEXT(fmt_terminal, "a\x1b[31mb", "a\\x1b[31mb");
	TEXT(fmt_terminal, "a\nb\tc\rd", "a\\nb\\tc\\rd");
	TEXT(fmt_terminal, "\xff", "\\xff");
	/* C1 controls are obeyed by some terminals. */
	TEXT(fmt_terminal,
	     "\xc2\x9b"
	     "31m",
	     "\\x9b31m");
	/* RIGHT-TO-LEFT OVERRIDE */
	TEXT(fmt_terminal, "exe\xe2\x80\xaetxt", "exe\\u202etxt");
}

static void shell(void)
{
	TEXT(fmt_shell, "", "''");
	TEXT(fmt_shell, "a/b.c", "a/b.c");
	TEXT(fmt_shell, "a b", "'a b'");
	TEXT(fmt_shell, "~x", "'~x'");
	TEXT(fmt_shell, "it's", "'it'\\''s'");
	TEXT(fmt_shell, "a\nb", "$'a\\nb'");
	TEXT(fmt_shell, "it's\\\n", "$'it\\'s\\\\\\n'");
	TEXT(fmt_shell, "\033[31mred", "$'\\x1b[31mred'");
	TEXT(fmt_shell, "b\xff\xfe", "$'b\\xff\\xfe'");
	TEXT(fmt_shell, "\xc3\xa4", "'\xc3\xa4'");
}

/* Unicode 15, table 3-7, walked at its corners. */
static void utf8(void)
{
	static const struct {
		const char *s;
		size_t n;
		bool ok;
	} T[] = {
		{ "\x7f", 1, true },
		{ "\x80", 1, false },
		{ "\xc1\xbf", 2, false },
		{ "\xc2\x80", 2, true },
		{ "\xdf\xbf", 2, true },
		{ "\xe0\x9f\xbf", 3, false },
		{ "\xe0\xa0\x80", 3, true },
		{ "\xed\x9f\xbf", 3, true },
		{ "\xed\xa0\x80", 3, false },
		{ "\xee\x80\x80", 3, true },
		{ "\xef\xbf\xbf", 3, true },
		{ "\xf0\x8f\xbf\xbf", 4, false },
		{ "\xf0\x90\x80\x80", 4, true },
		{ "\xf4\x8f\xbf\xbf", 4, true },
		{ "\xf4\x90\x80\x80", 4, false },
		{ "\xf5\x80\x80\x80", 4, false },
		{ "\xe2\x82", 2, false },
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
		if (fmt_utf8_ok(bytes_of(T[i].s, T[i].n)) != T[i].ok)
			T_FAIL("row %zu", i);
}

/* Random bytes: what comes out is always well-formed and harmless. */
static void any_bytes(void)
{
	uint64_t seed = 11;

	for (int i = 0; i < 20000; i++) {
		uint8_t raw[24];
		size_t n = t_rng(&seed) % sizeof(raw);
		struct buf b = BUF_INIT(4096);

		t_fill(&seed, raw, n);
		CHECK_EQ(fmt_json_text(&b, bytes_of(raw, n)), BC_OK);
		CHECK(fmt_utf8_ok(buf_bytes(&b)));
		buf_clear(&b);
		CHECK_EQ(fmt_terminal(&b, bytes_of(raw, n)), BC_OK);
		CHECK(fmt_utf8_ok(buf_bytes(&b)));
		for (size_t k = 0; k < b.n; k++)
			CHECK(b.p[k] >= 0x20 && b.p[k] != 0x7f);
		buf_fini(&b);
	}
}

static void ceilings(void)
{
	struct buf b = BUF_INIT(4);

	CHECK_EQ(fmt_json_text(&b, bytes_str("abcdef")), BC_ELIMIT);
	CHECK_EQ(fmt_base64(&b, bytes_str("abcd")), BC_ELIMIT);
	CHECK(b.n <= 4);
	buf_fini(&b);
}

int main(void)
{
	RUN(json);
	RUN(base64);
	RUN(terminal);
	RUN(shell);
	RUN(utf8);
	RUN(any_bytes);
	RUN(ceilings);
	return 0;
}
