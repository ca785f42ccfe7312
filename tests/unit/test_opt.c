/* SPDX-License-Identifier: Apache-2.0 */
/* The option parser lives outside the library: it is compiled in here. */
#include "cmd/opt.c"
#include "cmd/suggest.c"

#include "t.h"

struct all {
	bool plain, no_cache;
	unsigned count;
	const char *text;
	struct opt_list list;
	unsigned word;
	uint64_t number, size;
	int64_t span;
	struct when when;
	struct byte_range range;
	char custom;
};

static const char *const WORDS[] = { "auto", "always", "never", NULL };

static enum bc_err check_text(const char *s, struct err *e)
{
	return strcmp(s, "bad") == 0
		       ? err_set(e, BC_EINVAL, "'bad' is not good")
		       : BC_OK;
}

static enum bc_err read_custom(const char *s, void *at, struct err *e)
{
	if (s[0] == '\0' || s[1] != '\0')
		return err_set(e, BC_EINVAL, "not one letter");
	*(char *)at = s[0];
	return BC_OK;
}

#define OPTION(n, l, t, member, ...)                                           \
	{                                                                      \
		.name = n, .letter = l, .type = t,                             \
		.at = offsetof(struct all, member), .help = "", __VA_ARGS__    \
	}

static const struct opt GLOBAL[] = {
	OPTION("plain", 'p', OPT_BOOL, plain, .arg = NULL),
	OPTION("verbose", 'v', OPT_COUNT, count, .arg = NULL),
	OPTION("threads", 'j', OPT_UINT, number, .arg = "N", .min = 1,
	       .max = 64),
	OPTION("help", 'h', OPT_BOOL, custom, .flags = OPT_NO_ENV),
	{ .type = OPT_END },
};

static const struct opt OWN[] = {
	OPTION("no-cache", 0, OPT_BOOL, no_cache, .arg = NULL),
	OPTION("name", 'o', OPT_TEXT, text, .arg = "NAME", .check = check_text),
	OPTION("tag", 't', OPT_LIST, list, .arg = "TAG"),
	OPTION("color", 0, OPT_WORD, word, .words = WORDS),
	OPTION("size", 's', OPT_SIZE, size, .min = 1024, .max = 1 << 20),
	OPTION("wait", 0, OPT_DURATION, span, .arg = "DUR"),
	OPTION("since", 0, OPT_WHEN, when, .arg = "DATE"),
	OPTION("range", 0, OPT_RANGE, range, .arg = "A-B"),
	OPTION("letter", 0, OPT_CUSTOM, custom, .read = read_custom),
	{ .type = OPT_END },
};

/* One parse, its results, and what was wrong. */
struct run {
	struct all global, own;
	struct opt_parser p;
	struct err e;
	enum bc_err rc;
};

static enum bc_err find_command(struct opt_parser *p, const char *word,
				struct err *e)
{
	struct run *r = p->ctx;

	if (strcmp(word, "put") != 0)
		return err_set(e, BC_EUSAGE, "unknown command");
	p->own = OWN;
	p->own_at = &r->own;
	p->own_name = "put";
	return BC_OK;
}

static const char *find_owner(const char *option, const char **another)
{
	*another = NULL;
	return opt_find(OWN, option) != NULL ? "put" : NULL;
}

enum { ARGS_MAX = 16 };

/* `line` is cut at blanks, `env` at bars. */
static void parse(struct run *r, const char *line, const char *env)
{
	static char args[512], vars[512];
	static char *argv[ARGS_MAX + 2], *envp[ARGS_MAX + 1];
	static char self[] = "blobctl";
	int argc = 0, n = 0;

	*r = (struct run){ .rc = BC_OK };
	snprintf(args, sizeof(args), "%s", line);
	snprintf(vars, sizeof(vars), "%s", env);
	argv[argc++] = self;
	for (char *p = args, *w; (w = strsep(&p, " ")) != NULL;)
		if (*w != '\0')
			argv[argc++] = w;
	argv[argc] = NULL;
	for (char *p = vars, *w; (w = strsep(&p, "|")) != NULL;)
		envp[n++] = w;
	envp[n] = NULL;
	r->p = (struct opt_parser){ .global = GLOBAL,
				    .global_at = &r->global,
				    .envp = envp,
				    .on_command = find_command,
				    .owner = find_owner,
				    .ctx = r };
	r->rc = opt_parse(&r->p, argc, argv, &r->e);
}

