/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/fmt_text.h"
#include "util/hex.h"
#include "util/rng.h"

enum {
	WIDTH_DEFAULT = 80,
	WIDTH_MIN = 4,
	WIDTH_MAX = 4096,
	NAME_MAX_BYTES = 64 << 20, /* ceiling of one escaped name */
};

static bool env_set(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && *v != '\0';
}

static bool colour_on(unsigned mode, bool tty)
{
	const char *term = getenv("TERM"), *force = getenv("FORCE_COLOR");

	if (mode != AUTO_AUTO)
		return mode == AUTO_ALWAYS;
	if (env_set("NO_COLOR"))
		return false;
	if (force != NULL && *force != '\0')
		return strcmp(force, "0") != 0;
	return tty && term != NULL && *term != '\0' &&
	       strcmp(term, "dumb") != 0;
}

static unsigned terminal_width(void)
{
	const char *env = getenv("COLUMNS");
	struct winsize ws = { 0 };

	if (env != NULL) {
		long n = strtol(env, NULL, 10);

		if (n >= WIDTH_MIN && n <= WIDTH_MAX)
			return (unsigned)n;
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 &&
	    ws.ws_col >= WIDTH_MIN)
		return ws.ws_col;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 &&
	    ws.ws_col >= WIDTH_MIN)
		return ws.ws_col;
	return WIDTH_DEFAULT;
}

static void draw_run_id(struct out *o)
{
	uint64_t id;

	/* Without random bytes an id that is merely unlikely to repeat will
	 * do: it labels log lines. */
	if (rng_fill(rng_system(), &id, sizeof(id), NULL) != BC_OK)
		id = (uint64_t)o->began_real ^ (uint64_t)getpid() << 48;
	hex_encode((const uint8_t *)&id, sizeof(id), o->run_id);
}

void out_init(struct out *o, const struct out_options *opt, struct clock clk)
{
	*o = (struct out){ .opt = *opt, .clk = clk };
	out_fd_init(&o->std, STDOUT_FILENO);
	if (opt->status_fd >= 0)
		out_fd_init(&o->status, opt->status_fd);
	o->text = out_fd_stream(&o->std);
	if (o->text == NULL)
		o->text = stdout;
	o->began_real = clk.real(clk.ctx);
	o->began_mono = clk.mono(clk.ctx);
	o->tty = !opt->json && isatty(STDOUT_FILENO) == 1;
	o->err_tty = isatty(STDERR_FILENO) == 1;
	o->width = terminal_width();
	o->colour_out = !opt->json && colour_on(opt->colour, o->tty);
	o->colour_err = colour_on(opt->colour, o->err_tty);
	draw_run_id(o);
	json_fragment(&o->counts);
	pthread_mutex_init(&o->lock, NULL);
}

void out_start(struct out *o, const char *command, const char *const *counts,
	       bool dry_run)
{
	struct json j;

	o->command = command;
	o->count_keys = counts;
	if (out_events(o)) {
		json_begin(&j, "start");
		json_text(&j, "command", command);
		json_text(&j, "run_id", o->run_id);
		json_text(&j, "program_version", BLOBCTL_VERSION);
		json_u64(&j, "pid", (uint64_t)getpid());
		json_time(&j, "start_time", o->began_real);
		json_bool(&j, "dry_run", dry_run);
		out_emit(o, &j);
	}
}

FILE *out_stream(struct out *o)
{
	if (o->opt.pager && o->tty && isatty(STDIN_FILENO) == 1)
		out_pager_start(o);
	o->opt.pager = false;
	return o->text;
}

void out_lost(struct out *o, int sys)
{
	if (o->write_errno == 0)
		o->write_errno = sys;
}

/* Whatever the cause, a full device too, status 1: of the repository it says
 * nothing. */
static enum bc_err write_error(struct err *e, int sys)
{
	if (sys == ECANCELED)
		return err_set(e, BC_ECANCEL,
			       "stopped, while nobody read standard output");
	(void)err_sys(e, sys, "cannot write standard output");
	if (e != NULL)
		e->code = BC_ESYS;
	err_hint(e, sys == EBADF ? "open it for writing: >FILE, or a pipe"
				 : "send it where there is room: >FILE, or a "
				   "pipe");
	return BC_ESYS;
}

