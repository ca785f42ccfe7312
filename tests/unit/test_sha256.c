/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256: the published vectors, every kernel this machine has against
 * libcrypto over all short lengths and random long ones, the scheduler with
 * all its hand-overs, and the SHA extensions' schedule over a model of their
 * instructions, so that it is proved on machines without them.
 */
#include "hash/sha256.h"
#include "hash/sha256_impl.h"

#include <openssl/evp.h>

#include "tests/unit/t.h"
#include "util/hex.h"

enum {
	ARENA = 4 << 20,
	MANY = 700,
};

static uint8_t *arena;

static void oracle(struct bytes m, struct digest *out)
{
	unsigned n = DIGEST_BYTES;

	CHECK(EVP_Digest(m.p, m.n, out->b, &n, EVP_sha256(), NULL) == 1);
}

static void check_hex(const struct digest *d, const char *want)
{
	char hex[DIGEST_HEX_BYTES];

	hex_encode(d->b, DIGEST_BYTES, hex);
	CHECK_STR(hex, want);
}

/* ---- the model of the SHA extensions ------------------------------------- */

/* Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2:
 * SHA256RNDS2, SHA256MSG1, SHA256MSG2. Bits 31:0 are w[0]. */
typedef struct {
	uint32_t w[4];
} quad;

static uint32_t ror(uint32_t v, int by)
{
	return v >> by | v << (32 - by);
}

static uint32_t little0(uint32_t v)
{
	return ror(v, 7) ^ ror(v, 18) ^ v >> 3;
}

static uint32_t little1(uint32_t v)
{
	return ror(v, 17) ^ ror(v, 19) ^ v >> 10;
}

static quad model_rnds2(quad cdgh, quad abef, quad wk)
{
	uint32_t a = abef.w[3], b = abef.w[2], c = cdgh.w[3], d = cdgh.w[2];
	uint32_t e = abef.w[1], f = abef.w[0], g = cdgh.w[1], h = cdgh.w[0];

	for (int i = 0; i < 2; i++) {
		uint32_t t = ((e & f) ^ (~e & g)) +
			     (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + wk.w[i] +
			     h;
		uint32_t na = t + ((a & b) ^ (a & c) ^ (b & c)) +
			      (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22));

		h = g;
		g = f;
		f = e;
		e = d + t;
		d = c;
		c = b;
		b = a;
		a = na;
	}
	return (quad){ { f, e, b, a } };
}

static quad model_msg1(quad x, quad y)
{
	return (quad){ { x.w[0] + little0(x.w[1]), x.w[1] + little0(x.w[2]),
			 x.w[2] + little0(x.w[3]), x.w[3] + little0(y.w[0]) } };
}

static quad model_msg2(quad x, quad y)
{
	uint32_t w16 = x.w[0] + little1(y.w[2]);
	uint32_t w17 = x.w[1] + little1(y.w[3]);

	return (quad){ { w16, w17, x.w[2] + little1(w16),
			 x.w[3] + little1(w17) } };
}

static quad model_add(quad x, quad y)
{
	for (int i = 0; i < 4; i++)
		x.w[i] += y.w[i];
	return x;
}

