/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/hurt.h"

#include <stdio.h>
#include <stdlib.h>

#include "log/file.h"
#include "pack/writer.h"
#include "repo/packs.h"
#include "repo/layout.h"
#include "repo/state.h"
#include "util/crc32c.h"
#include "util/cursor.h"

enum {
	HURT_VERSION = 1,
	HURT_HEAD_BYTES = 32,
	HURT_SPOT_BYTES = PACK_ID_BYTES + 4,
	HURT_FILE_BYTES = HURT_HEAD_BYTES + HURT_MAX * HURT_SPOT_BYTES + 4,
	LOCK_WAIT_MS = 1000,
	/* What a look remembers of each pack: 10 million of them. */
	LOOK_BYTES = 480 << 20,
	CLAUSE_BYTES = 96,
};

static const char hurt_magic[8] = { 'B', 'L', 'O', 'B', 'H', 'U', 'R', 'T' };

/* ---- the set --------------------------------------------------------------
 */

void hurt_init(struct hurt *h)
{
	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
}

void hurt_fini(struct hurt *h)
{
	free(h->at);
	pthread_mutex_destroy(&h->lock);
}

static bool before(const struct hurt_spot *s, uint32_t pack, uint32_t offset)
{
	return s->pack < pack || (s->pack == pack && s->offset < offset);
}

