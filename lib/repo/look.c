/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/file.h"
#include "repo/layout.h"
#include "repo/superblock.h"

const char *const repo_folders[REPO_FOLDERS] = { REPO_LOG_DIR, REPO_PACKS_DIR,
						 REPO_LEASES_DIR,
						 REPO_INDEX_DIR,
						 REPO_CACHE_DIR };

struct scan {
	struct io_dir *log;
	bool ours, superblock, copy;
	bool packs, used_log;
	char foreign[300];
};

/* A name that io_write_small() makes: two numbers behind the prefix. Others
 * that begin like that may be somebody's. */
static bool is_tmp(const char *name)
{
	size_t a, b, n = strlen(IO_TMP_PREFIX);

	if (strncmp(name, IO_TMP_PREFIX, n) != 0)
		return false;
	name += n;
	a = strspn(name, "0123456789");
	if (a == 0 || name[a] != '-')
		return false;
	name += a + 1;
	b = strspn(name, "0123456789");
	return b > 0 && name[b] == '\0';
}

/* Folders may be links to folders; what is no folder is not ours. */
static bool is_ours(const char *name, enum io_type type)
{
	for (size_t i = 0; i < REPO_FOLDERS; i++)
		if (strcmp(name, repo_folders[i]) == 0)
			return type != IO_TYPE_FILE;
	return type != IO_TYPE_DIR &&
	       (strcmp(name, REPO_LOCK_FILE) == 0 ||
		strcmp(name, REPO_RESERVE_FILE) == 0 ||
		strcmp(name, SUPERBLOCK_COPY_NAME) == 0 || is_tmp(name));
}

static void add_foreign(struct scan *s, const char *folder, const char *name)
{
	char path[sizeof(s->foreign)];

	snprintf(path, sizeof(path), "%s%s", folder, name);
	/* Whatever the order of the list, the same one is told. */
	if (s->foreign[0] == '\0' || strcmp(path, s->foreign) < 0)
		memcpy(s->foreign, path, sizeof(path));
}

static enum bc_err scan_one(void *ctx, const char *name, enum io_type type)
{
	struct scan *s = ctx;

	if (strcmp(name, SUPERBLOCK_NAME) == 0) {
		s->superblock = true;
	} else if (is_ours(name, type)) {
		s->ours = true;
		s->copy |= strcmp(name, SUPERBLOCK_COPY_NAME) == 0;
	} else if (strcmp(name, "lost+found") != 0) {
		add_foreign(s, "", name);
	}
	return BC_OK;
}

static enum bc_err scan_packs(void *ctx, const char *name, enum io_type type)
{
	struct scan *s = ctx;

	(void)name;
	(void)type;
	s->packs = true;
	return BC_OK;
}

/* An interrupted repo_create leaves one log: a header and one group of one
 * sector. The next one removes it, so what is no log must not count as one. */
static enum bc_err scan_log(void *ctx, const char *name, enum io_type type)
{
	struct scan *s = ctx;
	struct pack_id id;
	struct io_stat st;
	uint64_t seq;

	if (type == IO_TYPE_DIR ||
	    (!is_tmp(name) && !log_name_decode(name, &seq, &id)))
		add_foreign(s, REPO_LOG_DIR "/", name);
	else if (io_stat_at(s->log, name, &st, NULL) != BC_OK ||
		 st.size > LOG_HEAD_BYTES + LOG_ALIGN)
		s->used_log = true;
	return BC_OK;
}

/* Of a folder that need not be there. */
static enum bc_err list_below(struct io_dir *dir, const char *name,
			      enum bc_err (*each)(void *, const char *,
						  enum io_type),
			      struct scan *s, struct err *e)
{
	struct io_dir *below = NULL;
	struct err own = ERR_INIT;
	enum bc_err rc = io_dir_open_at(dir, name, &below, &own);

	if (rc == BC_ENOTFOUND)
		return BC_OK;
	s->log = below;
	if (rc == BC_OK)
		rc = io_list(below, ".", &own, each, s);
	io_dir_close(below);
	if (rc != BC_OK && e != NULL)
		*e = own;
	return rc;
}

/* Is one of the two not damaged? One that cannot be read, or is of a newer
 * format, may be anybody's. */
static bool has_superblock(struct io_dir *dir)
{
	struct superblock s;

	return superblock_load(dir, &s, NULL, NULL) != BC_EDAMAGE;
}

static void decide(const struct scan *s, struct io_dir *dir,
		   struct repo_look *out)
{
	const char *what = "";

	out->damaged = false;
	if (s->superblock || (s->copy && has_superblock(dir))) {
		out->found = REPO_THERE;
		out->damaged = !has_superblock(dir);
	} else if (s->packs || s->used_log) {
		out->found = REPO_LOST_SUPERBLOCKS;
		what = s->packs ? REPO_PACKS_DIR : REPO_LOG_DIR;
	} else if (s->foreign[0] != '\0') {
		out->found = REPO_FOREIGN;
		what = s->foreign;
	} else {
		out->found = s->ours ? REPO_HALF_MADE : REPO_FREE;
	}
	snprintf(out->what, sizeof(out->what), "%s", what);
}

enum bc_err repo_look_dir(struct io_dir *dir, struct repo_look *out,
			  struct err *e)
{
	struct scan s = { .log = NULL };
	enum bc_err rc = io_list(dir, ".", e, scan_one, &s);

	if (rc == BC_OK)
		rc = list_below(dir, REPO_PACKS_DIR, scan_packs, &s, e);
	if (rc == BC_OK)
		rc = list_below(dir, REPO_LOG_DIR, scan_log, &s, e);
	if (rc == BC_OK)
		decide(&s, dir, out);
	return rc;
}

enum bc_err repo_look(struct io *io, const char *path, struct repo_look *out,
		      struct err *e)
{
	struct io_dir *dir = NULL;
	struct err own = ERR_INIT;
	enum bc_err rc = io_dir_open(io, path, &dir, &own);

	if (rc == BC_ENOTFOUND) {
		*out = (struct repo_look){ .found = own.sys_errno == ENOTDIR
							    ? REPO_NO_FOLDER
							    : REPO_MISSING };
		return BC_OK;
	}
	if (rc == BC_OK)
		rc = repo_look_dir(dir, out, &own);
	io_dir_close(dir);
	if (rc != BC_OK && e != NULL)
		*e = own;
	return rc;
}
