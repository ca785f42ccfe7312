/* SPDX-License-Identifier: Apache-2.0 */

#include "repo/snapshots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/state.h"
#include "util/arith.h"
#include "util/fmt.h"
#include "util/hex.h"
#include "util/typos.h"

enum {
	TAG_TEXT_MAX = 16 << 20,
	CANDIDATES_SHOWN = 4,
	SHORT_ID_DIGITS = 12,
	/* Names looked at for a similar one; a person waits. */
	NAMES_MAX = 20000,
	TAGGED_MAX = 2000,
	NAME_SHOWN = 40,
};

/* ---- tags -----------------------------------------------------------------
 */

/* Tags as they come: text first, spans when all of it stands still. */
struct tag_list {
	struct buf text;  /* keys and values, one after the other */
	struct buf sizes; /* size_t pairs */
	size_t n;
};

static enum bc_err add_tag(void *ctx, const struct tag *t, struct err *e)
{
	struct tag_list *l = ctx;
	size_t size[2] = { t->key.n, t->value.n };
	enum bc_err rc = buf_add(&l->sizes, size, sizeof(size));

	if (rc == BC_OK)
		rc = buf_add(&l->text, t->key.p, t->key.n);
	if (rc == BC_OK)
		rc = buf_add(&l->text, t->value.p, t->value.n);
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for tags");
	l->n++;
	return BC_OK;
}

static enum bc_err load_tags(struct repo *r, const struct digest *id,
			     struct tag_list *l, struct err *e)
{
	buf_clear(&l->text);
	buf_clear(&l->sizes);
	l->n = 0;
	return catalog_walk_tags(r->catalog, id, add_tag, l, e);
}

static void point_tags(const struct tag_list *l, struct tag *out)
{
	const uint8_t *p = l->text.p;

	for (size_t i = 0; i < l->n; i++) {
		size_t size[2];

		memcpy(size, l->sizes.p + i * sizeof(size), sizeof(size));
		out[i].key = bytes_of(p, size[0]);
		out[i].value = bytes_of(p + size[0], size[1]);
		p += size[0] + size[1];
	}
}

/* ---- one ------------------------------------------------------------------
 */

void snapshot_free(struct snapshot *s)
{
	if (s == NULL)
		return;
	snapshot_record_fini(&s->rec);
	free(s->tags);
	buf_fini(&s->raw);
	buf_fini(&s->tag_text);
	free(s);
}

/* Under the mutex. */
static enum bc_err load(struct repo *r, const struct catalog_snapshot *row,
			struct snapshot **out, struct err *e)
{
	struct tag_list l = { BUF_INIT(TAG_TEXT_MAX), BUF_INIT(TAG_TEXT_MAX),
			      0 };
	struct snapshot *s = calloc(1, sizeof(*s));
	enum bc_err rc;

	if (s == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a snapshot");
	s->id = row->id;
	s->generation = row->generation;
	s->pack = row->pack;
	s->slot = row->slot;
	buf_init(&s->raw, SNAPSHOT_MAX_BYTES);
	rc = buf_add(&s->raw, row->record.p, row->record.n);
	if (rc != BC_OK)
		err_set(e, rc, "no memory for a snapshot");
	if (rc == BC_OK)
		rc = snapshot_record_decode(buf_bytes(&s->raw), &s->rec, e);
	if (rc == BC_OK)
		rc = load_tags(r, &s->id, &l, e);
	if (rc == BC_OK) {
		s->tags = calloc(l.n + 1, sizeof(*s->tags));
		if (s->tags == NULL)
			rc = err_set(e, BC_ENOMEM, "no memory for tags");
	}
	if (rc == BC_OK) {
		point_tags(&l, s->tags);
		s->tag_count = l.n;
		s->tag_text = l.text;
		l.text.p = NULL;
		*out = s;
		s = NULL;
	}
	snapshot_free(s);
	buf_fini(&l.text);
	buf_fini(&l.sizes);
	return rc;
}

enum bc_err snapshots_get(struct repo *r, const struct digest *id,
			  struct snapshot **out, struct err *e)
{
	struct catalog_snapshot row;
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = catalog_get_snapshot(r->catalog, id, &row, e);
	if (rc == BC_OK)
		rc = load(r, &row, out, e);
	else if (rc == BC_ENOTFOUND)
		err_set(e, rc, "there is no such snapshot");
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

/* ---- by key ---------------------------------------------------------------
 */

static enum bc_err by_name(struct repo *r, const struct snap_key *key,
			   struct catalog_snapshot *row, struct err *e)
{
	struct bytes name = bytes_str(key->name);
	struct tag tag = { bytes_str(key->tag_key), bytes_str(key->tag_value) };
	int64_t until = key->when.to - 1;
	struct catalog_select q = { .name = key->latest ? NULL : &name,
				    .tags = &tag,
				    .tag_count = tag.key.n > 0,
				    .until = key->has_when ? &until : NULL,
				    .skip = key->nth };

