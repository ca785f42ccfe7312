/* SPDX-License-Identifier: Apache-2.0 */
/* The file system that is read. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ingest/internal.h"

enum {
	ARENA_BLOCK_BYTES = 16 << 10,
	/* A path handed to the kernel, with room for its NUL. */
	PIECE_BYTES = 4000,
	NAMES_MAX_BYTES = 1 << 30,
	OWNER_BUCKETS = 64,
	OWNER_TEXT_BYTES = 16 << 10,
};

/* ---- arena ----------------------------------------------------------------
 */

struct arena_block {
	struct arena_block *before;
	size_t used, size;
	max_align_t at[];
};

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->last;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if (b == NULL || b->size - b->used < n) {
		size_t size = n > ARENA_BLOCK_BYTES ? n : ARENA_BLOCK_BYTES;

		b = malloc(sizeof(*b) + size);
		if (b == NULL)
			return NULL;
		*b = (struct arena_block){ a->last, 0, size };
		a->last = b;
	}
	p = (uint8_t *)b->at + b->used;
	b->used += n;
	return p;
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
	uint8_t *p = b.n == 0 ? NULL : arena_alloc(a, b.n);

	if (p == NULL)
		return bytes_of(NULL, 0);
	memcpy(p, b.p, b.n);
	return bytes_of(p, b.n);
}

void arena_free(struct arena *a)
{
	struct arena_block *b;

	while ((b = a->last) != NULL) {
		a->last = b->before;
		free(b);
	}
}

/* ---- stat -----------------------------------------------------------------
 */

static uint8_t type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return TREE_FILE;
	case S_IFDIR:
		return TREE_DIR;
	case S_IFLNK:
		return TREE_LINK;
	case S_IFIFO:
		return TREE_FIFO;
	case S_IFSOCK:
		return TREE_SOCKET;
	case S_IFCHR:
		return TREE_CHAR;
	case S_IFBLK:
		return TREE_BLOCK;
	default:
		return 0;
	}
}

/* The flags that statx() tells without opening the file. */
static uint32_t flags_of(uint64_t attributes)
{
	uint32_t f = 0;

	if ((attributes & STATX_ATTR_IMMUTABLE) != 0)
		f |= FS_IMMUTABLE_FL;
	if ((attributes & STATX_ATTR_APPEND) != 0)
		f |= FS_APPEND_FL;
	if ((attributes & STATX_ATTR_NODUMP) != 0)
		f |= FS_NODUMP_FL;
	if ((attributes & STATX_ATTR_COMPRESSED) != 0)
		f |= FS_COMPR_FL;
	return f;
}

static int stat_at(int fd, const char *name, int flags, struct item *out)
{
	struct statx x;

	if (statx(fd, name, flags, STATX_BASIC_STATS, &x) != 0)
		return errno;
	*out = (struct item){
		.type = type_of(x.stx_mode),
		.mode = x.stx_mode & 07777,
		.uid = x.stx_uid,
		.gid = x.stx_gid,
		.ino = x.stx_ino,
		.dev = makedev(x.stx_dev_major, x.stx_dev_minor),
		.size = x.stx_size,
		.blocks = x.stx_blocks,
		.nlink = x.stx_nlink,
		.mtime = x.stx_mtime.tv_sec,
		.mtime_nsec = x.stx_mtime.tv_nsec,
		.ctime = x.stx_ctime.tv_sec,
		.ctime_nsec = x.stx_ctime.tv_nsec,
		.rmajor = x.stx_rdev_major,
		.rminor = x.stx_rdev_minor,
		.flags = flags_of(x.stx_attributes),
	};
	return 0;
}

int source_stat(int dirfd, const char *name, struct item *out)
{
	return stat_at(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, out);
}

int source_fstat(int fd, struct item *out)
{
	return stat_at(fd, "", AT_EMPTY_PATH, out);
}

bool item_same(const struct item *a, const struct item *b)
{
	return a->ino == b->ino && a->size == b->size && a->mtime == b->mtime &&
	       a->mtime_nsec == b->mtime_nsec && a->ctime == b->ctime &&
	       a->ctime_nsec == b->ctime_nsec;
}

/* ---- open -----------------------------------------------------------------
 */

