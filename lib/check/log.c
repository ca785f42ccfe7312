/* SPDX-License-Identifier: Apache-2.0 */
/* The log: where its chain ends and why, and every block of every group. */
#include <stdio.h>
#include <stdlib.h>

#include "check/internal.h"
#include "log/list.h"
#include "pack/open.h"
#include "repo/packs.h"
#include "repo/layout.h"
#include "repo/views.h"

static const char COPY_NEXT[] =
	"put it back from a copy of the repository if you have one; what "
	"still reads can be saved with `blobctl get`";

/* ---- where it ends --------------------------------------------------------
 */

static bool has_group(struct check *c, struct log_file *l, uint64_t at)
{
	struct group *g = NULL;
	enum bc_err rc =
		log_file_group(l, at, GROUP_WHOLE, c->r->dec, &g, NULL);

	group_free(g);
	return rc == BC_OK;
}

/* Is there a log that goes on just where the one with the head ends, with a
 * group? One that says it ended later tells of groups that are lost. */
static bool has_successor(struct check *c)
{
	const struct log_pos *head = &c->r->head;
	struct log_list list;
	bool found = false;

	if (log_list_read(c->r->log_dir, &list, NULL) != BC_OK)
		return false;
	for (size_t i = 0; i < list.n && !found; i++) {
		char name[LOG_NAME_BYTES];
		struct log_file *l = NULL;

		if (list.at[i].seq != head->seq + 1)
			continue;
		log_name(list.at[i].seq, &list.at[i].id, name);
		if (log_file_open(c->r->log_dir, name, false, &l, NULL) ==
		    BC_OK)
			found = pack_id_eq(&log_file_head(l)->prev_id,
					   &head->log) &&
				log_file_head(l)->prev_end == head->end &&
				has_group(c, l, LOG_HEAD_BYTES);
		log_file_close(l);
	}
	log_list_free(&list);
	return found;
}

bool check_moved_on(struct check *c)
{
	const struct log_pos *head = &c->r->head;
	char name[LOG_NAME_BYTES];
	struct log_file *l = NULL;

	if (c->moved_on)
		return true;
	log_name(head->seq, &head->log, name);
	if (log_file_open(c->r->log_dir, name, false, &l, NULL) == BC_OK)
		c->moved_on = has_group(c, l, head->end);
	log_file_close(l);
	c->moved_on = c->moved_on || has_successor(c);
	return c->moved_on;
}

static const char LOST_NEXT[] =
	"put the log back from a copy of the repository if you have one; what "
	"was committed there is not in the repository: put it once more";

/*
 * What lies beyond the end of a log. A damaged group there is a commit that
 * cannot be known any more; an append that was cut short is none.
 *   last  it is the newest log: somebody may be at work there
 */
static enum bc_err check_behind(struct check *c, struct log_file *l,
				uint64_t end, const char *file, bool last,
				struct err *e)
{
	struct check_at at = { .file = file, .offset = &end };
	struct log_tail t;
	enum bc_err rc = log_file_tail(l, end, c->r->dec, &t, e);

	if (rc != BC_OK || t.kind == LOG_TAIL_NOTHING)
		return rc;
	if (last && check_moved_on(c))
		return BC_OK;
	switch (t.kind) {
	case LOG_TAIL_NOTHING:
		break;
	case LOG_TAIL_TORN:
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "an append that was cut short%s",
			   last ? ", or is under way" : "");
		break;
	case LOG_TAIL_STRANGE:
		c->log_whole = c->log_whole && !last;
		check_tell(c, CHECK_DAMAGE, &at, LOST_NEXT,
			   "bytes beyond the end of the log that no append "
			   "has written: a commit may be lost");
		break;
	case LOG_TAIL_DAMAGED:
		c->log_whole = c->log_whole && !last;
		check_tell(c, CHECK_DAMAGE, &at, LOST_NEXT,
			   "a group was written here as a whole%s and is "
			   "damaged: a commit may be lost",
			   t.generation == 0 ? "" : ", by its header,");
		break;
	case LOG_TAIL_WHOLE:
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "a group that was given up, for its sync had failed "
			   "or it could not be read");
		break;
	}
	return BC_OK;
}

