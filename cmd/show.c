/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/msg.h"

static enum bc_err begin(struct out *o, const struct out_column *columns,
			 const char *type, const struct show_style *s,
			 struct err *e)
{
	const struct out_table_options opt = {
		.type = type,
		.is_long = s != NULL && s->is_long,
		.zero = s != NULL && s->zero,
		.format = s != NULL ? s->format : NULL,
	};

	return out_table_begin(o, columns, &opt, e);
}

uint64_t show_end(struct out *o)
{
	return out_table_end(o);
}

/* ---- ls: snapshots --------------------------------------------------------
 */

static const struct out_column SNAPSHOT_COLUMNS[] = {
	{ "id", "ID", OUT_ID, OUT_ALWAYS, false, 1 },
	{ "snapshot_time", "TIME", OUT_TIME, OUT_ALWAYS, true, 2 },
	{ "name", "NAME", OUT_PATH, OUT_ALWAYS, false, 0 },
	{ "logical_bytes", "SIZE", OUT_SIZE, OUT_ALWAYS, false, 3 },
	{ "files", "FILES", OUT_COUNT, OUT_ALWAYS, false, 7 },
	{ "stored_bytes", "STORED", OUT_SIZE, OUT_LONG, false, 6 },
	{ "host", "HOST", OUT_TEXT, OUT_LONG, false, 9 },
	{ "user", "USER", OUT_TEXT, OUT_LONG, false, 8 },
	{ "tags", "TAGS", OUT_LIST, OUT_ALWAYS, false, 4 },
	{ "dirs", "DIRS", OUT_COUNT, OUT_JSON_ONLY, false, 0 },
	{ "others", "OTHERS", OUT_COUNT, OUT_JSON_ONLY, false, 0 },
	{ "new_bytes", "NEW", OUT_SIZE, OUT_JSON_ONLY, false, 0 },
	{ "root_id", "ROOT", OUT_ID, OUT_JSON_ONLY, false, 0 },
	{ "state", "STATE", OUT_TEXT, OUT_LONG, false, 5 },
	{ NULL, NULL, OUT_TEXT, OUT_ALWAYS, false, 0 },
};

enum bc_err show_snapshots(struct out *o, const struct show_style *s,
			   struct err *e)
{
	return begin(o, SNAPSHOT_COLUMNS, "snapshot", s, e);
}

enum {
	SNAPSHOT_VALUES =
		sizeof(SNAPSHOT_COLUMNS) / sizeof(SNAPSHOT_COLUMNS[0]) - 1
};

static void snapshot_values(const struct show_snapshot *r,
			    struct out_value v[SNAPSHOT_VALUES])
{
	const struct out_value all[SNAPSHOT_VALUES] = {
		out_s(r->id),	 out_t(r->time),   out_b(r->name),
		out_n(r->bytes), out_n(r->files),  out_n(r->stored_bytes),
		out_b(r->host),	 out_b(r->user),   out_b(r->tags),
		out_n(r->dirs),	 out_n(r->others), out_n(r->new_bytes),
		out_s(r->root),	 out_s(r->state),
	};

	memcpy(v, all, sizeof(all));
}

void show_snapshot(struct out *o, const struct show_snapshot *r)
{
	struct out_value v[SNAPSHOT_VALUES];

	snapshot_values(r, v);
	out_row(o, v);
}

/* ---- ls SNAP:PATH, find ---------------------------------------------------
 */

