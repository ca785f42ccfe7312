/* SPDX-License-Identifier: Apache-2.0 */
#include "io/fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/arith.h"

enum {
	CLASSES = 5, /* bits of enum io_class */
	TAG_KILL_AFTER = 1,
};

struct io_fault {
	struct io_fault_plan plan;
	pthread_mutex_t lock; /* for all below */
	uint64_t count[IO_FAULT_MAX_RULES];
	uint64_t seen[CLASSES];
	uint64_t hits;
};

/* ---- plan text ----------------------------------------------------------- */

struct word {
	const char *name;
	int value;
};

static const struct word class_words[] = {
	{ "read", IO_CLASS_READ }, { "write", IO_CLASS_WRITE },
	{ "sync", IO_CLASS_SYNC }, { "name", IO_CLASS_NAME },
	{ "lock", IO_CLASS_LOCK }, { "change", IO_CLASS_CHANGE },
	{ "all", IO_CLASS_ALL },   { NULL, 0 },
};

static const struct word errno_words[] = {
	{ "EIO", EIO },	      { "ENOSPC", ENOSPC },
	{ "EDQUOT", EDQUOT }, { "EINTR", EINTR },
	{ "EACCES", EACCES }, { "EPERM", EPERM },
	{ "EROFS", EROFS },   { "ENOMEM", ENOMEM },
	{ "EMFILE", EMFILE }, { "ENFILE", ENFILE },
	{ "ENOENT", ENOENT }, { "EEXIST", EEXIST },
	{ "EINVAL", EINVAL }, { "EOPNOTSUPP", EOPNOTSUPP },
	{ "ENOSYS", ENOSYS }, { "EXDEV", EXDEV },
	{ "EAGAIN", EAGAIN }, { "ENOLCK", ENOLCK },
	{ "ESTALE", ESTALE }, { "ENODATA", ENODATA },
	{ NULL, 0 },
};

static const struct word action_words[] = {
	{ "short", IO_FAULT_SHORT },
	{ "kill", IO_FAULT_KILL },
	{ "kill-after", IO_FAULT_KILL_AFTER },
	{ "torn", IO_FAULT_TORN },
	{ "stop", IO_FAULT_STOP },
	{ NULL, 0 },
};

static bool find_word(const struct word *w, struct bytes s, int *out)
{
	for (; w->name != NULL; w++) {
		if (bytes_eq(bytes_str(w->name), s)) {
			*out = w->value;
			return true;
		}
	}
	return false;
}

/* Cut s at the first `stop`; what follows it goes to *rest. */
static struct bytes cut(struct bytes s, char stop, struct bytes *rest,
			bool *found)
{
	const uint8_t *at = s.n == 0 ? NULL : memchr(s.p, stop, s.n);
	size_t n;

	*found = at != NULL;
	if (at == NULL) {
		*rest = bytes_of(s.p + s.n, 0);
		return s;
	}
	n = (size_t)(at - s.p);
	*rest = bytes_of(at + 1, s.n - n - 1);
	return bytes_of(s.p, n);
}

static bool parse_classes(struct bytes s, struct io_fault_rule *r)
{
	bool more = true;
	int cls;

	while (more) {
		if (!find_word(class_words, cut(s, ',', &s, &more), &cls))
			return false;
		r->classes |= (unsigned)cls;
	}
	return true;
}

static bool parse_nth(struct bytes s, struct io_fault_rule *r)
{
	if (s.n > 0 && s.p[s.n - 1] == '+') {
		r->on = true;
		s.n--;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' ||
		    !mul_u64(r->nth, 10, &r->nth) ||
		    !add_u64(r->nth, (uint64_t)(s.p[i] - '0'), &r->nth))
			return false;
	}
	return r->nth > 0;
}

static bool parse_action(struct bytes s, struct io_fault_rule *r)
{
	int v;

	if (find_word(errno_words, s, &r->sys)) {
		r->action = IO_FAULT_ERRNO;
		/* Interrupted for ever, nothing would ever end. */
		return r->sys != EINTR || !r->on;
	}
	if (!find_word(action_words, s, &v))
		return false;
	r->action = (enum io_fault_action)v;
	return true;
}

static bool parse_rule(struct bytes s, struct io_fault_rule *out)
{
	struct io_fault_rule r = { .classes = 0 };
	struct bytes rest, what, where, nth;
	bool found;

	what = cut(s, ':', &rest, &found);
	nth = cut(rest, ':', &rest, &found);
	if (!found)
		return false;
	what = cut(what, '@', &where, &found);
	if (found && (where.n == 0 || where.n >= sizeof(r.match)))
		return false;
	if (where.n > 0)
		memcpy(r.match, where.p, where.n);
	if (!parse_classes(what, &r) || !parse_nth(nth, &r) ||
	    !parse_action(rest, &r))
		return false;
	*out = r;
	return true;
}

