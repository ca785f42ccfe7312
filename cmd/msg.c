/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/fmt_text.h"

enum { LINE_MAX_BYTES = 64 << 10, HELD_MAX_BYTES = 256 << 10 };

static const char BAR_CLEAR[] = "\r\033[K";

void msg_init(struct msg *m, struct out *o, bool quiet, unsigned verbose)
{
	*m = (struct msg){
		.out = o, .quiet = quiet, .verbose = verbose, .log_fd = -1
	};
	buf_init(&m->held, HELD_MAX_BYTES);
	pthread_mutex_init(&m->lock, NULL);
}

/* To standard error. Who does that has nobody left to tell. */
static void say(struct bytes b)
{
	struct out_fd f = { .fd = STDERR_FILENO, .bounded = true };

	(void)out_fd_write(&f, b);
}

/* One write(2), so that lines of two processes do not mix. 0 or errno. */
static int write_line(int fd, struct bytes b)
{
	while (b.n > 0) {
		ssize_t n = write(fd, b.p, b.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		b = bytes_of(b.p + n, b.n - (size_t)n);
	}
	return 0;
}

static enum bc_err add(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

/* A sentence as it is shown, safe for any terminal, with a newline. */
struct shown {
	const char *before; /* ours, may hold escape sequences */
	const char *label;
	const char *after;
	const char *text; /* of unknown origin */
};

static void show_now(struct msg *m, const struct shown *s, bool hold)
{
	struct buf b = BUF_INIT(LINE_MAX_BYTES);
	bool ok = (!m->bar_shown || add(&b, BAR_CLEAR) == BC_OK) &&
		  add(&b, s->before) == BC_OK && add(&b, s->label) == BC_OK &&
		  add(&b, s->after) == BC_OK &&
		  fmt_terminal(&b, bytes_str(s->text)) == BC_OK &&
		  add(&b, "\n") == BC_OK;

	m->bar_shown = false;
	if (ok && hold) /* the first of them say the most */
		(void)!buf_add(&m->held, b.p, b.n);
	else if (ok)
		say(buf_bytes(&b));
	else
		say(bytes_str("blobctl: no memory\n"));
	buf_fini(&b);
}

static void show(struct msg *m, const struct shown *s)
{
	show_now(m, s, false);
}

/* 0 or errno. */
static int write_log(struct msg *m, const char *level, const char *text)
{
	struct buf b = BUF_INIT(LINE_MAX_BYTES);
	char head[128], when[FMT_BYTES];
	struct clock c = m->out->clk;
	int err = 0;

	snprintf(head, sizeof(head),
		 "%s %s %s: ", fmt_time_utc(c.real(c.ctx), false, when),
		 m->out->run_id, level);
	if (add(&b, head) == BC_OK &&
	    fmt_terminal(&b, bytes_str(text)) == BC_OK &&
	    add(&b, "\n") == BC_OK)
		err = write_line(m->log_fd, buf_bytes(&b));
	buf_fini(&b);
	return err;
}

static void close_log(struct msg *m)
{
	if (m->log_fd >= 0)
		close(m->log_fd);
	m->log_fd = -1;
}

enum bc_err msg_log_open(struct msg *m, const char *path, struct err *e)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
		     0640);
	int err;

	if (fd < 0)
		return err_sys(e, errno, "cannot open the log file %s", path);
	m->log_fd = fd;
	err = write_log(m, "start",
			m->out->command == NULL ? "-" : m->out->command);
	if (err == 0)
		return BC_OK;
	close_log(m);
	return err_sys(e, err, "cannot write the log file %s", path);
}

static void emit(struct msg *m, const char *type, const char *code,
		 const char *text, const char *hint, struct bytes path)
{
	struct json j;

	if (!out_events(m->out))
		return;
	json_begin(&j, type);
	json_text(&j, "code", code);
	json_text(&j, "message", text);
	json_text(&j, "hint", hint != NULL && *hint != '\0' ? hint : NULL);
	json_path(&j, "path", path);
	json_null(&j, "url");
	out_emit(m->out, &j);
}

