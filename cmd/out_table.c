/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: aligned for a person, tab-separated for a program, JSON lines. */
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "cmd/out.h"
#include "util/fmt_text.h"

enum {
	ID_SHOWN = 8,	  /* digits of an id on a terminal */
	ROWS_HELD = 1000, /* rows whose widths set the columns */
	GAP = 2,	  /* blanks between columns */
	TIME_SHOWN = 19,  /* 2026-08-22 14:03:11 */
	TIME_LEAST = 16,  /* without the seconds */
	TEXT_ENOUGH = 16, /* of a name, before another column goes */
	TEXT_LEAST = 8,
	CELL_MAX_BYTES = 16 << 20,
};

struct out_table {
	const struct out_column *columns;
	size_t n; /* columns */
	struct out_table_options opt;
	bool aligned;
	bool header_done;
	uint64_t rows;
	/* Held rows: cells one after the other, each with a NUL. */
	struct buf held;
	size_t held_rows;
	size_t width[OUT_COLUMNS_MAX];
	size_t most[OUT_COLUMNS_MAX]; /* longer cells are cut; 0: none is */
	bool any[OUT_COLUMNS_MAX];    /* a row has a value there */
	bool gone[OUT_COLUMNS_MAX];   /* for lack of room, or of values */
	struct buf line;
};

/* Columns of a terminal that well-formed text takes. */
static size_t display_width(struct bytes s)
{
	size_t n = 0;
	uint32_t cp;

	while (s.n > 0) {
		int w = 1;

		if (fmt_utf8_next(&s, &cp))
			w = wcwidth((wchar_t)cp);
		n += w < 0 ? 1 : (size_t)w;
	}
	return n;
}

/* Is there a cell for it, whether or not there is room? */
static bool held(const struct out_table *t, size_t i)
{
	enum out_show show = t->columns[i].show;

	return show == OUT_ALWAYS || (show == OUT_LONG && t->opt.is_long);
}

static bool shown(const struct out_table *t, size_t i)
{
	return held(t, i) && !t->gone[i];
}

static bool right_aligned(enum out_kind k)
{
	return k == OUT_SIZE || k == OUT_COUNT || k == OUT_REAL;
}

static const struct out_column *find_key(const struct out_table *t,
					 const char *key, size_t n)
{
	for (size_t i = 0; i < t->n; i++)
		if (strlen(t->columns[i].key) == n &&
		    memcmp(t->columns[i].key, key, n) == 0)
			return &t->columns[i];
	return NULL;
}

static enum bc_err check_format(const struct out_table *t, struct err *e)
{
	const char *p = t->opt.format;

	while (p != NULL && (p = strchr(p, '{')) != NULL) {
		const char *end;
		size_t n;

		if (p[1] == '{') {
			p += 2;
			continue;
		}
		end = strchr(++p, '}');
		n = end == NULL ? strlen(p) : (size_t)(end - p);
		if (end == NULL) {
			(void)err_set(e, BC_EUSAGE, "--format: {%.64s has no }",
				      p);
			err_hint(e, "a brace of its own is written {{");
			return BC_EUSAGE;
		}
		if (find_key(t, p, n) == NULL) {
			char all[ERR_HINT_BYTES] = "keys are";
			size_t at = strlen(all);

			for (size_t i = 0; i < t->n && at < sizeof(all); i++)
				at += (size_t)snprintf(all + at,
						       sizeof(all) - at, " %s",
						       t->columns[i].key);
			(void)err_set(e, BC_EUSAGE,
				      "--format: there is no key {%.*s}",
				      n > 64 ? 64 : (int)n, p);
			err_hint(e, "%s", all);
			return BC_EUSAGE;
		}
		p = end;
	}
	return BC_OK;
}

