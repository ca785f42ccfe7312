/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA-256 and HKDF-SHA-256: the vectors of RFC 4231 and RFC 5869, and
 * random keys and messages against libcrypto. */
#include "hash/hmac.h"

#include <openssl/hmac.h>

#include "tests/unit/t.h"
#include "util/hex.h"

static struct bytes unhex(const char *s, uint8_t *buf, size_t cap)
{
	size_t n = strlen(s) / 2;

	CHECK(n <= cap);
	CHECK(hex_decode(s, n, buf));
	return bytes_of(buf, n);
}

static void check_hex(const uint8_t *p, size_t n, const char *want)
{
	char hex[2 * 128 + 1];

	CHECK(n <= 128);
	hex_encode(p, n, hex);
	CHECK_STR(hex, want);
}

/* RFC 4231, 4.2 to 4.8; a key or message is a repeated byte or a text. */
static const struct {
	size_t key_n;
	uint8_t key_byte;
	const char *key;
	size_t msg_n;
	uint8_t msg_byte;
	const char *msg;
	const char *mac; /* may be cut short */
} rfc4231[] = {
	{ 20, 0x0b, NULL, 0, 0, "Hi There",
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ 0, 0, "Jefe", 0, 0, "what do ya want for nothing?",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ 20, 0xaa, NULL, 50, 0xdd, NULL,
	  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
	{ 20, 0x0c, NULL, 0, 0, "Test With Truncation",
	  "a3b6167473100ee06e0c796c2955552b" },
	{ 131, 0xaa, NULL, 0, 0,
	  "Test Using Larger Than Block-Size Key - Hash Key First",
	  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ 131, 0xaa, NULL, 0, 0,
	  "This is a test using a larger than block-size key and a larger "
	  "than block-size data. The key needs to be hashed before being used "
	  "by the HMAC algorithm.",
	  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

static void test_rfc4231(void)
{
	for (size_t i = 0; i < sizeof(rfc4231) / sizeof(rfc4231[0]); i++) {
		uint8_t key[131], msg[50];
		struct bytes k = bytes_of(key, rfc4231[i].key_n);
		struct bytes m = bytes_of(msg, rfc4231[i].msg_n);
		struct digest d;

		memset(key, rfc4231[i].key_byte, sizeof(key));
		memset(msg, rfc4231[i].msg_byte, sizeof(msg));
		if (rfc4231[i].key != NULL)
			k = bytes_str(rfc4231[i].key);
		if (rfc4231[i].msg != NULL)
			m = bytes_str(rfc4231[i].msg);
		hmac_one(k, m, &d);
		check_hex(d.b, strlen(rfc4231[i].mac) / 2, rfc4231[i].mac);
	}
}

/* RFC 5869, A.1 to A.3. */
static const struct {
	const char *ikm, *salt, *info, *prk, *okm;
} rfc5869[] = {
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	  "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
	  "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
	  "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
	  "34007208d5b887185865" },
	{ "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	  "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
	  "404142434445464748494a4b4c4d4e4f",
	  "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
	  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
	  "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
	  "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
	  "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
	  "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	  "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
	  "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
	  "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
	  "cc30c58179ec3e87c14c01d5c1f3434f1d87" },
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
	  "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
	  "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
	  "9d201395faa4b61a96c8" },
};

static void test_rfc5869(void)
{
	for (size_t i = 0; i < sizeof(rfc5869) / sizeof(rfc5869[0]); i++) {
		uint8_t ikm[128], salt[128], info[128], okm[128];
		size_t n = strlen(rfc5869[i].okm) / 2;
		struct digest prk;

		hkdf_extract(unhex(rfc5869[i].salt, salt, sizeof(salt)),
			     unhex(rfc5869[i].ikm, ikm, sizeof(ikm)), &prk);
		check_hex(prk.b, DIGEST_BYTES, rfc5869[i].prk);
		CHECK_EQ(hkdf_expand(&prk,
				     unhex(rfc5869[i].info, info, sizeof(info)),
				     okm, n),
			 BC_OK);
		check_hex(okm, n, rfc5869[i].okm);
	}
}

static void test_hkdf_limits(void)
{
	static uint8_t out[HKDF_MAX_BYTES + 1];
	struct digest prk = { { 1 } };

	CHECK_EQ(hkdf_expand(&prk, bytes_str("x"), out, HKDF_MAX_BYTES), BC_OK);
	CHECK_EQ(out[HKDF_MAX_BYTES], 0);
	memset(out, 7, sizeof(out));
	CHECK_EQ(hkdf_expand(&prk, bytes_str("x"), out, sizeof(out)),
		 BC_EINVAL);
	CHECK_EQ(out[0], 7);
	CHECK_EQ(hkdf_expand(&prk, bytes_str("x"), out, 0), BC_OK);
	CHECK_EQ(out[0], 7);
}

static void test_random(void)
{
	uint64_t s = 9;

	for (int i = 0; i < 400; i++) {
		uint8_t key[200], msg[1000];
		size_t kn = t_rng(&s) % sizeof(key), n = t_rng(&s) % 1000;
		size_t cut = n == 0 ? 0 : t_rng(&s) % n;
		unsigned len = DIGEST_BYTES;
		struct digest got, want;
		struct hmac_ctx c;

		t_fill(&s, key, sizeof(key));
		t_fill(&s, msg, sizeof(msg));
		hmac_init(&c, bytes_of(key, kn));
		hmac_update(&c, bytes_of(msg, cut));
		hmac_update(&c, bytes_of(msg + cut, n - cut));
		hmac_final(&c, &got);
		CHECK(HMAC(EVP_sha256(), key, (int)kn, msg, n, want.b, &len) !=
		      NULL);
		CHECK(hmac_equal(&got, &want));
		want.b[i % DIGEST_BYTES] ^= (uint8_t)(1 << i % 8);
		CHECK(!hmac_equal(&got, &want));
	}
}

int main(void)
{
	RUN(test_rfc4231);
	RUN(test_rfc5869);
	RUN(test_hkdf_limits);
	RUN(test_random);
	return 0;
}