static enum bc_err lost_error(struct out *o, struct err *e)
{
	if (o->write_errno == 0 || o->write_error_said)
		return BC_OK;
	o->write_error_said = true;
	return write_error(e, o->write_errno);
}

enum bc_err out_flush(struct out *o, struct err *e)
{
	if (o->table != NULL)
		(void)out_table_end(o);
	errno = 0;
	if (fflush(o->text) != 0 || ferror(o->text))
		out_lost(o, errno != 0 ? errno : EIO);
	/* Whoever closes the pager early has seen enough. */
	if (o->pager_pid != 0) {
		out_pager_wait(o);
		o->write_errno = o->pager.gone ? ECANCELED : 0;
	}
	return lost_error(o, e);
}

static void emit_summary(struct out *o, int status, int signal)
{
	int64_t ns = o->clk.mono(o->clk.ctx) - o->began_mono;
	struct json j;

	json_begin(&j, "summary");
	json_bool(&j, "ok", status == 0);
	json_i64(&j, "exit_code", status);
	json_text(&j, "command", o->command);
	json_text(&j, "run_id", o->run_id);
	json_f64(&j, "duration_seconds", (double)ns / 1e9);
	if (signal != 0)
		json_i64(&j, "signal", signal);
	else
		json_null(&j, "signal");
	json_u64(&j, "warnings_count", o->warnings);
	json_u64(&j, "errors_count", o->errors);
	json_splice(&j, &o->counts);
	for (unsigned i = 0; o->count_keys != NULL && o->count_keys[i] != NULL;
	     i++)
		if ((o->counted >> i & 1) == 0)
			json_null(&j, o->count_keys[i]);
	out_emit(o, &j);
}

enum bc_err out_finish(struct out *o, int status, int signal, struct err *e)
{
	if (out_events(o))
		emit_summary(o, status, signal);
	json_free(&o->counts);
	pthread_mutex_destroy(&o->lock);
	/* NFS and quotas may speak up only now. */
	errno = 0;
	if (fclose(o->text) != 0)
		out_lost(o, errno != 0 ? errno : EIO);
	errno = 0;
	if (o->text != stdout && fclose(stdout) != 0)
		out_lost(o, errno != 0 ? errno : EIO);
	out_fd_fini(&o->std);
	out_fd_fini(&o->status);
	return lost_error(o, e);
}

/* ---- plain text -----------------------------------------------------------
 */

BC_PRINTF(2, 0)
static void print_text(struct out *o, const char *fmt, va_list ap)
{
	errno = 0;
	if (vfprintf(out_stream(o), fmt, ap) < 0)
		out_lost(o, errno != 0 ? errno : EIO);
}

void out_print(struct out *o, const char *fmt, ...)
{
	va_list ap;

	if (o->opt.json)
		return;
	va_start(ap, fmt);
	print_text(o, fmt, ap);
	va_end(ap);
}

void out_say(struct out *o, const char *fmt, ...)
{
	va_list ap;

	if (o->opt.json || o->opt.quiet)
		return;
	va_start(ap, fmt);
	print_text(o, fmt, ap);
	va_end(ap);
}

void out_text(struct out *o, struct bytes b)
{
	/* Nothing may be at NULL, and fwrite() takes no NULL. */
	errno = 0;
	if (b.n > 0 && fwrite(b.p, 1, b.n, out_stream(o)) != b.n)
		out_lost(o, errno != 0 ? errno : EIO);
}

void out_name(struct out *o, struct bytes name)
{
	struct buf b = BUF_INIT(NAME_MAX_BYTES);

	if (o->opt.json)
		return;
	if (!o->tty)
		out_text(o, name);
	else if (fmt_terminal(&b, name) == BC_OK)
		out_text(o, buf_bytes(&b));
	else
		out_lost(o, ENOMEM);
	buf_fini(&b);
}

enum bc_err out_payload_ready(struct out *o, struct err *e)
{
	enum bc_err rc;