enum bc_err out_table_begin(struct out *o, const struct out_column *columns,
			    const struct out_table_options *opt, struct err *e)
{
	struct out_table *t = calloc(1, sizeof(*t));
	enum bc_err rc;

	if (t == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a table");
	t->columns = columns;
	while (columns[t->n].key != NULL && t->n < OUT_COLUMNS_MAX)
		t->n++;
	t->opt = *opt;
	t->aligned = o->tty && !opt->zero && opt->format == NULL;
	buf_init(&t->held, (size_t)ROWS_HELD * CELL_MAX_BYTES);
	buf_init(&t->line, CELL_MAX_BYTES);
	rc = check_format(t, e);
	if (rc != BC_OK) {
		free(t);
		return rc;
	}
	if (t->aligned) {
		/* Names are taken for UTF-8 whatever the environment says; only
		 * wcwidth() looks at this. */
		(void)setlocale(LC_CTYPE, "C.UTF-8");
		for (size_t i = 0; i < t->n; i++)
			t->width[i] =
				display_width(bytes_str(columns[i].header));
	}
	o->table = t;
	return BC_OK;
}

/* ---- one value as text ----------------------------------------------------
 */

static enum bc_err add(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

/* A blank between two. */
static enum bc_err add_list(struct buf *b, struct bytes s, bool human)
{
	enum bc_err rc = BC_OK;
	struct bytes item;
	size_t blank = 0;

	while (rc == BC_OK && bytes_pop(&s, &item)) {
		rc = buf_add(b, " ", blank);
		blank = 1;
		if (rc == BC_OK)
			rc = human ? fmt_terminal(b, item)
				   : buf_add(b, item.p, item.n);
	}
	return rc;
}

/* For programs: exact, raw. */
static enum bc_err add_exact(struct buf *b, const struct out_column *c,
			     const struct out_value *v)
{
	char text[FMT_BYTES];

	if (v->null)
		return BC_OK;
	switch (c->kind) {
	case OUT_TEXT:
	case OUT_PATH:
	case OUT_ID:
		return buf_add(b, v->s.p, v->s.n);
	case OUT_LIST:
		return add_list(b, v->s, false);
	case OUT_SIZE:
	case OUT_COUNT:
		snprintf(text, sizeof(text), "%" PRIu64, v->n);
		return add(b, text);
	case OUT_TIME:
		return add(b, fmt_time_utc(v->t, true, text));
	case OUT_MODE:
		return add(b, fmt_mode((uint32_t)v->n, text));
	case OUT_BOOL:
		return add(b, v->n != 0 ? "yes" : "no");
	case OUT_REAL:
		snprintf(text, sizeof(text), "%.3f", v->f);
		return add(b, text);
	}
	return BC_OK;
}

/* For a person at a terminal. */
static enum bc_err add_human(const struct out *o, struct buf *b,
			     const struct out_column *c,
			     const struct out_value *v)
{
	char text[FMT_BYTES];
	struct bytes id = v->s;
	enum bc_err rc;

	if (v->null)
		return add(b, "-");
	switch (c->kind) {
	case OUT_TEXT:
	case OUT_PATH:
		return fmt_terminal(b, v->s);
	case OUT_LIST:
		return add_list(b, v->s, true);
	case OUT_ID:
		if (id.n > ID_SHOWN)
			id.n = ID_SHOWN;
		return fmt_terminal(b, id);
	case OUT_SIZE:
		return add(b, fmt_size(v->n, o->opt.unit, text));
	case OUT_COUNT:
		return add(b, fmt_count(v->n, text));
	case OUT_TIME:
		rc = add(b, out_time(o, v->t, text));
		if (rc != BC_OK || !c->ago)
			return rc;
		rc = add(b, "  ");
		return rc != BC_OK ? rc
				   : add(b, fmt_ago(v->t, o->began_real, text));
	case OUT_MODE:
	case OUT_BOOL:
	case OUT_REAL:
		break;
	}
	return add_exact(b, c, v);
}

void out_event(struct out *o, const struct out_column *columns,
	       const char *type, const struct out_value *v)
{
	char text[FMT_BYTES];
	struct json j;

	if (!out_events(o))
		return;
	json_begin(&j, type);
	for (size_t i = 0; columns[i].key != NULL; i++) {
		const char *key = columns[i].key;

		if (v[i].null && columns[i].kind != OUT_PATH) {
			json_null(&j, key);
			continue;
		}
		switch (columns[i].kind) {
		case OUT_TEXT:
		case OUT_ID:
			json_bytes(&j, key, v[i].s);
			break;
		case OUT_LIST:
			json_list(&j, key, v[i].s);
			break;
		case OUT_PATH:
			json_path(&j, key,
				  v[i].null ? bytes_of(NULL, 0) : v[i].s);
			break;
		case OUT_SIZE:
		case OUT_COUNT:
			json_u64(&j, key, v[i].n);
			break;
		case OUT_TIME:
			json_time(&j, key, v[i].t);
			break;
		case OUT_MODE:
			snprintf(text, sizeof(text), "%04" PRIo64,
				 v[i].n & 07777);
			json_text(&j, key, text);
			break;
		case OUT_BOOL:
			json_bool(&j, key, v[i].n != 0);
			break;
		case OUT_REAL:
			json_f64(&j, key, v[i].f);
			break;
		}
	}
	out_emit(o, &j);
}

/* ---- rows -----------------------------------------------------------------
 */

static void write_text(struct out *o, const void *p, size_t n)
{
	out_text(o, bytes_of(p, n));
}

/* \t \n \0 \\ in a format; anything else stands for itself. */
static char unescape(const char **p)
{
	static const char FROM[] = "tn0\\", TO[] = "\t\n\0\\";
	const char *at;

	if (**p != '\\' || (*p)[1] == '\0')
		return **p;
	at = strchr(FROM, (*p)[1]);
	if (at == NULL)
		return **p;
	(*p)++;
	return TO[at - FROM];
}

static enum bc_err format_row(struct out *o, struct out_table *t,
			      const struct out_value *v)
{
	enum bc_err rc = BC_OK;

	for (const char *p = t->opt.format; *p != '\0' && rc == BC_OK; p++) {
		const struct out_column *c;
		const char *end;

		if (*p != '{' || p[1] == '{') {
			p += *p == '{';
			rc = buf_u8(&t->line, (uint8_t)unescape(&p));
			continue;
		}
		end = strchr(p, '}'); /* check_format() saw it */
		c = find_key(t, p + 1, (size_t)(end - p - 1));
		if (o->tty && c->kind <= OUT_PATH && !t->opt.zero)
			rc = add_human(o, &t->line, c, &v[c - t->columns]);
		else
			rc = add_exact(&t->line, c, &v[c - t->columns]);
		p = end;
	}
	return rc;
}

static enum bc_err tsv_row(struct out_table *t, const struct out_value *v)
{
	enum bc_err rc = BC_OK;
	bool first = true;

	for (size_t i = 0; i < t->n && rc == BC_OK; i++) {
		if (!shown(t, i))
			continue;
		if (!first)
			rc = buf_u8(&t->line, '\t');
		first = false;
		if (rc == BC_OK)
			rc = add_exact(&t->line, &t->columns[i], &v[i]);
	}
	return rc;
}

static enum bc_err add_blanks(struct buf *b, size_t n)
{
	enum bc_err rc = BC_OK;

	while (n-- > 0 && rc == BC_OK)
		rc = buf_u8(b, ' ');
	return rc;
}

static const char ELLIPSIS[] = "\xe2\x80\xa6";

/* How many bytes of s take no more than `width` columns. */
static size_t fitting(struct bytes s, size_t width)
{
	struct bytes rest = s;
	size_t used = 0;
	uint32_t cp;

	while (rest.n > 0) {
		struct bytes next = rest;
		size_t w;

		(void)fmt_utf8_next(&next, &cp);
		w = display_width(bytes_of(rest.p, rest.n - next.n));
		if (used + w > width)
			break;
		used += w;
		rest = next;
	}
	return s.n - rest.n;
}

/* Keep what fits into `width` columns; the last of them says there is more. */
static enum bc_err cut_line(struct buf *line, size_t width)
{
	if (display_width(buf_bytes(line)) <= width)
		return BC_OK;
	line->n = fitting(buf_bytes(line), width - 1);
	return add(line, ELLIPSIS);
}

/* A cell of which at most `most` columns are shown. Of a time the last digits
 * go; of a path the middle, since both of its ends say something. */
static enum bc_err add_cut(struct buf *b, const char *cell, enum out_kind kind,
			   size_t most)
{
	struct bytes s = bytes_str(cell), tail;
	size_t head = kind == OUT_PATH ? (most - 1) / 3 : most - 1;
	enum bc_err rc;

	if (most == 0 || display_width(s) <= most)
		return add(b, cell);
	if (kind == OUT_TIME)
		return buf_add(b, s.p, fitting(s, most));
	rc = buf_add(b, s.p, fitting(s, head));
	if (rc == BC_OK)
		rc = add(b, ELLIPSIS);
	if (rc != BC_OK || kind != OUT_PATH)
		return rc;
	tail = bytes_of(s.p + fitting(s, head), s.n - fitting(s, head));
	while (display_width(tail) > most - 1 - head) {
		uint32_t cp;

		(void)fmt_utf8_next(&tail, &cp);
	}
	return buf_add(b, tail.p, tail.n);
}

/* ---- as wide as the terminal ------------------------------------------------
 */

static bool is_text(enum out_kind k)
{
	return k == OUT_PATH || k == OUT_TEXT || k == OUT_LIST;
}

/* Columns of the whole line, if of each text no more than `enough` counts. */
static size_t line_width(const struct out_table *t, size_t enough)
{
	size_t sum = 0, n = 0;

	for (size_t i = 0; i < t->n; i++) {
		size_t w = t->width[i];

		if (!shown(t, i))
			continue;
		if (is_text(t->columns[i].kind) && w > enough)
			w = enough;
		sum += w;
		n++;
	}
	return n > 0 ? sum + (n - 1) * GAP : 0;
}

static void limit(struct out_table *t, size_t i, size_t most)
{
	if (t->width[i] > most)
		t->width[i] = t->most[i] = most;
}

static void limit_times(struct out_table *t, size_t most)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->columns[i].kind == OUT_TIME)
			limit(t, i, most);
}