#define ENTRY_COLUMNS(path_show, key_show)                                     \
	{ "mode", "MODE", OUT_MODE, OUT_LONG, false, 5 },                      \
		{ "user", "USER", OUT_TEXT, OUT_LONG, false, 7 },              \
		{ "group", "GROUP", OUT_TEXT, OUT_LONG, false, 8 },            \
		{ "size_bytes", "SIZE", OUT_SIZE, OUT_LONG, false, 1 },        \
		{ "modified_time", "MODIFIED", OUT_TIME, OUT_LONG, false, 2 }, \
		{ "path", "PATH", OUT_PATH, path_show, false, 0 },             \
		{ "key", "FOUND", OUT_PATH, key_show, false, 0 },              \
		{ "target", "TARGET", OUT_PATH, OUT_LONG, false, 6 },          \
		{ "entry_type", "TYPE", OUT_TEXT, OUT_JSON_ONLY, false, 0 },   \
		{ "uid", "UID", OUT_COUNT, OUT_JSON_ONLY, false, 0 },          \
		{ "gid", "GID", OUT_COUNT, OUT_JSON_ONLY, false, 0 },          \
		{ "snapshot_id", "ID", OUT_ID, OUT_JSON_ONLY, false, 0 },      \
	{                                                                      \
		NULL, NULL, OUT_TEXT, OUT_ALWAYS, false, 0                     \
	}

static const struct out_column LS_COLUMNS[] = { ENTRY_COLUMNS(OUT_ALWAYS,
							      OUT_JSON_ONLY) };
static const struct out_column FIND_COLUMNS[] = { ENTRY_COLUMNS(OUT_JSON_ONLY,
								OUT_ALWAYS) };

enum bc_err show_entries(struct out *o, const struct show_style *s,
			 struct err *e)
{
	return begin(o, LS_COLUMNS, "entry", s, e);
}

enum bc_err show_matches(struct out *o, const struct show_style *s,
			 struct err *e)
{
	return begin(o, FIND_COLUMNS, "match", s, e);
}

/* The name, or the number where the system knew none. */
static struct out_value owner(struct bytes name, uint32_t id, char text[16])
{
	if (name.n > 0)
		return out_b(name);
	snprintf(text, 16, "%" PRIu32, id);
	return out_s(text);
}

void show_entry(struct out *o, const struct show_entry *r)
{
	char user[16], group[16];
	const struct out_value v[] = {
		out_n(r->mode),
		owner(r->user, r->uid, user),
		owner(r->group, r->gid, group),
		out_n(r->size),
		out_t(r->mtime),
		out_b(r->path),
		out_b(r->key),
		r->target.p == NULL ? out_null() : out_b(r->target),
		out_s(r->type),
		out_n(r->uid),
		out_n(r->gid),
		out_s(r->snapshot_id),
	};

	out_row(o, v);
}

void show_match(struct out *o, const struct show_entry *r)
{
	show_entry(o, r);
}

/* ---- diff -----------------------------------------------------------------
 */

static const struct out_column CHANGE_COLUMNS[] = {
	{ "change", "", OUT_TEXT, OUT_ALWAYS, false, 0 },
	{ "path", "PATH", OUT_PATH, OUT_ALWAYS, false, 0 },
	{ "what", "WHAT", OUT_TEXT, OUT_ALWAYS, false, 1 },
	{ "before_bytes", "BEFORE", OUT_SIZE, OUT_JSON_ONLY, false, 0 },
	{ "after_bytes", "AFTER", OUT_SIZE, OUT_JSON_ONLY, false, 0 },
	{ NULL, NULL, OUT_TEXT, OUT_ALWAYS, false, 0 },
};

enum bc_err show_changes(struct out *o, const struct show_style *s,
			 struct err *e)
{
	return begin(o, CHANGE_COLUMNS, "change", s, e);
}

void show_change(struct out *o, const struct show_change *r)
{
	static const char *const MARKS[] = { "+", "-", "M", "U", "T" };
	const struct out_value v[] = {
		out_s(MARKS[r->kind]), out_b(r->path),	 out_b(r->what),
		out_n(r->size_a),      out_n(r->size_b),
	};

	out_row(o, v);
}

static void show_stat_line(struct out *o, const char *what, uint64_t n,
			   const char *bytes)
{
	char count[FMT_BYTES];

	out_print(o, "%-16s %12s%s%s\n", what, fmt_count(n, count),
		  *bytes == '\0' ? "" : "  ", bytes);
}

