/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <time.h>

#include "t.h"
#include "util/parse_key.h"

#define S NS_PER_SECOND
/* 2026-05-01T00:00:00Z */
#define MAY (INT64_C(1777593600) * S)

/* What a key must come to; `bad` keys must be refused. */
struct want {
	const char *text;
	bool bad;
	const char *name;
	bool latest, maybe_id;
	const char *tag_key, *tag_value;
	uint64_t nth;
	int64_t to; /* when.to; 0: no date */
	const char *path;
};

static const char *or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

static void check_one(const struct want *w)
{
	struct err e = ERR_INIT;
	struct snap_key k;
	enum bc_err rc = parse_key(w->text, MAY, &k, &e);

	if ((rc != BC_OK) != w->bad)
		T_FAIL("'%s' gives %d: %s", w->text, rc, e.text);
	if (w->bad) {
		CHECK_EQ(rc, BC_EINVAL);
		CHECK(e.text[0] != '\0');
		return;
	}
	CHECK_STR(k.name, or_empty(w->name));
	CHECK_STR(k.tag_key, or_empty(w->tag_key));
	CHECK_STR(k.tag_value, or_empty(w->tag_value));
	if (k.latest != w->latest || k.maybe_id != w->maybe_id ||
	    k.nth != w->nth || k.has_when != (w->to != 0))
		T_FAIL("'%s' is read as something else", w->text);
	if (w->to != 0)
		CHECK_EQ(k.when.to, w->to);
	CHECK((k.path == NULL) == (w->path == NULL));
	if (w->path != NULL)
		CHECK_STR(k.path, w->path);
}