	return catalog_find(r->catalog, &q, row, e);
}

struct candidates {
	struct digest first;
	size_t n;
	char text[ERR_HINT_BYTES];
};

static enum bc_err add_candidate(void *ctx, const struct catalog_snapshot *s,
				 struct err *e)
{
	struct candidates *c = ctx;
	char hex[DIGEST_HEX_BYTES], when[FMT_BYTES];
	size_t at = strlen(c->text);

	(void)e;
	if (c->n++ == 0)
		c->first = s->id;
	if (c->n > CANDIDATES_SHOWN)
		return BC_OK;
	hex_encode(s->id.b, DIGEST_BYTES, hex);
	hex[SHORT_ID_DIGITS] = '\0';
	fmt_time_local(s->time, when);
	snprintf(c->text + at, sizeof(c->text) - at, "%s%s (%.*s, %s)",
		 at == 0 ? "" : "; ", hex, (int)min_size(s->name.n, 20),
		 s->name.n == 0 ? "" : (const char *)s->name.p, when);
	return BC_OK;
}

static enum bc_err by_prefix(struct repo *r, const struct snap_key *key,
			     struct catalog_snapshot *row, struct err *e)
{
	struct candidates c = { .n = 0 };
	enum bc_err rc;

	rc = catalog_walk_prefix(r->catalog, key->name, CANDIDATES_SHOWN + 1,
				 add_candidate, &c, e);
	if (rc != BC_OK)
		return rc;
	if (c.n == 0)
		return BC_ENOTFOUND;
	if (c.n == 1)
		return catalog_get_snapshot(r->catalog, &c.first, row, e);
	err_set(e, BC_EAMBIGUOUS, "%s is the beginning of %s", key->name,
		c.n > CANDIDATES_SHOWN ? "several ids" : "more than one id");
	err_hint(e, "%s%s", c.text, c.n > CANDIDATES_SHOWN ? "; ..." : "");
	return BC_EAMBIGUOUS;
}

/*
 * A name that is also the beginning of another snapshot's id may be meant as
 * either: whoever removes one should not remove the other. `row` is that of the
 * name, and the same on return.
 */
static enum bc_err not_an_id_too(struct repo *r, const struct snap_key *key,
				 struct catalog_snapshot *row, struct err *e)
{
	struct candidates named = { .n = 0 }, c = { .n = 0 };
	struct digest id = row->id;
	enum bc_err rc = add_candidate(&named, row, e);

	if (rc == BC_OK)
		rc = catalog_walk_prefix(r->catalog, key->name,
					 CANDIDATES_SHOWN, add_candidate, &c,
					 e);
	if (rc != BC_OK)
		return rc;
	if (c.n == 0 || (c.n == 1 && digest_eq(&c.first, &id)))
		return catalog_get_snapshot(r->catalog, &id, row, e);
	err_set(e, BC_EAMBIGUOUS,
		"%s is a snapshot's name and the beginning of another one's "
		"id",
		key->name);
	err_hint(e, "%s; %s", named.text, c.text);
	return BC_EAMBIGUOUS;
}

/* ---- not found ------------------------------------------------------------
 */

struct similar {
	const struct snap_key *key;
	bool colon; /* there is NAME:PATH, or what it begins with, as a name */
	struct nearest name;
	uint64_t same; /* snapshots of exactly this name */
};

/* `db:main`, or `db:main:etc`, where a snapshot is called `db:main`. */
static bool is_with_colon(const struct snap_key *key, struct bytes name)
{
	size_t n = strlen(key->name);
	struct bytes rest;

	if (key->path == NULL || name.n <= n + 1 || name.p[n] != ':' ||
	    memcmp(name.p, key->name, n) != 0)
		return false;
	rest = bytes_of(name.p + n + 1, name.n - n - 1);
	return strncmp(key->path, (const char *)rest.p, rest.n) == 0 &&
	       (key->path[rest.n] == '\0' || key->path[rest.n] == ':');
}

static enum bc_err look_at_name(void *ctx, const struct catalog_snapshot *s,
				struct err *e)
{
	struct similar *m = ctx;

