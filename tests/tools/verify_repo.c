/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_repo - is everything there that must be there, to the last byte?
 *
 * usage: verify_repo REPO [MANIFEST]
 *
 * Opens the repository for reading, walks the tree of every snapshot and reads
 * every chunk, each checked against its id. The manifest says more, a line
 * each:
 *
 *	+ID full DIR   the snapshot is there and holds what DIR holds: names,
 *		       types, modes, times, targets and bytes
 *	+ID data DIR   the same without modes and times
 *	-ID	       the snapshot is not there
 *
 * Prints what is wrong, or one line of counts; exits with 1 or 0. It shares
 * none of the program's own ways to list and to restore.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/chunks.h"
#include "repo/state.h"
#include "tree/content_reader.h"
#include "tree/reader.h"
#include "tree/snapshot_record.h"
#include "util/hex.h"

enum { PATH_BYTES = 4096, READ_BYTES = 1 << 20 };

struct wanted {
	struct digest id;
	bool there, full;
	char *dir;
};

struct verify {
	struct repo *r;
	struct chunk_reader *chunks;
	struct wanted *wanted;
	size_t n_wanted;
	const char *snap; /* hex, of the snapshot that is looked at */
	bool full;
	uint64_t snapshots, entries, bytes, wrong;
};

static void wrong(struct verify *v, const char *fmt, ...) BC_PRINTF(2, 3);
static void wrong(struct verify *v, const char *fmt, ...)
{
	va_list ap;

	v->wrong++;
	printf("wrong: %s: ", v->snap == NULL ? "repository" : v->snap);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- one file -------------------------------------------------------------
 */

/* n bytes at off of fd are those at p, or zeros if p is NULL. */
static bool same_bytes(int fd, const uint8_t *p, uint64_t n, uint64_t off)
{
	static uint8_t have[READ_BYTES];
	static const uint8_t zeros[READ_BYTES];

	while (n > 0) {
		size_t part = n < READ_BYTES ? (size_t)n : READ_BYTES;
		ssize_t got = pread(fd, have, part, (off_t)off);

		if (got <= 0 ||
		    memcmp(have, p == NULL ? zeros : p, (size_t)got) != 0)
			return false;
		n -= (uint64_t)got;
		off += (uint64_t)got;
		p = p == NULL ? NULL : p + got;
	}
	return true;
}

/* fd < 0: only read it all. */
static void check_content(struct verify *v, const char *path,
			  const struct tree_entry *en, int fd)
{
	struct node_source source = chunk_node_source(v->chunks);
	struct content_run run = { .what = CONTENT_CHUNK };
	struct content_reader cr;
	struct err e = ERR_INIT;
	uint64_t at = 0;

	content_reader_init(&cr, &source);
	content_reader_open(&cr, &en->content);
	while (run.what != CONTENT_END) {
		struct bytes b = bytes_of(NULL, 0);

		if (content_reader_next(&cr, &run, &e) != BC_OK) {
			wrong(v, "%s: %s", path, e.text);
			break;
		}
		if (run.what == CONTENT_END)
			break;
		if (run.what == CONTENT_CHUNK &&
		    chunk_read(v->chunks, &run.id, &b, &e) != BC_OK) {
			wrong(v, "%s: at %llu: %s", path,
			      (unsigned long long)run.offset, e.text);
			break;
		}
		if (run.offset != at ||
		    (run.what == CONTENT_CHUNK && b.n != run.length) ||
		    (fd >= 0 && !same_bytes(fd, b.p, run.length, at))) {
			wrong(v, "%s: differs at %llu", path,
			      (unsigned long long)at);
			break;
		}
		at += run.length;
		v->bytes += run.length;
	}
	content_reader_fini(&cr);
}

static void check_file(struct verify *v, const char *path,
		       const struct tree_entry *en, const struct stat *st)
{
	int fd = -1;

	if (st != NULL) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			wrong(v, "%s: %s", path, strerror(errno));
		else if ((uint64_t)st->st_size != en->content.size)
			wrong(v, "%s: has %llu bytes, not %lld", path,
			      (unsigned long long)en->content.size,
			      (long long)st->st_size);
	}
	check_content(v, path, en, fd);
	if (fd >= 0)
		close(fd);
}

/* ---- one entry ------------------------------------------------------------
 */

static enum tree_type type_of(mode_t mode)
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
	default:
		return TREE_BLOCK;
	}
}

