/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/opt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/suggest.h"
#include "util/fmt.h"

enum { OPT_NAME_BYTES = 64, LIST_FIRST = 8 };

static const char ENV_PREFIX[] = "BLOBCTL_";

bool opt_takes_value(const struct opt *o)
{
	return o->type != OPT_BOOL && o->type != OPT_COUNT;
}

const char *opt_positive(const struct opt *o)
{
	return o->type == OPT_BOOL && strncmp(o->name, "no-", 3) == 0
		       ? o->name + 3
		       : NULL;
}

const struct opt *opt_find(const struct opt *table, const char *name)
{
	for (const struct opt *o = table; o != NULL && o->type != OPT_END; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

static const struct opt *find_letter(const struct opt *table, char c)
{
	for (const struct opt *o = table; o != NULL && o->type != OPT_END; o++)
		if (o->letter == c)
			return o;
	return NULL;
}

/* The boolean or count that `name` turns off, or NULL. */
static const struct opt *find_negated(const struct opt *table, const char *name)
{
	for (const struct opt *o = table; o != NULL && o->type != OPT_END;
	     o++) {
		const char *positive = opt_positive(o);

		if (opt_takes_value(o) || (o->flags & OPT_NO_ENV))
			continue;
		if (positive != NULL ? strcmp(positive, name) == 0
				     : strncmp(name, "no-", 3) == 0 &&
					       strcmp(name + 3, o->name) == 0)
			return o;
	}
	return NULL;
}

bool opt_env_name(const char *option, char *out, size_t cap)
{
	size_t n = strlen(option), at = sizeof(ENV_PREFIX) - 1;

	if (at + n + 1 > cap)
		return false;
	memcpy(out, ENV_PREFIX, at);
	for (size_t i = 0; i <= n; i++) {
		char c = option[i];

		if (c == '-')
			c = '_';
		else if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		out[at + i] = c;
	}
	return true;
}

/* Where a value came from, for messages: "--threads=x", "BLOBCTL_THREADS=x". */
struct origin {
	const struct opt *o;
	char name[OPT_NAME_BYTES];
	bool env;
};

static enum bc_err bad_range(const struct origin *from, const char *text,
			     struct err *e)
{
	const struct opt *o = from->o;
	char lo[FMT_BYTES], hi[FMT_BYTES];

	if (o->type == OPT_SIZE) {
		fmt_size(o->min, FMT_IEC, lo);
		fmt_size(o->max, FMT_IEC, hi);
	} else {
		snprintf(lo, sizeof(lo), "%" PRIu64, o->min);
		snprintf(hi, sizeof(hi), "%" PRIu64, o->max);
	}
	return err_set(e, BC_EUSAGE, "%s: '%.64s' is not between %s and %s",
		       from->name, text, lo, hi);
}

static enum bc_err set_word(const struct origin *from, const char *text,
			    unsigned *at, struct err *e)
{
	struct suggest s = suggest_begin(text);
	char all[ERR_HINT_BYTES / 2] = "";
	const char *near;
	size_t n = 0;

	for (unsigned i = 0; from->o->words[i] != NULL; i++) {
		const char *w = from->o->words[i];

		if (strcmp(w, text) == 0) {
			*at = i;
			return BC_OK;
		}
		suggest_offer(&s, w);
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
					      i == 0 ? "" : ", ", w);
	}
	(void)err_set(e, BC_EUSAGE, "%s: '%.64s' is none of %s", from->name,
		      text, all);
	near = suggest_end(&s);
	if (near != NULL)
		err_hint(e, "did you mean '%s'?", near);
	return BC_EUSAGE;
}

static enum bc_err list_add(struct opt_list *l, const char *text, bool env,
			    struct err *e)
{
	if (l->from_env && !env)
		l->n = 0;
	l->from_env = env;
	if (l->n >= OPT_LIST_MAX)
		return err_set(e, BC_EUSAGE,
			       "the same option was given more than %d times",
			       OPT_LIST_MAX);
	/* Grows at each power of two. */
	if (l->v == NULL || (l->n >= LIST_FIRST && (l->n & (l->n - 1)) == 0)) {
		size_t cap = l->n < LIST_FIRST ? LIST_FIRST : l->n * 2;
		const char **v = realloc(l->v, cap * sizeof(*v));

		if (v == NULL)
			return err_set(e, BC_ENOMEM, "no memory for options");
		l->v = v;
	}
	l->v[l->n++] = text;
	return BC_OK;
}

static enum bc_err set_uint(const struct origin *from, const char *text,
			    uint64_t *at, struct err *e)
{
	const struct opt *o = from->o;
	uint64_t v = 0;
	enum bc_err rc = o->type == OPT_SIZE ? parse_size(text, &v, e)
					     : parse_u64(text, &v, e);

	if (rc != BC_OK)
		return rc;
	if (o->max != 0 && (v < o->min || v > o->max))
		return bad_range(from, text, e);
	*at = v;
	return BC_OK;
}

/* A parser's complaint becomes a usage error that names the option. */
static enum bc_err blame(enum bc_err rc, const struct origin *from,
			 struct err *e)
{
	if (rc != BC_EINVAL)
		return rc;
	(void)err_wrap(e, "%s", from->name);
	if (e != NULL)
		e->code = BC_EUSAGE;
	return BC_EUSAGE;
}

static enum bc_err set_value(const struct opt_parser *p,
			     const struct origin *from, void *base,
			     const char *text, struct err *e)
{
	const struct opt *o = from->o;
	void *at = (char *)base + o->at;
	enum bc_err rc = BC_OK;

	switch (o->type) {
	case OPT_TEXT:
	case OPT_LIST:
		if (o->check != NULL)
			rc = o->check(text, e);
		if (rc != BC_OK)
			break;
		if (o->type == OPT_LIST)
			rc = list_add(at, text, from->env, e);
		else
			*(const char **)at = text;
		break;
	case OPT_WORD:
		rc = set_word(from, text, at, e);
		break;
	case OPT_UINT:
	case OPT_SIZE:
		rc = set_uint(from, text, at, e);
		break;
	case OPT_DURATION:
		rc = parse_duration(text, at, e);
		break;
	case OPT_WHEN:
		rc = parse_when(text, p->now, at, e);
		break;
	case OPT_RANGE:
		rc = parse_range(text, at, e);
		break;
	case OPT_CUSTOM:
		rc = o->read(text, at, e);
		break;
	case OPT_BOOL:
	case OPT_COUNT:
	case OPT_END:
		break;
	}
	return blame(rc, from, e);
}

/* One more (on) or none (off) of an option without a value. */
static void set_switch(const struct opt *o, void *base, bool on)
{
	void *at = (char *)base + o->at;

	if (o->type == OPT_BOOL)
		*(bool *)at = on;
	else if (!on)
		*(unsigned *)at = 0;
	else if (*(unsigned *)at < UINT8_MAX)
		(*(unsigned *)at)++;
}

/* Of an option in one of the two tables: its value is from the environment, or
 * from the line. */
static void set_origin(struct opt_parser *p, const struct opt *o, bool env)
{
	for (int own = 0; own < 2; own++) {
		const struct opt *table = own ? p->own : p->global;
		uint64_t *set = own ? &p->own_env : &p->global_env;

		for (size_t i = 0; table != NULL && i < OPT_TABLE_MAX &&
				   table[i].type != OPT_END;
		     i++)
			if (&table[i] == o)
				*set = (*set & ~(UINT64_C(1) << i)) |
				       (uint64_t)env << i;
	}
}

bool opt_from_env(const struct opt_parser *p, const char *name)
{
	const struct opt *o = opt_find(p->own, name);
	bool own = o != NULL;
	size_t i;

	if (!own)
		o = opt_find(p->global, name);
	if (o == NULL)
		return false;
	i = (size_t)(o - (own ? p->own : p->global));
	return i < OPT_TABLE_MAX &&
	       ((own ? p->own_env : p->global_env) >> i & 1) != 0;
}

/* ---- the environment ------------------------------------------------------
 */

static const char *env_lookup(char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; envp != NULL && *envp != NULL; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	return NULL;
}

static bool read_bool(const char *text, bool *out)
{
	static const char *const ON[] = { "1", "true", "yes", "on" };
	static const char *const OFF[] = { "0", "false", "no", "off" };

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(text, ON[i]) == 0 || strcmp(text, OFF[i]) == 0) {
			*out = strcmp(text, ON[i]) == 0;
			return true;
		}
	}
	return false;
}