static void done(struct run *r)
{
	opt_parse_free(&r->p);
}

static void good(struct run *r, const char *line, const char *env)
{
	parse(r, line, env);
	if (r->rc != BC_OK)
		T_FAIL("'%s' is refused: %s", line, r->e.text);
}

/* Refused, with both words in what is said. */
static void refused(const char *line, const char *env, const char *text,
		    const char *hint)
{
	struct run r;

	parse(&r, line, env);
	if (r.rc != BC_EUSAGE || strstr(r.e.text, text) == NULL ||
	    strstr(r.e.hint, hint) == NULL)
		T_FAIL("'%s' gives %d: '%s' '%s'", line, r.rc, r.e.text,
		       r.e.hint);
	done(&r);
}

static void forms(void)
{
	struct run r;

	good(&r, "-p put --name=x a --tag t1 -tt2 -t t3 b -vv -j4 - -v", "");
	CHECK(r.global.plain);
	CHECK_EQ(r.global.count, 3);
	CHECK_EQ(r.global.number, 4);
	CHECK_STR(r.own.text, "x");
	CHECK_EQ(r.own.list.n, 3);
	CHECK_STR(r.own.list.v[1], "t2");
	CHECK_EQ(r.p.operand_count, 3);
	CHECK_STR(r.p.operands[0], "a");
	CHECK_STR(r.p.operands[2], "-");
	done(&r);

	good(&r, "put -pvj8 --name= -- -p --name", "");
	CHECK_EQ(r.global.number, 8);
	CHECK_STR(r.own.text, "");
	CHECK_EQ(r.p.operand_count, 2);
	CHECK_STR(r.p.operands[1], "--name");
	done(&r);

	/* The value may look like an option. */
	good(&r, "put --name --plain", "");
	CHECK_STR(r.own.text, "--plain");
	CHECK(!r.global.plain);
	done(&r);
}

static void types(void)
{
	struct run r;

	good(&r,
	     "put --color=never --size=64K --wait=2min --range=1-2 "
	     "--letter=q --since=1970-01-01T00:00:01Z",
	     "");
	CHECK_EQ(r.own.word, 2);
	CHECK_EQ(r.own.size, 65536);
	CHECK_EQ(r.own.span, 120);
	CHECK_EQ(r.own.range.last, 2);
	CHECK_EQ(r.own.custom, 'q');
	CHECK_EQ(r.own.when.from, NS_PER_SECOND);
	done(&r);
}

static void negation(void)
{
	struct run r;

	good(&r, "put -p --no-plain --no-cache", "");
	CHECK(!r.global.plain && r.own.no_cache);
	done(&r);
	good(&r, "put --no-cache --cache -vv --no-verbose", "");
	CHECK(!r.own.no_cache);
	CHECK_EQ(r.global.count, 0);
	done(&r);
	refused("put --no-no-cache", "", "unknown option", "");
	refused("put --no-name", "", "unknown option", "");
	refused("put --no-help", "", "unknown option", "");
	refused("put --no-plain=1", "", "takes no value", "");
}

static void refusals(void)
{
	refused("put --plai", "", "--plai", "did you mean --plain?");
	refused("put --verb", "", "--verb", "did you mean --verbose?");
	refused("put --nmae=x", "", "--nmae", "did you mean --name?");
	refused("put --xyzzy", "", "--xyzzy", "blobctl help put");
	refused("--name=x put", "", "--name", "blobctl put --name");
	refused("put -z", "", "-z", "blobctl help put");
	refused("put -pz", "", "-z", "");
	refused("put --name", "", "needs a value", "--name=NAME");
	refused("put -o", "", "needs a value", "");
	refused("put --plain=yes", "", "takes no value", "");
	refused("put --threads=65", "", "not between 1 and 64", "");
	refused("put --threads=0", "", "not between", "");
	refused("put --threads=x", "", "--threads", "digits");
	refused("put --size=1", "", "1.00 KiB and 1.00 MiB", "");
	refused("put --size=1m", "", "not a size", "1024");
	refused("put --wait=5m", "", "--wait", "min");
	refused("put --color=alwys", "", "auto, always, never",
		"did you mean 'always'?");
	refused("put --name=bad", "", "--name: 'bad' is not good", "");
	refused("put --letter=qq", "", "--letter: not one letter", "");
	refused("put --=x", "", "unknown option", "");
	refused("foo", "", "unknown command", "");
}

