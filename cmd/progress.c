/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/progress.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cmd/signal.h"

enum {
	FIRST_MS = 100,
	BAR_MS = 200, /* five redraws a second */
	PLAIN_MS = 60000,
	EVENT_MS = 1000,
	BAR_CELLS = 16,
	RATE_SAMPLES = 16, /* one a second: an average over 15 s */
	LINE_BYTES = 512,
};

#define ETA_AFTER_NS  INT64_C(5000000000)
#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS     INT64_C(1000000)

struct progress {
	struct out *out;
	struct msg *msg;
	struct progress_source src;
	enum progress_mode mode;
	bool events;
	bool utf8;
	int wake; /* eventfd: SIGUSR1 and progress_stop() */
	atomic_bool quit;
	pthread_t thread;
	int64_t began;
	/* A ring of (time, bytes), one a second. */
	int64_t sample_at[RATE_SAMPLES];
	uint64_t sample_bytes[RATE_SAMPLES];
	size_t samples;
};

static int64_t mono(const struct progress *p)
{
	return p->out->clk.mono(p->out->clk.ctx);
}

/* ---- the line -------------------------------------------------------------
 */

struct line {
	char *p;
	size_t n, cap;
	unsigned columns; /* used so far */
};

/* A piece whose text takes `columns`, if it still fits; else nothing. */
static void piece(struct line *l, unsigned width, unsigned columns,
		  const char *text)
{
	size_t n = strlen(text);

	if (l->columns + columns > width || l->n + n >= l->cap)
		return;
	memcpy(l->p + l->n, text, n + 1);
	l->n += n;
	l->columns += columns;
}

BC_PRINTF(3, 4)
static void ascii(struct line *l, unsigned width, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	piece(l, width, (unsigned)strlen(text), text);
}

static unsigned percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (unsigned)((double)part * 100 / (double)whole);
}

static void draw_bar(struct line *l, const struct progress_view *v,
		     const struct progress_now *n)
{
	static const char *const UTF8[] = { "\u2588", "\u2592", "\u2591" };
	static const char *const ASCII[] = { "#", "=", "-" };
	const char *const *cells = v->utf8 ? UTF8 : ASCII;
	char text[LINE_BYTES] = "";
	size_t at = 0;
	unsigned fresh, all;

	all = percent(n->bytes_done, n->bytes_total) * BAR_CELLS / 100;
	fresh = percent(n->bytes_done - n->bytes_known, n->bytes_total) *
		BAR_CELLS / 100;
	at += (size_t)snprintf(text, sizeof(text), "  %s",
			       v->utf8 ? "\u2595" : "[");
	for (unsigned i = 0; i < BAR_CELLS; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s",
				       cells[i < fresh ? 0
					     : i < all ? 1
						       : 2]);
	snprintf(text + at, sizeof(text) - at, "%s", v->utf8 ? "\u258f" : "]");
	piece(l, v->width, BAR_CELLS + 4, text);
}