static void check_link(struct verify *v, const char *path,
		       const struct tree_entry *en)
{
	char target[PATH_BYTES];
	ssize_t n = readlink(path, target, sizeof(target));

	if (n < 0 || (size_t)n != en->target.n ||
	    memcmp(target, en->target.p, (size_t)n) != 0)
		wrong(v, "%s: another target", path);
}

static void check_meta(struct verify *v, const char *path,
		       const struct tree_entry *en, const struct stat *st)
{
	if (en->type != TREE_LINK && (st->st_mode & 07777) != en->mode)
		wrong(v, "%s: mode %o, not %o", path, en->mode,
		      (unsigned)st->st_mode & 07777);
	if (st->st_mtim.tv_sec != en->mtime ||
	    (uint32_t)st->st_mtim.tv_nsec != en->mtime_nsec)
		wrong(v, "%s: another time", path);
	if (st->st_uid != en->uid || st->st_gid != en->gid)
		wrong(v, "%s: another owner", path);
}

static void check_dir(struct verify *v, const char *path,
		      const struct digest *node, bool compare);

static void check_entry(struct verify *v, const char *dir,
			const struct tree_entry *en, bool compare)
{
	char path[PATH_BYTES];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%.*s", dir, (int)en->name.n,
		 (const char *)en->name.p);
	v->entries++;
	if (compare && lstat(path, &st) != 0) {
		wrong(v, "%s: stored, but not in the source", path);
		compare = false;
	}
	if (compare && type_of(st.st_mode) != en->type) {
		wrong(v, "%s: another type", path);
		compare = false;
	}
	if (compare && v->full)
		check_meta(v, path, en, &st);
	if (en->type == TREE_DIR)
		check_dir(v, path, &en->dir.id, compare);
	else if (en->type == TREE_FILE)
		check_file(v, path, en, compare ? &st : NULL);
	else if (en->type == TREE_LINK && compare)
		check_link(v, path, en);
}

static uint64_t count_names(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *de;
	uint64_t n = 0;

	while (d != NULL && (de = readdir(d)) != NULL)
		n += strcmp(de->d_name, ".") != 0 &&
		     strcmp(de->d_name, "..") != 0;
	if (d != NULL)
		closedir(d);
	return n;
}

/* All names stored are in the source; as many names in both make them equal. */
static void check_dir(struct verify *v, const char *path,
		      const struct digest *node, bool compare)
{
	struct node_source source = chunk_node_source(v->chunks);
	const struct tree_entry *en = NULL;
	struct tree_reader tr;
	struct err e = ERR_INIT;
	uint64_t n = 0;
	enum bc_err rc;

	tree_reader_init(&tr, &source);
	rc = tree_reader_open(&tr, node, &e);
	while (rc == BC_OK && (rc = tree_reader_next(&tr, &en, &e)) == BC_OK &&
	       en != NULL) {
		check_entry(v, path, en, compare);
		n++;
	}
	if (rc != BC_OK)
		wrong(v, "%s/: %s", path, e.text);
	else if (compare && count_names(path) != n)
		wrong(v, "%s/: %llu names stored, %llu in the source", path,
		      (unsigned long long)n,
		      (unsigned long long)count_names(path));
	tree_reader_fini(&tr);
}

/* ---- snapshots ------------------------------------------------------------
 */

static void check_snapshot(struct verify *v, const struct digest *id)
{
	char hex[2 * DIGEST_BYTES + 1];
	struct catalog_snapshot row;
	struct snapshot_record rec;
	struct digest root;
	struct err e = ERR_INIT;
	const struct wanted *w = NULL;

	hex_encode(id->b, DIGEST_BYTES, hex);
	hex[2 * DIGEST_BYTES] = '\0';
	v->snap = hex;
	for (size_t i = 0; i < v->n_wanted; i++)
		if (v->wanted[i].there && digest_eq(&v->wanted[i].id, id))
			w = &v->wanted[i];
	if (catalog_get_snapshot(v->r->catalog, id, &row, &e) != BC_OK ||
	    snapshot_record_decode(row.record, &rec, &e) != BC_OK) {
		wrong(v, "the record: %s", e.text);
	} else {
		root = rec.root.dir.id;
		snapshot_record_fini(&rec);
		v->full = w != NULL && w->full;
		check_dir(v, w == NULL ? "" : w->dir, &root, w != NULL);
	}
	v->snapshots++;
	v->snap = NULL;
}

struct ids {
	struct digest *at;
	size_t n;
};

