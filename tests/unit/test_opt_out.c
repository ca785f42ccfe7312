/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of the output: JSON, the configuration, the progress line,
 * exit statuses. They live outside the library and are compiled in. */
#include "cmd/config.c"
#include "cmd/exit.c"
#include "cmd/json.c"
#include "cmd/suggest.c"

#include "t.h"

static void json_lines(void)
{
	static const char WANT[] =
		"{\"v\":1,\"type\":\"t\",\"a\":null,\"b\":true,"
		"\"c\":18446744073709551615,\"d\":-5,\"e_seconds\":0.250000,"
		"\"f\":\"x\\\"y\",\"g\":null,"
		"\"path\":\"ok\",\"path_b64\":null,"
		"\"p\":\"\xef\xbf\xbd\",\"p_b64\":\"/w==\","
		"\"q\":null,\"q_b64\":null,"
		"\"h_time\":\"1970-01-01T00:00:01Z\",\"n\":7,\"m\":8}\n";
	struct json j, more;
	struct bytes line;

	json_fragment(&more);
	json_u64(&more, "n", 7);
	json_u64(&more, "m", 8);
	json_begin(&j, "t");
	json_null(&j, "a");
	json_bool(&j, "b", true);
	json_u64(&j, "c", UINT64_MAX);
	json_i64(&j, "d", -5);
	json_f64(&j, "e_seconds", 0.25);
	json_text(&j, "f", "x\"y");
	json_f64(&j, "g", 1e308 * 10);
	json_path(&j, "path", bytes_str("ok"));
	json_path(&j, "p", bytes_str("\xff"));
	json_path(&j, "q", bytes_of(NULL, 0));
	json_time(&j, "h_time", 1000000000);
	json_splice(&j, &more);
	line = json_line(&j);
	CHECK_EQ(line.n, sizeof(WANT) - 1);
	CHECK(memcmp(line.p, WANT, line.n) == 0);
	json_free(&j);
	json_free(&more);
}

static void config_good(void)
{
	static const struct {
		const char *text, *repo; /* NULL: none */
	} T[] = {
		{ "", NULL },
		{ "# only a comment", NULL },
		{ "[core]\n", NULL },
		{ "[core]\nrepo = /a/b\n", "/a/b" },
		{ "[core]\nrepo=/a/b", "/a/b" },
		{ " [ core ] ; x\r\n\trepo\t=\t/a b  # note\r\n", "/a b" },
		{ "[core]\nrepo = /a#b;c\n", "/a#b;c" },
		{ "[core]\nrepo = \"/a # b\" # c\n", "/a # b" },
		{ "[core]\nrepo = \"/q\\\"\\\\\"\n", "/q\"\\" },
		{ "[core]\nrepo = ~/blobs\n", "/home/me/blobs" },
		{ "[core]\nrepo = ~\n", "/home/me" },
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		struct err e = ERR_INIT;
		struct config c = { 0 };

		CHECK_OK(config_parse(bytes_str(T[i].text), "f", "/home/me", &c,
				      &e),
			 &e);
		CHECK((c.repo == NULL) == (T[i].repo == NULL));
		if (c.repo != NULL)
			CHECK_STR(c.repo, T[i].repo);
		config_free(&c);
	}
}

