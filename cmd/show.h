/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show - what commands print, from plain records.
 *
 * The work fills a record and hands it over; here it becomes an aligned line,
 * a tab-separated one or a JSON line. Column order, keys and JSON types are
 * promises to scripts. All spans are borrowed until return.
 */
#ifndef BC_CMD_SHOW_H
#define BC_CMD_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/out.h"
#include "util/bytes.h"
#include "util/err.h"

/* ls -l, -0 and --format. */
struct show_style {
	bool is_long;
	bool zero;
	const char *format;
};

/* ---- ls: snapshots --------------------------------------------------------
 */

struct show_snapshot {
	const char *id;	  /* all hex digits */
	const char *root; /* of its root tree: equal for equal content */
	int64_t time;	  /* nanoseconds since 1970 */
	struct bytes name, host, user;
	struct bytes tags; /* "k=v", each with a NUL behind it */
	uint64_t files, dirs, others;
	uint64_t bytes;	       /* of the files, as they were */
	uint64_t new_bytes;    /* plain bytes that were not there before it */
	uint64_t stored_bytes; /* what they took, without its own record */
	const char *state;     /* "complete", or "partial": items could not be
				  read when it was made */
};

/* Between begin and show_end() any number of the record's rows. */
BC_MUST_CHECK enum bc_err
show_snapshots(struct out *o, const struct show_style *s, struct err *e);
void show_snapshot(struct out *o, const struct show_snapshot *r);

/* show_end - print what is held back; returns the number of rows. */
uint64_t show_end(struct out *o);

/* ---- ls SNAP:PATH, find ---------------------------------------------------
 */

struct show_entry {
	const char *snapshot_id;
	struct bytes path;   /* below the root of the snapshot */
	struct bytes key;    /* SNAP:PATH that pastes back into get */
	struct bytes target; /* of a symbolic link; p NULL: none */
	const char *type;    /* file dir link fifo socket char block */
	uint32_t mode;	     /* st_mode */
	uint32_t uid, gid;
	struct bytes user, group; /* empty: shown as numbers */
	uint64_t size;
	int64_t mtime; /* nanoseconds since 1970 */
};

BC_MUST_CHECK enum bc_err
show_entries(struct out *o, const struct show_style *s, struct err *e);
/* show_matches - entries by their key: the lines of find. */
BC_MUST_CHECK enum bc_err
show_matches(struct out *o, const struct show_style *s, struct err *e);
void show_entry(struct out *o, const struct show_entry *r);
void show_match(struct out *o, const struct show_entry *r);

/* ---- diff -----------------------------------------------------------------
 */

enum show_change_kind {
	CHANGE_ADDED,	/* + */
	CHANGE_REMOVED, /* - */
	CHANGE_CONTENT, /* M */
	CHANGE_META,	/* U: mode, owner, time, attributes */
	CHANGE_TYPE,	/* T */
};

struct show_change {
	enum show_change_kind kind;
	struct bytes path;
	struct bytes what; /* "mode owner mtime": what differs; may be empty */
	uint64_t size_a, size_b;
};

struct show_diff_stat {
	uint64_t added, removed, content, meta, type;
	uint64_t bytes_added, bytes_removed;
	/* Sizes of the files with other content. */
	uint64_t bytes_before, bytes_after;
};

BC_MUST_CHECK enum bc_err
show_changes(struct out *o, const struct show_style *s, struct err *e);
void show_change(struct out *o, const struct show_change *r);
/* show_diff_stat - into the summary; as text too if `print`. */
void show_diff_stat(struct out *o, const struct show_diff_stat *r, bool print);

/* ---- put, get, rm, init ---------------------------------------------------
 */

/*
 * show_file - what put has stored or get restored: the JSON line of -v.
 *   type   of the entry, as pick_type() names it
 *   state  read, changed or unchanged; restored
 */
void show_file(struct out *o, struct bytes path, const char *type,
	       uint64_t size, const char *state);

struct show_put {
	const struct show_snapshot *made; /* NULL: none can be told of */
	const char *id;			  /* NULL: nothing was stored (-n) */
	bool same; /* --if-changed: that one was there before */
	uint64_t files, dirs, others;
	uint64_t bytes;
	uint64_t new_bytes;    /* plain bytes that were not there before */
	uint64_t stored_bytes; /* what they take in the repository */
	uint64_t skipped;
	bool dry_run;
};

