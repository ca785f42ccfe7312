/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is damaged and what that means. A damaged block of which every chunk
 * has another, good place loses nothing, and neither does a lost pack that no
 * snapshot needs any more: that is known only when all packs are read, or all
 * trees walked, so such findings wait. What is found is remembered for puts.
 */
#include <stdlib.h>

#include "check/internal.h"
#include "repo/chunks.h"
#include "repo/hurt.h"
#include "repo/layout.h"
#include "repo/views.h"

enum { HELD_BYTES = 64 << 20, REPORT_BYTES = 64 << 20 };

static const char BLOCK_NEXT[] =
	"put the file back from a copy of the repository if you have one, or "
	"`blobctl put` the source of the paths that need it again: what is "
	"damaged is stored anew; these paths are listed below";

static const char PACK_NEXT[] =
	"put the file back from a copy of the repository if you have one, or "
	"`blobctl put` the source of the paths that need it again: what is "
	"lost is stored anew; these paths are listed above";

static const char NEEDED_NEXT[] =
	"keep it: snapshots need it, and what they need of it still reads. See "
	"what the kernel's log says of the device, and run `blobctl check` "
	"again; if it says the same, put the file back from a copy of the "
	"repository if you have one, or `blobctl put` the source again: what "
	"the pack holds is stored anew";

static const char LOG_NEXT[] =
	"keep it: the log is needed as a whole, whatever snapshots there are";

/* A finding that waits. */
struct held {
	enum check_phase phase;
	bool whole; /* a pack; else a block */
	uint32_t pack, slot, n;
	uint64_t offset;
	char *text; /* NULL: one of many, not told one by one */
};

void check_hurt_init(struct check *c)
{
	buf_init(&c->held, HELD_BYTES);
	buf_init(&c->report.bad, REPORT_BYTES);
	buf_init(&c->report.dir_ok, REPORT_BYTES);
	buf_init(&c->report.data_ok, REPORT_BYTES);
}

void check_hurt_fini(struct check *c)
{
	buf_fini(&c->held);
	buf_fini(&c->report.bad);
	buf_fini(&c->report.dir_ok);
	buf_fini(&c->report.data_ok);
}

/* ---- for puts -------------------------------------------------------------
 */

/* A block, or with HURT_WHOLE a pack, is damaged; any thread. */
static void add_bad(struct check *c, uint32_t pack, uint64_t offset)
{
	struct hurt_spot s = { .pack = pack, .offset = (uint32_t)offset };

	pthread_mutex_lock(&c->lock);
	(void)!buf_add(&c->report.bad, &s, sizeof(s));
	pthread_mutex_unlock(&c->lock);
}

void check_hurt_well(struct check *c, uint32_t pack, bool data)
{
	if (!hurt_knows(&c->r->hurt, pack))
		return;
	pthread_mutex_lock(&c->lock);
	(void)!buf_add(data ? &c->report.data_ok : &c->report.dir_ok, &pack,
		       sizeof(pack));
	pthread_mutex_unlock(&c->lock);
}

void check_hurt_save(struct check *c)
{
	struct err e = ERR_INIT;
	struct hurt *h = &c->r->hurt;
	struct io_stat st;

	/* Nodes that could not be read on the way. */
	for (size_t i = 0; i < h->n; i++)
		if (h->at[i].found)
			add_bad(c, h->at[i].pack, h->at[i].offset);
	if (c->report.bad.n == 0 &&
	    io_stat_at(c->r->dir, REPO_CACHE_DIR "/" REPO_HURT_FILE, &st,
		       NULL) == BC_ENOTFOUND)
		return;
	if (hurt_report_save(c->r, &c->report, &e) != BC_OK &&
	    c->report.bad.n > 0)
		check_tell(c, CHECK_NOTE, NULL,
			   "run `blobctl check --read-data` as who may write "
			   "to the repository before the source is put again",
			   "what is damaged cannot be remembered: %s", e.text);
}

/* ---- findings that wait ---------------------------------------------------
 */

static void hold(struct check *c, const struct held *h, const char *text)
{
	struct held one = *h;
	bool kept;

	one.text = text == NULL ? NULL : strdup(text);
	pthread_mutex_lock(&c->lock);
	kept = buf_add(&c->held, &one, sizeof(one)) == BC_OK;
	pthread_mutex_unlock(&c->lock);
	if (kept)
		return;
	free(one.text);
	check_tell(c, CHECK_DAMAGE, NULL, BLOCK_NEXT, "%s",
		   text == NULL ? "and more blocks" : text);
}

/* Is the chunk in this slot in another place as well, not known to be bad? */
static bool elsewhere(struct check *c, const struct digest *id, uint32_t pack,
		      uint32_t slot)
{
	struct chunk_search s;
	struct chunk_place p;
	bool other = false;

	repo_search(&s, c->r, id, DIR_VERIFIED);
	while (!other && repo_search_next(&s, &p, NULL) == BC_OK) {
		uint32_t number = p.ref.pack.number;
		uint32_t at = p.ref.dir->base_slot + p.chunk;

		pthread_mutex_lock(&c->lock);
		other = (number != pack || at != slot) &&
			!marks_get(&c->bad, number, at);
		pthread_mutex_unlock(&c->lock);
		chunk_place_put(c->r, &p);
	}
	return other;
}