static void show_stat_lines(struct out *o, const struct show_diff_stat *r)
{
	char size[FMT_BYTES], after[FMT_BYTES], both[2 * FMT_BYTES + 8] = "";

	if (r->content > 0)
		snprintf(both, sizeof(both), "%s -> %s",
			 out_size(o, r->bytes_before, size),
			 out_size(o, r->bytes_after, after));
	show_stat_line(o, "added", r->added, out_size(o, r->bytes_added, size));
	show_stat_line(o, "removed", r->removed,
		       out_size(o, r->bytes_removed, size));
	show_stat_line(o, "other content", r->content, both);
	show_stat_line(o, "other type", r->type, "");
	show_stat_line(o, "other attributes", r->meta, "");
}

void show_diff_stat(struct out *o, const struct show_diff_stat *r, bool print)
{
	if (print && o->tty)
		show_stat_lines(o, r);
	else if (print)
		out_print(o,
			  "added\t%" PRIu64 "\nremoved\t%" PRIu64
			  "\nchanged\t%" PRIu64 "\ntype\t%" PRIu64
			  "\nattributes\t%" PRIu64 "\nadded_bytes\t%" PRIu64
			  "\nremoved_bytes\t%" PRIu64
			  "\nchanged_before_bytes\t%" PRIu64
			  "\nchanged_after_bytes\t%" PRIu64 "\n",
			  r->added, r->removed, r->content, r->type, r->meta,
			  r->bytes_added, r->bytes_removed, r->bytes_before,
			  r->bytes_after);
	out_count_u64(o, "added", r->added);
	out_count_u64(o, "removed", r->removed);
	out_count_u64(o, "changed", r->content);
	out_count_u64(o, "type_changed", r->type);
	out_count_u64(o, "attributes_changed", r->meta);
	out_count_u64(o, "added_bytes", r->bytes_added);
	out_count_u64(o, "removed_bytes", r->bytes_removed);
	out_count_u64(o, "changed_before_bytes", r->bytes_before);
	out_count_u64(o, "changed_after_bytes", r->bytes_after);
}

/* ---- put, get, rm, init ---------------------------------------------------
 */

static void count_put(struct out *o, const struct show_put *r)
{
	out_count_text(o, "snapshot_id", r->id);
	out_count_bool(o, "made", r->id != NULL && !r->same);
	out_count_u64(o, "files", r->files);
	out_count_u64(o, "dirs", r->dirs);
	out_count_u64(o, "others", r->others);
	out_count_u64(o, "skipped_items", r->skipped);
	out_count_u64(o, "logical_bytes", r->bytes);
	/* Nothing was looked up: what is new is not known. */
	if (r->dry_run)
		return;
	out_count_u64(o, "new_bytes", r->new_bytes);
	out_count_u64(o, "stored_bytes", r->stored_bytes);
}

void show_file(struct out *o, struct bytes path, const char *type,
	       uint64_t size, const char *state)
{
	struct json j;

	if (!out_events(o))
		return;
	json_begin(&j, "file");
	json_path(&j, "path", path);
	json_text(&j, "entry_type", type);
	json_u64(&j, "size_bytes", size);
	json_text(&j, "state", state);
	out_emit(o, &j);
}

static void emit_put(struct out *o, const struct show_put *r)
{
	struct out_value v[SNAPSHOT_VALUES];

	if (r->made == NULL)
		return;
	snapshot_values(r->made, v);
	out_event(o, SNAPSHOT_COLUMNS, "snapshot", v);
}

