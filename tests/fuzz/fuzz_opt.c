/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_opt - everything that reads what people type: arguments and the
 * environment, snapshot keys, sizes, durations, dates, the configuration, and
 * the escapes that make any bytes printable. The first byte says which.
 */
#include "cmd/config.c"
#include "cmd/opt.c"
/* One unit, so that static helpers of the same name do not meet. */
#include "cmd/suggest.c"

#include "util/fmt_text.h"
#include "util/parse_key.h"
#include "tests/fuzz/fuzz.h"

enum { WORDS_MAX = 32, TEXT_MAX = 4096 };

struct values {
	bool flag, no_flag;
	unsigned count, word;
	const char *text;
	struct opt_list list;
	uint64_t number, size;
	int64_t span;
	struct when when;
	struct byte_range range;
};

static const char *const CHOICES[] = { "auto", "never", NULL };

#define AT(m) offsetof(struct values, m)

static const struct opt TABLE[] = {
	{ .name = "flag", .letter = 'f', .type = OPT_BOOL, .at = AT(flag) },
	{ .name = "no-pager", .type = OPT_BOOL, .at = AT(no_flag) },
	{ .name = "verbose",
	  .letter = 'v',
	  .type = OPT_COUNT,
	  .at = AT(count) },
	{ .name = "color", .type = OPT_WORD, .at = AT(word), .words = CHOICES },
	{ .name = "name",
	  .letter = 'o',
	  .type = OPT_TEXT,
	  .at = AT(text),
	  .check = parse_key_name },
	{ .name = "tag",
	  .letter = 't',
	  .type = OPT_LIST,
	  .at = AT(list),
	  .check = parse_tag },
	{ .name = "threads",
	  .letter = 'j',
	  .type = OPT_UINT,
	  .at = AT(number),
	  .min = 1,
	  .max = 8 },
	{ .name = "size",
	  .type = OPT_SIZE,
	  .at = AT(size),
	  .min = 1,
	  .max = 1 << 20 },
	{ .name = "wait", .type = OPT_DURATION, .at = AT(span) },
	{ .name = "since", .type = OPT_WHEN, .at = AT(when) },
	{ .name = "range", .type = OPT_RANGE, .at = AT(range) },
	{ .type = OPT_END },
};

static enum bc_err command(struct opt_parser *p, const char *word,
			   struct err *e)
{
	if (word[0] == 'x')
		return err_set(e, BC_EUSAGE, "no such command");
	p->own = TABLE;
	p->own_at = p->ctx;
	p->own_name = "put";
	return BC_OK;
}

/* Zero bytes end words; the words behind an empty one are the environment. */
static void options(char *text, size_t n)
{
	char *argv[WORDS_MAX + 1], *envp[WORDS_MAX + 1];
	struct values global = { .number = 1, .size = 1 }, own = global;
	struct opt_parser p = { .global = TABLE,
				.global_at = &global,
				.on_command = command,
				.envp = envp,
				.ctx = &own };
	struct err e = ERR_INIT;
	int argc = 0, envs = 0;
	bool env = false;
	char self[] = "blobctl";
	enum bc_err rc;

	argv[argc++] = self;
	for (char *w = text; w < text + n; w += strlen(w) + 1) {
		if (*w == '\0')
			env = true;
		else if (env && envs < WORDS_MAX)
			envp[envs++] = w;
		else if (!env && argc < WORDS_MAX)
			argv[argc++] = w;
	}
	argv[argc] = NULL;
	envp[envs] = NULL;
	rc = opt_parse(&p, argc, argv, &e);
	MUST(rc == BC_OK || rc == BC_EUSAGE);
	MUST(rc == BC_OK || e.text[0] != '\0');
	MUST(p.operand_count < (size_t)argc);
	MUST(own.number >= 1 && own.number <= 8 && own.size <= 1 << 20);
	MUST(own.word < 2 &&
	     own.range.last >= own.range.first * !own.range.tail);
	opt_parse_free(&p);
}

static void values(const char *s)
{
	struct err e = ERR_INIT;
	struct byte_range range;
	struct when when;
	uint64_t u;
	int64_t d;

	(void)!parse_u64(s, &u, &e);
	(void)!parse_size(s, &u, &e);
	(void)!parse_range(s, &range, &e);
	if (parse_duration(s, &d, &e) == BC_OK)
		MUST(d >= 0);
	if (parse_when(s, INT64_C(1777593600000000000), &when, &e) == BC_OK)
		MUST(when.to > when.from);
}

static void keys(const char *s)
{
	struct err e = ERR_INIT;
	struct snap_key k;

	if (parse_key(s, INT64_C(1777593600000000000), &k, &e) != BC_OK) {
		MUST(e.text[0] != '\0');
		return;
	}
	MUST(k.latest == (k.name[0] == '\0'));
	MUST(k.path == NULL || (k.path > s && k.path <= s + strlen(s)));
}

/* What is accepted can be added to, and then holds what was added. */
static void configuration(struct bytes in)
{
	struct buf b = BUF_INIT(CONFIG_MAX_BYTES);
	struct err e = ERR_INIT;
	struct config c = { 0 }, again = { 0 };

	if (config_parse(in, "f", "/home", &c, &e) != BC_OK) {
		MUST(e.code == BC_ECONFIG && e.text[0] != '\0');
		return;
	}
	MUST(c.repo == NULL || c.repo[0] == '/');
	MUST(c.core_end <= in.n);
	if (c.repo == NULL) {
		MUST(compose(in, &c, "/a \"b\\", &b) == BC_OK);
		MUST(config_parse(buf_bytes(&b), "f", "/home", &again, &e) ==
		     BC_OK);
		MUST(strcmp(again.repo, "/a \"b\\") == 0);
	}
	config_free(&c);
	config_free(&again);
	buf_fini(&b);
}

static void escapes(struct bytes in)
{
	struct buf b = BUF_INIT(8 * TEXT_MAX);

	MUST(fmt_json_text(&b, in) == BC_OK && fmt_utf8_ok(buf_bytes(&b)));
	buf_clear(&b);
	MUST(fmt_terminal(&b, in) == BC_OK && fmt_utf8_ok(buf_bytes(&b)));
	for (size_t i = 0; i < b.n; i++)
		MUST(b.p[i] >= 0x20 && b.p[i] != 0x7f);
	buf_clear(&b);
	MUST(fmt_shell(&b, in) == BC_OK && b.n >= in.n);
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char text[TEXT_MAX + 1];

	if (n == 0 || n > TEXT_MAX)
		return 0;
	memcpy(text, data + 1, n - 1);
	text[n - 1] = '\0';
	switch (data[0]) {
	case 'o':
		options(text, n - 1);
		break;
	case 'v':
		values(text);
		break;
	case 'k':
		keys(text);
		break;
	case 'c':
		configuration(bytes_of(data + 1, n - 1));
		break;
	default:
		escapes(bytes_of(data, n));
		break;
	}
	return 0;
}
