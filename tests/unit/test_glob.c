/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns live outside the library: they are compiled in here. */
#include "cmd/glob.c"

#include "t.h"

struct match_case {
	const char *pattern, *path;
	bool is_dir, want;
};

static const struct match_case CASES[] = {
	/* The last component. */
	{ "a", "a", false, true },
	{ "a", "x/a", false, true },
	{ "a", "a/x", false, false },
	{ "", "", false, true },
	{ "", "a", false, false },
	{ "*", "x/y/z", false, true },
	{ "*.c", "src/a.c", false, true },
	{ "*.c", "src/a.h", false, false },
	{ "*.c", ".c", false, true },
	{ "a*b*c", "aXbXbXc", false, true },
	{ "a*b*c", "aXbXbX", false, false },
	{ "*a", "aaaa", false, true },
	{ "a***b", "axb", false, true },
	{ "?", "x", false, true },
	{ "?", "", false, false },
	{ "a?c", "abc", false, true },
	{ "a?c", "a/c", false, false },
	/* Characters, not bytes; a byte that is none is one, too. */
	{ "?", "\xc3\xa4", false, true },
	{ "??", "\xc3\xa4", false, false },
	{ "?", "\xff", false, true },
	{ "\xff", "\xff", false, true },
	{ "\xff", "\xfe", false, false },
	{ "[\xc3\xa4-\xc3\xbc]", "\xc3\xb6", false, true },
	{ "[a-z]", "\xff", false, false },
	{ "[!a-z]", "\xff", false, true },
	/* Sets. */
	{ "[abc]", "b", false, true },
	{ "[abc]", "d", false, false },
	{ "[!abc]", "d", false, true },
	{ "[^abc]", "a", false, false },
	{ "[a-c]x", "bx", false, true },
	{ "[]a]", "]", false, true },
	{ "[!]a]", "]", false, false },
	{ "[a-]", "-", false, true },
	{ "[\\]]", "]", false, true },
	{ "[a", "[a", false, true },
	{ "[", "[", false, true },
	{ "a[!b]c/d", "a/c/d", false, false },
	/* Backslashes. */
	{ "\\*", "*", false, true },
	{ "\\*", "a", false, false },
	{ "a\\", "a\\", false, true },
	{ "\\a", "a", false, true },
	/* The whole path. */
	{ "a/b", "a/b", false, true },
	{ "a/b", "x/a/b", false, false },
	{ "/a", "a", false, true },
	{ "/a", "x/a", false, false },
	{ "*/b", "a/b", false, true },
	{ "*/b", "a/x/b", false, false },
	{ "a/*", "a/b/c", false, false },
	{ "a*/b", "axx/b", false, true },
	{ "a*/b", "a/x/b", false, false },
	/* Any number of components. */
	{ "**/b", "b", false, true },
	{ "**/b", "x/y/b", false, true },
	{ "**/b", "x/yb", false, false },
	{ "a/**", "a/x/y", false, true },
	{ "a/**", "a", false, false },
	{ "a/**/b", "a/b", false, true },
	{ "a/**/b", "a/x/y/b", false, true },
	{ "a/**/b", "a/xb", false, false },
	{ "**/x/**/*.c", "x/a.c", false, true },
	{ "**/x/**/*.c", "q/x/r/s/a.c", false, true },
	{ "**/x/**/*.c", "q/xr/s/a.c", false, false },
	{ "**", "x/y", false, true },
	{ "a**b", "axyb", false, true },
	{ "q/a**b", "q/a/b", false, false },
	{ "**/a*b/c", "a/axb/c", false, true },
	/* Directories only. */
	{ "a/", "a", true, true },
	{ "a/", "a", false, false },
	{ "a/", "x/a", true, true },
	{ "/", "", true, true },
};

static void test_cases(void)
{
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		const struct match_case *c = &CASES[i];
		struct glob g;

		glob_init(&g, c->pattern);
		if (glob_match(&g, bytes_str(c->path), c->is_dir) == c->want)
			continue;
		fprintf(stderr, "case %zu: '%s' on '%s' should %smatch\n", i,
			c->pattern, c->path, c->want ? "" : "not ");
		exit(1);
	}
}

/* The definition, without any cleverness: exponential, so for short texts. */
static bool slow(const char *all, const char *p, const char *t)
{
	bool start = p == all || p[-1] == '/';

	if (start && p[0] == '*' && p[1] == '*' && (p[2] == 0 || p[2] == '/')) {
		if (p[2] == 0)
			return true;
		for (const char *s = t;; s++) {
			if ((s == t || s[-1] == '/') && slow(all, p + 3, s))
				return true;
			if (*s == 0)
				return false;
		}
	}
	if (*p == '*') {
		while (*p == '*')
			p++;
		for (;; t++) {
			if (slow(all, p, t))
				return true;
			if (*t == 0 || *t == '/')
				return false;
		}
	}
	if (*p == 0 || *t == 0)
		return *p == *t;
	return (*p == '?' ? *t != '/' : *p == *t) && slow(all, p + 1, t + 1);
}

static void test_like_definition(void)
{
	static const char OF[] = "ab/*?*/", TO[] = "ab/b";
	uint64_t seed = 7;

	for (int i = 0; i < 400000; i++) {
		char p[12] = "", t[12] = "";
		size_t pn = t_rng(&seed) % 9, tn = t_rng(&seed) % 9;

		for (size_t k = 0; k < pn; k++)
			p[k] = OF[t_rng(&seed) % 7];
		for (size_t k = 0; k < tn; k++)
			t[k] = TO[t_rng(&seed) % 4];
		if (glob_text(bytes_str(p), bytes_str(t)) == slow(p, p, t))
			continue;
		fprintf(stderr, "'%s' on '%s'\n", p, t);
		exit(1);
	}
}

/* A pattern that makes naive matchers take for ever. */
static void test_hostile(void)
{
	char p[257], t[4096];

	for (size_t i = 0; i < 256; i += 2)
		memcpy(p + i, "a*", 2);
	p[255] = 'b';
	p[256] = 0;
	memset(t, 'a', sizeof(t));
	CHECK(!glob_text(bytes_str(p), bytes_of(t, sizeof(t))));
}

int main(void)
{
	RUN(test_cases);
	RUN(test_like_definition);
	RUN(test_hostile);
	return 0;
}