void show_put(struct out *o, struct msg *m, const struct show_put *r,
	      bool print_id)
{
	char files[FMT_BYTES], size[FMT_BYTES], fresh[FMT_BYTES],
		stored[FMT_BYTES], took[FMT_BYTES];
	int64_t ns = o->clk.mono(o->clk.ctx) - o->began_mono;

	count_put(o, r);
	emit_put(o, r);
	if (r->id != NULL && print_id)
		out_print(o, "%s\n", r->id);
	else if (r->id != NULL)
		out_say(o, "%s\n", r->id);
	if (r->same) {
		msg_note(m,
			 "nothing has changed in %s, %s; snapshot %.8s serves",
			 fmt_things(r->files, "file", files),
			 out_size(o, r->bytes, size), r->id);
		return;
	}
	if (r->dry_run) {
		msg_note(m, "would store: %s, %s; read in %s",
			 fmt_things(r->files, "file", files),
			 out_size(o, r->bytes, size), fmt_seconds(ns, took));
		return;
	}
	msg_note(m, "%s, %s; new %s, stored in %s; %s",
		 fmt_things(r->files, "file", files),
		 out_size(o, r->bytes, size), out_size(o, r->new_bytes, fresh),
		 out_size(o, r->stored_bytes, stored), fmt_seconds(ns, took));
}

/* `3 files`, `3 files and 1 other item`, or `1 link`. */
static const char *restored_things(const struct show_get *r,
				   char out[3 * FMT_BYTES])
{
	char files[FMT_BYTES], others[FMT_BYTES];

	fmt_things(r->files, "file", files);
	fmt_things(r->others, r->other_name, others);
	snprintf(out, 3 * FMT_BYTES, "%s%s%s",
		 r->files == 0 && r->others > 0 ? "" : files,
		 r->files > 0 && r->others > 0 ? " and " : "",
		 r->others > 0 ? others : "");
	return out;
}

void show_get(struct out *o, struct msg *m, const struct show_get *r)
{
	char things[3 * FMT_BYTES], size[FMT_BYTES], took[FMT_BYTES];
	char written[FMT_BYTES], less[2 * FMT_BYTES] = "";
	char there[FMT_BYTES], same[3 * FMT_BYTES] = "";
	int64_t ns = o->clk.mono(o->clk.ctx) - o->began_mono;

	out_count_u64(o, "files", r->files);
	out_count_u64(o, "dirs", r->dirs);
	out_count_u64(o, "others", r->others);
	out_count_u64(o, "logical_bytes", r->bytes);
	if (!r->dry_run)
		out_count_u64(o, "written_bytes", r->written);
	out_count_u64(o, "same_items", r->same);
	out_count_u64(o, "skipped_items", r->skipped);
	out_count_u64(o, "damaged_items", r->damaged);
	if (r->same > 0)
		snprintf(same, sizeof(same),
			 "; %s there already, with the "
			 "same size and time",
			 fmt_things(r->same, "item", there));
	if (r->dry_run) {
		msg_note(m, "would restore %s, %s, to %.*s%s",
			 restored_things(r, things),
			 out_size(o, r->bytes, size), (int)r->dest.n,
			 (const char *)r->dest.p, same);
		return;
	}
	if (r->written < r->bytes)
		snprintf(less, sizeof(less), " (%s written)",
			 out_size(o, r->written, written));
	msg_note(m, "restored %s, %s%s, to %.*s in %s%s",
		 restored_things(r, things), out_size(o, r->bytes, size), less,
		 (int)r->dest.n, (const char *)r->dest.p, fmt_seconds(ns, took),
		 same);
}

void show_removed(struct out *o, const struct show_removed *r, bool dry_run)
{
	char when[FMT_BYTES];
	struct json j;

	if (out_events(o)) {
		json_begin(&j, "removed");
		json_text(&j, "id", r->id);
		json_path(&j, "name", r->name);
		json_time(&j, "snapshot_time", r->time);
		json_bool(&j, "dry_run", dry_run);
		out_emit(o, &j);
	}
	if (o->opt.quiet || o->opt.json)
		return;
	if (!o->tty) {
		out_print(o, "%s\n", r->id);
		return;
	}
	out_print(o, "%s %.8s ", dry_run ? "would remove" : "removed", r->id);
	out_name(o, r->name);
	out_print(o, " of %s\n", out_time(o, r->time, when));
}