static bool all_elsewhere(struct check *c, uint32_t pack, uint32_t slot,
			  uint32_t n)
{
	bool all =
		n > 0 && c->r != NULL && repo_need_index(c->r, NULL) == BC_OK;

	for (uint32_t i = 0; i < n && all; i++) {
		struct dir_ref d = { .dir = NULL };

		all = repo_dir_get(c->r, pack, (uint16_t)(slot + i),
				   DIR_VERIFIED, &d, NULL) == BC_OK;
		if (all)
			all = elsewhere(
				c, &d.dir->ids[slot + i - d.dir->base_slot],
				pack, slot + i);
		repo_dir_put(c->r, &d);
	}
	return all;
}

/* Does anything that was reached lie in this pack? */
static bool reached(const struct check *c, uint32_t pack)
{
	const struct marks_pack *p;

	if (pack >= c->seen.packs)
		return false;
	p = &c->seen.pack[pack];
	for (uint32_t i = 0; i < p->slots / 8; i++)
		if (p->bits[i] != 0)
			return true;
	return false;
}

/* Of a pack by which nothing is lost. */
static void tell_unneeded(struct check *c, const struct held *h, bool log,
			  const struct check_at *at)
{
	/* It did not read at first, and the trees were found in it since. */
	if (reached(c, h->pack))
		check_tell(c, CHECK_DAMAGE, at, NEEDED_NEXT, "%s", h->text);
	else if (log)
		check_tell(c, CHECK_NOTE, at, LOG_NEXT,
			   "%s; no snapshot needs what it stores any more",
			   h->text);
	else
		check_tell(c, CHECK_NOTE, at, NULL,
			   "%s; no snapshot needs it any more", h->text);
}

static void tell_held(struct check *c, const struct held *h, bool lost)
{
	const struct check_at *where;
	char file[CHECK_FILE_BYTES] = "";
	struct check_at at = { .file = file, .offset = &h->offset };
	struct pack_ref p;
	enum bc_err rc = BC_ENOTFOUND;

	if (c->r != NULL) {
		pthread_mutex_lock(&c->r->mutex);
		rc = repo_pack_ref(c->r, h->pack, &p, NULL);
		pthread_mutex_unlock(&c->r->mutex);
	}
	if (rc == BC_OK)
		check_file(&p, file);
	if (h->whole)
		at.offset = NULL;
	where = rc == BC_OK ? &at : NULL;
	if (lost)
		check_tell(c, CHECK_DAMAGE, where,
			   h->whole ? PACK_NEXT : BLOCK_NEXT, "%s", h->text);
	else if (h->whole)
		tell_unneeded(c, h, rc == BC_OK && p.log, where);
	else
		check_tell(c, CHECK_NOTE, where, NULL,
			   "%s; all that was in it is stored in another place "
			   "too",
			   h->text);
}

void check_hold_block(struct check *c, uint32_t pack, uint32_t slot, uint32_t n,
		      uint64_t offset, const char *text)
{
	struct held h = { .phase = c->phase,
			  .pack = pack,
			  .slot = slot,
			  .n = n,
			  .offset = offset };

	add_bad(c, pack, offset);
	if (c->phase != CHECK_DATA || text == NULL ||
	    all_elsewhere(c, pack, slot, n)) {
		hold(c, &h, text);
		return;
	}
	/* What is lost now stays so: no need to wait. */
	h.text = (char *)(uintptr_t)text;
	tell_held(c, &h, true);
}

void check_hold_pack(struct check *c, uint32_t pack, const char *text)
{
	struct held h = { .phase = c->phase, .whole = true, .pack = pack };

	add_bad(c, pack, HURT_WHOLE);
	hold(c, &h, text);
}

bool check_holds_pack(struct check *c, uint32_t pack)
{
	bool holds = false;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->held.n; i += sizeof(struct held)) {
		struct held h;

		memcpy(&h, c->held.p + i, sizeof(h));
		holds |= h.whole && h.pack == pack;
	}
	pthread_mutex_unlock(&c->lock);
	return holds;
}

void check_release(struct check *c, bool packs, bool sound)
{
	enum check_phase now = c->phase;
	uint64_t more = 0, at = UINT64_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < c->held.n; i += sizeof(struct held)) {
		struct held h;
		bool lost;

		memcpy(&h, c->held.p + i, sizeof(h));
		if (h.whole && !packs) {
			memmove(c->held.p + kept, &h, sizeof(h));
			kept += sizeof(h);
			continue;
		}
		lost = h.whole ? !sound
			       : !all_elsewhere(c, h.pack, h.slot, h.n);
		c->phase = h.phase;
		if (h.text != NULL)
			tell_held(c, &h, lost);
		else
			more += lost && h.offset != at;
		at = h.offset;
		free(h.text);
	}
	c->held.n = kept;
	if (more > 0)
		check_tell(c, CHECK_DAMAGE, NULL, BLOCK_NEXT,
			   "and %llu more block%s", (unsigned long long)more,
			   more == 1 ? "" : "s");
	c->phase = now;
}