/* Is a command of ours, here, one that works on a repository? */
static bool takes_repo(const char *command)
{
	static const char *const NONE[] = { "help", "version", "init", NULL };

	for (size_t i = 0; NONE[i] != NULL; i++)
		if (strncmp(command, NONE[i], strlen(NONE[i])) == 0)
			return false;
	return *command >= 'a' && *command <= 'z';
}

/* What is said, with -R in the commands it suggests: without, they would speak
 * of another repository. In `b`; on no memory as it was. */
static const char *with_repo(struct msg *m, const char *text, struct buf *b)
{
	static const char NAME[] = "blobctl ";
	const char *from = text, *at = text;
	bool ok = true;

	if (m->repo == NULL || strncmp(text, "usage:", 6) == 0)
		return text;
	while (ok && (at = strstr(at, NAME)) != NULL) {
		bool begins = at == text || at[-1] == '`' || at[-1] == ' ';

		at += sizeof(NAME) - 1;
		if (!begins || !takes_repo(at))
			continue;
		ok = buf_add(b, from, (size_t)(at - from)) == BC_OK &&
		     add(b, "-R ") == BC_OK &&
		     fmt_shell(b, bytes_str(m->repo)) == BC_OK &&
		     add(b, " ") == BC_OK;
		from = at;
	}
	ok = ok && add(b, from) == BC_OK && buf_u8(b, 0) == BC_OK;
	return ok ? (const char *)b->p : text;
}

/* A hint that is a command is one to try. */
static void show_hint(struct msg *m, const char *hint)
{
	static const char NAME[] = "blobctl ";
	bool command = strncmp(hint, NAME, sizeof(NAME) - 1) == 0;

	if (*hint != '\0')
		show(m,
		     &(struct shown){ "  ", command ? "try: " : "", "", hint });
}

static void show_error(struct msg *m, const struct err *e, const char *hint)
{
	say(buf_bytes(&m->held));
	buf_clear(&m->held);
	show(m, &(struct shown){
			out_paint(m->out, true, COLOUR_RED),
			"blobctl: ", out_paint(m->out, true, COLOUR_NONE),
			e->text[0] != '\0' ? e->text : bc_err_name(e->code) });
	show_hint(m, hint);
}

static void show_warning(struct msg *m, const char *text)
{
	const struct shown s = { out_paint(m->out, true, COLOUR_YELLOW),
				 "blobctl: ",
				 out_paint(m->out, true, COLOUR_NONE), text };

	show_now(m, &s, m->quiet);
}

/* A line that cannot be logged is told once, and ends the log: with a gap it
 * would be taken for the whole. */
static void log_line(struct msg *m, const char *level, const char *text)
{
	char why[160];
	int err = m->log_fd < 0 ? 0 : write_log(m, level, text);

	if (err == 0)
		return;
	close_log(m);
	snprintf(why, sizeof(why),
		 "the log file cannot be written, and ends here: %s",
		 strerror(err));
	show_warning(m, why);
}

void msg_error(struct msg *m, const struct err *e)
{
	msg_error_as(m, bc_err_name(e->code), e);
}

void msg_error_as(struct msg *m, const char *code, const struct err *e)
{
	const char *text = e->text[0] != '\0' ? e->text : bc_err_name(e->code);
	struct buf b = BUF_INIT(LINE_MAX_BYTES);
	const char *hint;

	pthread_mutex_lock(&m->lock);
	hint = with_repo(m, e->hint, &b);
	m->out->errors++;
	emit(m, "error", code, text, hint, bytes_of(NULL, 0));
	show_error(m, e, hint);
	log_line(m, "error", text);
	if (*hint != '\0')
		log_line(m, "hint", hint);
	pthread_mutex_unlock(&m->lock);
	buf_fini(&b);
}

void msg_error_late(struct msg *m, const struct err *e)
{
	pthread_mutex_lock(&m->lock);
	show_error(m, e, e->hint);
	log_line(m, "error", e->text);
	pthread_mutex_unlock(&m->lock);
}

void msg_warn(struct msg *m, const char *code, const char *fmt, ...)
{
	char raw[MSG_TEXT_BYTES];
	struct buf b = BUF_INIT(LINE_MAX_BYTES);
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&m->lock);
	text = with_repo(m, raw, &b);
	m->out->warnings++;
	emit(m, "warning", code, text, NULL, bytes_of(NULL, 0));
	show_warning(m, text);
	log_line(m, "warning", text);
	pthread_mutex_unlock(&m->lock);
	buf_fini(&b);
}