void show_removed_total(struct out *o, struct msg *m, uint64_t snapshots,
			uint64_t freed, uint64_t reclaimable, bool dry_run)
{
	char now[FMT_BYTES], later[FMT_BYTES];

	out_count_u64(o, "removed_snapshots", snapshots);
	out_count_u64(o, "freed_bytes", freed);
	if (reclaimable == SHOW_UNKNOWN)
		return;
	out_count_u64(o, "reclaimable_bytes", reclaimable);
	msg_note(m, "%s: %s; reclaimable in all: %s%s",
		 dry_run ? "would free" : "freed now", out_size(o, freed, now),
		 out_size(o, reclaimable, later),
		 reclaimable > 0 ? " (this version does not free it yet)" : "");
}

void show_repo(struct out *o, const char *path, const char *id, bool made)
{
	struct json j;

	if (out_events(o)) {
		json_begin(&j, "repo");
		json_text(&j, "id", id);
		json_path(&j, "path", bytes_str(path));
		json_bool(&j, "made", made);
		out_emit(o, &j);
	}
	if (!o->tty) {
		out_say(o, "%s\n", id);
		return;
	}
	out_say(o, "%s %s  ", made ? "made" : "found", id);
	if (!o->opt.quiet)
		out_name(o, bytes_str(path));
	out_say(o, "\n");
}

/* ---- check ----------------------------------------------------------------
 */

void show_damage(struct out *o, const struct show_damage *r)
{
	struct json j;

	if (out_events(o)) {
		json_begin(&j, r->note ? "note" : "damage");
		json_text(&j, "what", r->what);
		json_path(&j, "object", r->object);
		if (r->offset != NULL)
			json_u64(&j, "offset_bytes", *r->offset);
		else
			json_null(&j, "offset_bytes");
		json_bytes(&j, "detail", r->detail);
		json_text(&j, "hint", r->next);
		out_emit(o, &j);
	}
	if (o->opt.json || (r->note && o->opt.quiet))
		return;
	if (!o->tty) {
		out_print(o, "%s\t%s\t", r->note ? "note" : "damage", r->what);
		out_name(o, r->object);
		out_print(o, "\t");
		if (r->offset != NULL)
			out_print(o, "%" PRIu64, *r->offset);
		out_print(o, "\t");
		out_name(o, r->detail);
		out_print(o, "\t%s\n", r->next == NULL ? "" : r->next);
		return;
	}
	out_print(o, "%s%s%s ",
		  out_paint(o, false, r->note ? COLOUR_YELLOW : COLOUR_RED),
		  r->note ? "note" : "DAMAGE",
		  out_paint(o, false, COLOUR_NONE));
	if (r->object.n > 0) {
		out_name(o, r->object);
		if (r->offset != NULL)
			out_print(o, " at byte %" PRIu64, *r->offset);
		out_print(o, ": ");
	}
	out_name(o, r->detail);
	if (r->next != NULL)
		out_print(o, "\n  %s", r->next);
	out_print(o, "\n");
}

void show_affected(struct out *o, const struct show_affected *r)
{
	char lost[FMT_BYTES];
	struct json j;

	if (out_events(o)) {
		json_begin(&j, "affected");
		json_text(&j, "snapshot_id", r->snapshot_id);
		json_path(&j, "key", r->key);
		json_text(&j, "entry_type", r->type);
		if (r->lost_bytes > 0)
			json_u64(&j, "lost_bytes", r->lost_bytes);
		else
			json_null(&j, "lost_bytes");
		json_bytes(&j, "detail", r->detail);
		out_emit(o, &j);
	}
	if (o->opt.json)
		return;
	if (!o->tty) {
		out_print(o, "affected\t%s\t", r->type);
		out_name(o, r->key);
		out_print(o, "\t%" PRIu64 "\t", r->lost_bytes);
		out_name(o, r->detail);
		out_print(o, "\t\n");
		return;
	}
	out_print(o, "%shurts%s ", out_paint(o, false, COLOUR_RED),
		  out_paint(o, false, COLOUR_NONE));
	out_name(o, r->key);
	if (strcmp(r->type, "dir") == 0)
		out_print(o, ", and what is in it");
	if (r->lost_bytes > 0)
		out_print(o, " (%s)", out_size(o, r->lost_bytes, lost));
	out_print(o, "\n");
}

