/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t - the whole unit-test framework. A test program is a list of functions;
 * a failed check prints the place and ends the program with 1. Checks are
 * always on. t_rng is a fixed-seed generator, so a failure repeats.
 */
#ifndef BC_TESTS_T_H
#define BC_TESTS_T_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T_FAIL(...)                                                            \
	do {                                                                   \
		fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, __func__);  \
		fprintf(stderr, __VA_ARGS__);                                  \
		fputc('\n', stderr);                                           \
		exit(1);                                                       \
	} while (0)

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond))                                                   \
			T_FAIL("check failed: %s", #cond);                     \
	} while (0)

#define CHECK_EQ(a, b)                                                         \
	do {                                                                   \
		long long t_a = (long long)(a), t_b = (long long)(b);          \
		if (t_a != t_b)                                                \
			T_FAIL("%s is %lld, %s is %lld", #a, t_a, #b, t_b);    \
	} while (0)

#define CHECK_STR(a, b)                                                        \
	do {                                                                   \
		const char *t_a = (a), *t_b = (b);                             \
		if (strcmp(t_a, t_b) != 0)                                     \
			T_FAIL("%s is \"%s\", wanted \"%s\"", #a, t_a, t_b);   \
	} while (0)

#define CHECK_OK(call, e)                                                      \
	do {                                                                   \
		int t_rc = (int)(call);                                        \
		if (t_rc != 0)                                                 \
			T_FAIL("%s: %d: %s", #call, t_rc, (e)->text);          \
	} while (0)

/*
 * A test that cannot run here says why before it returns: "needs root", "needs
 * a mount of its own". The result then counts as skipped, not as passed.
 */
static const char *t_why_skipped;
#define T_SKIP(why) ((void)(t_why_skipped = (why)))

/* The result of one test that did not fail. */
static inline void t_ok(const char *name)
{
	printf("ok %s%s%s\n", name, t_why_skipped != NULL ? " # skip " : "",
	       t_why_skipped != NULL ? t_why_skipped : "");
	t_why_skipped = NULL;
}

/* RUN - call one test function and say so. */
#define RUN(f)                                                                 \
	do {                                                                   \
		f();                                                           \
		t_ok(#f);                                                      \
	} while (0)

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t t_rng(uint64_t *s)
{
	uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline void t_fill(uint64_t *s, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)t_rng(s);
}

#endif
