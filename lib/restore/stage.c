/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "hash/sha256.h"
#include "restore/links.h"
#include "restore/report.h"
#include "restore/run.h"
#include "util/hex.h"
#include "util/le.h"

enum { KEY_BYTES = 6, PART_BYTES = 8, LOCK_TRIES = 8 };

#define PREFIX ".blobctl-part-"

uint64_t stage_mount(int fd)
{
	struct statx sx;
	struct stat st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0 &&
	    (sx.stx_mask & STATX_MNT_ID) != 0)
		return sx.stx_mnt_id;
	return fstat(fd, &st) == 0 ? st.st_dev : 0;
}

/* The same for the same thing, another for any other. */
static void folder_name(const struct run *run,
			char out[sizeof(PREFIX) + 2 * KEY_BYTES])
{
	const struct tree_entry *what = run->o.what;
	struct digest key = what->dir.id;
	uint8_t v[DIGEST_BYTES + 8];

	if (what->type != TREE_DIR)
		links_print(what, &key);
	memcpy(v, key.b, DIGEST_BYTES);
	le_put64(v + DIGEST_BYTES, run->o.filter);
	sha256_one(bytes_of(v, sizeof(v)), &key);
	memcpy(out, PREFIX, sizeof(PREFIX) - 1);
	hex_encode(key.b, KEY_BYTES, out + sizeof(PREFIX) - 1);
}

enum bc_err stage_name(struct worker *w, const struct rdir *home,
		       const char *name, char out[STAGE_NAME_BYTES],
		       struct err *e)
{
	const char *path = dest_path(home, name, DEST_END, &w->path);
	struct digest d;

