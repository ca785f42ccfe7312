/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lane scheduler.
 *
 * Each lane has a message: first its whole blocks, read in place, then the one
 * or two blocks of padding, built in the lane's own buffer. A kernel is always
 * called for as many blocks as the lane nearest to an end has left, so it has
 * neither masks nor conditions. A lane whose message has ended takes the
 * longest of the next WINDOW jobs; only short ones are left when the list runs
 * out, and the lanes run dry nearly together. When too few lanes are busy for
 * the kernel to be worth its width, they move to the next narrower one.
 */
#include "hash/sha256.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "hash/sha256_impl.h"

enum {
	WINDOW = 128,
	NIL = 0xff,
/* Below this much in one process, loading libcrypto takes longer than
 * it saves. x86 without SHA extensions: 1.2 ms to load, 1.1 ms saved
 * per MiB. Others have instructions that only libcrypto uses here. */
#if defined(__x86_64__)
	OPENSSL_MIN_BLOCKS = (1 << 20) / SHA256_BLOCK_BYTES,
#else
	OPENSSL_MIN_BLOCKS = (256 << 10) / SHA256_BLOCK_BYTES,
#endif
};

/* ---- what the machine has ------------------------------------------------ */

static struct {
	bool has[SHA256_KERNELS]; /* but for SHA256_OPENSSL: see supported() */
	struct sha256_step plan[4];
	enum sha256_kernel best;
} cpu;

static pthread_once_t cpu_once = PTHREAD_ONCE_INIT;

/* Single-lane blocks hashed without SHA extensions by this process; counts no
 * further than OPENSSL_MIN_BLOCKS or so. */
static atomic_size_t slow_blocks;

static bool openssl_pays(size_t n)
{
	size_t so_far =
		atomic_load_explicit(&slow_blocks, memory_order_relaxed);

	if (so_far < OPENSSL_MIN_BLOCKS) {
		atomic_fetch_add_explicit(&slow_blocks, n,
					  memory_order_relaxed);
		if (n < OPENSSL_MIN_BLOCKS - so_far)
			return false;
	}
	return sha256_openssl_load();
}

/* One message, by whatever is quickest for one. cpu is initialised. */
static void absorb(uint32_t h[8], const uint8_t *p, size_t n)
{
	if (n == 0)
		return;
#if defined(__x86_64__)
	if (cpu.has[SHA256_NI]) {
		sha256_ni(h, p, n);
		return;
	}
#endif
	if (openssl_pays(n))
		sha256_openssl(h, p, n);
	else
		sha256_portable(h, p, n);
}

typedef void absorb_fn(uint32_t h[8], const uint8_t *p, size_t n);

static inline void column(uint32_t (*h)[SHA256_LANES], const uint8_t *p,
			  size_t n, absorb_fn *f)
{
	uint32_t s[8];

	for (int i = 0; i < 8; i++)
		s[i] = h[i][0];
	f(s, p, n);
	for (int i = 0; i < 8; i++)
		h[i][0] = s[i];
}

static void quickest_x1(uint32_t (*h)[SHA256_LANES], const uint8_t *const *p,
			size_t n)
{
	column(h, p[0], n, absorb);
}

static void portable_x1(uint32_t (*h)[SHA256_LANES], const uint8_t *const *p,
			size_t n)
{
	column(h, p[0], n, sha256_portable);
}

static void openssl_x1(uint32_t (*h)[SHA256_LANES], const uint8_t *const *p,
		       size_t n)
{
	column(h, p[0], n, sha256_openssl);
}

#if defined(__x86_64__)
static void ni_x1(uint32_t (*h)[SHA256_LANES], const uint8_t *const *p,
		  size_t n)
{
	column(h, p[0], n, sha256_ni);
}

/* __builtin_cpu_supports("sha") is newer than the compilers we support. */
static bool cpu_has_sha(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
	       (b & 1u << 29) != 0 && __builtin_cpu_supports("sse4.1") &&
	       __builtin_cpu_supports("ssse3");
}
#endif

static const struct sha256_step kernels[SHA256_KERNELS] = {
#if defined(__x86_64__)
	[SHA256_AVX512] = { sha256_avx512_x16, 16, 1 },
	[SHA256_AVX512VL] = { sha256_avx512vl_x8, 8, 1 },
	[SHA256_AVX2] = { sha256_avx2_x8, 8, 1 },
	[SHA256_NI2] = { sha256_ni_x2, 2, 1 },
	[SHA256_NI] = { ni_x1, 1, 1 },
#endif
	[SHA256_OPENSSL] = { openssl_x1, 1, 1 },
	[SHA256_PORTABLE] = { portable_x1, 1, 1 },
};

