/* SPDX-License-Identifier: Apache-2.0 */
#include "util/parse_key.h"

#include <string.h>

enum { DATE_MAX_BYTES = 48, NTH_MAX = 1000000000 };

static const char KEY_HINT[] =
	"write a name, the first 6 digits of an id, or latest, and :PATH";
static const char TAG_WORD[] = "tag=";

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The text after a `~`: digits up to the end or a `:`. */
static bool nth_at(const char *p, uint64_t *out, const char **end)
{
	uint64_t v = 0;

	if (!is_digit(*p))
		return false;
	for (; is_digit(*p); p++)
		if ((v = v * 10 + (uint64_t)(*p - '0')) > NTH_MAX)
			return false;
	if (*p != '\0' && *p != ':')
		return false;
	*out = v;
	*end = p;
	return true;
}

/*
 * The text after an `@`. A time holds colons too, so the longest piece that
 * ends at a `:`, a `~` or the end and is a date wins.
 */
static bool date_at(const char *p, int64_t now, struct when *out,
		    const char **end)
{
	char text[DATE_MAX_BYTES];
	bool found = false;

	for (size_t n = 0; n < sizeof(text); n++) {
		if (p[n] == '\0' || p[n] == ':' || p[n] == '~') {
			text[n] = '\0';
			if (parse_when(text, now, out, NULL) == BC_OK) {
				found = true;
				*end = p + n;
			}
		}
		if (p[n] == '\0')
			break;
		text[n] = p[n];
	}
	/* parse_when leaves *out alone when it fails, so the last hit stays. */
	return found;
}

/* One character, unescaped, onto dst; false when it is full. */
static bool push(char *dst, size_t *n, char c)
{
	if (*n + 1 >= KEY_NAME_BYTES)
		return false;
	dst[(*n)++] = c;
	dst[*n] = '\0';
	return true;
}

struct scan {
	const char *p;
	int64_t now;
	struct snap_key *k;
	const char *whole; /* for messages */
};

static enum bc_err too_long(const struct scan *s, struct err *e)
{
	return err_set(e, BC_EINVAL,
		       "'%.40s...' has a name longer than %d "
		       "bytes",
		       s->whole, KEY_NAME_BYTES - 1);
}

/* `@DATE` and `~N` at s->p; *taken says whether there was one. */
static enum bc_err scan_suffix(struct scan *s, bool *taken, struct err *e)
{
	struct snap_key *k = s->k;
	const char *end = s->p;

	*taken = false;
	if (*s->p == '~' && nth_at(s->p + 1, &k->nth, &end)) {
		*taken = true;
		s->p = end;
	} else if (*s->p == '@' && !k->has_when &&
		   date_at(s->p + 1, s->now, &k->when, &end)) {
		k->has_when = true;
		*taken = true;
		s->p = end;
	} else if (*s->p == '@' && is_digit(s->p[1])) {
		enum bc_err rc =
			err_set(e, BC_EINVAL, "'%.64s' has no date after the @",
				s->whole);

		err_hint(e, "write @2026-05-01 or @3d; an @ that belongs to "
			    "the name is written \\@");
		return rc;
	}
	return BC_OK;
}

/*
 * Characters up to the path, a suffix or, with `stop`, that character; then
 * all suffixes. Leaves s->p at `:`, `stop` or the end.
 */
static enum bc_err scan_word(struct scan *s, char *dst, char stop,
			     struct err *e)
{
	size_t n = 0;
	bool suffix = false;

	dst[0] = '\0';
	while (*s->p != '\0' && *s->p != ':' && (stop == 0 || *s->p != stop)) {
		bool taken = false;
		enum bc_err rc;

		if (*s->p == '\\' && s->p[1] != '\0') {
			s->p++;
		} else if (stop == 0) {
			rc = scan_suffix(s, &taken, e);
			if (rc != BC_OK)
				return rc;
		}
		if (taken) {
			suffix = true;
			continue;
		}
		if (suffix)
			return err_set(e, BC_EINVAL,
				       "'%.64s' goes on after its date or "
				       "number",
				       s->whole);
		if (!push(dst, &n, *s->p))
			return too_long(s, e);
		s->p++;
	}
	return BC_OK;
}

/* `tag=K=V` behind `latest:`; anything else there is a path. */
static bool is_tag_selector(const char *p)
{
	const char *eq;

	if (strncmp(p, TAG_WORD, sizeof(TAG_WORD) - 1) != 0)
		return false;
	p += sizeof(TAG_WORD) - 1;
	eq = strchr(p, '=');
	return eq != NULL && eq != p &&
	       memchr(p, '/', (size_t)(eq - p)) == NULL;
}

/* Ids are printed in lower case, and only so are they read. */
static bool is_id_text(const char *s)
{
	size_t n = strlen(s);

	return n >= KEY_HEX_MIN && n <= KEY_HEX_MAX &&
	       strspn(s, "0123456789abcdef") == n;
}

enum bc_err parse_key(const char *s, int64_t now, struct snap_key *out,
		      struct err *e)
{
	struct snap_key k = { 0 };
	struct scan sc = { s, now, &k, s };
	enum bc_err rc;

	rc = scan_word(&sc, k.name, 0, e);
	if (rc != BC_OK)
		return rc;
	if (k.name[0] == '\0') {
		rc = *s == '\0' ? err_set(e, BC_EINVAL,
					  "an empty text names no "
					  "snapshot")
				: err_set(e, BC_EINVAL,
					  "'%.64s' names no snapshot", s);
		err_hint(e, "%s", KEY_HINT);
		return rc;
	}
	/* An escaped `\latest` is a name like any other. */
	if (strcmp(k.name, "latest") == 0 && s[0] == 'l') {
		k.latest = true;
		k.name[0] = '\0';
		if (*sc.p == ':' && is_tag_selector(sc.p + 1)) {
			sc.p += sizeof(TAG_WORD);
			rc = scan_word(&sc, k.tag_key, '=', e);
			if (rc != BC_OK)
				return rc;
			if (*sc.p != '=')
				return err_set(e, BC_EINVAL,
					       "'%.64s' has no tag value", s);
			sc.p++;
			rc = scan_word(&sc, k.tag_value, 0, e);
			if (rc != BC_OK)
				return rc;
		}
	} else {
		k.maybe_id = !k.has_when && k.nth == 0 && s[0] != '\\' &&
			     is_id_text(k.name);
	}
	if (*sc.p == ':')
		k.path = sc.p + 1;
	*out = k;
	return BC_OK;
}

enum bc_err parse_key_name(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0)
		return err_set(e, BC_EINVAL, "a snapshot's name is not empty");
	if (n >= KEY_NAME_BYTES)
		return err_set(e, BC_EINVAL,
			       "'%.40s...' is longer than %d bytes", name,
			       KEY_NAME_BYTES - 1);
	if (name[0] == '-' || strcmp(name, "latest") == 0) {
		(void)err_set(e, BC_EINVAL, "'%s' cannot be a snapshot's name",
			      name);
		err_hint(e, name[0] == '-'
				    ? "a name does not begin with -"
				    : "latest is the newest snapshot, whatever "
				      "its name");
		return BC_EINVAL;
	}
	for (const char *p = name; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(e, BC_EINVAL,
				       "a snapshot's name has no control "
				       "characters");
	return BC_OK;
}