enum bc_err io_fault_parse(const char *text, struct io_fault_plan *out,
			   struct err *e)
{
	struct io_fault_plan plan = { .n = 0 };
	struct bytes rest = bytes_str(text), rule;
	bool more = true;

	while (more) {
		rule = cut(rest, ';', &rest, &more);
		if (plan.n == IO_FAULT_MAX_RULES)
			return err_set(e, BC_EINVAL, "more than %d fault rules",
				       IO_FAULT_MAX_RULES);
		if (!parse_rule(rule, &plan.rule[plan.n]))
			return err_set(e, BC_EINVAL,
				       "\"%.*s\" is not a fault rule "
				       "(class[@text]:n[+]:action)",
				       (int)min_size(rule.n, 200),
				       (const char *)rule.p);
		plan.n++;
	}
	*out = plan;
	return BC_OK;
}

/* ---- seam ---------------------------------------------------------------- */

static bool matches(const struct io_fault_rule *r, const struct io_event *ev)
{
	if ((r->classes & (unsigned)ev->cls) == 0)
		return false;
	if (r->action == IO_FAULT_SHORT && ev->len == 0)
		return false;
	if (r->action == IO_FAULT_TORN && ev->buf == NULL)
		return false;
	if (r->match[0] == '\0')
		return true;
	return (ev->path != NULL && strstr(ev->path, r->match) != NULL) ||
	       (ev->path2 != NULL && strstr(ev->path2, r->match) != NULL);
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void halve(struct io_event *ev)
{
	size_t half = ev->len / 2;

	if (half > IO_ALIGN)
		half = round_down(half, IO_ALIGN);
	ev->len = half > 0 ? half : 1;
}

static int act(const struct io_fault_rule *r, struct io_event *ev)
{
	switch (r->action) {
	case IO_FAULT_ERRNO:
		return r->sys;
	case IO_FAULT_KILL:
		die();
		break;
	case IO_FAULT_TORN:
		halve(ev);
		ev->tag = TAG_KILL_AFTER;
		break;
	case IO_FAULT_KILL_AFTER:
		ev->tag = TAG_KILL_AFTER;
		break;
	case IO_FAULT_SHORT:
		halve(ev);
		break;
	case IO_FAULT_STOP:
		kill(getpid(), SIGSTOP);
		break;
	}
	return 0;
}

/* Every rule counts every attempt that matches it; the first that is due
 * acts. */
static int fault_before(void *ctx, struct io_event *ev)
{
	struct io_fault *f = ctx;
	const struct io_fault_rule *due = NULL;
	int sys = 0;

	ev->tag = 0;
	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < CLASSES; i++)
		f->seen[i] += ((unsigned)ev->cls >> i) & 1;
	for (unsigned i = 0; i < f->plan.n; i++) {
		const struct io_fault_rule *r = &f->plan.rule[i];

		if (!matches(r, ev))
			continue;
		f->count[i]++;
		if (due == NULL &&
		    (f->count[i] == r->nth || (r->on && f->count[i] > r->nth)))
			due = r;
	}
	if (due != NULL) {
		f->hits++;
		sys = act(due, ev);
	}
	pthread_mutex_unlock(&f->lock);
	return sys;
}

static int fault_after(void *ctx, const struct io_event *ev, int sys)
{
	(void)ctx;
	if (ev->tag == TAG_KILL_AFTER)
		die();
	return sys;
}

enum bc_err io_fault_new(const struct io_fault_plan *plan,
			 struct io_fault **out, struct err *e)
{
	struct io_fault *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_sys(e, ENOMEM, "cannot set up fault injection");
	f->plan = *plan;
	pthread_mutex_init(&f->lock, NULL);
	*out = f;
	return BC_OK;
}

void io_fault_free(struct io_fault *f)
{
	if (f == NULL)
		return;
	pthread_mutex_destroy(&f->lock);
	free(f);
}

struct io_seam io_fault_seam(struct io_fault *f)
{
	return (struct io_seam){
		.before = fault_before,
		.after = fault_after,
		.ctx = f,
	};
}

uint64_t io_fault_hits(struct io_fault *f)
{
	uint64_t n;

	pthread_mutex_lock(&f->lock);
	n = f->hits;
	pthread_mutex_unlock(&f->lock);
	return n;
}

uint64_t io_fault_seen(struct io_fault *f, unsigned classes)
{
	uint64_t n = 0;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < CLASSES; i++)
		n += ((classes >> i) & 1) != 0 ? f->seen[i] : 0;
	pthread_mutex_unlock(&f->lock);
	return n;
}