void show_check_total(struct out *o, struct msg *m,
		      const struct show_check_total *r)
{
	char a[FMT_BYTES], b[FMT_BYTES], c[FMT_BYTES], d[FMT_BYTES];
	char took[FMT_BYTES];
	int64_t ns = o->clk.mono(o->clk.ctx) - o->began_mono;

	out_count_u64(o, "packs", r->packs);
	out_count_u64(o, "logs", r->logs);
	out_count_u64(o, "snapshots", r->snapshots);
	out_count_u64(o, "chunks", r->chunks);
	out_count_u64(o, "read_bytes", r->bytes_read);
	out_count_u64(o, "damages", r->damages);
	out_count_u64(o, "notes", r->notes);
	out_count_u64(o, "affected_paths", r->affected_paths);
	out_count_u64(o, "affected_folders", r->affected_folders);
	out_count_u64(o, "affected_snapshots", r->affected_snapshots);
	out_count_text(o, "skipped", r->skipped);
	msg_note(m, "%s, %s in %s and %s checked; %s; %s",
		 fmt_things(r->snapshots, "snapshot", a),
		 fmt_things(r->chunks, "chunk", b),
		 fmt_things(r->packs, "pack", c), fmt_things(r->logs, "log", d),
		 r->damages == 0 ? "no damage" : "DAMAGE FOUND",
		 fmt_seconds(ns, took));
	if (r->read_data > 0 && r->skipped != NULL && r->bytes_read == 0)
		; /* said below */
	else if (r->read_data == 100)
		msg_note(m, "all stored bytes read: %s",
			 out_size(o, r->bytes_read, a));
	else if (r->read_data > 0)
		msg_note(m, "%u %% of the packs and logs read: %s",
			 r->read_data, out_size(o, r->bytes_read, a));
	if (r->skipped != NULL)
		msg_note(m, "not checked: %s", r->skipped);
	if (r->affected_paths > 0)
		msg_note(m, "hurt: %s in %s%s; all else can still be restored",
			 fmt_things(r->affected_paths, "path", a),
			 fmt_things(r->affected_snapshots, "snapshot", b),
			 r->affected_folders == 0
				 ? ""
				 : ", with what is in the folders among them");
}

/* ---- stats ----------------------------------------------------------------
 */

struct stat_line {
	const char *key;
	const char *label;
	uint64_t value;
	bool bytes;
};

void show_stats(struct out *o, const struct show_stats *r)
{
	const struct stat_line lines[] = {
		{ "snapshots", "snapshots", r->snapshots, false },
		{ "files", "files in them", r->files, false },
		{ "logical_bytes", "their size", r->logical_bytes, true },
		{ "unique_bytes", "each chunk once", r->unique_bytes, true },
		{ "stored_bytes", "stored", r->stored_bytes, true },
		{ "reclaimable_bytes", "of that reclaimable",
		  r->reclaimable_bytes, true },
		{ "view_bytes", "catalog and index", r->view_bytes, true },
		{ "reserve_bytes", "reserve", r->reserve_bytes, true },
		{ "spare_bytes", "spare room of the log", r->spare_bytes,
		  true },
		{ "chunks", "chunks", r->chunks, false },
		{ "packs", "packs", r->packs, false },
		{ "logs", "logs", r->logs, false },
	};
	char text[FMT_BYTES];
	struct json j;

	if (out_events(o)) {
		json_begin(&j, "stats");
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
			if (lines[i].value == SHOW_UNKNOWN)
				json_null(&j, lines[i].key);
			else
				json_u64(&j, lines[i].key, lines[i].value);
		}
		out_emit(o, &j);
	}
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct stat_line *l = &lines[i];

		if (l->value == SHOW_UNKNOWN)
			continue;
		if (!o->tty)
			out_print(o, "%s\t%" PRIu64 "\n", l->key, l->value);
		else
			out_print(o, "%-21s %14s\n", l->label,
				  l->bytes ? out_size(o, l->value, text)
					   : fmt_count(l->value, text));
	}
	if (o->tty && r->stored_bytes > 0)
		out_print(o, "%-21s %13sx\n", "size / stored",
			  fmt_ratio(r->logical_bytes, r->stored_bytes, text));
}

