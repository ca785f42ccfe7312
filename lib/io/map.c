/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps, and what becomes of a page that cannot be had.
 *
 * The kernel tells of a bad sector below a map by SIGBUS at the load that
 * touches the page. The handler lays a page of zeros over it, notes that the
 * map is hurt, and the load is made again. So a reader needs no care where it
 * reads, only a checksum or io_map_hurt() for what it has read, and what it
 * reads costs nothing more.
 *
 * The handler finds the map in a list of guards that only grows: one that is
 * given back is used again, and never freed under a handler that looks at it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/internal.h"
#include "util/arith.h"

struct io_guard {
	atomic_uintptr_t at;
	atomic_uintptr_t end; /* 0: of no map */
	atomic_bool hurt;
	bool taken; /* under guards_lock */
	struct io_guard *next;
};

/* A handler can reach nothing but globals. */
static _Atomic(struct io_guard *) guards;
static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t installed = PTHREAD_ONCE_INIT;
static struct sigaction before_ours;
static uintptr_t page_bytes;

/* ---- the handler --------------------------------------------------------- */

static bool lay_zeros(uintptr_t at, uintptr_t end)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	return mmap((void *)at, end - at, PROT_READ, flags | MAP_NORESERVE, -1,
		    0) != MAP_FAILED;
}

/* Guards may change while this looks, but not the one whose map the faulting
 * thread reads. Another that seems to hold the address is marked in vain. */
static bool mend(uintptr_t addr)
{
	uintptr_t page = addr - addr % page_bytes;
	bool mended = false;

	for (struct io_guard *g = atomic_load(&guards); g != NULL;
	     g = g->next) {
		uintptr_t at = atomic_load(&g->at), end = atomic_load(&g->end);

		if (addr < at || addr >= end)
			continue;
		/* First the mark: who sees zeros must see it too. */
		atomic_store(&g->hurt, true);
		/* A process may have so many maps and no more; then all of
		 * this one goes. */
		mended = lay_zeros(page, page + page_bytes) ||
			 lay_zeros(at, end) || mended;
	}
	return mended;
}

static void pass_on(int number, siginfo_t *si, void *context)
{
	if ((before_ours.sa_flags & SA_SIGINFO) != 0) {
		before_ours.sa_sigaction(number, si, context);
	} else if (before_ours.sa_handler != SIG_DFL &&
		   before_ours.sa_handler != SIG_IGN) {
		before_ours.sa_handler(number);
	} else {
		/* A fault comes again on return; what was sent does not. */
		signal(number, SIG_DFL);
		if (si->si_code <= 0)
			raise(number);
	}
}

static void on_fault(int number, siginfo_t *si, void *context)
{
	int saved = errno;

	if (si->si_code <= 0 || !mend((uintptr_t)si->si_addr))
		pass_on(number, si, context);
	errno = saved;
}

static void install(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO | SA_RESTART };

	page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	sigemptyset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, &before_ours);
}

/* ---- guards -------------------------------------------------------------- */

static struct io_guard *guard_take(void)
{
	struct io_guard *g;

	pthread_mutex_lock(&guards_lock);
	for (g = atomic_load(&guards); g != NULL && g->taken; g = g->next)
		;
	if (g == NULL) {
		g = calloc(1, sizeof(*g));
		if (g != NULL) {
			g->next = atomic_load(&guards);
			atomic_store(&guards, g);
		}
	}
	if (g != NULL) {
		g->taken = true;
		atomic_store(&g->hurt, false);
	}
	pthread_mutex_unlock(&guards_lock);
	return g;
}

static void guard_set(struct io_guard *g, const void *base, size_t span)
{
	atomic_store(&g->at, (uintptr_t)base);
	atomic_store(&g->end, (uintptr_t)base + round_up(span, page_bytes));
}

static void guard_give(struct io_guard *g)
{
	pthread_mutex_lock(&guards_lock);
	atomic_store(&g->end, 0);
	g->taken = false;
	pthread_mutex_unlock(&guards_lock);
}

/* ---- maps ---------------------------------------------------------------- */

static enum bc_err map_range(struct io_file *f, uint64_t off, size_t skip,
			     struct io_map *m, struct err *e)
{
	struct io_op op;
	int sys;

	m->guard = guard_take();
	if (m->guard == NULL)
		return io_fail_file(e, ENOMEM, "map", f);
	m->span = m->n + skip;
	io_op_file(&op, f, IO_CLASS_READ, "map");
	op.ev.off = off;
	IO_DO(sys, &op,
	      (m->base = mmap(NULL, m->span, PROT_READ, MAP_SHARED, f->fd,
			      (off_t)(off - skip))) == MAP_FAILED
		      ? -1
		      : 0);
	if (sys != 0) {
		guard_give(m->guard);
		return io_fail_file(e, sys, op.ev.op, f);
	}
	guard_set(m->guard, m->base, m->span);
	m->p = (const uint8_t *)m->base + skip;
	return BC_OK;
}

enum bc_err io_file_map(struct io_file *f, uint64_t off, size_t len,
			struct io_map *out, struct err *e)
{
	struct io_map m = { .n = len };
	enum bc_err rc;
	uint64_t size, end;

	pthread_once(&installed, install);
	rc = io_file_size(f, &size, e);
	if (rc != BC_OK)
		return rc;
	if (!add_u64(off, len, &end) || end > size)
		return io_ends_early(f, size, off + len, e);
	if (len != 0)
		rc = map_range(f, off, (size_t)(off % page_bytes), &m, e);
	if (rc == BC_OK)
		*out = m;
	return rc;
}

bool io_map_hurt(const struct io_map *m)
{
	return m->guard != NULL && atomic_load(&m->guard->hurt);
}

void io_unmap(struct io_map *m)
{
	if (m->base != NULL) {
		guard_give(m->guard);
		munmap(m->base, m->span);
	}
	*m = (struct io_map){ 0 };
}