/* The first error is the one that is told, yet the rest is still read. */
static void goes_on(void)
{
	struct run r;

	parse(&r, "put --bogus --threads=x -p --name=last", "");
	CHECK_EQ(r.rc, BC_EUSAGE);
	CHECK(strstr(r.e.text, "--bogus") != NULL);
	CHECK(r.global.plain);
	CHECK_STR(r.own.text, "last");
	done(&r);
}

static void environment(void)
{
	struct run r;

	good(&r, "put",
	     "BLOBCTL_PLAIN=yes|BLOBCTL_VERBOSE=2|BLOBCTL_TAG=e|"
	     "BLOBCTL_NO_CACHE=on|BLOBCTL_NAME=|BLOBCTL_HELP=1|"
	     "BLOBCTL_SIZE=2K");
	CHECK(r.global.plain && r.own.no_cache);
	CHECK_EQ(r.global.count, 2);
	CHECK_EQ(r.own.list.n, 1);
	CHECK(r.own.text == NULL);
	CHECK_EQ(r.global.custom, 0);
	CHECK_EQ(r.own.size, 2048);
	done(&r);

	/* The line wins; a list is replaced, not added to. */
	good(&r, "put --no-plain -t a -t b --size=3K",
	     "BLOBCTL_PLAIN=1|BLOBCTL_TAG=e|BLOBCTL_SIZE=2K");
	CHECK(!r.global.plain);
	CHECK_EQ(r.own.list.n, 2);
	CHECK_STR(r.own.list.v[0], "a");
	CHECK_EQ(r.own.size, 3072);
	done(&r);

	/* Where each came from. */
	good(&r, "put --no-plain -t a",
	     "BLOBCTL_PLAIN=1|BLOBCTL_TAG=e|BLOBCTL_SIZE=2K|BLOBCTL_VERBOSE=1");
	CHECK(opt_from_env(&r.p, "size") && opt_from_env(&r.p, "verbose"));
	CHECK(!opt_from_env(&r.p, "plain") && !opt_from_env(&r.p, "tag"));
	CHECK(!opt_from_env(&r.p, "no-cache") && !opt_from_env(&r.p, "none"));
	done(&r);

	refused("put", "BLOBCTL_THREADS=x", "BLOBCTL_THREADS: 'x'", "");
	refused("put", "BLOBCTL_PLAIN=maybe", "BLOBCTL_PLAIN", "");
	refused("put", "BLOBCTL_SIZE=9", "BLOBCTL_SIZE", "");
}

static void many_values(void)
{
	struct opt_list l = { 0 };
	struct err e = ERR_INIT;
	char text[OPT_LIST_MAX][8];

	for (int i = 0; i < OPT_LIST_MAX; i++) {
		snprintf(text[i], sizeof(text[i]), "%d", i);
		CHECK_OK(list_add(&l, text[i], false, &e), &e);
	}
	CHECK_EQ(list_add(&l, "x", false, &e), BC_EUSAGE);
	for (int i = 0; i < OPT_LIST_MAX; i++)
		CHECK_EQ(atoi(l.v[i]), i);
	free(l.v);
}

static void env_names(void)
{
	char out[64];

	CHECK(opt_env_name("foo-bar", out, sizeof(out)));
	CHECK_STR(out, "BLOBCTL_FOO_BAR");
	CHECK(!opt_env_name("foo-bar", out, 15));
	CHECK(opt_env_name("foo-bar", out, 16));
}

int main(void)
{
	RUN(forms);
	RUN(types);
	RUN(negation);
	RUN(refusals);
	RUN(goes_on);
	RUN(environment);
	RUN(many_values);
	RUN(env_names);
	return 0;
}