/* plan_add - `k` while at least `busy` lanes have work, if the machine can. */
static void plan_add(size_t *n, enum sha256_kernel k, unsigned busy)
{
	if (!cpu.has[k])
		return;
	if (*n == 0)
		cpu.best = k;
	cpu.plan[*n] = kernels[k];
	cpu.plan[*n].busy = busy;
	++*n;
}

static void cpu_init(void)
{
	size_t n = 0;

	cpu.has[SHA256_PORTABLE] = true;
	cpu.best = SHA256_PORTABLE;
#if defined(__x86_64__)
	cpu.has[SHA256_AVX2] = __builtin_cpu_supports("avx2");
	cpu.has[SHA256_AVX512] = __builtin_cpu_supports("avx512f") &&
				 __builtin_cpu_supports("avx512bw");
	cpu.has[SHA256_AVX512VL] = cpu.has[SHA256_AVX2] &&
				   cpu.has[SHA256_AVX512] &&
				   __builtin_cpu_supports("avx512vl");
	cpu.has[SHA256_NI] = cpu.has[SHA256_NI2] = cpu_has_sha();
#endif
	/* The numbers of lanes are where the measured rates cross. */
	if (cpu.has[SHA256_NI]) {
		plan_add(&n, SHA256_AVX512, 10);
		plan_add(&n, SHA256_NI2, 2);
	} else {
		plan_add(&n, SHA256_AVX512, cpu.has[SHA256_AVX512VL] ? 11 : 9);
		plan_add(&n,
			 cpu.has[SHA256_AVX512VL] ? SHA256_AVX512VL
						  : SHA256_AVX2,
			 2);
	}
	cpu.plan[n] = (struct sha256_step){ quickest_x1, 1, 1 };
}

bool sha256_supported(enum sha256_kernel k)
{
	pthread_once(&cpu_once, cpu_init);
	return k == SHA256_OPENSSL ? sha256_openssl_load() != 0 : cpu.has[k];
}

enum sha256_kernel sha256_best(void)
{
	pthread_once(&cpu_once, cpu_init);
	return cpu.best;
}

const char *sha256_kernel_name(enum sha256_kernel k)
{
	switch (k) {
	case SHA256_AVX512:
		return "avx512";
	case SHA256_AVX512VL:
		return "avx512vl";
	case SHA256_AVX2:
		return "avx2";
	case SHA256_NI2:
		return "sha-ni x2";
	case SHA256_NI:
		return "sha-ni";
	case SHA256_OPENSSL:
		return "openssl";
	case SHA256_PORTABLE:
		return "portable";
	case SHA256_KERNELS:
		break;
	}
	return "unknown";
}

/* ---- padding and output -------------------------------------------------- */

/* The end of a message of n bytes, whose last n % 64 are at p, as one or two
 * blocks. Returns how many. */