static int open_piece(int dirfd, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC,
				.resolve =
					RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	/* Old kernels and strict containers: one component at a time would do
	 * the same; for a source that is only read, no link at the end is what
	 * matters. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return openat(dirfd, path, flags | O_CLOEXEC | O_NOFOLLOW);
	return (int)fd;
}

/* Longer paths than the kernel takes are walked in pieces. */
int source_open_dir(int base, const char *path)
{
	char piece[PIECE_BYTES + 1];
	int at = base;

	while (strlen(path) > PIECE_BYTES) {
		size_t n = PIECE_BYTES;
		int fd;

		while (path[n] != '/')
			n--;
		memcpy(piece, path, n);
		piece[n] = '\0';
		fd = open_piece(at, piece, O_PATH | O_DIRECTORY);
		if (at != base)
			close(at);
		if (fd < 0)
			return -1;
		at = fd;
		path += n + 1;
	}
	int fd = open_piece(at, path[0] == '\0' ? "." : path,
			    O_RDONLY | O_DIRECTORY);

	if (at != base)
		close(at);
	return fd;
}

int source_open_file(int dirfd, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	int fd = openat(dirfd, name, flags | O_NOATIME);

	/* Only the owner may ask for that. */
	if (fd < 0 && errno == EPERM)
		fd = openat(dirfd, name, flags);
	return fd;
}

/* ---- names ----------------------------------------------------------------
 */

void names_free(struct names *v)
{
	buf_fini(&v->text);
	free(v->ref);
	*v = (struct names){ .n = 0 };
}

enum bc_err names_add(struct names *v, const char *name, uint16_t base)
{
	size_t len = strlen(name);

	if (v->text.max == 0)
		buf_init(&v->text, NAMES_MAX_BYTES);
	if (v->n == v->cap) {
		size_t cap = v->cap == 0 ? 16 : v->cap * 2;
		struct name_ref *ref = realloc(v->ref, cap * sizeof(*ref));

		if (ref == NULL)
			return BC_ENOMEM;
		v->ref = ref;
		v->cap = cap;
	}
	v->ref[v->n] =
		(struct name_ref){ (uint32_t)v->text.n, (uint16_t)len, base };
	if (buf_add(&v->text, name, len + 1) != BC_OK)
		return BC_ENOMEM;
	v->n++;
	return BC_OK;
}

int names_list(struct names *v, int fd, uint16_t base, uint8_t *scratch)
{
	for (;;) {
		ssize_t got = getdents64(fd, scratch, LIST_BYTES);

		if (got < 0)
			return errno;
		if (got == 0)
			return 0;
		for (ssize_t at = 0; at < got;) {
			struct dirent64 *d =
				(struct dirent64 *)(void *)(scratch + at);

			at += d->d_reclen;
			if (strcmp(d->d_name, ".") == 0 ||
			    strcmp(d->d_name, "..") == 0)
				continue;
			if (names_add(v, d->d_name, base) != BC_OK)
				return ENOMEM;
		}
	}
}

static int by_name(const void *a, const void *b, void *ctx)
{
	const struct name_ref *x = a, *y = b;
	const uint8_t *text = ctx;
	size_t n = x->len < y->len ? x->len : y->len;
	int c = memcmp(text + x->at, text + y->at, n);

	return c != 0 ? c : (int)x->len - (int)y->len;
}

void names_sort(struct names *v)
{
	if (v->n > 1)
		qsort_r(v->ref, v->n, sizeof(*v->ref), by_name, v->text.p);
}

/* ---- owners ---------------------------------------------------------------
 */

struct owner {
	struct owner *next;
	uint32_t id;
	size_t n;
	char name[];
};

struct owners {
	pthread_mutex_t lock;
	struct owner *user[OWNER_BUCKETS], *group[OWNER_BUCKETS];
};

enum bc_err owners_new(struct owners **out)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return BC_ENOMEM;
	pthread_mutex_init(&o->lock, NULL);
	*out = o;
	return BC_OK;
}

static void free_chain(struct owner *o)
{
	while (o != NULL) {
		struct owner *next = o->next;

		free(o);
		o = next;
	}
}

void owners_free(struct owners *o)
{
	if (o == NULL)
		return;
	for (int i = 0; i < OWNER_BUCKETS; i++) {
		free_chain(o->user[i]);
		free_chain(o->group[i]);
	}
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static const char *look_up_user(uint32_t id, char *text, size_t cap)
{
	struct passwd pw, *got = NULL;

	return getpwuid_r(id, &pw, text, cap, &got) == 0 && got != NULL
		       ? got->pw_name
		       : "";
}

static const char *look_up_group(uint32_t id, char *text, size_t cap)
{
	struct group gr, *got = NULL;

	return getgrgid_r(id, &gr, text, cap, &got) == 0 && got != NULL
		       ? got->gr_name
		       : "";
}

static struct bytes owner_name(struct owners *o, struct owner **bucket,
			       uint32_t id,
			       const char *(*look_up)(uint32_t, char *, size_t))
{
	char text[OWNER_TEXT_BYTES];
	struct owner *at;
	struct bytes name = bytes_of(NULL, 0);

	pthread_mutex_lock(&o->lock);
	for (at = *bucket; at != NULL && at->id != id;)
		at = at->next;
	if (at == NULL) {
		const char *found = look_up(id, text, sizeof(text));
		size_t n = strlen(found);

		if (n > TREE_OWNER_MAX_BYTES)
			n = 0;
		at = malloc(sizeof(*at) + n);
		if (at != NULL) {
			at->id = id;
			at->n = n;
			memcpy(at->name, found, n);
			at->next = *bucket;
			*bucket = at;
		}
	}
	if (at != NULL)
		name = bytes_of(at->name, at->n);
	pthread_mutex_unlock(&o->lock);
	return name;
}

struct bytes owners_user(struct owners *o, uint32_t uid)
{
	return owner_name(o, &o->user[uid % OWNER_BUCKETS], uid, look_up_user);
}

struct bytes owners_group(struct owners *o, uint32_t gid)
{
	return owner_name(o, &o->group[gid % OWNER_BUCKETS], gid,
			  look_up_group);
}