static void config_bad(void)
{
	static const struct {
		const char *text, *where, *hint;
	} T[] = {
		{ "\n[cor]\n", "f:2: ", "[core]" },
		{ "[core\n", "f:1: ", "[core]" },
		{ "[core] x\n", "f:1: ", "" },
		{ "repo = /a\n", "f:1: ", "[core]" },
		{ "[core]\nrepos = /a\n", "f:2: ", "repo" },
		{ "[core]\nREPO = /a\n", "f:2: ", "" },
		{ "[core]\nrepo\n", "f:2: ", "" },
		{ "[core]\nrepo =\n", "f:2: ", "" },
		{ "[core]\nrepo = a/b\n", "f:2: ", "repo = ~/blobs" },
		{ "[core]\nrepo = ~other/b\n", "f:2: ", "" },
		{ "[core]\nrepo = \"/a\n", "f:2: ", "around the whole" },
		{ "[core]\nrepo = \"/a\" b\n", "f:2: ", "" },
		{ "[core]\nrepo = \"/a\\n\"\n", "f:2: ", "" },
		{ "[core]\nrepo = \"/a\\", "f:2: ", "" },
		{ "[core]\nrepo = /a\nrepo = /b\n", "f:3: ", "" },
	};
	static const uint8_t ZERO[] = { '#', 0, '\n' };
	struct config c = { 0 };

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		struct err e = ERR_INIT;

		if (config_parse(bytes_str(T[i].text), "f", "/h", &c, &e) !=
			    BC_ECONFIG ||
		    strncmp(e.text, T[i].where, strlen(T[i].where)) != 0 ||
		    e.hint[0] == '\0' || strstr(e.hint, T[i].hint) == NULL)
			T_FAIL("row %zu: '%s' '%s'", i, e.text, e.hint);
	}
	CHECK_EQ(config_parse(bytes_of(ZERO, 3), "f", "/h", &c, NULL),
		 BC_ECONFIG);
	CHECK_EQ(config_parse(bytes_str("[core]\nrepo=~/x"), "f", NULL, &c,
			      NULL),
		 BC_ECONFIG);
}

/* What remembering writes reads back, and keeps the rest. */
static void config_written(void)
{
	static const struct {
		const char *before, *after;
	} T[] = {
		{ "", "[core]\nrepo = \"/r \\\"\\\\\"\n" },
		{ "# x", "# x\n[core]\nrepo = \"/r \\\"\\\\\"\n" },
		{ "[core]\n# y\n", "[core]\nrepo = \"/r \\\"\\\\\"\n# y\n" },
		{ "#\n[core]", "#\n[core]\nrepo = \"/r \\\"\\\\\"\n" },
	};

	for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
		struct buf b = BUF_INIT(4096);
		struct err e = ERR_INIT;
		struct config c = { 0 };

		CHECK_OK(
			config_parse(bytes_str(T[i].before), "f", "/h", &c, &e),
			&e);
		CHECK_EQ(compose(bytes_str(T[i].before), &c, "/r \"\\", &b),
			 BC_OK);
		CHECK_EQ(b.n, strlen(T[i].after));
		CHECK(memcmp(b.p, T[i].after, b.n) == 0);
		CHECK_OK(config_parse(buf_bytes(&b), "f", "/h", &c, &e), &e);
		CHECK_STR(c.repo, "/r \"\\");
		config_free(&c);
		buf_fini(&b);
	}
}

static void statuses(void)
{
	CHECK_EQ(exit_status_of(BC_OK), 0);
	CHECK_EQ(exit_status_of(BC_EUSAGE), 2);
	CHECK_EQ(exit_status_of(BC_EAMBIGUOUS), 2);
	CHECK_EQ(exit_status_of(BC_EPARTIAL), 3);
	CHECK_EQ(exit_status_of(BC_ENOTFOUND), 4);
	CHECK_EQ(exit_status_of(BC_EDIFFER), 5);
	CHECK_EQ(exit_status_of(BC_ECONFIG), 6);
	CHECK_EQ(exit_status_of(BC_EREFUSED), 7);
	CHECK_EQ(exit_status_of(BC_ENOREPO), 10);
	CHECK_EQ(exit_status_of(BC_ELOCKED), 11);
	CHECK_EQ(exit_status_of(BC_EKEY), 12);
	CHECK_EQ(exit_status_of(BC_EDAMAGE), 13);
	CHECK_EQ(exit_status_of(BC_ENOSPC), 14);
	CHECK_EQ(exit_status_of(BC_EVERSION), 15);
	CHECK_EQ(exit_worse(0, 3), 3);
	CHECK_EQ(exit_worse(3, 1), 1);
	CHECK_EQ(exit_worse(1, 3), 1);
	CHECK_EQ(exit_worse(14, 13), 13);
	CHECK_EQ(exit_worse(13, 130), 130);
	CHECK_EQ(exit_worse(143, 13), 143);
	CHECK_EQ(exit_worse(5, 0), 5);
	CHECK_STR(exit_meaning(99), "failed");
}

int main(void)
{
	RUN(json_lines);
	RUN(config_good);
	RUN(config_bad);
	RUN(config_written);
	RUN(statuses);
	return 0;
}