static size_t pad(uint8_t out[2 * SHA256_BLOCK_BYTES], const uint8_t *p,
		  uint64_t n)
{
	size_t rest = (size_t)(n % 64), blocks = rest < 56 ? 1 : 2;
	uint64_t bits = n * 8;

	if (rest != 0)
		memcpy(out, p, rest);
	out[rest] = 0x80;
	memset(out + rest + 1, 0, 64 * blocks - 8 - rest - 1);
	for (size_t i = 0; i < 8; i++)
		out[64 * blocks - 1 - i] = (uint8_t)(bits >> 8 * i);
	return blocks;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* ---- one message --------------------------------------------------------- */

void sha256_init(struct sha256_ctx *c)
{
	memcpy(c->h, sha256_h0, sizeof(c->h));
	c->n = 0;
}

void sha256_update(struct sha256_ctx *c, struct bytes piece)
{
	size_t held = (size_t)(c->n % 64), room = 64 - held;

	if (piece.n == 0)
		return;
	pthread_once(&cpu_once, cpu_init);
	c->n += piece.n;
	if (held != 0) {
		if (piece.n < room) {
			memcpy(c->part + held, piece.p, piece.n);
			return;
		}
		memcpy(c->part + held, piece.p, room);
		absorb(c->h, c->part, 1);
		piece.p += room;
		piece.n -= room;
	}
	absorb(c->h, piece.p, piece.n / 64);
	memcpy(c->part, piece.p + piece.n / 64 * 64, piece.n % 64);
}

void sha256_final(struct sha256_ctx *c, struct digest *out)
{
	uint8_t end[2 * SHA256_BLOCK_BYTES];

	pthread_once(&cpu_once, cpu_init);
	absorb(c->h, end, pad(end, c->part, c->n));
	for (size_t i = 0; i < 8; i++)
		put_be32(out->b + 4 * i, c->h[i]);
}

void sha256_one(struct bytes msg, struct digest *out)
{
	struct sha256_ctx c;
	uint8_t end[2 * SHA256_BLOCK_BYTES];
	size_t whole = msg.n / 64;

	pthread_once(&cpu_once, cpu_init);
	sha256_init(&c);
	absorb(c.h, msg.p, whole);
	absorb(c.h, end,
	       pad(end, whole != 0 ? msg.p + 64 * whole : msg.p, msg.n));
	for (size_t i = 0; i < 8; i++)
		put_be32(out->b + 4 * i, c.h[i]);
}

/* ---- the next job: the longest of a window ------------------------------- */

/*
 * Jobs in the window hang on lists by length class, two classes to an octave:
 * taking the longest is finding the top bit of a word.
 */
struct feed {
	const struct sha256_job *next, *end; /* not yet in the window */
	uint64_t classes;		     /* bit c: head[c] is not NIL */
	uint8_t head[64], link[WINDOW];
	const struct sha256_job *slot[WINDOW];
};

static unsigned length_class(size_t n)
{
	size_t blocks = n / 64 + 2; /* 2 and more: the half bit exists */
	unsigned top = 63u - (unsigned)__builtin_clzll(blocks);
	unsigned c = 2 * top + (unsigned)(blocks >> (top - 1) & 1);

	return c < 63 ? c : 63;
}

static void feed_put(struct feed *f, unsigned slot)
{
	unsigned c = length_class(f->next->msg.n);

	f->slot[slot] = f->next++;
	f->link[slot] = f->classes >> c & 1 ? f->head[c] : NIL;
	f->head[c] = (uint8_t)slot;
	f->classes |= UINT64_C(1) << c;
}

static void feed_init(struct feed *f, const struct sha256_job *jobs, size_t n)
{
	f->next = jobs;
	f->end = jobs + n;
	f->classes = 0;
	for (unsigned i = 0; i < WINDOW && f->next < f->end; i++)
		feed_put(f, i);
}

static const struct sha256_job *feed_take(struct feed *f)
{
	const struct sha256_job *j;
	unsigned c, slot;

	if (f->classes == 0)
		return NULL;
	c = 63u - (unsigned)__builtin_clzll(f->classes);
	slot = f->head[c];
	j = f->slot[slot];
	f->head[c] = f->link[slot];
	if (f->head[c] == NIL)
		f->classes &= ~(UINT64_C(1) << c);
	if (f->next < f->end)
		feed_put(f, slot);
	return j;
}

/* ---- lanes --------------------------------------------------------------- */

struct lanes {
	_Alignas(64) uint32_t h[8][SHA256_LANES];
	const uint8_t *p[SHA256_LANES]; /* next block */
	size_t left[SHA256_LANES];	/* blocks at p; 0 if the lane is idle */
	const struct sha256_job *job[SHA256_LANES]; /* NULL if idle */
	bool padded[SHA256_LANES];		    /* p is in end[] */
	unsigned parked; /* busy lanes behind those of the kernel */
	uint8_t end[SHA256_LANES][2 * SHA256_BLOCK_BYTES];
};

static void lane_pad(struct lanes *l, unsigned i)
{
	const struct bytes *m = &l->job[i]->msg;

	l->left[i] = pad(l->end[i], m->n < 64 ? m->p : l->p[i], m->n);
	l->p[i] = l->end[i];
	l->padded[i] = true;
}

/* lane_fill - begin the next job in lane i; false leaves the lane idle. */
static bool lane_fill(struct lanes *l, unsigned i, struct feed *f)
{
	const struct sha256_job *j = feed_take(f);

	l->job[i] = j;
	l->left[i] = 0;
	if (j == NULL)
		return false;
	for (unsigned r = 0; r < 8; r++)
		l->h[r][i] = sha256_h0[r];
	l->p[i] = j->msg.p;
	l->left[i] = j->msg.n / 64;
	l->padded[i] = false;
	if (l->left[i] == 0)
		lane_pad(l, i);
	return true;
}

static void lane_emit(struct lanes *l, unsigned i)
{
	uint8_t *out = l->job[i]->out->b;

	for (unsigned r = 0; r < 8; r++)
		put_be32(out + 4 * r, l->h[r][i]);
}

static void lane_move(struct lanes *l, unsigned to, unsigned from)
{
	for (unsigned r = 0; r < 8; r++)
		l->h[r][to] = l->h[r][from];
	memcpy(l->end[to], l->end[from], sizeof(l->end[to]));
	l->p[to] = l->p[from];
	if (l->padded[from])
		l->p[to] = l->end[to] + (l->p[from] - l->end[from]);
	l->left[to] = l->left[from];
	l->job[to] = l->job[from];
	l->padded[to] = l->padded[from];
	l->job[from] = NULL;
	l->left[from] = 0;
}

/* lanes_narrow - bring the busy ones of n lanes to the front; those that a
 * kernel of `lanes` has no room for are parked behind it. */
static void lanes_narrow(struct lanes *l, unsigned n, unsigned lanes)
{
	unsigned to = 0;

	for (unsigned i = 0; i < n; i++) {
		if (l->left[i] == 0)
			continue;
		if (i != to)
			lane_move(l, to, i);
		to++;
	}
	l->parked = to > lanes ? to - lanes : 0;
}

/*
 * lanes_advance - run the kernel to the nearest end of a lane, and deal with
 * every lane that has come to one. Returns how many messages were the last of
 * their lane.
 */
static unsigned lanes_advance(struct lanes *l, const struct sha256_step *k,
			      struct feed *f)
{
	size_t n = SIZE_MAX;
	const uint8_t *some = NULL;
	unsigned gone = 0;

	for (unsigned i = 0; i < k->lanes; i++) {
		if (l->left[i] != 0 && l->left[i] < n) {
			n = l->left[i];
			some = l->p[i];
		}
	}
	/* An idle lane hashes what a busy one reads: in cache, in bounds. */
	for (unsigned i = 0; i < k->lanes; i++)
		if (l->left[i] == 0)
			l->p[i] = some;
	k->blocks(l->h, l->p, n);
	for (unsigned i = 0; i < k->lanes; i++) {
		if (l->left[i] == 0)
			continue;
		l->p[i] += 64 * n;
		l->left[i] -= n;
		if (l->left[i] != 0)
			continue;
		if (!l->padded[i]) {
			lane_pad(l, i);
			continue;
		}
		lane_emit(l, i);
		if (lane_fill(l, i, f))
			continue;
		gone++;
		if (l->parked > 0)
			lane_move(l, i, k->lanes + --l->parked);
	}
	return gone;
}

/*
 * plan_start - the first step worth taking. How many lanes a list can keep
 * busy is not its length but how often its longest message goes into the
 * whole: a wide kernel that waits for one long message is slower in that
 * lane than a narrow one. One lane alone is only for lists of one, for the
 * short messages beside a long one cost a kernel nothing.
 */
static const struct sha256_step *plan_start(const struct sha256_step *plan,
					    const struct sha256_job *jobs,
					    size_t n)
{
	size_t all = 0, longest = 0;

	for (size_t i = 0; i < n; i++) {
		size_t blocks = jobs[i].msg.n / 64 + 1;

		all += blocks;
		longest = blocks > longest ? blocks : longest;
	}
	while (plan->busy > 1 &&
	       (n < plan->busy ||
		(plan[1].lanes > 1 && all / plan->busy < longest)))
		plan++;
	return plan;
}

void sha256_run(const struct sha256_step *plan, const struct sha256_job *jobs,
		size_t n)
{
	struct lanes l;
	struct feed f;
	unsigned busy = 0;

	plan = plan_start(plan, jobs, n);
	feed_init(&f, jobs, n);
	memset(l.h, 0, sizeof(l.h));
	l.parked = 0;
	for (unsigned i = 0; i < plan->lanes; i++)
		busy += lane_fill(&l, i, &f);
	while (busy > 0) {
		/* A lane falls idle only when the feed is empty. */
		if (busy < plan->busy) {
			unsigned wide = plan->lanes + l.parked;

			while (busy < plan->busy)
				plan++;
			lanes_narrow(&l, wide, plan->lanes);
		}
		busy -= lanes_advance(&l, plan, &f);
	}
}

void sha256_many(const struct sha256_job *jobs, size_t n)
{
	pthread_once(&cpu_once, cpu_init);
	if (n == 1)
		sha256_one(jobs[0].msg, jobs[0].out);
	else if (n > 1)
		sha256_run(cpu.plan, jobs, n);
}

void sha256_many_with(enum sha256_kernel k, const struct sha256_job *jobs,
		      size_t n)
{
	pthread_once(&cpu_once, cpu_init);
	if (n > 0)
		sha256_run(&kernels[k], jobs, n);
}
