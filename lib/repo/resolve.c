/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/resolve.h"

#include <stdlib.h>

#include "tree/reader.h"
#include "util/hex.h"
#include "util/typos.h"

enum {
	SHOWN_BYTES = 200,
	HINT_PATH_BYTES = 160, /* of a whole path in a hint */
	HINT_ID_DIGITS = 16,
	NAMES_MAX = 20000, /* looked at for one like it */
};

/* All that an entry borrows, into one allocation, which the caller frees; the
 * copy points there. NULL without memory. */
static uint8_t *copy_entry(const struct tree_entry *en, struct tree_entry *out)
{
	struct tree_entry r = *en;
	struct bytes *span[] = { &r.name,	&r.user,   &r.group,
				 &r.attrs.raw,	&r.target, &r.content.items,
				 &r.content.ids };
	enum { SPANS = sizeof(span) / sizeof(span[0]) };
	size_t n = 1;
	uint8_t *mem, *at;

	for (int i = 0; i < SPANS; i++)
		n += span[i]->n;
	mem = at = malloc(n);
	if (mem == NULL)
		return NULL;
	for (int i = 0; i < SPANS; i++) {
		if (span[i]->n > 0)
			memcpy(at, span[i]->p, span[i]->n);
		span[i]->p = at;
		at += span[i]->n;
	}
	*out = r;
	return mem;
}

/* ---- paths ----------------------------------------------------------------
 */

/* A path cut into components, which point into `text`. */
struct parts {
	char *text; /* joined again, with single slashes */
	size_t length;
	struct bytes *at;
	size_t n;
	bool slash; /* there was one at the end */
};

static void parts_fini(struct parts *p)
{
	free(p->text);
	free(p->at);
}

/* Append the components of s. */
static enum bc_err add_parts(struct parts *p, const char *s, struct err *e)
{
	while (*s != '\0') {
		size_t n = strcspn(s, "/");
		struct bytes *at;

		if (n == 2 && s[0] == '.' && s[1] == '.')
			return err_set(e, BC_EINVAL,
				       "a path in a snapshot has no \"..\"");
		if (n > 0 && !(n == 1 && s[0] == '.')) {
			at = realloc(p->at, (p->n + 1) * sizeof(*at));
			if (at == NULL)
				return err_set(e, BC_ENOMEM,
					       "no memory for a path");
			p->at = at;
			if (p->length > 0)
				p->text[p->length++] = '/';
			memcpy(p->text + p->length, s, n);
			at[p->n++] = bytes_of(p->text + p->length, n);
			p->length += n;
			p->text[p->length] = '\0';
		}
		p->slash = s[n] == '/' || (n == 1 && s[0] == '.');
		s += n + (s[n] == '/');
	}
	return BC_OK;
}

/* `first` and then `rest`, of which either may be empty. */
static enum bc_err parts_init(struct parts *p, struct bytes first,
			      const char *rest, struct err *e)
{
	size_t n = strlen(rest);
	char *copy;
	enum bc_err rc;

	*p = (struct parts){ .text = NULL };
	if (n > RESOLVE_PATH_MAX_BYTES || first.n > RESOLVE_PATH_MAX_BYTES)
		return err_set(e, BC_EINVAL, "the path is too long");
	p->text = calloc(1, first.n + n + 2);
	copy = strndup((const char *)first.p, first.n);
	if (p->text == NULL || copy == NULL) {
		rc = err_set(e, BC_ENOMEM, "no memory for a path");
		goto out;
	}
	rc = add_parts(p, copy, e);
	if (rc == BC_OK)
		rc = add_parts(p, rest, e);
out:
	free(copy);
	if (rc != BC_OK) {
		parts_fini(p);
		*p = (struct parts){ .text = NULL };
	}
	return rc;
}