/* Of the shown columns that may go, the one that is missed least; t->n if all
 * are needed. `last`: those of the last resort, too. */
static size_t least_missed(const struct out_table *t, bool last)
{
	size_t best = t->n;

	for (size_t i = 0; i < t->n; i++)
		if (shown(t, i) &&
		    t->columns[i].spare > (last ? 0 : OUT_SPARE_LAST) &&
		    (best == t->n ||
		     t->columns[i].spare > t->columns[best].spare))
			best = i;
	return best;
}

/* Leave out whole columns: a number that is cut says something else. */
static void drop_columns(struct out_table *t, size_t room)
{
	bool dropped[OUT_COLUMNS_MAX] = { false };
	size_t i;

	while (line_width(t, TEXT_ENOUGH) > room &&
	       (i = least_missed(t, false)) != t->n)
		t->gone[i] = true;
	while (line_width(t, TEXT_LEAST) > room &&
	       (i = least_missed(t, true)) != t->n)
		t->gone[i] = dropped[i] = true;
	/* Where a wide one went, a narrow one before it may have room. */
	for (unsigned spare = 1; spare <= OUT_SPARE_LAST; spare++)
		for (i = 0; i < t->n; i++) {
			if (!dropped[i] || t->columns[i].spare != spare)
				continue;
			t->gone[i] = false;
			t->gone[i] = line_width(t, TEXT_LEAST) > room;
		}
}