/*
 * Opening with views in memory has read the chain from its beginning, every
 * group with all its blocks. What is left to say is where it ends, and why.
 */
static enum bc_err check_end(struct check *c, struct err *e)
{
	char name[LOG_NAME_BYTES], file[CHECK_FILE_BYTES];
	const struct log_pos *head = &c->r->head;
	struct check_at at = { .file = file, .offset = &head->end };
	struct log_file *l = NULL;
	struct group *g = NULL;
	bool later = false;
	enum bc_err rc;

	log_name(head->seq, &head->log, name);
	snprintf(file, sizeof(file), REPO_LOG_DIR "/%s", name);
	rc = log_file_open(c->r->log_dir, name, false, &l, e);
	if (rc == BC_OK)
		rc = log_file_later_group(l, head->end + LOG_ALIGN,
					  head->generation, c->r->dec, &later,
					  e);
	/* Somebody may have committed since it was opened. */
	if (rc == BC_OK) {
		rc = log_file_group(l, head->end, GROUP_WHOLE, c->r->dec, &g,
				    e);
		c->moved_on = rc == BC_OK;
		group_free(g);
		if (rc == BC_ENOTFOUND) {
			err_clear(e);
			rc = BC_OK;
		}
	}
	if (rc == BC_OK && !later)
		rc = check_behind(c, l, head->end, file, true, e);
	log_file_close(l);
	if (rc == BC_OK && later && !c->moved_on) {
		c->log_whole = false;
		check_tell(c, CHECK_DAMAGE, &at, COPY_NEXT,
			   "the group of generation %llu is damaged, and later "
			   "ones follow",
			   (unsigned long long)head->generation + 1);
	}
	return rc;
}

static bool in_chain(struct check *c, const struct pack_id *id)
{
	struct catalog_pack row;

	return catalog_get_pack_id(c->r->catalog, id->b, &row, NULL) == BC_OK;
}

static void tell_stray_log(struct check *c, const struct log_name *n)
{
	char name[LOG_NAME_BYTES], file[CHECK_FILE_BYTES];
	struct check_at at = { .file = file };
	const struct log_pos *head = &c->r->head;
	struct log_file *l = NULL;
	const struct log_head *h;
	struct err e = ERR_INIT;
	struct io_stat st;

	log_name(n->seq, &n->id, name);
	snprintf(file, sizeof(file), REPO_LOG_DIR "/%s", name);
	/* Without a group it is nothing: its maker died, or gave up. */
	if (io_stat_at(c->r->log_dir, name, &st, NULL) != BC_OK ||
	    st.size <= LOG_HEAD_BYTES) {
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "a log that was begun and not finished");
		return;
	}
	if (log_file_open(c->r->log_dir, name, false, &l, &e) != BC_OK) {
		c->log_whole = false;
		check_tell(c, CHECK_DAMAGE, &at, COPY_NEXT, "%s", e.text);
		return;
	}
	h = log_file_head(l);
	if (c->moved_on && n->seq > head->seq) {
		log_file_close(l);
		return;
	}
	if (pack_id_eq(&h->prev_id, &head->log) &&
	    h->first_generation > head->generation + 1) {
		char end[CHECK_FILE_BYTES];
		struct check_at gap = { .file = end, .offset = &head->end };

		log_name(head->seq, &head->log, name);
		snprintf(end, sizeof(end), REPO_LOG_DIR "/%s", name);
		c->log_whole = false;
		check_tell(c, CHECK_DAMAGE, &gap, COPY_NEXT,
			   "generations %llu to %llu are damaged",
			   (unsigned long long)head->generation + 1,
			   (unsigned long long)h->first_generation - 1);
	} else if (h->first_generation > head->generation + 1) {
		c->log_whole = false;
		check_tell(c, CHECK_DAMAGE, &at, COPY_NEXT,
			   "the log before this one is missing or damaged");
	} else {
		check_tell(c, CHECK_NOTE, &at, NULL,
			   "a log that was begun and given up");
	}
	log_file_close(l);
}

static void tell_lost_snapshots(struct check *c)
{
	struct catalog_checkpoint k;

	if (catalog_checkpoint(c->r->catalog, &k, NULL) != BC_OK || k.lost == 0)
		return;
	check_tell(
		c, CHECK_DAMAGE, NULL, COPY_NEXT,
		"%llu snapshot%s lost: the records in the log cannot be read",
		(unsigned long long)k.lost, k.lost == 1 ? " is" : "s are");
}