/* Is `path` the source `root` or below it? Then *rest is what follows. */
static bool below(const char *path, struct bytes root, const char **rest)
{
	const char *r = (const char *)root.p;
	size_t n = root.n;

	if (n == 0 || r[0] != '/')
		return false;
	/* Component by component, so that // and /./ do not matter. */
	for (;;) {
		size_t a, b;

		while (n > 0 &&
		       (*r == '/' || (*r == '.' && (n == 1 || r[1] == '/'))))
			r++, n--;
		while (*path == '/' ||
		       (*path == '.' && (path[1] == '/' || path[1] == '\0')))
			path++;
		if (n == 0) {
			*rest = path;
			return true;
		}
		for (a = 0; a < n && r[a] != '/';)
			a++;
		b = strcspn(path, "/");
		if (a != b || memcmp(r, path, a) != 0)
			return false;
		r += a;
		n -= a;
		path += b;
	}
}

/* ---- the walk -------------------------------------------------------------
 */

static const char *type_name(enum tree_type t)
{
	switch (t) {
	case TREE_FILE:
		return "a file";
	case TREE_DIR:
		return "a directory";
	case TREE_LINK:
		return "a symbolic link, which is not followed";
	case TREE_FIFO:
	case TREE_SOCKET:
	case TREE_CHAR:
	case TREE_BLOCK:
		break;
	}
	return "no directory";
}

/* The components before number `at`, as text. */
static int before(const struct parts *p, size_t at, const char **text)
{
	const uint8_t *end = p->at[at].p;

	*text = p->text;
	return at == 0 ? 0 : (int)(end - (const uint8_t *)p->text - 1);
}

/* A word that a shell leaves as it is. */
static bool is_plain(const char *s, int n)
{
	static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._-+,@%=";

	for (int i = 0; i < n; i++)
		if (s[i] == '\0' || strchr(PLAIN, s[i]) == NULL)
			return false;
	return true;
}

/* The nearest directory above component `at` can be listed. */
static void hint_parent(const struct snapshot *s, const struct parts *p,
			size_t at, struct err *e)
{
	char id[DIGEST_HEX_BYTES];
	const char *text, *quote;
	int n = before(p, at, &text);

	if (e == NULL || n == 0 || n > HINT_PATH_BYTES ||
	    memchr(text, '\'', (size_t)n) != NULL)
		return;
	quote = is_plain(text, n) ? "" : "'";
	hex_encode(s->id.b, DIGEST_BYTES, id);
	err_hint(e, "blobctl ls %s%.*s:%.*s%s   shows what there is", quote,
		 HINT_ID_DIGITS, id, n, text, quote);
}

/* A name like that of component `at` in the directory where it is missing. */
static bool hint_name(struct tree_reader *t, const struct digest *dir,
		      const struct parts *p, size_t at, struct err *e)
{
	struct nearest m = nearest_begin(p->at[at]);
	const struct tree_entry *en = NULL;
	const char *text;
	int n = before(p, at, &text);
	enum bc_err rc = tree_reader_open(t, dir, NULL);

	for (unsigned i = 0; i < NAMES_MAX && rc == BC_OK; i++) {
		rc = tree_reader_next(t, &en, NULL);
		if (rc != BC_OK || en == NULL)
			break;
		(void)nearest_offer(&m, en->name);
	}
	if (nearest_end(&m) == NULL || n > HINT_PATH_BYTES)
		return false;
	err_hint(e, "did you mean %.*s%s%.80s?", n, text, n > 0 ? "/" : "",
		 nearest_end(&m));
	return true;
}

static enum bc_err missing(const struct snapshot *s, const struct parts *p,
			   size_t at, const struct tree_entry *last,
			   struct tree_reader *t, struct err *e)
{
	const char *text;
	int n = before(p, at, &text);

	if (n > SHOWN_BYTES)
		n = SHOWN_BYTES;
	if (last->type != TREE_DIR)
		err_set(e, BC_ENOTFOUND, "%.*s is %s", n, text,
			type_name(last->type));
	else if (n == 0)
		err_set(e, BC_ENOTFOUND,
			"the snapshot holds no %.*s at its top",
			(int)p->at[at].n, (const char *)p->at[at].p);
	else
		err_set(e, BC_ENOTFOUND, "there is no %.*s in %.*s",
			(int)p->at[at].n, (const char *)p->at[at].p, n, text);
	if (last->type != TREE_DIR || !hint_name(t, &last->dir.id, p, at, e))
		hint_parent(s, p,
			    last->type == TREE_DIR || at == 0 ? at : at - 1, e);
	return BC_ENOTFOUND;
}