	if (!o->opt.json)
		return BC_OK;
	rc = err_set(e, BC_EUSAGE,
		     "--json and an object's bytes cannot share "
		     "standard output");
	err_hint(e, "use --status-fd=3 3>events.jsonl for the events");
	return rc;
}

/* Would a terminal obey that byte after that other one, or is it of no text?
 * The second control characters of Unicode are c2 80 to c2 9f in UTF-8. */
static bool is_control(uint8_t before, uint8_t byte)
{
	if (byte < ' ')
		return byte != '\t' && byte != '\n' && byte != '\r' &&
		       byte != '\f';
	return byte == 0x7f || (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
}

/* Text is welcome on a terminal. Each piece is looked at, not the first alone:
 * whoever wrote the file must not move the reader's cursor. */
static enum bc_err look_for_text(struct out *o, struct bytes b, struct err *e)
{
	enum bc_err rc;

	for (size_t i = 0; i < b.n; i++) {
		if (is_control(o->payload_last, b.p[i])) {
			rc = err_set(e, BC_EUSAGE,
				     "not text, so%s not written to a "
				     "terminal: byte %02x at %" PRIu64,
				     o->payload_bytes > 0 ? " the rest is" : "",
				     b.p[i], o->payload_bytes + i);
			err_hint(e, "send it elsewhere: >FILE, | less, or "
				    "| hexdump -C");
			return rc;
		}
		o->payload_last = b.p[i];
	}
	o->payload_bytes += b.n;
	return BC_OK;
}

enum bc_err out_payload(struct out *o, struct bytes b, struct err *e)
{
	enum bc_err rc = o->tty ? look_for_text(o, b, e) : BC_OK;
	int sys = rc == BC_OK ? out_fd_write(&o->std, b) : 0;

	return sys == 0 ? rc : write_error(e, sys);
}

const char *out_paint(const struct out *o, bool on_stderr, enum colour c)
{
	static const char *const CODES[] = { "\033[0m", "\033[31m", "\033[33m",
					     "\033[32m", "\033[1m" };

	return (on_stderr ? o->colour_err : o->colour_out) ? CODES[c] : "";
}

/* ---- events ---------------------------------------------------------------
 */

bool out_events(const struct out *o)
{
	return o->opt.json || o->opt.status_fd >= 0;
}

void out_emit(struct out *o, struct json *j)
{
	struct bytes line = json_line(j);
	int sys = line.n == 0 ? ENOMEM : 0;

	pthread_mutex_lock(&o->lock);
	if (sys == 0 && o->opt.json)
		sys = out_fd_write(&o->std, line);
	if (sys == 0 && o->opt.status_fd >= 0)
		sys = out_fd_write(&o->status, line);
	if (sys != 0)
		out_lost(o, sys);
	pthread_mutex_unlock(&o->lock);
	json_free(j);
}

/* Is that a key of the command's, without a value so far? */
static bool is_due(struct out *o, const char *key)
{
	for (unsigned i = 0; o->count_keys != NULL && o->count_keys[i] != NULL;
	     i++)
		if (strcmp(o->count_keys[i], key) == 0) {
			bool due = (o->counted >> i & 1) == 0;

			o->counted |= UINT32_C(1) << i;
			return due;
		}
	return false;
}

void out_count_u64(struct out *o, const char *key, uint64_t v)
{
	if (is_due(o, key))
		json_u64(&o->counts, key, v);
}

void out_count_text(struct out *o, const char *key, const char *s)
{
	if (is_due(o, key))
		json_text(&o->counts, key, s);
}

void out_count_bool(struct out *o, const char *key, bool v)
{
	if (is_due(o, key))
		json_bool(&o->counts, key, v);
}

const char *out_size(const struct out *o, uint64_t n, char buf[FMT_BYTES])
{
	return fmt_size(n, o->opt.unit, buf);
}

const char *out_time(const struct out *o, int64_t ns, char buf[FMT_BYTES])
{
	return o->opt.utc ? fmt_time_utc(ns, false, buf)
			  : fmt_time_local(ns, buf);
}