/* ---- doctor, bench --------------------------------------------------------
 */

void show_finding(struct out *o, const struct show_finding *r)
{
	static const char *const WORDS[] = { "good", "warning", "bad" };
	static const char *const MARKS[] = { "ok", "!", "BAD" };
	static const enum colour COLOURS[] = { COLOUR_GREEN, COLOUR_YELLOW,
					       COLOUR_RED };
	struct json j;

	if (out_events(o)) {
		json_begin(&j, "check");
		json_text(&j, "code", r->code);
		json_text(&j, "state", WORDS[r->health]);
		json_text(&j, "message", r->text);
		json_text(&j, "hint", r->fix);
		out_emit(o, &j);
	}
	if (o->opt.json)
		return;
	if (!o->tty) {
		out_print(o, "%s\t%s\t", WORDS[r->health], r->code);
		out_name(o, bytes_str(r->text));
		out_print(o, "\t%s\n", r->fix == NULL ? "" : r->fix);
		return;
	}
	out_print(o, "%s%-3s%s ", out_paint(o, false, COLOURS[r->health]),
		  MARKS[r->health], out_paint(o, false, COLOUR_NONE));
	out_name(o, bytes_str(r->text));
	out_print(o, "\n");
	if (r->fix != NULL)
		out_print(o, "      %s\n", r->fix);
}

static const struct out_column BENCH_COLUMNS[] = {
	{ "stage", "STAGE", OUT_TEXT, OUT_ALWAYS, false, 0 },
	{ "variant", "VARIANT", OUT_TEXT, OUT_ALWAYS, false, 0 },
	{ "per_second_bytes", "PER SECOND", OUT_SIZE, OUT_ALWAYS, false, 1 },
	{ "operations_per_second", "OPS/S", OUT_COUNT, OUT_ALWAYS, false, 2 },
	{ "p50_microseconds", "P50 us", OUT_COUNT, OUT_ALWAYS, false, 5 },
	{ "p99_microseconds", "P99 us", OUT_COUNT, OUT_ALWAYS, false, 6 },
	{ "stored_ratio", "STORED", OUT_REAL, OUT_ALWAYS, false, 7 },
	{ "worked_bytes", "BYTES", OUT_SIZE, OUT_JSON_ONLY, false, 0 },
	{ NULL, NULL, OUT_TEXT, OUT_ALWAYS, false, 0 },
};

enum bc_err show_benches(struct out *o, struct err *e)
{
	return begin(o, BENCH_COLUMNS, "bench", NULL, e);
}

static struct out_value per_second(uint64_t n, double seconds)
{
	return n == 0 || seconds <= 0
		       ? out_null()
		       : out_n((uint64_t)((double)n / seconds + 0.5));
}

static struct out_value microseconds(double us)
{
	return us < 0 ? out_null() : out_n((uint64_t)(us + 0.5));
}

void show_bench(struct out *o, const struct show_bench *r)
{
	struct out_value ratio =
		r->ratio > 0 ? (struct out_value){ .f = r->ratio } : out_null();
	const struct out_value v[] = {
		out_s(r->stage),
		out_s(r->variant),
		per_second(r->bytes, r->seconds),
		per_second(r->operations, r->seconds),
		microseconds(r->p50_us),
		microseconds(r->p99_us),
		ratio,
		out_n(r->bytes),
	};

	out_row(o, v);
}
