/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcrypto's SHA-256, loaded when it is first wanted. Linking it would cost
 * every start of the program 3 ms, and most runs never need it.
 *
 * The old SHA256_* functions and not EVP: they touch neither providers nor
 * configuration, so nothing is initialised beyond the library's constructor.
 */
#include "hash/sha256_impl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define SONAME "libcrypto.so.3"

/*
 * What packagers' tools read to learn of a library that is only dlopened
 * (the ELF dlopen metadata specification of systemd and others).
 */
#define NOTE_TEXT                                                              \
	"[{\"feature\":\"openssl\","                                           \
	"\"description\":\"SHA-256 of long single files on machines without "  \
	"SHA instructions\",\"priority\":\"recommended\","                     \
	"\"soname\":[\"" SONAME "\"]}]"

static const struct {
	uint32_t name_bytes, text_bytes, type;
	char name[4];
	_Alignas(4) char text[sizeof(NOTE_TEXT)];
} dlopen_note __attribute__((used, section(".note.dlopen"), aligned(4))) = {
	4, sizeof(NOTE_TEXT), 0x407c0c0a, "FDO", NOTE_TEXT
};

/* SHA256_CTX of libcrypto 3 begins with the state and is 112 bytes long. */
struct libcrypto_ctx {
	uint32_t h[8];
	uint32_t rest[56];
};

static struct {
	int (*init)(struct libcrypto_ctx *c);
	int (*update)(struct libcrypto_ctx *c, const void *p, size_t n);
	int works;
} lib;

static pthread_once_t lib_once = PTHREAD_ONCE_INIT;

static void absorb(uint32_t h[8], const uint8_t *p, size_t n)
{
	struct libcrypto_ctx c;

	lib.init(&c);
	memcpy(c.h, h, sizeof(c.h));
	lib.update(&c, p, 64 * n);
	memcpy(h, c.h, sizeof(c.h));
}

static void load(void)
{
	static const uint8_t probe[192] = { 1, 2, 3 };
	uint32_t ours[8], theirs[8];
	void *so = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL), *f;

	if (so == NULL)
		return;
	/* ISO C has no cast from an object pointer to a function's. */
	_Static_assert(sizeof(f) == sizeof(lib.init), "pointers differ");
	f = dlsym(so, "SHA256_Init");
	memcpy(&lib.init, &f, sizeof(f));
	f = dlsym(so, "SHA256_Update");
	memcpy(&lib.update, &f, sizeof(f));
	if (lib.init == NULL || lib.update == NULL) {
		dlclose(so);
		return;
	}
	/* The layout above is an assumption about another project: prove it
	 * from a state in the middle of a message before relying on it. */
	memcpy(ours, sha256_h0, sizeof(ours));
	sha256_portable(ours, probe, 1);
	memcpy(theirs, ours, sizeof(theirs));
	sha256_portable(ours, probe + 64, 2);
	absorb(theirs, probe + 64, 2);
	lib.works = memcmp(ours, theirs, sizeof(ours)) == 0;
}

int sha256_openssl_load(void)
{
	pthread_once(&lib_once, load);
	return lib.works;
}

void sha256_openssl(uint32_t h[8], const uint8_t *p, size_t n)
{
	absorb(h, p, n);
}