static void table(void)
{
	static const struct want T[] = {
		{ .text = "photos", .name = "photos" },
		{ .text = "photos:", .name = "photos", .path = "" },
		{ .text = "photos:a/b", .name = "photos", .path = "a/b" },
		{ .text = "photos:a:b~1@x\\",
		  .name = "photos",
		  .path = "a:b~1@x\\" },
		{ .text = "latest", .latest = true },
		{ .text = "latest:x", .latest = true, .path = "x" },
		{ .text = "latest~1:x", .latest = true, .nth = 1, .path = "x" },
		{ .text = "\\latest", .name = "latest" },
		{ .text = "latest:tag=k=v",
		  .latest = true,
		  .tag_key = "k",
		  .tag_value = "v" },
		{ .text = "latest:tag=k=v~2:p",
		  .latest = true,
		  .tag_key = "k",
		  .tag_value = "v",
		  .nth = 2,
		  .path = "p" },
		{ .text = "latest:tag=k=a\\:b",
		  .latest = true,
		  .tag_key = "k",
		  .tag_value = "a:b" },
		{ .text = "latest:tag=k=", .latest = true, .tag_key = "k" },
		{ .text = "latest:tag=", .latest = true, .path = "tag=" },
		{ .text = "latest:tag=x/y=z",
		  .latest = true,
		  .path = "tag=x/y=z" },
		{ .text = "latest:./tag=k=v",
		  .latest = true,
		  .path = "./tag=k=v" },
		{ .text = "other:tag=k=v", .name = "other", .path = "tag=k=v" },
		{ .text = "abcdef", .name = "abcdef", .maybe_id = true },
		{ .text = "abcde", .name = "abcde" },
		{ .text = "ABCDEF", .name = "ABCDEF" },
		{ .text = "\\abcdef", .name = "abcdef" },
		{ .text = "abcdef0123456789:p",
		  .name = "abcdef0123456789",
		  .maybe_id = true,
		  .path = "p" },
		{ .text = "abcdef~1", .name = "abcdef", .nth = 1 },
		{ .text = "home~2", .name = "home", .nth = 2 },
		{ .text = "home~0", .name = "home" },
		{ .text = "home~", .name = "home~" },
		{ .text = "home~x", .name = "home~x" },
		{ .text = "home~2x", .name = "home~2x" },
		{ .text = "home\\~2", .name = "home~2" },
		{ .text = "home@2026-04-30", .name = "home", .to = MAY },
		{ .text = "home@2026-04-30:p",
		  .name = "home",
		  .to = MAY,
		  .path = "p" },
		{ .text = "home@2026-04-30~1:p",
		  .name = "home",
		  .to = MAY,
		  .nth = 1,
		  .path = "p" },
		{ .text = "home@2026-04-30 23:59:p",
		  .name = "home",
		  .to = MAY,
		  .path = "p" },
		{ .text = "home@2026-04-30T23:59:59Z:p",
		  .name = "home",
		  .to = MAY,
		  .path = "p" },
		{ .text = "home@2026-04-30T23:59:59+00:00",
		  .name = "home",
		  .to = MAY },
		{ .text = "home@1d:p",
		  .name = "home",
		  .to = MAY - 86400 * S + 1,
		  .path = "p" },
		{ .text = "latest@2026-04-30", .latest = true, .to = MAY },
		{ .text = "user@host", .name = "user@host" },
		{ .text = "user@host@2026-04-30",
		  .name = "user@host",
		  .to = MAY },
		{ .text = "user\\@1.2.3.4", .name = "user@1.2.3.4" },
		{ .text = "db\\:main:p", .name = "db:main", .path = "p" },
		{ .text = "a\\\\b", .name = "a\\b" },
		{ .text = "a\\", .name = "a\\" },
		{ .text = "", .bad = true },
		{ .text = ":p", .bad = true },
		{ .text = "~1", .bad = true },
		{ .text = "@2026-04-30", .bad = true },
		{ .text = "user@1.2.3.4", .bad = true },
		{ .text = "home@2026-13-01", .bad = true },
		{ .text = "home~2~3", .name = "home~2", .nth = 3 },
		{ .text = "home@2026-04-30@2026-04-30", .bad = true },
		{ .text = "home@2026-04-30x", .bad = true },
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
		check_one(&T[i]);
}

static void long_names(void)
{
	char text[2 * KEY_NAME_BYTES];
	struct snap_key k;

	memset(text, 'x', sizeof(text));
	text[KEY_NAME_BYTES - 1] = '\0';
	CHECK_EQ(parse_key(text, MAY, &k, NULL), BC_OK);
	CHECK_EQ(strlen(k.name), KEY_NAME_BYTES - 1);
	CHECK_EQ(parse_key_name(text, NULL), BC_OK);
	text[KEY_NAME_BYTES - 1] = 'x';
	text[KEY_NAME_BYTES] = '\0';
	CHECK_EQ(parse_key(text, MAY, &k, NULL), BC_EINVAL);
	CHECK_EQ(parse_key_name(text, NULL), BC_EINVAL);
}

/* A backslash takes its meaning from whatever follows. */
static void quote(const char *name, char *out)
{
	for (; *name != '\0'; name++) {
		*out++ = '\\';
		*out++ = *name;
	}
	*out = '\0';
}

/* Whatever a name is made of, its quoted form reads back as that name. */
static void quoting(void)
{
	static const char LETTERS[] = "a1:@~\\=-. \xc3\xa9/";
	uint64_t seed = 7;

	for (int round = 0; round < 20000; round++) {
		char name[16], quoted[2 * sizeof(name)];
		size_t n = 1 + t_rng(&seed) % (sizeof(name) - 1);
		struct err e = ERR_INIT;
		struct snap_key k;

		for (size_t i = 0; i < n; i++)
			name[i] = LETTERS[t_rng(&seed) % (sizeof(LETTERS) - 1)];
		name[n] = '\0';
		quote(name, quoted);
		CHECK_OK(parse_key(quoted, MAY, &k, &e), &e);
		CHECK_STR(k.name, name);
		CHECK(!k.latest && k.path == NULL && k.nth == 0 && !k.has_when);
	}
}

static void quoting_of_words(void)
{
	char quoted[16];
	struct snap_key k;

	quote("latest", quoted);
	CHECK_EQ(parse_key(quoted, MAY, &k, NULL), BC_OK);
	CHECK(!k.latest);
	CHECK_STR(k.name, "latest");
}

static void names(void)
{
	CHECK_EQ(parse_key_name("photos", NULL), BC_OK);
	CHECK_EQ(parse_key_name("a:b@2026~1", NULL), BC_OK);
	CHECK_EQ(parse_key_name("", NULL), BC_EINVAL);
	CHECK_EQ(parse_key_name("latest", NULL), BC_EINVAL);
	CHECK_EQ(parse_key_name("-x", NULL), BC_EINVAL);
	CHECK_EQ(parse_key_name("a\nb", NULL), BC_EINVAL);
}

int main(void)
{
	setenv("TZ", "UTC0", 1);
	tzset();
	RUN(table);
	RUN(long_names);
	RUN(quoting);
	RUN(quoting_of_words);
	RUN(names);
	return 0;
}