static size_t count_shown(const struct out_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += shown(t, i);
	return n;
}

/*
 * Fit the columns into `room`, the least loss first: how long ago, seconds,
 * columns that can be spared, then the longest names. One column alone is
 * never cut: what it holds is for pasting.
 */
static void fit(struct out_table *t, size_t room)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->held_rows > 0 && !t->any[i])
			t->gone[i] = true;
	if (count_shown(t) < 2)
		return;
	if (line_width(t, TEXT_ENOUGH) > room)
		limit_times(t, TIME_SHOWN);
	if (line_width(t, TEXT_ENOUGH) > room)
		limit_times(t, TIME_LEAST);
	drop_columns(t, room);
	if (count_shown(t) < 2)
		return;
	for (size_t i = 0; i < t->n; i++)
		if (shown(t, i) && is_text(t->columns[i].kind))
			limit(t, i, room);
	while (line_width(t, SIZE_MAX) > room) {
		size_t widest = t->n;

		for (size_t i = 0; i < t->n; i++)
			if (shown(t, i) && is_text(t->columns[i].kind) &&
			    t->width[i] > TEXT_LEAST &&
			    (widest == t->n || t->width[i] > t->width[widest]))
				widest = i;
		if (widest == t->n)
			return;
		limit(t, widest, t->width[widest] - 1);
	}
}