static enum bc_err env_switch(const struct origin *from, void *base,
			      const char *text, struct err *e)
{
	uint64_t count;
	bool on;

	if (from->o->type == OPT_COUNT && parse_u64(text, &count, NULL) == 0 &&
	    count <= UINT8_MAX) {
		*(unsigned *)((char *)base + from->o->at) = (unsigned)count;
		return BC_OK;
	}
	if (!read_bool(text, &on))
		return err_set(e, BC_EUSAGE, "%s: '%.64s' is neither 1 nor 0",
			       from->name, text);
	set_switch(from->o, base, on);
	return BC_OK;
}

/* Apply the environment to one table. An empty variable counts as unset. */
static enum bc_err read_env(struct opt_parser *p, const struct opt *table,
			    void *base, struct err *e)
{
	enum bc_err first = BC_OK, rc;

	for (const struct opt *o = table; o != NULL && o->type != OPT_END;
	     o++) {
		struct origin from = { .o = o, .env = true };
		const char *text;

		if ((o->flags & OPT_NO_ENV) ||
		    !opt_env_name(o->name, from.name, sizeof(from.name)))
			continue;
		text = env_lookup(p->envp, from.name);
		if (text == NULL || *text == '\0')
			continue;
		rc = opt_takes_value(o) ? set_value(p, &from, base, text,
						    first == BC_OK ? e : NULL)
					: env_switch(&from, base, text,
						     first == BC_OK ? e : NULL);
		set_origin(p, o, true);
		if (first == BC_OK)
			first = rc;
	}
	return first;
}

