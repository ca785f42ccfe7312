/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/glob.h"

#include "util/fmt_text.h"

/* ---- one character ---------------------------------------------------------
 */

/* Takes one character; a byte that begins none stands for itself, beyond all
 * code points. */
static uint32_t take(struct bytes *s)
{
	static const uint32_t NO_CHARACTER = 0x200000;
	uint8_t byte = s->p[0];
	uint32_t cp;

	return fmt_utf8_next(s, &cp) ? cp : NO_CHARACTER + byte;
}

/* The character of a set that comes next, a backslash in front taken off. */
static uint32_t take_member(struct bytes *set)
{
	if (set->n > 1 && set->p[0] == '\\')
		*set = bytes_of(set->p + 1, set->n - 1);
	return take(set);
}

/*
 * A set, *p behind its '['. False if it has no end: the bracket is then an
 * ordinary character. A ']' directly behind the '[' or '[!' is a member.
 */
static bool in_set(struct bytes *p, uint32_t c, bool *in)
{
	struct bytes s = *p;
	bool not = s.n > 0 && (s.p[0] == '!' || s.p[0] == '^');
	bool first = true, found = false;

	if (not )
		s = bytes_of(s.p + 1, s.n - 1);
	while (s.n > 0 && (first || s.p[0] != ']')) {
		uint32_t from = take_member(&s), to = from;

		first = false;
		if (s.n > 1 && s.p[0] == '-' && s.p[1] != ']') {
			s = bytes_of(s.p + 1, s.n - 1);
			to = take_member(&s);
		}
		found |= from <= c && c <= to;
	}
	if (s.n == 0)
		return false;
	*p = bytes_of(s.p + 1, s.n - 1);
	*in = found != not ;
	return true;
}

/* Matches one character of both; neither is empty and p is at no star. */
static bool match_one(struct bytes *p, struct bytes *t)
{
	struct bytes rest = bytes_of(p->p + 1, p->n - 1), text = *t;
	uint32_t c = take(&text);
	bool in;

	if (p->p[0] == '?') {
		if (c == '/')
			return false;
		*p = rest;
	} else if (p->p[0] == '[' && in_set(&rest, c, &in)) {
		if (!in || c == '/')
			return false;
		*p = rest;
	} else {
		if (p->p[0] == '\\' && rest.n > 0)
			*p = rest;
		if (take(p) != c)
			return false;
	}
	*t = text;
	return true;
}

/* ---- a whole text ----------------------------------------------------------
 */

/* Is p, within `all`, at a `**` that is a component of its own? */
static bool is_deep(struct bytes all, struct bytes p)
{
	return p.n >= 2 && p.p[0] == '*' && p.p[1] == '*' &&
	       (p.p == all.p || p.p[-1] == '/') && (p.n == 2 || p.p[2] == '/');
}

/* Behind the next '/'; false if there is none. */
static bool next_component(struct bytes *t)
{
	const uint8_t *slash = t->n == 0 ? NULL : memchr(t->p, '/', t->n);

	if (slash == NULL)
		return false;
	*t = bytes_of(slash + 1, t->n - (size_t)(slash + 1 - t->p));
	return true;
}

bool glob_text(struct bytes pattern, struct bytes text)
{
	/* Where to go on when what follows the last star does not fit: only
	 * the last of each kind matters, since an earlier one has found the
	 * first place where everything between the two fits. */
	struct bytes star_p = { NULL, 0 }, star_t = { NULL, 0 };
	struct bytes deep_p = { NULL, 0 }, deep_t = { NULL, 0 };
	struct bytes p = pattern, t = text;

	for (;;) {
		if (is_deep(pattern, p)) {
			if (p.n == 2)
				return true;
			p = deep_p = bytes_of(p.p + 3, p.n - 3);
			deep_t = t;
			star_p.p = NULL;
			continue;
		}
		if (p.n > 0 && p.p[0] == '*') {
			while (p.n > 0 && p.p[0] == '*')
				p = bytes_of(p.p + 1, p.n - 1);
			star_p = p;
			star_t = t;
			continue;
		}
		if (t.n == 0 && p.n == 0)
			return true;
		if (t.n > 0 && p.n > 0 && match_one(&p, &t))
			continue;
		if (star_p.p != NULL && star_t.n > 0 && star_t.p[0] != '/') {
			(void)take(&star_t);
			p = star_p;
			t = star_t;
		} else if (deep_p.p != NULL && next_component(&deep_t)) {
			p = deep_p;
			t = deep_t;
			star_p.p = NULL;
		} else {
			return false;
		}
	}
}

void glob_init(struct glob *g, const char *pattern)
{
	struct bytes p = bytes_str(pattern);

	*g = (struct glob){ .dir_only = false };
	if (p.n > 1 && p.p[p.n - 1] == '/') {
		g->dir_only = true;
		p.n--;
	}
	g->whole = p.n > 0 && memchr(p.p, '/', p.n) != NULL;
	if (p.n > 0 && p.p[0] == '/')
		p = bytes_of(p.p + 1, p.n - 1);
	g->pattern = p;
}

bool glob_match(const struct glob *g, struct bytes path, bool is_dir)
{
	const uint8_t *slash;

	if (g->dir_only && !is_dir)
		return false;
	if (!g->whole) {
		slash = path.n == 0 ? NULL : memrchr(path.p, '/', path.n);
		if (slash != NULL)
			path = bytes_of(slash + 1,
					path.n - (size_t)(slash + 1 - path.p));
	}
	return glob_text(g->pattern, path);
}