static enum bc_err add_id(void *ctx, const struct catalog_snapshot *s,
			  struct err *e)
{
	struct ids *ids = ctx;
	struct digest *at = realloc(ids->at, (ids->n + 1) * sizeof(*at));

	if (at == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	ids->at = at;
	at[ids->n++] = s->id;
	return BC_OK;
}

static void check_wanted(struct verify *v, const struct ids *ids)
{
	for (size_t i = 0; i < v->n_wanted; i++) {
		char hex[2 * DIGEST_BYTES + 1];
		bool there = false;

		for (size_t j = 0; j < ids->n; j++)
			there |= digest_eq(&ids->at[j], &v->wanted[i].id);
		hex_encode(v->wanted[i].id.b, DIGEST_BYTES, hex);
		hex[2 * DIGEST_BYTES] = '\0';
		if (there != v->wanted[i].there)
			wrong(v, "%s is %s", hex,
			      there ? "there again" : "missing");
	}
}

static void check_all(struct verify *v)
{
	struct catalog_select all = { .name = NULL };
	struct ids ids = { NULL, 0 };
	struct err e = ERR_INIT;

	if (catalog_walk(v->r->catalog, &all, add_id, &ids, &e) != BC_OK)
		wrong(v, "the list of snapshots: %s", e.text);
	else
		check_wanted(v, &ids);
	for (size_t i = 0; i < ids.n; i++)
		check_snapshot(v, &ids.at[i]);
	free(ids.at);
}

/* ---- from the outside -----------------------------------------------------
 */

static int add_wanted(struct verify *v, char *line)
{
	struct wanted *at = realloc(v->wanted, (v->n_wanted + 1) * sizeof(*at));
	struct wanted *w;

	if (at == NULL)
		return 0;
	v->wanted = at;
	w = &at[v->n_wanted];
	*w = (struct wanted){ .there = line[0] == '+' };
	if ((line[0] != '+' && line[0] != '-') ||
	    strlen(line) < 1 + 2 * DIGEST_BYTES ||
	    !hex_decode(line + 1, DIGEST_BYTES, w->id.b))
		return 0;
	line += 1 + 2 * DIGEST_BYTES;
	if (w->there) {
		w->full = strncmp(line, " full ", 6) == 0;
		if (!w->full && strncmp(line, " data ", 6) != 0)
			return 0;
		w->dir = strdup(line + 6);
		if (w->dir == NULL)
			return 0;
	}
	v->n_wanted++;
	return 1;
}

static int read_manifest(struct verify *v, const char *name)
{
	FILE *f = fopen(name, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int ok = f != NULL;

	while (ok && (n = getline(&line, &room, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		ok = add_wanted(v, line);
	}
	if (!ok)
		fprintf(stderr, "verify_repo: %s: not a manifest\n", name);
	free(line);
	if (f != NULL)
		fclose(f);
	return ok;
}

static void say(void *ctx, const char *text)
{
	(void)ctx;
	printf("note: %s\n", text);
}

static int run(struct verify *v, const char *path)
{
	struct repo_options o = { .rng = rng_system(),
				  .clock = clock_system(),
				  .note = { say, NULL } };
	struct io *io = NULL;
	struct err e = ERR_INIT;
	enum bc_err rc = io_open(NULL, &io, &e);

	o.io = io;
	if (rc == BC_OK)
		rc = repo_open(path, &o, &v->r, &e);
	if (rc == BC_OK)
		rc = chunk_reader_new(v->r, &v->chunks, &e);
	if (rc == BC_OK)
		check_all(v);
	else
		wrong(v, "cannot be opened: %s", e.text);
	chunk_reader_free(v->chunks);
	repo_close(v->r);
	io_close(io);
	return v->wrong > 0;
}

int main(int argc, char **argv)
{
	struct verify v = { .r = NULL };
	int status = 2;

	if (argc != 2 && argc != 3)
		fprintf(stderr, "usage: verify_repo REPO [MANIFEST]\n");
	else if (argc == 2 || read_manifest(&v, argv[2]))
		status = run(&v, argv[1]);
	if (status == 0)
		printf("%llu snapshots, %llu entries, %llu bytes\n",
		       (unsigned long long)v.snapshots,
		       (unsigned long long)v.entries,
		       (unsigned long long)v.bytes);
	for (size_t i = 0; i < v.n_wanted; i++)
		free(v.wanted[i].dir);
	free(v.wanted);
	return status;
}