/* ---- the command line -----------------------------------------------------
 */

static enum bc_err unknown_long(const struct opt_parser *p, const char *name,
				struct err *e)
{
	struct suggest s = suggest_begin(name);
	const char *near, *owner, *another = NULL;

	for (const struct opt *o = p->own; o != NULL && o->type != OPT_END; o++)
		suggest_offer(&s, o->name);
	for (const struct opt *o = p->global; o->type != OPT_END; o++)
		suggest_offer(&s, o->name);
	near = suggest_end(&s);
	owner = p->owner == NULL ? NULL : p->owner(name, &another);
	(void)err_set(e, BC_EUSAGE, "unknown option --%.64s%s%s", name,
		      p->own_name == NULL ? "" : " for ",
		      p->own_name == NULL ? "" : p->own_name);
	if (owner != NULL && p->own_name == NULL)
		err_hint(e, "options of a command follow it: blobctl %s --%s",
			 owner, name);
	else if (near != NULL)
		err_hint(e, "did you mean --%s?", near);
	else if (owner != NULL)
		err_hint(e, "--%s is an option of %s%s%s", name, owner,
			 another == NULL ? "" : " and of ",
			 another == NULL ? "" : another);
	else if (p->own_name != NULL)
		err_hint(e, "blobctl help %s", p->own_name);
	else
		err_hint(e, "blobctl help");
	return BC_EUSAGE;
}

static enum bc_err needs_value(const struct opt *o, struct err *e)
{
	(void)err_set(e, BC_EUSAGE, "option --%s needs a value", o->name);
	err_hint(e, "--%s=%s", o->name, o->arg == NULL ? "VALUE" : o->arg);
	return BC_EUSAGE;
}

/* Where parsing stands in argv. */
struct place {
	char *const *argv;
	int argc, i;
};

static const char *next_arg(struct place *at)
{
	return at->i + 1 < at->argc ? at->argv[++at->i] : NULL;
}

static enum bc_err apply_long(struct opt_parser *p, const struct opt *o,
			      void *base, const char *value, struct place *at,
			      struct err *e)
{
	struct origin from = { .o = o };

	set_origin(p, o, false);
	if (!opt_takes_value(o)) {
		if (value != NULL)
			return err_set(e, BC_EUSAGE,
				       "option --%s takes no value", o->name);
		set_switch(o, base, true);
		return BC_OK;
	}
	if (value == NULL)
		value = o->implied != NULL ? o->implied : next_arg(at);
	if (value == NULL)
		return needs_value(o, e);
	snprintf(from.name, sizeof(from.name), "--%s", o->name);
	return set_value(p, &from, base, value, e);
}

/* `arg` is what follows the two dashes. */
static enum bc_err parse_long(struct opt_parser *p, const char *arg,
			      struct place *at, struct err *e)
{
	const char *eq = strchr(arg, '=');
	size_t n = eq == NULL ? strlen(arg) : (size_t)(eq - arg);
	const char *value = eq == NULL ? NULL : eq + 1;
	const struct opt *tables[] = { p->own, p->global };
	void *bases[] = { p->own_at, p->global_at };
	char name[OPT_NAME_BYTES];