static enum bc_err count_snapshots(struct check *c, struct err *e)
{
	enum bc_err rc = catalog_count(c->r->catalog, &c->res.snapshots, e);

	c->res.generation = c->r->head.generation;
	return rc;
}

/* The catalog on disk may know more than a damaged log does. */
static void take_disk_catalog(struct check *c)
{
	struct catalog_options o = { .busy_ms = CHECK_DISK_WAIT_MS };
	struct catalog *disk = NULL;
	struct catalog_position at;
	char path[4096];

	snprintf(path, sizeof(path), "%s/" REPO_CATALOG_FILE, c->path);
	o.path = path;
	memcpy(o.repository, c->sb.id.b, PACK_ID_BYTES);
	if (catalog_open(&o, &disk, NULL) != BC_OK)
		return;
	if (catalog_verify(disk, NULL) != BC_OK ||
	    catalog_position(disk, &at, NULL) != BC_OK ||
	    at.generation <= c->r->head.generation) {
		catalog_close(disk);
		return;
	}
	check_tell(c, CHECK_NOTE, NULL,
		   "keep a copy of " REPO_CATALOG_FILE ": it is the only "
		   "record of what came after",
		   "the log is whole up to generation %llu, the catalog stands "
		   "at %llu and is used for the rest of this check",
		   (unsigned long long)c->r->head.generation,
		   (unsigned long long)at.generation);
	catalog_close(c->r->catalog);
	repo_close_index(c->r);
	c->r->catalog = disk;
	c->r->head = (struct log_pos){ .generation = at.generation,
				       .digest = at.digest,
				       .seq = at.log_seq,
				       .end = at.log_end,
				       .next_pack = at.next_pack,
				       .next_slot = at.next_slot };
	memcpy(c->r->head.log.b, at.log_id, PACK_ID_BYTES);
}

/* ---- its groups -----------------------------------------------------------
 */

static void log_file_name(uint64_t seq, const struct pack_id *id,
			  char out[CHECK_FILE_BYTES])
{
	struct pack_ref p = { .log = true, .id = *id, .seq = seq };

	check_file(&p, out);
}

/* A group that is in the chain: its record and directory are whole. */
static enum bc_err check_blocks(struct check *c, const struct group *g,
				uint32_t number, struct err *e)
{
	enum bc_err rc = BC_OK;
	uint32_t slot = g->head.first_slot;

	for (uint32_t i = 0; g->dir != NULL && i < g->dir->n_blocks; i++) {
		const struct dir_block *b = &g->dir->blocks[i];
		struct err why = ERR_INIT;
		struct bytes raw;

		c->res.chunks += b->chunks;
		rc = group_block(g, i, &raw, &why);
		if (rc == BC_OK)
			rc = block_check_in(b, raw, &why);
		if (rc != BC_OK) {
			check_hold_block(c, number, slot, b->chunks, b->offset,
					 why.text);
			rc = BC_OK;
			for (uint32_t j = 0; j < b->chunks && rc == BC_OK; j++)
				rc = marks_set(&c->bad, number, slot + j);
			if (rc != BC_OK)
				return err_set(e, rc, "no memory for marks");
		}
		slot += b->chunks;
	}
	return rc;
}

static enum bc_err check_groups(struct check *c, struct log_file *l,
				uint64_t end, struct err *e)
{
	uint64_t at = LOG_HEAD_BYTES;
	enum bc_err rc = BC_OK;

	while (rc == BC_OK && at < end && !check_stopped(c, &rc, e)) {
		struct group *g = NULL;

		rc = log_file_group(l, at, GROUP_BYTES, c->r->dec, &g, e);
		if (rc == BC_ENOTFOUND) { /* the gap; told apart */
			err_clear(e);
			return BC_OK;
		}
		if (rc == BC_OK)
			rc = check_blocks(c, g, log_file_head(l)->number, e);
		if (rc == BC_OK) {
			at = g->next;
			check_step(c, g->next - g->offset);
		}
		group_free(g);
	}
	return rc;
}