/* Follow the parts; on BC_ENOTFOUND *at is the number of components found. */
static enum bc_err follow(struct chunk_reader *c, const struct snapshot *s,
			  const struct parts *p, struct tree_entry *out,
			  uint8_t **mem, size_t *at, struct err *e)
{
	struct node_source source = chunk_node_source(c);
	struct tree_reader t;
	struct tree_entry now = s->rec.root;
	uint8_t *held = copy_entry(&s->rec.root, &now);
	enum bc_err rc = BC_OK;

	if (held == NULL)
		return err_set(e, BC_ENOMEM, "no memory for an entry");
	tree_reader_init(&t, &source);
	for (*at = 0; *at < p->n && rc == BC_OK; ++*at) {
		const struct tree_entry *en = NULL;
		uint8_t *copy;

		rc = now.type != TREE_DIR
			     ? BC_ENOTFOUND
			     : tree_reader_lookup(&t, &now.dir.id, p->at[*at],
						  &en, e);
		if (rc == BC_ENOTFOUND) {
			missing(s, p, *at, &now, &t, e);
			break;
		}
		if (rc != BC_OK)
			break;
		copy = copy_entry(en, &now);
		free(held);
		held = copy;
		if (held == NULL)
			rc = err_set(e, BC_ENOMEM, "no memory for an entry");
	}
	if (rc == BC_OK && p->slash && p->n > 0 && now.type != TREE_DIR)
		rc = err_set(e, BC_ENOTFOUND, "%.*s is %s", SHOWN_BYTES,
			     p->text, type_name(now.type));
	tree_reader_fini(&t);
	if (rc == BC_OK) {
		*out = now;
		*mem = held;
		held = NULL;
	}
	free(held);
	return rc;
}

/* One reading of the path; `best` keeps the failure that came farthest. */
struct attempt {
	struct chunk_reader *c;
	const struct snapshot *s;
	struct resolved *out;
	struct err best;
	size_t found;
};

static enum bc_err attempt(struct attempt *a, struct bytes first,
			   const char *rest)
{
	struct parts p;
	struct err e = ERR_INIT;
	size_t at = 0;
	enum bc_err rc = parts_init(&p, first, rest, &e);

	if (rc == BC_OK) {
		rc = follow(a->c, a->s, &p, &a->out->entry, &a->out->mem, &at,
			    &e);
		if (rc == BC_OK) {
			a->out->path = p.text;
			p.text = NULL;
		}
		parts_fini(&p);
	}
	if (rc != BC_OK &&
	    (a->best.code == BC_OK || at > a->found || rc != BC_ENOTFOUND)) {
		a->best = e;
		a->best.code = rc;
		a->found = at;
	}
	return rc;
}

/* A source that is no longer needed is passed over; the longest that fits
 * first would be one try, but two sources may overlap: all are tried. */
static enum bc_err through_sources(struct attempt *a, const char *path)
{
	enum bc_err rc = BC_ENOTFOUND;

	for (size_t i = 0; i < a->s->rec.root_count && rc == BC_ENOTFOUND;
	     i++) {
		const struct snapshot_root *root = &a->s->rec.roots[i];
		struct bytes first = root->name;
		const char *rest;

		if (root->how == SNAPSHOT_CONTENTS)
			first.n = 0;
		if (root->how != SNAPSHOT_STDIN &&
		    below(path, root->path, &rest))
			rc = attempt(a, first, rest);
	}
	return rc;
}

enum bc_err resolve_path(struct chunk_reader *c, const struct snapshot *s,
			 const char *path, struct resolved *out, struct err *e)
{
	struct resolved r = { .path = NULL };
	struct attempt a = { .c = c, .s = s, .out = &r };
	enum bc_err rc = BC_ENOTFOUND;

	if (path == NULL)
		path = "";
	if (path[0] == '/')
		rc = through_sources(&a, path);
	if (rc == BC_ENOTFOUND)
		rc = attempt(&a, bytes_of("", 0), path);
	if (rc != BC_OK) {
		if (e != NULL)
			*e = a.best;
		return a.best.code;
	}
	*out = r;
	return BC_OK;
}

void resolved_fini(struct resolved *r)
{
	free(r->path);
	free(r->mem);
	*r = (struct resolved){ .path = NULL };
}