	if (n >= sizeof(name))
		return err_set(e, BC_EUSAGE, "unknown option --%.40s...", arg);
	memcpy(name, arg, n);
	name[n] = '\0';
	for (size_t i = 0; i < 2; i++) {
		const struct opt *o = opt_find(tables[i], name);

		if (o != NULL)
			return apply_long(p, o, bases[i], value, at, e);
		o = find_negated(tables[i], name);
		if (o != NULL && value != NULL)
			return err_set(e, BC_EUSAGE,
				       "option --%s takes no value", name);
		if (o != NULL) {
			set_switch(o, bases[i], false);
			set_origin(p, o, false);
			return BC_OK;
		}
	}
	return unknown_long(p, name, e);
}

/* `arg` is what follows one dash: letters, then perhaps a value. */
static enum bc_err parse_short(struct opt_parser *p, const char *arg,
			       struct place *at, struct err *e)
{
	for (; *arg != '\0'; arg++) {
		const struct opt *o = find_letter(p->own, *arg);
		struct origin from = { 0 };
		void *base = p->own_at;
		const char *value;

		if (o == NULL) {
			o = find_letter(p->global, *arg);
			base = p->global_at;
		}
		if (o == NULL) {
			(void)err_set(e, BC_EUSAGE, "unknown option -%c%s%s",
				      *arg, p->own_name == NULL ? "" : " for ",
				      p->own_name == NULL ? "" : p->own_name);
			err_hint(e, "blobctl help%s%s",
				 p->own_name == NULL ? "" : " ",
				 p->own_name == NULL ? "" : p->own_name);
			return BC_EUSAGE;
		}
		set_origin(p, o, false);
		if (!opt_takes_value(o)) {
			set_switch(o, base, true);
			continue;
		}
		value = arg[1] != '\0' ? arg + 1 : next_arg(at);
		if (value == NULL)
			return needs_value(o, e);
		from.o = o;
		snprintf(from.name, sizeof(from.name), "-%c", *arg);
		return set_value(p, &from, base, value, e);
	}
	return BC_OK;
}

static enum bc_err take_operand(struct opt_parser *p, const char *word,
				struct err *e)
{
	enum bc_err rc, env_rc;

	if (p->command_word != NULL || p->on_command == NULL) {
		p->operands[p->operand_count++] = word;
		return BC_OK;
	}
	p->command_word = word;
	rc = p->on_command(p, word, e);
	if (rc != BC_OK)
		return rc;
	/* Now, so that what follows on the line wins. */
	env_rc = read_env(p, p->own, p->own_at, e);
	return env_rc;
}

enum bc_err opt_parse(struct opt_parser *p, int argc, char *const argv[],
		      struct err *e)
{
	struct place at = { argv, argc, 1 };
	bool options = true;
	enum bc_err first, rc;

	p->operands = calloc((size_t)argc + 1, sizeof(*p->operands));
	if (p->operands == NULL)
		return err_set(e, BC_ENOMEM, "no memory for arguments");
	first = read_env(p, p->global, p->global_at, e);
	for (; at.i < argc; at.i++) {
		const char *arg = argv[at.i];
		struct err *to = first == BC_OK ? e : NULL;

		if (options && strcmp(arg, "--") == 0) {
			options = false;
			continue;
		}
		if (options && arg[0] == '-' && arg[1] == '-')
			rc = parse_long(p, arg + 2, &at, to);
		else if (options && arg[0] == '-' && arg[1] != '\0')
			rc = parse_short(p, arg + 1, &at, to);
		else
			rc = take_operand(p, arg, to);
		if (first == BC_OK)
			first = rc;
	}
	return first;
}

static void free_lists(const struct opt *table, void *base)
{
	for (const struct opt *o = table; o != NULL && o->type != OPT_END;
	     o++) {
		struct opt_list *l;

		if (o->type != OPT_LIST)
			continue;
		l = (struct opt_list *)(void *)((char *)base + o->at);
		free(l->v);
		*l = (struct opt_list){ 0 };
	}
}

void opt_parse_free(struct opt_parser *p)
{
	free(p->operands);
	p->operands = NULL;
	p->operand_count = 0;
	free_lists(p->global, p->global_at);
	if (p->own_at != NULL)
		free_lists(p->own, p->own_at);
}