void progress_line(const struct progress_view *v, const struct progress_now *n,
		   char *out, size_t cap)
{
	char a[FMT_BYTES], b[FMT_BYTES];
	struct line l = { out, 0, cap, 0 };
	struct progress_now now = *n;
	unsigned w = v->width;

	out[0] = '\0';
	/* The counters are read one by one while they grow. */
	if (now.bytes_done > now.bytes_total)
		now.bytes_total = now.bytes_done;
	if (now.bytes_known > now.bytes_done)
		now.bytes_known = now.bytes_done;
	ascii(&l, w, "%s  %s", v->verb, fmt_size(now.bytes_done, v->unit, a));
	if (now.total_final)
		ascii(&l, w, " of %s", fmt_size(now.bytes_total, v->unit, b));
	/* Where the total is not known a bar would always be full. */
	if (v->bar && now.total_final && n->bytes_total > 0)
		draw_bar(&l, v, &now);
	if (now.total_final && now.bytes_total > 0) {
		ascii(&l, w, " %u%%",
		      percent(now.bytes_done - now.bytes_known,
			      now.bytes_total));
		if (now.bytes_known > 0)
			ascii(&l, w, " + %u%% already stored",
			      percent(now.bytes_known, now.bytes_total));
	}
	ascii(&l, w, "  %s/s", fmt_size(v->rate, v->unit, a));
	if (now.files_done > 0)
		ascii(&l, w, "  %s", fmt_things(now.files_done, "file", a));
	if (now.bytes_new > 0)
		ascii(&l, w, "  new %s (%sx)",
		      fmt_size(now.bytes_new, v->unit, a),
		      fmt_ratio(now.bytes_done, now.bytes_new, b));
	if (now.errors > 0)
		ascii(&l, w, "  %s err", fmt_count(now.errors, a));
	if (now.total_final && v->elapsed_ns >= ETA_AFTER_NS && v->rate > 0)
		ascii(&l, w, "  ETA %s",
		      fmt_eta((int64_t)((now.bytes_total - now.bytes_done) /
					v->rate),
			      a));
}

/* ---- the thread -----------------------------------------------------------
 */

/* Bytes a second over the ring, after taking a sample if one is due. */
static uint64_t rate(struct progress *p, int64_t now, uint64_t bytes)
{
	size_t newest = (p->samples + RATE_SAMPLES - 1) % RATE_SAMPLES, oldest;
	int64_t span;

	if (p->samples == 0) {
		p->sample_at[0] = p->began;
		p->sample_bytes[0] = 0;
		p->samples++;
		newest = 0;
	}
	if (now - p->sample_at[newest] >= NS_PER_SECOND) {
		p->sample_at[p->samples % RATE_SAMPLES] = now;
		p->sample_bytes[p->samples % RATE_SAMPLES] = bytes;
		p->samples++;
	}
	oldest = p->samples <= RATE_SAMPLES ? 0 : p->samples % RATE_SAMPLES;
	span = now - p->sample_at[oldest];
	if (span <= 0 || bytes < p->sample_bytes[oldest])
		return 0;
	return (uint64_t)((double)(bytes - p->sample_bytes[oldest]) * 1e9 /
			  (double)span);
}

static void emit(struct progress *p, const struct progress_now *n,
		 int64_t elapsed, uint64_t speed)
{
	struct json j;

	json_begin(&j, "progress");
	json_u64(&j, "done_bytes", n->bytes_done);
	json_u64(&j, "total_bytes", n->bytes_total);
	json_bool(&j, "total_final", n->total_final);
	json_u64(&j, "already_stored_bytes", n->bytes_known);
	json_u64(&j, "stored_bytes", n->bytes_new);
	json_u64(&j, "done_files", n->files_done);
	json_u64(&j, "total_files", n->files_total);
	json_u64(&j, "errors", n->errors);
	json_f64(&j, "elapsed_seconds", (double)elapsed / 1e9);
	json_u64(&j, "per_second_bytes", speed);
	if (n->total_final && speed > 0 && n->bytes_total >= n->bytes_done)
		json_f64(&j, "eta_seconds",
			 (double)(n->bytes_total - n->bytes_done) /
				 (double)speed);
	else
		json_null(&j, "eta_seconds");
	out_emit(p->out, &j);
}

/* Milliseconds until `due`, for poll(); -1 for INT64_MAX. */
static int until(int64_t due, int64_t now)
{
	if (due == INT64_MAX)
		return -1;
	return due <= now ? 0 : (int)((due - now) / NS_PER_MS) + 1;
}