/* One aligned line out of NUL-terminated cells; returns what follows them. */
static const char *print_aligned(struct out *o, struct out_table *t,
				 const char *cells, bool header)
{
	size_t last = 0, width = 0, columns = 0;
	enum bc_err rc = BC_OK;

	buf_clear(&t->line);
	for (size_t i = 0; i < t->n; i++)
		if (shown(t, i)) {
			last = i;
			columns++;
		}
	for (size_t i = 0; i < t->n && rc == BC_OK; i++) {
		bool right = right_aligned(t->columns[i].kind);
		size_t pad;

		if (!held(t, i))
			continue;
		if (!shown(t, i)) {
			cells += strlen(cells) + 1;
			continue;
		}
		width = display_width(bytes_str(cells));
		if (t->most[i] > 0 && width > t->most[i])
			width = t->most[i];
		pad = t->width[i] > width ? t->width[i] - width : 0;
		if (right)
			rc = add_blanks(&t->line, pad);
		if (rc == BC_OK)
			rc = add_cut(&t->line, cells, t->columns[i].kind,
				     t->most[i]);
		if (rc == BC_OK && i != last)
			rc = add_blanks(&t->line, GAP + (right ? 0 : pad));
		cells += strlen(cells) + 1;
	}
	/* Behind an empty last cell there are only the blanks before it. */
	while (width == 0 && t->line.n > 0 && t->line.p[t->line.n - 1] == ' ')
		t->line.n--;
	if (rc == BC_OK && columns > 1)
		rc = cut_line(&t->line, o->width);
	if (rc != BC_OK) {
		out_lost(o, ENOMEM);
		return cells;
	}
	if (header)
		write_text(o, out_paint(o, false, COLOUR_BOLD),
			   strlen(out_paint(o, false, COLOUR_BOLD)));
	write_text(o, t->line.p, t->line.n);
	if (header)
		write_text(o, out_paint(o, false, COLOUR_NONE),
			   strlen(out_paint(o, false, COLOUR_NONE)));
	write_text(o, "\n", 1);
	return cells;
}

static void print_header(struct out *o, struct out_table *t)
{
	struct buf cells = BUF_INIT(CELL_MAX_BYTES);
	enum bc_err rc = BC_OK;

	for (size_t i = 0; i < t->n && rc == BC_OK; i++)
		if (held(t, i))
			rc = buf_add(&cells, t->columns[i].header,
				     strlen(t->columns[i].header) + 1);
	if (rc == BC_OK && cells.n > 0)
		print_aligned(o, t, (const char *)cells.p, true);
	buf_fini(&cells);
}

static void flush_held(struct out *o, struct out_table *t)
{
	const char *cells = (const char *)t->held.p;

	if (t->held_rows > 0 && !t->header_done) {
		fit(t, o->width);
		print_header(o, t);
		t->header_done = true;
	}
	for (size_t i = 0; i < t->held_rows; i++)
		cells = print_aligned(o, t, cells, false);
	t->held_rows = 0;
	buf_clear(&t->held);
}

static enum bc_err hold_row(struct out *o, struct out_table *t,
			    const struct out_value *v)
{
	size_t before = t->held.n;
	enum bc_err rc = BC_OK;

	for (size_t i = 0; i < t->n && rc == BC_OK; i++) {
		size_t at = t->held.n, w;

		if (!held(t, i))
			continue;
		t->any[i] = t->any[i] || !v[i].null;
		rc = add_human(o, &t->held, &t->columns[i], &v[i]);
		if (rc != BC_OK)
			break;
		w = display_width(bytes_of(t->held.p + at, t->held.n - at));
		if (w > t->width[i] && !t->header_done)
			t->width[i] = w;
		rc = buf_u8(&t->held, 0);
	}
	if (rc != BC_OK) {
		t->held.n = before;
		return rc;
	}
	t->held_rows++;
	/* Once the widths are known, rows need not wait. */
	if (t->header_done || t->held_rows >= ROWS_HELD)
		flush_held(o, t);
	return BC_OK;
}

void out_row(struct out *o, const struct out_value *v)
{
	struct out_table *t = o->table;
	enum bc_err rc;

	t->rows++;
	out_event(o, t->columns, t->opt.type, v);
	if (o->opt.json)
		return;
	if (t->aligned) {
		rc = hold_row(o, t, v);
	} else {
		buf_clear(&t->line);
		rc = t->opt.format != NULL ? format_row(o, t, v)
					   : tsv_row(t, v);
		if (rc == BC_OK)
			rc = buf_u8(&t->line, t->opt.zero ? '\0' : '\n');
		if (rc == BC_OK)
			write_text(o, t->line.p, t->line.n);
	}
	if (rc != BC_OK)
		out_lost(o, ENOMEM);
}

uint64_t out_table_end(struct out *o)
{
	struct out_table *t = o->table;
	uint64_t rows;

	if (t == NULL)
		return 0;
	flush_held(o, t);
	rows = t->rows;
	buf_fini(&t->held);
	buf_fini(&t->line);
	free(t);
	o->table = NULL;
	return rows;
}