	(void)e;
	m->same += nearest_offer(&m->name, s->name) == 0;
	m->colon = m->colon || is_with_colon(m->key, s->name);
	return BC_OK;
}

struct similar_tag {
	struct repo *r;
	struct nearest tag;
};

static enum bc_err look_at_tag(void *ctx, const struct tag *t, struct err *e)
{
	struct similar_tag *m = ctx;
	char text[TYPOS_NAME_BYTES + 1];
	int n = snprintf(text, sizeof(text), "%.*s=%.*s", (int)t->key.n,
			 (const char *)t->key.p, (int)t->value.n,
			 (const char *)t->value.p);

	(void)e;
	if (n > 0 && n < (int)sizeof(text))
		(void)nearest_offer(&m->tag, bytes_of(text, (size_t)n));
	return BC_OK;
}

static enum bc_err look_at_tags(void *ctx, const struct catalog_snapshot *s,
				struct err *e)
{
	struct similar_tag *m = ctx;
	struct digest id = s->id; /* s ends with the next question */

	return catalog_walk_tags(m->r->catalog, &id, look_at_tag, m, e);
}

/* No snapshot has that tag; perhaps one has one like it. */
static enum bc_err tag_not_found(struct repo *r, const struct snap_key *key,
				 struct err *e)
{
	struct catalog_select q = { .limit = TAGGED_MAX };
	char text[2 * KEY_NAME_BYTES];
	struct similar_tag m = { .r = r };

	snprintf(text, sizeof(text), "%s=%s", key->tag_key, key->tag_value);
	m.tag = nearest_begin(bytes_str(text));
	err_set(e, BC_ENOTFOUND, "no snapshot has the tag %s%s", text,
		key->nth > 0 || key->has_when ? " and is that old" : "");
	if (catalog_walk(r->catalog, &q, look_at_tags, &m, NULL) == BC_OK &&
	    m.tag.typos > 0 && nearest_end(&m.tag) != NULL)
		err_hint(e, "did you mean latest:tag=%s?", nearest_end(&m.tag));
	else
		err_hint(e, "`blobctl ls` lists them");
	return BC_ENOTFOUND;
}

/* Could it be meant as the beginning of an id? */
static bool is_short_id(const char *name)
{
	size_t n = strlen(name);

	return n < KEY_HEX_MIN && strspn(name, "0123456789abcdefABCDEF") == n;
}

static enum bc_err none_at_all(const struct repo *r, struct err *e)
{
	if (r->may_lack) {
		err_set(e, BC_ENOTFOUND,
			"the log is damaged, and no snapshot can be known");
		err_hint(e, "blobctl check   says what is damaged");
	} else {
		err_set(e, BC_ENOTFOUND, "the repository has no snapshots yet");
		err_hint(e, "blobctl put PATH   makes one");
	}
	return BC_ENOTFOUND;
}

static enum bc_err not_found(struct repo *r, const struct snap_key *key,
			     struct err *e)
{
	struct similar m = { .key = key,
			     .name = nearest_begin(bytes_str(key->name)) };
	struct catalog_select q = { .limit = NAMES_MAX };
	uint64_t count = 0;