static void *run(void *arg)
{
	struct progress *p = arg;
	const int64_t line_every =
		(p->mode == PROGRESS_BAR ? BAR_MS : PLAIN_MS) * NS_PER_MS;
	int64_t line_due = p->mode == PROGRESS_NONE ? INT64_MAX
			   : p->mode == PROGRESS_BAR
				   ? p->began + FIRST_MS * NS_PER_MS
				   : p->began + line_every;
	int64_t event_due =
		p->events ? p->began + FIRST_MS * NS_PER_MS : INT64_MAX;

	for (;;) {
		struct pollfd fd = { .fd = p->wake, .events = POLLIN };
		int64_t due = line_due < event_due ? line_due : event_due, now;
		struct progress_now n = { 0 };
		char line[LINE_BYTES];
		struct progress_view v;
		uint64_t drained;
		bool asked;

		asked = poll(&fd, 1, until(due, mono(p))) > 0;
		if (asked && read(p->wake, &drained, sizeof(drained)) < 0)
			asked = false;
		if (atomic_load(&p->quit))
			return NULL;
		now = mono(p);
		p->src.sample(p->src.ctx, &n);
		v = (struct progress_view){ .verb = p->src.verb,
					    .elapsed_ns = now - p->began,
					    .rate = rate(p, now, n.bytes_done),
					    .unit = p->out->opt.unit,
					    .utf8 = p->utf8,
					    .width = p->out->width - 1 };
		if (asked) {
			v.width = LINE_BYTES;
			progress_line(&v, &n, line, sizeof(line));
			msg_progress(p->msg, line);
		}
		if (now >= line_due) {
			v.bar = p->mode == PROGRESS_BAR;
			if (!v.bar)
				v.width = LINE_BYTES;
			progress_line(&v, &n, line, sizeof(line));
			if (v.bar)
				msg_bar(p->msg, line);
			else
				msg_progress(p->msg, line);
			line_due = now + line_every;
		}
		if (now >= event_due) {
			emit(p, &n, v.elapsed_ns, v.rate);
			event_due = now + EVENT_MS * NS_PER_MS;
		}
	}
}

static bool locale_is_utf8(void)
{
	const char *v = getenv("LC_ALL");

	if (v == NULL || *v == '\0')
		v = getenv("LC_CTYPE");
	if (v == NULL || *v == '\0')
		v = getenv("LANG");
	return v != NULL && (strcasestr(v, "utf-8") != NULL ||
			     strcasestr(v, "utf8") != NULL);
}

static enum progress_mode choose(const struct out *o, unsigned mode)
{
	const char *term = getenv("TERM"), *ci = getenv("CI");

	if (mode != PROGRESS_AUTO)
		return (enum progress_mode)mode;
	if (o->opt.quiet)
		return PROGRESS_NONE;
	/* Many a runner gives its jobs a terminal, and keeps what they say. */
	if (ci != NULL && *ci != '\0')
		return PROGRESS_PLAIN;
	return o->err_tty && term != NULL && strcmp(term, "dumb") != 0
		       ? PROGRESS_BAR
		       : PROGRESS_NONE;
}

struct progress *progress_start(struct out *o, struct msg *m, unsigned mode,
				const struct progress_source *src)
{
	struct progress *p = calloc(1, sizeof(*p));
	sigset_t all, old;
	int rc;

	if (p == NULL)
		return NULL;
	p->out = o;
	p->msg = m;
	p->src = *src;
	p->mode = choose(o, mode);
	p->events = out_events(o) && !o->opt.quiet;
	if (src->brief && p->mode == PROGRESS_NONE && !p->events) {
		free(p);
		return NULL;
	}
	p->utf8 = locale_is_utf8();
	p->began = mono(p);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake < 0) {
		free(p);
		return NULL;
	}
	/* Signals are for the threads that work. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0) {
		close(p->wake);
		free(p);
		return NULL;
	}
	signal_on_usr1(p->wake);
	return p;
}

void progress_stop(struct progress *p)
{
	const uint64_t one = 1;

	if (p == NULL)
		return;
	signal_on_usr1(-1);
	atomic_store(&p->quit, true);
	if (write(p->wake, &one, sizeof(one)) < 0) {
		/* Only when full, and then the thread wakes anyway. */
	}
	pthread_join(p->thread, NULL);
	msg_bar(p->msg, NULL);
	close(p->wake);
	free(p);
}
