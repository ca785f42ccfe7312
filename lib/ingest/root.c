/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/dir.h"
#include "ingest/run.h"

enum { ROOTS_MAX = 65535 };

static enum bc_err cannot(struct err *e, int sys, const char *what,
			  const struct put_root *from)
{
	return err_sys(e, sys, "cannot %s %s", what, from->path);
}

static enum bc_err add_name(struct put *p, struct dir_job *top,
			    const char *name, struct err *e)
{
	if (names_add(&top->names, name, (uint16_t)(p->n_roots - 1)) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory");
	return BC_OK;
}

/* The directory that the name at the end of the path is in. */
static int open_parent(const struct put_root *from)
{
	size_t n = strlen(from->path), name = strlen(from->name);
	char *above;
	int fd;

	if (name > n || strcmp(from->path + n - name, from->name) != 0) {
		errno = EINVAL;
		return -1;
	}
	above = n == name ? strdup(".") : strndup(from->path, n - name);
	if (above == NULL)
		return -1;
	fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(above);
	return fd;
}

/* A root may lie on another file system than its parent. */
static void learn_clock(struct put *p, int dirfd, const char *name,
			uint64_t dev)
{
	int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	racy_meet(&p->racy, fd, dev);
	if (fd >= 0)
		close(fd);
}

static enum bc_err open_named(struct put *p, struct dir_job *top,
			      const struct put_root *from, struct err *e)
{
	struct root *r = &p->roots[p->n_roots];
	struct item it;
	int sys;

	r->fd = open_parent(from);
	if (r->fd < 0)
		return cannot(e, errno, "open", from);
	p->n_roots++;
	sys = source_stat(r->fd, from->name, &it);
	if (sys != 0)
		return cannot(e, sys, "open", from);
	r->dev = it.dev;
	learn_clock(p, r->fd, from->name, it.dev);
	return add_name(p, top, from->name, e);
}

static enum bc_err open_contents(struct put *p, struct dir_job *top,
				 const struct put_root *from, struct err *e)
{
	struct root *r = &p->roots[p->n_roots];
	uint8_t *scratch = malloc(LIST_BYTES);
	struct item it;
	int sys;

	r->fd = open(from->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sys = r->fd < 0 ? errno : source_fstat(r->fd, &it);
	if (r->fd >= 0)
		p->n_roots++;
	if (sys != 0) {
		free(scratch);
		return cannot(e, sys, "open", from);
	}
	r->dev = it.dev;
	racy_learn(&p->racy, r->fd);
	if (dir_is_own(p, &it)) {
		free(scratch);
		return BC_OK;
	}
	sys = scratch == NULL ? ENOMEM
			      : names_list(&top->names, r->fd,
					   (uint16_t)(p->n_roots - 1), scratch);
	free(scratch);
	return sys == 0 ? BC_OK : cannot(e, sys, "list", from);
}

/* A file of this moment that belongs to whoever runs this. */
static enum bc_err open_stream(struct put *p, struct dir_job *top,
			       const struct put_root *from, struct err *e)
{
	struct item it = {
		.type = TREE_FILE,
		.stream = true,
		.mode = 0644,
		.uid = geteuid(),
		.gid = getegid(),
		.nlink = 1,
		.mtime = p->racy.begun / 1000000000,
		.mtime_nsec = (uint32_t)(p->racy.begun % 1000000000),
	};

	p->roots[p->n_roots++] =
		(struct root){ .fd = from->fd, .stream = true, .item = it };
	return add_name(p, top, from->name, e);
}

static enum bc_err check_twice(const struct put *p, const struct names *v,
			       struct err *e)
{
	const struct put_root *from = p->o->roots;

	for (size_t i = 1; i < v->n; i++)
		if (strcmp(name_at(v, i - 1), name_at(v, i)) == 0)
			return err_set(e, BC_EUSAGE,
				       "%s and %s would both be stored as %s",
				       from[v->ref[i - 1].root].path,
				       from[v->ref[i].root].path,
				       name_at(v, i));
	return BC_OK;
}

enum bc_err roots_open(struct put *p, struct dir_job *top, struct err *e)
{
	static enum bc_err (*const open_root[])(struct put *, struct dir_job *,
						const struct put_root *,
						struct err *) = {
		[PUT_NAMED] = open_named,
		[PUT_CONTENTS] = open_contents,
		[PUT_STDIN] = open_stream,
	};
	enum bc_err rc = BC_OK;

	if (p->o->n_roots > ROOTS_MAX)
		return err_set(e, BC_EUSAGE, "more than %d paths", ROOTS_MAX);
	p->roots = calloc(p->o->n_roots + 1, sizeof(*p->roots));
	if (p->roots == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	for (size_t i = 0; i < p->o->n_roots && rc == BC_OK; i++)
		rc = open_root[p->o->roots[i].how](p, top, &p->o->roots[i], e);
	if (rc != BC_OK)
		return rc;
	names_sort(&top->names);
	return check_twice(p, &top->names, e);
}

void roots_close(struct put *p)
{
	for (size_t i = 0; i < p->n_roots; i++)
		if (!p->roots[i].stream)
			close(p->roots[i].fd);
	free(p->roots);
}