	if (catalog_count(r->catalog, &count, NULL) == BC_OK && count == 0)
		return none_at_all(r, e);
	if (key->latest) {
		if (key->tag_key[0] != '\0')
			return tag_not_found(r, key, e);
		err_set(e, BC_ENOTFOUND, "there %s %llu snapshot%s, none %s",
			count == 1 ? "is" : "are", (unsigned long long)count,
			count == 1 ? "" : "s",
			key->has_when ? "that old" : "that far back");
		err_hint(e, "`blobctl ls` lists them");
		return BC_ENOTFOUND;
	}
	/* What cannot be read is not suggested. */
	(void)!catalog_walk(r->catalog, &q, look_at_name, &m, NULL);
	(void)nearest_offer(&m.name, bytes_str("latest"));
	if (m.same > 0) {
		err_set(e, BC_ENOTFOUND, "%.*s has %llu snapshot%s, none %s",
			NAME_SHOWN, key->name, (unsigned long long)m.same,
			m.same == 1 ? "" : "s",
			key->has_when ? "that old" : "that far back");
		err_hint(e, "`blobctl ls` lists them");
		return BC_ENOTFOUND;
	}
	err_set(e, BC_ENOTFOUND, "there is no snapshot %s", key->name);
	if (m.colon)
		err_hint(e,
			 "a colon in a name is written \\: as in '%.60s\\:...'",
			 key->name);
	else if (strchr(key->name, '@') != NULL)
		err_hint(e, "after @ comes a date, as in NAME@2026-05-01");
	else if (strchr(key->name, '~') != NULL)
		err_hint(e, "after ~ comes a number: NAME~2 is the last but "
			    "two");
	else if (nearest_end(&m.name) != NULL)
		err_hint(e, "did you mean %s?", nearest_end(&m.name));
	else if (is_short_id(key->name))
		err_hint(e,
			 "an id needs at least %d of its digits; `blobctl "
			 "ls` lists them",
			 KEY_HEX_MIN);
	else
		err_hint(e, "`blobctl ls` lists them");
	return BC_ENOTFOUND;
}

/*
 * A name means the newest of that name, and the newest may be what is lost:
 * whoever would change or remove it has to say which one is meant.
 */
static enum bc_err
name_is_safe(struct repo *r, const struct catalog_snapshot *row, struct err *e)
{
	char hex[DIGEST_HEX_BYTES];

	if (!r->write || !r->may_lack)
		return BC_OK;
	hex_encode(row->id.b, DIGEST_BYTES, hex);
	err_set(e, BC_EDAMAGE,
		"the log is damaged, and a newer snapshot may be missing: "
		"nothing is changed by name");
	err_hint(e, "name it by its id: %.16s is the newest that there is",
		 hex);
	return BC_EDAMAGE;
}

enum bc_err snapshots_find(struct repo *r, const struct snap_key *key,
			   struct snapshot **out, struct err *e)
{
	struct catalog_snapshot row;
	struct digest id;
	enum bc_err rc = BC_ENOTFOUND;

	pthread_mutex_lock(&r->mutex);
	if (key->maybe_id && strlen(key->name) == 2 * DIGEST_BYTES &&
	    hex_decode(key->name, DIGEST_BYTES, id.b))
		rc = catalog_get_snapshot(r->catalog, &id, &row, e);
	if (rc == BC_ENOTFOUND) {
		rc = by_name(r, key, &row, e);
		if (rc == BC_OK && key->maybe_id)
			rc = not_an_id_too(r, key, &row, e);
		if (rc == BC_OK)
			rc = name_is_safe(r, &row, e);
	}
	if (rc == BC_ENOTFOUND && key->maybe_id)
		rc = by_prefix(r, key, &row, e);
	if (rc == BC_ENOTFOUND)
		rc = not_found(r, key, e);
	if (rc == BC_OK)
		rc = load(r, &row, out, e);
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

/* ---- all ------------------------------------------------------------------
 */

enum bc_err snapshots_each(struct repo *r, const struct catalog_select *q,
			   catalog_snapshot_fn *fn, void *ctx, struct err *e)
{
	return catalog_walk(r->catalog, q, fn, ctx, e);
}

enum bc_err snapshots_tags(struct repo *r, const struct digest *id,
			   catalog_tag_fn *fn, void *ctx, struct err *e)
{
	return catalog_walk_tags(r->catalog, id, fn, ctx, e);
}