/* How often that code was seen before this time. The last group takes what
 * does not fit. */
static uint64_t count_group(struct msg *m, const char *code)
{
	size_t i;

	for (i = 0; i < m->group_count; i++)
		if (strncmp(m->groups[i].code, code, MSG_CODE_BYTES - 1) == 0)
			return m->groups[i].seen++;
	if (i == MSG_CODES_MAX)
		return m->groups[MSG_CODES_MAX - 1].seen++;
	snprintf(m->groups[i].code, MSG_CODE_BYTES, "%s", code);
	m->groups[i].seen = 1;
	m->group_count++;
	return 0;
}

void msg_item(struct msg *m, const char *code, struct bytes path,
	      const char *fmt, ...)
{
	char text[MSG_TEXT_BYTES], line[MSG_TEXT_BYTES + 16];
	uint64_t before;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%.*s: %.2048s", (int)path.n,
		 (const char *)path.p, text);
	pthread_mutex_lock(&m->lock);
	m->out->warnings++;
	before = count_group(m, code);
	emit(m, "warning", code, text, NULL, path);
	if (before < MSG_SHOWN_PER_CODE || m->verbose > 0)
		show_warning(m, line);
	log_line(m, "warning", line);
	pthread_mutex_unlock(&m->lock);
}

BC_PRINTF(4, 0)
static void note(struct msg *m, bool shown, const char *level, const char *fmt,
		 va_list ap)
{
	char raw[MSG_TEXT_BYTES];
	struct buf b = BUF_INIT(LINE_MAX_BYTES);
	const char *text;

	if (!shown && m->log_fd < 0)
		return;
	vsnprintf(raw, sizeof(raw), fmt, ap);
	pthread_mutex_lock(&m->lock);
	text = with_repo(m, raw, &b);
	if (shown)
		show(m, &(struct shown){ "", "", "", text });
	log_line(m, level, text);
	pthread_mutex_unlock(&m->lock);
	buf_fini(&b);
}

void msg_note(struct msg *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(m, !m->quiet, "note", fmt, ap);
	va_end(ap);
}

void msg_detail(struct msg *m, const char *fmt, ...)
{
	va_list ap;

	if (m->verbose < 1)
		return;
	va_start(ap, fmt);
	note(m, true, "detail", fmt, ap);
	va_end(ap);
}

void msg_bar(struct msg *m, const char *line)
{
	struct buf b = BUF_INIT(LINE_MAX_BYTES);

	pthread_mutex_lock(&m->lock);
	if (line == NULL) {
		if (m->bar_shown)
			say(bytes_str(BAR_CLEAR));
		m->bar_shown = false;
	} else if (add(&b, BAR_CLEAR) == BC_OK && add(&b, line) == BC_OK) {
		say(buf_bytes(&b));
		m->bar_shown = true;
	}
	pthread_mutex_unlock(&m->lock);
	buf_fini(&b);
}

void msg_progress(struct msg *m, const char *line)
{
	pthread_mutex_lock(&m->lock);
	show(m, &(struct shown){ "", "", "", line });
	pthread_mutex_unlock(&m->lock);
}

void msg_end_groups(struct msg *m)
{
	char text[160];

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->group_count && m->verbose == 0; i++) {
		const struct msg_group *g = &m->groups[i];

		if (g->seen <= MSG_SHOWN_PER_CODE)
			continue;
		snprintf(text, sizeof(text),
			 "and %" PRIu64 " more like this (%s); -v shows all",
			 g->seen - MSG_SHOWN_PER_CODE, g->code);
		show_warning(m, text);
	}
	m->group_count = 0;
	pthread_mutex_unlock(&m->lock);
}

void msg_fini(struct msg *m, int status)
{
	char text[32];

	snprintf(text, sizeof(text), "exit %d", status);
	log_line(m, "end", text);
	close_log(m);
	buf_fini(&m->held);
	pthread_mutex_destroy(&m->lock);
}
