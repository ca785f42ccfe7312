/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/snapshot_row.h"

#include "cmd/pick.h"
#include "util/hex.h"

enum { TAGS_MAX_BYTES = 64 << 20 };

void snapshot_row_init(struct snapshot_row *w)
{
	*w = (struct snapshot_row){ .rec = { .tags = NULL } };
	buf_init(&w->tags, TAGS_MAX_BYTES);
}

void snapshot_row_fini(struct snapshot_row *w)
{
	snapshot_record_fini(&w->rec);
	buf_fini(&w->tags);
}

enum bc_err snapshot_row_fill(struct snapshot_row *w, struct repo *r,
			      const struct catalog_snapshot *s, struct err *e)
{
	enum bc_err rc;

	hex_encode(s->id.b, DIGEST_BYTES, w->id);
	hex_encode(s->root.b, DIGEST_BYTES, w->root);
	w->show = (struct show_snapshot){ .id = w->id,
					  .root = w->root,
					  .time = s->time,
					  .name = s->name,
					  .host = s->host,
					  .files = s->files,
					  .dirs = s->dirs,
					  .others = s->others,
					  .bytes = s->bytes,
					  .new_bytes = s->new_bytes,
					  .stored_bytes = s->new_stored };
	/* What is not in the catalog's own columns. */
	snapshot_record_fini(&w->rec);
	w->rec = (struct snapshot_record){ .tags = NULL };
	w->partial = false;
	if (snapshot_record_decode(s->record, &w->rec, NULL) == BC_OK) {
		w->show.user = w->rec.user;
		w->partial = (w->rec.flags & SNAPSHOT_SKIPPED) != 0;
	}
	w->show.state = w->partial ? "partial" : "complete";
	buf_clear(&w->tags);
	rc = pick_tags(r, &s->id, &w->tags, e);
	w->show.tags = buf_bytes(&w->tags);
	return rc;
}
