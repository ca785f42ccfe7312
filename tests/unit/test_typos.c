/* SPDX-License-Identifier: Apache-2.0 */
/* util/typos: distances, their laws, and which of several names is near. */
#include "util/typos.h"

#include <stdbool.h>

#include "t.h"

static unsigned apart(const char *a, const char *b)
{
	return typos(bytes_str(a), bytes_str(b), 255);
}

static void distances(void)
{
	CHECK_EQ(apart("", ""), 0);
	CHECK_EQ(apart("abc", ""), 3);
	CHECK_EQ(apart("put", "put"), 0);
	CHECK_EQ(apart("ptu", "put"), 1);
	CHECK_EQ(apart("putt", "put"), 1);
	CHECK_EQ(apart("pat", "put"), 1);
	CHECK_EQ(apart("resotre", "restore"), 1);
	CHECK_EQ(apart("kitten", "sitting"), 3);
	/* The restricted form: no edit inside a swapped pair. */
	CHECK_EQ(apart("ca", "abc"), 3);
}

/* A distance is symmetric, zero only for equals, and obeys its bound; a lower
 * bound cuts it and changes nothing else. */
static void laws(void)
{
	uint64_t seed = 5;

	for (int i = 0; i < 20000; i++) {
		char a[9], b[9];
		size_t na = t_rng(&seed) % 9, nb = t_rng(&seed) % 9;
		unsigned d;

		for (size_t k = 0; k < na; k++)
			a[k] = (char)('a' + t_rng(&seed) % 3);
		for (size_t k = 0; k < nb; k++)
			b[k] = (char)('a' + t_rng(&seed) % 3);
		a[na] = b[nb] = '\0';
		d = apart(a, b);
		CHECK_EQ(d, apart(b, a));
		CHECK((d == 0) == (strcmp(a, b) == 0));
		CHECK(d <= (na > nb ? na : nb));
		CHECK(d >= (na > nb ? na - nb : nb - na));
		for (unsigned max = 0; max < 4; max++)
			CHECK_EQ(typos(bytes_str(a), bytes_str(b), max),
				 d > max ? max + 1 : d);
	}
}

static void long_names(void)
{
	char a[300], b[300];

	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	b[0] = 'y';
	CHECK_EQ(typos(bytes_of(a, 255), bytes_of(b, 255), 2), 1);
	CHECK_EQ(typos(bytes_of(a, 256), bytes_of(b, 256), 2), 3);
}

static void near_is(const char *typed, const char *name, bool is)
{
	struct nearest m = nearest_begin(bytes_str(typed));

	(void)nearest_offer(&m, bytes_str(name));
	if (is)
		CHECK_STR(nearest_end(&m), name);
	else
		CHECK(nearest_end(&m) == NULL);
}

static void nearness(void)
{
	struct nearest m = nearest_begin(bytes_str("photos"));

	near_is("inx", "inc", true);
	near_is("ixx", "inc", false);
	near_is("ab", "ac", false);
	near_is("prj", "proj", true);
	near_is("pxxj", "proj", false);
	near_is("fsatb", "fstab", true);
	near_is("fxtxb", "fstab", true);
	near_is("", "a", false);
	CHECK(nearest_end(&m) == NULL);
	CHECK_EQ(nearest_offer(&m, bytes_of("phot\0s", 6)), 1);
	CHECK(nearest_end(&m) == NULL);
	CHECK_EQ(nearest_offer(&m, bytes_str("pxotox")), 2);
	CHECK_EQ(nearest_offer(&m, bytes_str("photo")), 1);
	CHECK_EQ(nearest_offer(&m, bytes_str("potos")), 1);
	CHECK_STR(nearest_end(&m), "photo");
}

int main(void)
{
	RUN(distances);
	RUN(laws);
	RUN(long_names);
	RUN(nearness);
	return 0;
}