/* The first spot not before; under the lock. */
static size_t lower(const struct hurt *h, uint32_t pack, uint32_t offset)
{
	size_t lo = 0, hi = h->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (before(&h->at[mid], pack, offset))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_at(const struct hurt *h, size_t i, uint32_t pack,
		  uint32_t offset)
{
	return i < h->n && h->at[i].pack == pack && h->at[i].offset == offset;
}

static enum bc_err add(struct hurt *h, const struct hurt_spot *s)
{
	size_t i = lower(h, s->pack, s->offset);

	if (is_at(h, i, s->pack, s->offset)) {
		h->found += s->found && !h->at[i].found;
		h->at[i].found |= s->found;
		return BC_OK;
	}
	if (h->n == h->cap) {
		size_t cap = h->cap == 0 ? 16 : h->cap * 2;
		struct hurt_spot *at = realloc(h->at, cap * sizeof(*at));

		if (at == NULL)
			return BC_ENOMEM;
		h->at = at;
		h->cap = cap;
	}
	memmove(h->at + i + 1, h->at + i, (h->n - i) * sizeof(*h->at));
	h->at[i] = *s;
	h->n++;
	h->found += s->found;
	atomic_store(&h->any, true);
	return BC_OK;
}

enum bc_err hurt_add(struct hurt *h, const struct hurt_spot *s)
{
	enum bc_err rc;

	pthread_mutex_lock(&h->lock);
	rc = add(h, s);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

void hurt_found(struct hurt *h, uint32_t pack, const struct pack_id *id,
		uint32_t offset)
{
	struct hurt_spot s = {
		.pack = pack, .offset = offset, .id = *id, .found = true
	};

	(void)!hurt_add(h, &s);
}

bool hurt_has(struct hurt *h, uint32_t pack, uint32_t offset)
{
	bool has;

	if (!atomic_load_explicit(&h->any, memory_order_acquire))
		return false;
	pthread_mutex_lock(&h->lock);
	has = is_at(h, lower(h, pack, HURT_WHOLE), pack, HURT_WHOLE) ||
	      is_at(h, lower(h, pack, offset), pack, offset);
	pthread_mutex_unlock(&h->lock);
	return has;
}

bool hurt_knows(struct hurt *h, uint32_t pack)
{
	size_t i;
	bool knows;

	pthread_mutex_lock(&h->lock);
	i = lower(h, pack, 0);
	knows = i < h->n && h->at[i].pack == pack;
	pthread_mutex_unlock(&h->lock);
	return knows;
}

void hurt_state(struct hurt *h, struct digest *out)
{
	struct sha256_ctx c;

	*out = (struct digest){ { 0 } };
	pthread_mutex_lock(&h->lock);
	if (h->n > 0) {
		sha256_init(&c);
		for (size_t i = 0; i < h->n; i++) {
			uint8_t raw[8];

			le_put32(raw, h->at[i].pack);
			le_put32(raw + 4, h->at[i].offset);
			sha256_update(&c, bytes_of(raw, sizeof(raw)));
		}
		sha256_final(&c, out);
	}
	pthread_mutex_unlock(&h->lock);
}

/* ---- the file -------------------------------------------------------------
 */

enum bc_err hurt_decode(struct bytes raw, const struct pack_id *repo,
			struct buf *out)
{
	struct cursor c = cursor_of(raw);
	struct bytes magic = cursor_span(&c, sizeof(hurt_magic));
	uint32_t version = cursor_u32(&c), n = cursor_u32(&c);
	struct bytes id = cursor_span(&c, PACK_ID_BYTES);
	enum bc_err rc = BC_OK;

	if (!cursor_ok(&c) || version != HURT_VERSION || n > HURT_MAX ||
	    memcmp(magic.p, hurt_magic, sizeof(hurt_magic)) != 0 ||
	    memcmp(id.p, repo->b, PACK_ID_BYTES) != 0 ||
	    raw.n != HURT_HEAD_BYTES + (size_t)n * HURT_SPOT_BYTES + 4 ||
	    le_get32(raw.p + raw.n - 4) != crc32c(0, raw.p, raw.n - 4))
		return BC_EDAMAGE;
	for (uint32_t i = 0; i < n && rc == BC_OK; i++) {
		struct hurt_spot s = { .pack = 0 };

		memcpy(s.id.b, cursor_span(&c, PACK_ID_BYTES).p, PACK_ID_BYTES);
		s.offset = cursor_u32(&c);
		rc = buf_add(out, &s, sizeof(s));
	}
	return rc == BC_OK ? rc : BC_ENOMEM;
}

enum bc_err hurt_encode(const struct hurt_spot *v, size_t n,
			const struct pack_id *repo, struct buf *out)
{
	enum bc_err rc = buf_add(out, hurt_magic, sizeof(hurt_magic));

	if (n > HURT_MAX)
		n = HURT_MAX;
	if (rc == BC_OK)
		rc = buf_u32(out, HURT_VERSION);
	if (rc == BC_OK)
		rc = buf_u32(out, (uint32_t)n);
	if (rc == BC_OK)
		rc = buf_add(out, repo->b, PACK_ID_BYTES);
	for (size_t i = 0; i < n && rc == BC_OK; i++) {
		rc = buf_add(out, v[i].id.b, PACK_ID_BYTES);
		if (rc == BC_OK)
			rc = buf_u32(out, v[i].offset);
	}
	if (rc == BC_OK)
		rc = buf_u32(out, crc32c(0, out->p, out->n));
	return rc;
}

static enum bc_err file_read(struct io_dir *cache, const struct pack_id *repo,
			     struct buf *out)
{
	struct buf raw = BUF_INIT(HURT_FILE_BYTES);
	enum bc_err rc = io_read_small(cache, REPO_HURT_FILE, &raw, NULL);

	if (rc == BC_OK)
		rc = hurt_decode(buf_bytes(&raw), repo, out);
	buf_fini(&raw);
	/* None, or rubbish: nothing is known. */
	return rc == BC_ENOMEM ? rc : BC_OK;
}

static enum bc_err file_write(struct io_dir *cache, const struct pack_id *repo,
			      const struct hurt_spot *v, size_t n,
			      struct err *e)
{
	struct buf raw = BUF_INIT(HURT_FILE_BYTES);
	enum bc_err rc;

	if (n == 0) {
		rc = io_unlink(cache, REPO_HURT_FILE, NULL);
		return rc == BC_ENOTFOUND ? BC_OK : rc;
	}
	rc = hurt_encode(v, n, repo, &raw);
	if (rc == BC_OK)
		rc = io_write_small(cache, REPO_HURT_FILE, buf_bytes(&raw),
				    IO_REPLACE, e);
	else
		err_set(e, rc, "no memory for what is damaged");
	buf_fini(&raw);
	return rc;
}

/* ---- a handle -------------------------------------------------------------
 */

void repo_hurt_load(struct repo *r)
{
	struct buf spots = BUF_INIT(HURT_MAX * sizeof(struct hurt_spot));

	if (r->cache_dir == NULL ||
	    file_read(r->cache_dir, &r->sb.id, &spots) != BC_OK)
		spots.n = 0;
	for (size_t i = 0; i < spots.n; i += sizeof(struct hurt_spot)) {
		struct catalog_pack row;
		struct hurt_spot s;
		enum bc_err rc;

		memcpy(&s, spots.p + i, sizeof(s));
		pthread_mutex_lock(&r->mutex);
		rc = catalog_get_pack_id(r->catalog, s.id.b, &row, NULL);
		pthread_mutex_unlock(&r->mutex);
		if (rc != BC_OK || row.state == CATALOG_FREED)
			continue;
		s.pack = row.number;
		(void)!hurt_add(&r->hurt, &s);
	}
	buf_fini(&spots);
}

void repo_hurt_found(struct repo *r, uint32_t pack, uint32_t offset)
{
	struct hurt_spot s = { .pack = pack, .offset = offset, .found = true };
	struct catalog_pack row;
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = catalog_get_pack(r->catalog, pack, &row, NULL);
	pthread_mutex_unlock(&r->mutex);
	if (rc != BC_OK || row.state == CATALOG_FREED)
		return;
	memcpy(s.id.b, row.id, PACK_ID_BYTES);
	(void)!hurt_add(&r->hurt, &s);
}

/* ---- a look at the files --------------------------------------------------
 */

struct seen_pack {
	uint32_t number;
	bool log, grows;
	struct pack_id id;
	uint64_t length, seq; /* length: at least, if it grows */
};

static enum bc_err add_seen(void *ctx, const struct catalog_pack *p,
			    struct err *e)
{
	struct seen_pack s = { .number = p->number,
			       .log = p->kind == CATALOG_LOG,
			       .length = p->length };
	enum bc_err rc;

	if (p->tier != CATALOG_WARM)
		return BC_OK;
	memcpy(s.id.b, p->id, PACK_ID_BYTES);
	rc = buf_add(ctx, &s, sizeof(s));
	return rc == BC_OK ? rc : err_set(e, BC_ENOMEM, "too many packs");
}

/* A log says by its SEQ where it lies, and one that was never sealed by its
 * last group how long it is at least. */
static enum bc_err find_log(struct repo *r, struct seen_pack *s, struct err *e)
{
	struct catalog_log l;
	uint16_t first;
	enum bc_err rc = catalog_get_log(r->catalog, s->number, &l, e);

	if (rc != BC_OK)
		return rc;
	s->seq = l.seq;
	s->grows = l.length == 0;
	if (s->grows &&
	    catalog_find_group(r->catalog, s->number, CATALOG_SLOT_MAX, &first,
			       &s->length, NULL) != BC_OK)
		s->length = 0;
	return BC_OK;
}

static enum bc_err list_packs(struct repo *r, struct buf *out, struct err *e)
{
	unsigned kinds =
		1U << CATALOG_DATA | 1U << CATALOG_METADATA | 1U << CATALOG_LOG;
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = catalog_walk_packs(r->catalog, kinds, 1U << CATALOG_LIVE, add_seen,
				out, e);
	for (size_t i = 0; rc == BC_OK && i < out->n;
	     i += sizeof(struct seen_pack)) {
		struct seen_pack s;

		memcpy(&s, out->p + i, sizeof(s));
		if (!s.log)
			continue;
		rc = find_log(r, &s, e);
		memcpy(out->p + i, &s, sizeof(s));
	}
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

/* A clause that says what is wrong with the file; NULL: it is there. */
static const char *look_at(struct repo *r, const struct seen_pack *s,
			   char name[LOG_NAME_BYTES], char *clause, size_t room)
{
	struct io_dir *dir = s->log ? r->log_dir : r->packs_dir;
	struct io_stat st;
	enum bc_err rc;

	_Static_assert((int)LOG_NAME_BYTES >= (int)PACK_NAME_BYTES,
		       "room for both");
	if (s->log)
		log_name(s->seq, &s->id, name);
	else
		pack_name(&s->id, name);
	rc = io_stat_at(dir, name, &st, NULL);
	if (rc == BC_ENOTFOUND)
		return "is missing";
	if (rc != BC_OK)
		return "cannot be looked at";
	if (st.type != IO_TYPE_FILE)
		return "is no file";
	if (st.size == s->length || (s->grows && st.size > s->length))
		return NULL;
	snprintf(clause, room, "has %llu bytes, not %llu",
		 (unsigned long long)st.size, (unsigned long long)s->length);
	return clause;
}

static enum bc_err look_one(struct repo *r, const struct seen_pack *s,
			    struct hurt_look *out)
{
	struct hurt_spot spot = { .pack = s->number,
				  .offset = HURT_WHOLE,
				  .id = s->id };
	char name[LOG_NAME_BYTES], clause[CLAUSE_BYTES];
	const char *what = look_at(r, s, name, clause, sizeof(clause));

	if (what == NULL)
		return BC_OK;
	if (out->lost++ == 0)
		snprintf(out->first, sizeof(out->first), "%s/%s %s",
			 s->log ? REPO_LOG_DIR : REPO_PACKS_DIR, name, what);
	return hurt_add(&r->hurt, &spot);
}

enum bc_err repo_hurt_look(struct repo *r, struct hurt_look *out, struct err *e)
{
	struct buf packs = BUF_INIT(LOOK_BYTES);
	enum bc_err rc = list_packs(r, &packs, e);

	*out = (struct hurt_look){ .lost = 0 };
	for (size_t i = 0; rc == BC_OK && i < packs.n;
	     i += sizeof(struct seen_pack)) {
		struct seen_pack s;

		memcpy(&s, packs.p + i, sizeof(s));
		rc = look_one(r, &s, out);
		if (rc != BC_OK)
			err_set(e, rc, "no memory for lost packs");
	}
	buf_fini(&packs);
	return rc;
}

/* ---- remembering ----------------------------------------------------------
 */

/* The folder and the lock, opened anew: the handle may be one that changes
 * nothing. */
struct writer {
	struct io_dir *cache;
	struct io_file *lock;
	struct buf spots; /* as they are in the file */
};

static enum bc_err writer_begin(struct writer *w, struct repo *r, struct err *e)
{
	enum bc_err rc;

	*w = (struct writer){ .cache = NULL };
	/* The file's, and as many new ones: sorted before they are cut. */
	buf_init(&w->spots, 2 * HURT_MAX * sizeof(struct hurt_spot));
	rc = io_file_open(r->dir, REPO_LOCK_FILE, IO_READ | IO_WRITE, &w->lock,
			  e);
	if (rc == BC_OK)
		rc = io_dir_open_at(r->dir, REPO_CACHE_DIR, &w->cache, e);
	if (rc == BC_OK)
		rc = io_file_lock(w->lock, REPO_LOCK_VIEWS, 1,
				  IO_LOCK_EXCLUSIVE, LOCK_WAIT_MS, e);
	if (rc == BC_OK)
		rc = file_read(w->cache, &r->sb.id, &w->spots);
	return rc;
}

static int by_id(const void *a, const void *b)
{
	const struct hurt_spot *x = a, *y = b;
	int c = memcmp(x->id.b, y->id.b, PACK_ID_BYTES);

	return c != 0 ? c : (x->offset > y->offset) - (x->offset < y->offset);
}

/* Write the list if `rc` is well, each spot once; closing gives the lock up. */
static enum bc_err writer_end(struct writer *w, struct repo *r, enum bc_err rc,
			      struct err *e)
{
	struct hurt_spot *v = (struct hurt_spot *)(void *)w->spots.p;
	size_t n = w->spots.n / sizeof(*v), kept = 0;

	if (rc == BC_OK && n > 0)
		qsort(v, n, sizeof(*v), by_id);
	for (size_t i = 0; rc == BC_OK && i < n; i++)
		if (kept == 0 || by_id(&v[kept - 1], &v[i]) != 0)
			v[kept++] = v[i];
	if (rc == BC_OK)
		rc = file_write(w->cache, &r->sb.id, v, kept, e);
	buf_fini(&w->spots);
	io_dir_close(w->cache);
	io_file_close(w->lock, NULL);
	return rc;
}

static enum bc_err add_spot(struct writer *w, const struct hurt_spot *s)
{
	enum bc_err rc = buf_add(&w->spots, s, sizeof(*s));

	return rc == BC_ELIMIT ? BC_OK : rc; /* forgotten */
}

/* Not of lost packs: they may be put back, and every look sees them. */
static bool is_there(struct repo *r, const struct hurt_spot *s)
{
	char name[LOG_NAME_BYTES], clause[CLAUSE_BYTES];
	struct seen_pack seen = { .number = s->pack, .id = s->id };
	struct pack_ref p;
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = repo_pack_ref(r, s->pack, &p, NULL);
	pthread_mutex_unlock(&r->mutex);
	if (rc != BC_OK)
		return false;
	seen.log = p.log;
	seen.grows = p.log && p.length == 0;
	seen.length = p.length;
	seen.seq = p.seq;
	return look_at(r, &seen, name, clause, sizeof(clause)) == NULL;
}

void repo_hurt_save(struct repo *r)
{
	struct writer w;
	struct err e = ERR_INIT;
	enum bc_err rc;

	if (r->hurt.found == 0 || r->read_only)
		return;
	rc = writer_begin(&w, r, &e);
	for (size_t i = 0; rc == BC_OK && i < r->hurt.n; i++)
		if (r->hurt.at[i].found && is_there(r, &r->hurt.at[i]))
			rc = add_spot(&w, &r->hurt.at[i]);
	(void)!writer_end(&w, r, rc, &e);
}

/* ---- what a check has seen ------------------------------------------------
 */

static bool has_number(const struct buf *list, uint32_t number)
{
	for (size_t i = 0; i < list->n; i += sizeof(number)) {
		uint32_t one;

		memcpy(&one, list->p + i, sizeof(one));
		if (one == number)
			return true;
	}
	return false;
}

/* Does a spot of the file still stand? */
static bool stands(struct repo *r, const struct hurt_report *h,
		   const struct hurt_spot *s)
{
	struct catalog_pack row;
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = catalog_get_pack_id(r->catalog, s->id.b, &row, NULL);
	pthread_mutex_unlock(&r->mutex);
	/* Somebody may have added it meanwhile. */
	if (rc != BC_OK)
		return rc == BC_ENOTFOUND;
	if (row.state == CATALOG_FREED)
		return false;
	return !has_number(s->offset == HURT_WHOLE ? &h->dir_ok : &h->data_ok,
			   row.number);
}

enum bc_err hurt_report_save(struct repo *r, const struct hurt_report *h,
			     struct err *e)
{
	struct writer w;
	size_t kept = 0;
	enum bc_err rc = writer_begin(&w, r, e);

	for (size_t i = 0; rc == BC_OK && i < w.spots.n;
	     i += sizeof(struct hurt_spot)) {
		struct hurt_spot s;

		memcpy(&s, w.spots.p + i, sizeof(s));
		if (!stands(r, h, &s))
			continue;
		memmove(w.spots.p + kept, &s, sizeof(s));
		kept += sizeof(s);
	}
	w.spots.n = kept;
	for (size_t i = 0; rc == BC_OK && i < h->bad.n;
	     i += sizeof(struct hurt_spot)) {
		struct hurt_spot s;
		struct pack_ref p;

		memcpy(&s, h->bad.p + i, sizeof(s));
		pthread_mutex_lock(&r->mutex);
		rc = repo_pack_ref(r, s.pack, &p, e);
		pthread_mutex_unlock(&r->mutex);
		s.id = p.id;
		if (rc == BC_OK && is_there(r, &s))
			rc = add_spot(&w, &s);
	}
	return writer_end(&w, r, rc, e);
}