struct chain {
	struct catalog_log *at;
	size_t n;
};

static enum bc_err add_log(void *ctx, const struct catalog_log *l,
			   struct err *e)
{
	struct chain *v = ctx;
	struct catalog_log *at = realloc(v->at, (v->n + 1) * sizeof(*at));

	if (at == NULL)
		return err_set(e, BC_ENOMEM, "no memory for the list of logs");
	v->at = at;
	v->at[v->n++] = *l;
	return BC_OK;
}

static enum bc_err open_log(struct check *c, const struct catalog_log *row,
			    struct log_file **out, char file[CHECK_FILE_BYTES],
			    struct err *e)
{
	char name[LOG_NAME_BYTES];
	struct pack_id id;

	memcpy(id.b, row->id, PACK_ID_BYTES);
	log_name(row->seq, &id, name);
	log_file_name(row->seq, &id, file);
	return log_file_open(c->r->log_dir, name, false, out, e);
}

/* From the last log back: each header says where the one before it ends. */
static enum bc_err check_chain(struct check *c, struct err *e)
{
	struct chain v = { NULL, 0 };
	uint64_t end = c->r->head.end;
	enum bc_err rc = catalog_walk_logs(c->r->catalog, add_log, &v, e);

	c->res.logs = v.n;
	for (size_t i = v.n; i > 0 && rc == BC_OK; i--) {
		char file[CHECK_FILE_BYTES];
		struct check_at at = { .file = file };
		struct log_file *l = NULL;

		rc = open_log(c, &v.at[i - 1], &l, file, e);
		if (rc == BC_EDAMAGE || rc == BC_ENOTFOUND) {
			c->log_whole = false;
			check_tell(c, CHECK_DAMAGE, &at, COPY_NEXT, "%s",
				   rc == BC_ENOTFOUND ? "this log is missing"
						      : e->text);
			err_clear(e);
			rc = BC_OK;
			end = UINT64_MAX; /* of the one before: unknown */
			continue;
		}
		if (rc == BC_OK)
			rc = check_groups(c, l, end, e);
		if (rc == BC_OK && i < v.n && end != UINT64_MAX)
			rc = check_behind(c, l, end, file, false, e);
		if (rc == BC_OK)
			end = log_file_head(l)->prev_end;
		log_file_close(l);
	}
	free(v.at);
	return rc;
}

/* What the repository has to say is of no use one by one; that it had to say
 * something is. */
static void hear(void *ctx, const char *text)
{
	struct check *c = ctx;

	c->heard++;
	snprintf(c->note, sizeof(c->note), "%s", text);
}

enum bc_err check_log(struct check *c, const struct repo_options *ro,
		      struct err *e)
{
	struct repo_options o = *ro;
	struct log_list list = { NULL, 0 };
	enum bc_err rc;

	check_begin(c, CHECK_LOG, 0);
	o.write = false;
	o.detached = true;
	o.note = (struct repo_note){ hear, c };
	rc = repo_open(c->path, &o, &c->r, e);
	if (rc == BC_EDAMAGE) {
		check_tell(c, CHECK_DAMAGE, NULL, COPY_NEXT, "%s", e->text);
		c->log_whole = false;
		/* A reader may still go by the catalog. */
		o.detached = false;
		if (repo_open(c->path, &o, &c->r, NULL) != BC_OK)
			return rc;
		err_clear(e);
		rc = check_chain(c, e);
		return rc == BC_OK ? count_snapshots(c, e) : rc;
	}
	if (rc == BC_OK)
		rc = check_end(c, e);
	if (rc == BC_OK)
		rc = log_list_read(c->r->log_dir, &list, e);
	for (size_t i = 0; i < list.n && rc == BC_OK; i++)
		if (!in_chain(c, &list.at[i].id))
			tell_stray_log(c, &list.at[i]);
	log_list_free(&list);
	if (rc == BC_OK && c->log_whole)
		rc = check_checkpoints(c, e);
	if (rc == BC_OK && !c->log_whole)
		take_disk_catalog(c);
	if (rc == BC_OK)
		tell_lost_snapshots(c);
	if (rc == BC_OK)
		rc = check_chain(c, e);
	return rc == BC_OK ? count_snapshots(c, e) : rc;
}