struct msg;

/* show_put - the id on standard output, the rest on standard error.
 *   print_id  also with -q */
void show_put(struct out *o, struct msg *m, const struct show_put *r,
	      bool print_id);

struct show_get {
	struct bytes dest;
	const char *other_name; /* of one of `others` */
	uint64_t files, dirs, others;
	uint64_t bytes;	  /* sizes of the files, as put and ls count them */
	uint64_t written; /* less by holes, zeros and further names */
	uint64_t same;	  /* items that were there already */
	uint64_t skipped, damaged;
	bool dry_run;
};

void show_get(struct out *o, struct msg *m, const struct show_get *r);

struct show_removed {
	const char *id;
	struct bytes name;
	int64_t time;
};

#define SHOW_UNKNOWN UINT64_MAX /* of a count: null, or nothing said */

void show_removed(struct out *o, const struct show_removed *r, bool dry_run);
/* show_removed_total - freed now, reclaimable in all, and what to do next. */
void show_removed_total(struct out *o, struct msg *m, uint64_t snapshots,
			uint64_t freed, uint64_t reclaimable, bool dry_run);

/* show_repo - what init made or found. */
void show_repo(struct out *o, const char *path, const char *id, bool made);

/* ---- check ----------------------------------------------------------------
 */

/* Something that is wrong, or with `note` only worth knowing. */
struct show_damage {
	const char *what;    /* "log", "pack", "tree", ...: what was checked */
	struct bytes object; /* a file below the repository; p NULL: none */
	const uint64_t *offset; /* in it; NULL: none */
	struct bytes detail;
	const char *next; /* what to do; NULL: nothing */
	bool note;
};

/* What a snapshot has lost by it. */
struct show_affected {
	const char *snapshot_id;
	struct bytes key;    /* SNAP:PATH */
	const char *type;    /* as in struct show_entry; of a directory all that
				lies below it is lost, too */
	uint64_t lost_bytes; /* of a file; 0: not known */
	struct bytes detail;
};

struct show_check_total {
	uint64_t packs, logs, snapshots, chunks, bytes_read, damages, notes;
	uint64_t affected_paths, affected_snapshots;
	uint64_t affected_folders; /* of the paths: names in them are lost */
	unsigned read_data;	   /* per cent of the packs */
	const char *skipped; /* what could not be checked; NULL: nothing */
};

void show_damage(struct out *o, const struct show_damage *r);
void show_affected(struct out *o, const struct show_affected *r);
void show_check_total(struct out *o, struct msg *m,
		      const struct show_check_total *r);

/* ---- stats ----------------------------------------------------------------
 */

struct show_stats {
	uint64_t snapshots, packs, logs, chunks;
	uint64_t files;
	uint64_t logical_bytes; /* of all snapshots, as get would write them */
	uint64_t unique_bytes;	/* plain bytes of all chunks, each once */
	uint64_t stored_bytes;	/* of packs and logs on disk */
	uint64_t view_bytes;	/* catalog, index: can be made again */
	uint64_t reclaimable_bytes;
	uint64_t reserve_bytes; /* a file that is given up on a full disk */
	uint64_t spare_bytes;	/* allocated behind the log's end, for then */
};

void show_stats(struct out *o, const struct show_stats *r);

/* ---- doctor, bench --------------------------------------------------------
 */

enum show_health { HEALTH_GOOD, HEALTH_WARN, HEALTH_BAD };

struct show_finding {
	enum show_health health;
	const char *code; /* a stable word: "io_uring" */
	const char *text;
	const char *fix; /* NULL: none needed */
};

void show_finding(struct out *o, const struct show_finding *r);

struct show_bench {
	const char *stage;   /* "chunk" */
	const char *variant; /* "avx512, 64 KiB" */
	uint64_t bytes;	     /* worked on */
	double seconds;
	uint64_t operations;   /* 0: not counted */
	double p50_us, p99_us; /* negative: not measured */
	double ratio;	       /* stored of plain bytes; 0: not measured */
};

BC_MUST_CHECK enum bc_err show_benches(struct out *o, struct err *e);
void show_bench(struct out *o, const struct show_bench *r);

#endif
