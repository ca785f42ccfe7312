/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/racy.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

enum { LOOKS = 8, LOOK_NS = 1000 * 1000 };

/* Real time, and a monotonic time not after it: as near to each other as can
 * be had, as a thread may be put aside between two looks. */
static void look_begin(const struct clock *c, int64_t *real, int64_t *mono)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < LOOKS && best > LOOK_NS; i++) {
		int64_t m = c->mono(c->ctx), r = c->real(c->ctx);
		int64_t gap = c->mono(c->ctx) - m;

		if (gap >= best)
			continue;
		best = gap;
		*real = r;
		*mono = m;
	}
}

/* The same with a monotonic time not before it: so the error of both looks
 * together never hides that the clock was set back. */
static void look_end(const struct clock *c, int64_t *real, int64_t *mono)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < LOOKS && best > LOOK_NS; i++) {
		int64_t before = c->mono(c->ctx), r = c->real(c->ctx);
		int64_t m = c->mono(c->ctx);

		if (m - before >= best)
			continue;
		best = m - before;
		*real = r;
		*mono = m;
	}
}

void racy_init(struct racy *r, const struct clock *c)
{
	r->clock = *c;
	pthread_mutex_init(&r->lock, NULL);
	atomic_init(&r->n, 0);
	r->real = r->mono = 0;
	look_begin(c, &r->real, &r->mono);
	r->begun = c->coarse(c->ctx);
}

void racy_fini(struct racy *r)
{
	pthread_mutex_destroy(&r->lock);
}

/* Those whose times current_time() of this kernel gives. Of what is not named
 * here nothing is known. */
bool racy_local_type(uint64_t type)
{
	switch (type) {
	case EXT4_SUPER_MAGIC: /* ext2 and ext3 too */
	case 0x58465342:       /* XFS */
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
	case ECRYPTFS_SUPER_MAGIC:
	case MSDOS_SUPER_MAGIC:
	case 0x2011bab0: /* exFAT */
	case 0x7366746e: /* NTFS, the kernel's */
	case 0x2fc12fc1: /* ZFS */
	case 0xca451a4e: /* bcachefs */
	case REISERFS_SUPER_MAGIC:
	case 0x3153464a: /* JFS */
	case NILFS_SUPER_MAGIC:
	case SQUASHFS_MAGIC:
	case ISOFS_SUPER_MAGIC:
	case 0x15013346: /* UDF */
		return true;
	default:
		return false;
	}
}

static int find(const struct racy *r, uint64_t dev)
{
	unsigned n = atomic_load_explicit(&r->n, memory_order_acquire);

	for (unsigned i = 0; i < n; i++)
		if (r->fs[i].dev == dev)
			return r->fs[i].local ? 1 : 0;
	return -1;
}

void racy_set(struct racy *r, uint64_t dev, bool local)
{
	unsigned n;

	pthread_mutex_lock(&r->lock);
	n = atomic_load(&r->n);
	if (n < RACY_FS_MAX && find(r, dev) < 0) {
		r->fs[n] = (struct racy_fs){ dev, local };
		atomic_store_explicit(&r->n, n + 1, memory_order_release);
	}
	pthread_mutex_unlock(&r->lock);
}

void racy_learn(struct racy *r, int fd)
{
	struct statfs fs;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0)
		racy_set(r, st.st_dev,
			 racy_local_type((uint64_t)fs.f_type & UINT32_MAX));
}

void racy_meet(struct racy *r, int fd, uint64_t dev)
{
	if (find(r, dev) < 0)
		racy_learn(r, fd);
}

/*
 * A stamp that is a whole second may come from a file system that knows no
 * smaller unit (ext3, ext4 with small inodes) or only two of them (FAT), one of
 * a whole 10 ms from exFAT: it may be that much older than the change.
 */
bool racy_stamp(const struct racy *r, uint64_t dev, int64_t stamp)
{
	int64_t unit = stamp % 1000000000 == 0 ? 2000000000
		       : stamp % 10000000 == 0 ? 10000000
					       : 0;
	int64_t skew = find(r, dev) == 1 ? RACY_STEP_NS : RACY_SKEW_NS;

	return stamp >= r->begun - skew - unit;
}

bool racy_set_back(const struct racy *r)
{
	int64_t real = 0, mono = 0;

	look_end(&r->clock, &real, &mono);
	return (mono - r->mono) - (real - r->real) > RACY_STEP_NS;
}