static quad model_load(const uint8_t *p)
{
	quad x;

	for (int i = 0; i < 4; i++)
		x.w[i] = (uint32_t)p[4 * i] << 24 |
			 (uint32_t)p[4 * i + 1] << 16 |
			 (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	return x;
}

static quad model_k(const uint32_t *k)
{
	return (quad){ { k[0], k[1], k[2], k[3] } };
}

#define X		  quad
#define NI_ADD(x, y)	  model_add(x, y)
#define NI_RNDS2(s, t, k) model_rnds2(s, t, k)
#define NI_MSG1(x, y)	  model_msg1(x, y)
#define NI_MSG2(x, y)	  model_msg2(x, y)
#define NI_SHIFT(x, y)	  ((quad){ { y.w[1], y.w[2], y.w[3], x.w[0] } })
#define NI_HIGH(x)	  ((quad){ { x.w[2], x.w[3], x.w[2], x.w[3] } })
#define NI_LOAD(p)	  model_load(p)
#define NI_K(i)		  model_k(sha256_k + 4 * (i))
#include "hash/sha256_ni_rounds.h"

static void model_state(uint32_t (*h)[SHA256_LANES], int i, quad *abef,
			quad *cdgh)
{
	*abef = (quad){ { h[5][i], h[4][i], h[1][i], h[0][i] } };
	*cdgh = (quad){ { h[7][i], h[6][i], h[3][i], h[2][i] } };
}

static void model_store(uint32_t (*h)[SHA256_LANES], int i, quad abef,
			quad cdgh)
{
	h[0][i] = abef.w[3];
	h[1][i] = abef.w[2];
	h[4][i] = abef.w[1];
	h[5][i] = abef.w[0];
	h[2][i] = cdgh.w[3];
	h[3][i] = cdgh.w[2];
	h[6][i] = cdgh.w[1];
	h[7][i] = cdgh.w[0];
}

static void model_x1(uint32_t (*h)[SHA256_LANES], const uint8_t *const *p,
		     size_t n)
{
	const uint8_t *p0 = p[0];
	quad a, b;

	model_state(h, 0, &a, &b);
	for (; n > 0; n--, p0 += 64)
		NI_BLOCK1(a, b, p0);
	model_store(h, 0, a, b);
}

static void model_x2(uint32_t (*h)[SHA256_LANES], const uint8_t *const *p,
		     size_t n)
{
	const uint8_t *p0 = p[0], *p1 = p[1];
	quad a, b, c, d;

	model_state(h, 0, &a, &b);
	model_state(h, 1, &c, &d);
	for (; n > 0; n--, p0 += 64, p1 += 64)
		NI_BLOCK2(a, b, p0, c, d, p1);
	model_store(h, 0, a, b);
	model_store(h, 1, c, d);
}

/* Sixteen lanes of plain C: a wide kernel for any machine. */
static void model_x16(uint32_t (*h)[SHA256_LANES], const uint8_t *const *p,
		      size_t n)
{
	for (int i = 0; i < SHA256_LANES; i++) {
		uint32_t s[8];

		for (int r = 0; r < 8; r++)
			s[r] = h[r][i];
		sha256_portable(s, p[i], n);
		for (int r = 0; r < 8; r++)
			h[r][i] = s[r];
	}
}

/* ---- what runs a list of jobs -------------------------------------------- */

static const struct sha256_step plan_x1[] = { { model_x1, 1, 1 } };
static const struct sha256_step plan_x2[] = { { model_x2, 2, 1 } };
static const struct sha256_step plan_wide[] = { { model_x16, 16, 1 } };
/* The hand-overs of a machine with AVX-512 and SHA extensions, where lanes
 * are parked. */
static const struct sha256_step plan_all[] = { { model_x16, 16, 10 },
					       { model_x2, 2, 2 },
					       { model_x1, 1, 1 } };

static const struct {
	const char *name;
	const struct sha256_step *plan;
} models[] = { { "model x1", plan_x1 },
	       { "model x2", plan_x2 },
	       { "model x16", plan_wide },
	       { "model x16, x2, x1", plan_all } };

enum { MODELS = 4, AUTO = SHA256_KERNELS + MODELS, RUNNERS };

/* runner_name - NULL if this machine cannot. */
static const char *runner_name(int r)
{
	if (r < SHA256_KERNELS)
		return sha256_supported((enum sha256_kernel)r)
			       ? sha256_kernel_name((enum sha256_kernel)r)
			       : NULL;
	return r == AUTO ? "chosen" : models[r - SHA256_KERNELS].name;
}

static void run(int r, const struct sha256_job *jobs, size_t n)
{
	if (r < SHA256_KERNELS)
		sha256_many_with((enum sha256_kernel)r, jobs, n);
	else if (r == AUTO)
		sha256_many(jobs, n);
	else if (n > 0)
		sha256_run(models[r - SHA256_KERNELS].plan, jobs, n);
}

/* Run the jobs and compare every digest; out[n] must stay as it was. */
static void check_jobs(int r, struct sha256_job *jobs, size_t n)
{
	static struct digest out[MANY + 1], want[MANY];
	static const struct digest untouched = { { 0xa5, 0x5a } };

	CHECK(n <= MANY);
	memset(out, 0, sizeof(out));
	out[n] = untouched;
	for (size_t i = 0; i < n; i++) {
		jobs[i].out = &out[i];
		oracle(jobs[i].msg, &want[i]);
	}
	run(r, jobs, n);
	for (size_t i = 0; i < n; i++)
		if (!digest_eq(&out[i], &want[i]))
			T_FAIL("%s: message %zu of %zu, %zu bytes",
			       runner_name(r), i, n, jobs[i].msg.n);
	CHECK(digest_eq(&out[n], &untouched));
}

/* ---- tests --------------------------------------------------------------- */

/* FIPS 180-4 and the examples that NIST publishes with it. */
static const struct {
	const char *msg, *digest;
} vectors[] = {
	{ "",
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
	  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
	  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
};

static void test_vectors(void)
{
	enum { N = sizeof(vectors) / sizeof(vectors[0]) };
	struct sha256_job jobs[N + 1];
	struct digest out[N + 1];

	/* A million times "a" is the fifth. */
	memset(arena, 'a', 1000000);
	for (int r = 0; r < RUNNERS; r++) {
		if (runner_name(r) == NULL)
			continue;
		for (size_t i = 0; i < N; i++)
			jobs[i] =
				(struct sha256_job){ bytes_str(vectors[i].msg),
						     &out[i] };
		jobs[N] = (struct sha256_job){ bytes_of(arena, 1000000),
					       &out[N] };
		run(r, jobs, N + 1);
		for (size_t i = 0; i < N; i++)
			check_hex(&out[i], vectors[i].digest);
		check_hex(&out[N], "cdc76e5c9914fb9281a1c7e284d73e67"
				   "f1809a48a497200e046d39ccc7112cd0");
	}
}

/* Every length around three blocks, one by one and all at once. */
static void test_lengths(void)
{
	struct sha256_job jobs[301];
	struct digest one, want;

	for (size_t i = 0; i <= 300; i++) {
		/* Odd addresses: no kernel may want alignment. */
		jobs[i].msg = bytes_of(arena + 7 * i, i);
		sha256_one(jobs[i].msg, &one);
		oracle(jobs[i].msg, &want);
		CHECK(digest_eq(&one, &want));
	}
	jobs[0].msg.p = NULL;
	sha256_one(jobs[0].msg, &one);
	check_hex(&one, vectors[0].digest);
	for (int r = 0; r < RUNNERS; r++) {
		if (runner_name(r) == NULL)
			continue;
		check_jobs(r, jobs, 301);
		for (size_t i = 0; i <= 300; i++)
			check_jobs(r, jobs + i, 1);
	}
}

/* A length that is most often small and sometimes up to `max`. */
static size_t some_length(uint64_t *s, size_t max)
{
	switch (t_rng(s) % 5) {
	case 0:
		return t_rng(s) % 65;
	case 1:
		return 64 * (t_rng(s) % 20) + t_rng(s) % 3;
	case 2:
		return t_rng(s) % (max + 1);
	default:
		return t_rng(s) % 5000;
	}
}

static void test_mixed(void)
{
	static struct sha256_job jobs[MANY];

	for (int r = 0; r < RUNNERS; r++) {
		uint64_t s = 1;

		if (runner_name(r) == NULL)
			continue;
		run(r, jobs, 0);
		for (size_t n = 1; n <= 40; n++) {
			for (size_t i = 0; i < n; i++) {
				size_t len = some_length(&s, 30000);

				jobs[i].msg = bytes_of(
					arena + t_rng(&s) % (ARENA - len), len);
			}
			check_jobs(r, jobs, n);
		}
		/* More than the window of the scheduler. */
		for (size_t i = 0; i < MANY; i++) {
			size_t len = some_length(&s, 20000);

			jobs[i].msg = bytes_of(
				arena + t_rng(&s) % (ARENA - len), len);
		}
		check_jobs(r, jobs, MANY);
	}
}

/* One that outlasts all others, in every place. */
static void test_one_long(void)
{
	struct sha256_job jobs[20];

	for (int r = 0; r < RUNNERS; r++) {
		if (runner_name(r) == NULL)
			continue;
		for (size_t at = 0; at < 20; at += 3) {
			for (size_t i = 0; i < 20; i++)
				jobs[i].msg = bytes_of(
					arena + i, i == at ? 300001 : 100 * i);
			check_jobs(r, jobs, 20);
		}
		jobs[0].msg = bytes_of(arena, ARENA);
		check_jobs(r, jobs, 1);
		check_jobs(r, jobs, 2);
	}
}

/* Messages that end exactly where readable memory does are not read beyond
 * (AddressSanitizer sees to that) nor changed. */
static void test_bounds(void)
{
	uint64_t s = 5;

	for (size_t len = 1; len < 400; len += 13) {
		struct sha256_job jobs[17];
		uint8_t *m[17], *copy[17];

		for (size_t i = 0; i < 17; i++) {
			m[i] = malloc(len + i);
			copy[i] = malloc(len + i);
			CHECK(m[i] != NULL && copy[i] != NULL);
			t_fill(&s, m[i], len + i);
			memcpy(copy[i], m[i], len + i);
			jobs[i].msg = bytes_of(m[i], len + i);
		}
		for (int r = 0; r < RUNNERS; r++)
			if (runner_name(r) != NULL)
				check_jobs(r, jobs, 17);
		for (size_t i = 0; i < 17; i++) {
			CHECK(memcmp(m[i], copy[i], len + i) == 0);
			free(m[i]);
			free(copy[i]);
		}
	}
}

static void test_stream(void)
{
	uint64_t s = 3;

	for (int i = 0; i < 300; i++) {
		size_t len = some_length(&s, 100000), at = 0;
		struct bytes m = bytes_of(arena + t_rng(&s) % 1000, len);
		struct sha256_ctx c, fork;
		struct digest got, again, want;

		sha256_init(&c);
		sha256_update(&c, bytes_of(NULL, 0));
		while (at < len) {
			size_t n = some_length(&s, 3000);

			n = n < len - at ? n : len - at;
			sha256_update(&c, bytes_of(m.p + at, n));
			at += n;
		}
		fork = c;
		sha256_final(&c, &got);
		oracle(m, &want);
		CHECK(digest_eq(&got, &want));
		sha256_final(&fork, &again);
		CHECK(digest_eq(&again, &want));
	}
}

static void test_names(void)
{
	for (int k = 0; k < SHA256_KERNELS; k++)
		CHECK(strcmp(sha256_kernel_name((enum sha256_kernel)k),
			     "unknown") != 0);
	CHECK(sha256_supported(SHA256_PORTABLE));
	CHECK(sha256_supported(sha256_best()));
	for (int r = 0; r < SHA256_KERNELS; r++)
		printf("kernel %s: %s\n",
		       sha256_kernel_name((enum sha256_kernel)r),
		       runner_name(r) != NULL ? "tested" : "not here");
}

int main(void)
{
	uint64_t s = 42;

	arena = malloc(ARENA);
	CHECK(arena != NULL);
	RUN(test_vectors);
	t_fill(&s, arena, ARENA);
	RUN(test_lengths);
	RUN(test_mixed);
	RUN(test_one_long);
	RUN(test_bounds);
	RUN(test_stream);
	RUN(test_names);
	free(arena);
	return 0;
}