	if (path == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a path");
	sha256_one(bytes_str(path), &d);
	hex_encode(d.b, PART_BYTES, out);
	return BC_OK;
}

/* Lock it, if it is still there under its name: who was at it may have removed
 * it just now. */
static enum bc_err lock_folder(struct stage *s, int above, const char *name,
			       bool *gone, struct err *e)
{
	struct stat named, own;

	*gone = false;
	s->lock = openat(above, name,
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->lock < 0 && errno == ENOENT) {
		*gone = true;
		return BC_OK;
	}
	if (s->lock < 0)
		return err_sys(e, errno, "cannot open %s", name);
	if (flock(s->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		return err_set(e, BC_ELOCKED,
			       "another get is restoring the same here (%s is "
			       "locked)",
			       name);
	if (fstat(s->lock, &own) != 0)
		return err_sys(e, errno, "cannot look at %s", name);
	*gone = fstatat(above, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
		named.st_ino != own.st_ino || named.st_dev != own.st_dev;
	if (!*gone && own.st_uid != geteuid())
		return err_set(e, BC_EREFUSED, "%s is somebody else's", name);
	return BC_OK;
}

static enum bc_err make_folder(struct stage *s, int above, struct err *e)
{
	const char *name = s->dir->name;
	enum bc_err rc = BC_OK;
	bool gone = true;

	for (int i = 0; gone && rc == BC_OK && i < LOCK_TRIES; i++) {
		if (s->lock >= 0)
			close(s->lock);
		s->lock = -1;
		s->dir->ours = false;
		if (mkdirat(above, name, 0700) == 0)
			s->dir->ours = false;
		else if (errno == EEXIST)
			s->dir->ours = true;
		else
			return err_sys(e, errno, "cannot make %s", name);
		rc = lock_folder(s, above, name, &gone, e);
	}
	if (rc == BC_OK && gone)
		rc = err_set(e, BC_ELOCKED, "%s comes and goes", name);
	return rc;
}

static struct rdir *new_folder(struct run *run, struct rdir *above)
{
	char name[sizeof(PREFIX) + 2 * KEY_BYTES];
	struct rdir *d = calloc(1, sizeof(*d) + sizeof(name));

	if (d == NULL)
		return NULL;
	folder_name(run, name);
	d->name = memcpy(d + 1, name, sizeof(name));
	d->at_name = d->name;
	d->parent = d->at = above;
	dest_hold(above);
	d->serial = ++run->serial;
	d->holds = 1;
	return d;
}

/* The topmost directory of the mount that may be written to, so that the same
 * command finds the same one. */
static enum bc_err make_stage(struct worker *w, struct rdir *home,
			      struct stage *s, struct err *e)
{
	struct rdir *chain[64], *k = home;
	size_t n = 0;
	enum bc_err rc = BC_OK;

	for (; k != NULL && k->mount == home->mount; k = k->parent) {
		if (n == sizeof(chain) / sizeof(chain[0]))
			n--; /* keep the topmost */
		chain[n++] = k;
	}
	do {
		int above;

		err_clear(e);
		s->dir = new_folder(w->run, chain[--n]);
		if (s->dir == NULL)
			return err_set(e, BC_ENOMEM, "no memory for a folder");
		above = dest_dir(w, s->dir->at);
		rc = above < 0 ? err_sys(e, errno, "cannot open its directory")
			       : make_folder(s, above, e);
		if (rc == BC_OK)
			return BC_OK;
		if (s->lock >= 0)
			close(s->lock);
		s->lock = -1;
		dest_release(w, s->dir);
		s->dir = NULL;
	} while (rc == BC_EACCES && n > 0);
	return rc;
}

enum bc_err stage_of(struct worker *w, struct rdir *home, struct rdir **out,
		     struct err *e)
{
	struct run *run = w->run;
	struct stage *s;
	enum bc_err rc;

	for (unsigned i = 0; i < run->n_stages; i++)
		if (run->stages[i].mount == home->mount) {
			*out = run->stages[i].dir;
			return BC_OK;
		}
	if (run->n_stages == STAGES_MAX)
		return err_set(e, BC_ELIMIT,
			       "more than %d file systems in the destination",
			       STAGES_MAX);
	s = &run->stages[run->n_stages];
	*s = (struct stage){ .mount = home->mount, .lock = -1 };
	rc = make_stage(w, home, s, e);
	/* Rights may be other elsewhere; anything else is the same there. */
	if (rc != BC_OK && rc != BC_EACCES)
		run_stop(run, e);
	if (rc != BC_OK)
		return rc;
	s->dir->stage = s;
	run->n_stages++;
	*out = s->dir;
	return BC_OK;
}

/* Where the file system does not know how not to replace. */
static int move_by_link(int from_dir, const char *from, int to_dir,
			const char *to)
{
	struct stat st;

	if (linkat(from_dir, from, to_dir, to, 0) == 0)
		return unlinkat(from_dir, from, 0);
	if (errno == EEXIST ||
	    fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(from_dir, from, to_dir, to);
}

enum bc_err stage_publish(struct worker *w, const struct rdir *stage,
			  const char *from, const struct rdir *home,
			  const char *name, struct err *e)
{
	int from_dir, to_dir, rc = -1;

	if (dest_pair(w, stage, home, &from_dir, &to_dir)) {
		rc = renameat2(from_dir, from, to_dir, name, RENAME_NOREPLACE);
		if (rc != 0 && (errno == EINVAL || errno == ENOSYS))
			rc = move_by_link(from_dir, from, to_dir, name);
	}
	return rc == 0 ? BC_OK : err_sys(e, errno, "cannot give it its name");
}

/* A run that was killed at its very end has left an empty one: in the
 * destination, or beside it if it was made. */
static void sweep(struct run *run)
{
	char name[sizeof(PREFIX) + 2 * KEY_BYTES];
	char beside[sizeof("../") + sizeof(name)] = "../";

	folder_name(run, name);
	memcpy(beside + 3, name, sizeof(name));
	(void)!unlinkat(run->root, name, AT_REMOVEDIR);
	(void)!unlinkat(run->root, beside, AT_REMOVEDIR);
}

void stages_end(struct worker *w)
{
	if (w->run->n_stages == 0)
		sweep(w->run);
	for (unsigned i = 0; i < w->run->n_stages; i++)
		dest_release(w, w->run->stages[i].dir);
	w->run->n_stages = 0;
}

void stage_end(struct worker *w, struct rdir *d)
{
	int above = dest_dir(w, d->at);

	if (above >= 0 && unlinkat(above, d->at_name, AT_REMOVEDIR) != 0 &&
	    !run_dead(w->run))
		report_note(w, d, NULL, NOTE_STAGE, 0);
	close(d->stage->lock);
}
