/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/hex.h"

enum {
	LEASE_BYTES = 512,
	BOOT_ID_BYTES = 37,
	TAKE_TRIES = 16,
	LOCK_WAIT_MS = 10000,
};

static void boot_id(char out[BOOT_ID_BYTES])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	out[0] = '\0';
	if (f == NULL)
		return;
	if (fgets(out, BOOT_ID_BYTES, f) == NULL)
		out[0] = '\0';
	fclose(f);
}

/* The text is padded to one length, so that a later one replaces it whole. */
static enum bc_err write_text(struct lease *l, const char *command, bool known,
			      uint64_t generation, struct err *e)
{
	char text[LEASE_BYTES];
	char boot[BOOT_ID_BYTES];
	char host[64] = "";
	int n;

	boot_id(boot);
	gethostname(host, sizeof(host) - 1);
	n = snprintf(text, sizeof(text),
		     "pid %lld\nboot %s\ncommand %.31s\nhost %s\n",
		     (long long)getpid(), boot, command, host);
	if (known && n > 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "generation %llu\n",
			      (unsigned long long)generation);
	memset(text + n, '\n', sizeof(text) - (size_t)n);
	return io_file_pwrite(l->file, text, sizeof(text), 0, e);
}

/* Make a lease's file and lock it.
 *   taken  [out] false: somebody took it for a dead one's and removed it */
static enum bc_err try_take(struct lease *l, struct rng rng, bool *taken,
			    struct err *e)
{
	char name[PACK_ID_HEX_BYTES];
	struct io_stat st;
	enum bc_err rc = rng_fill(rng, l->id.b, PACK_ID_BYTES, e);

	if (rc != BC_OK)
		return rc;
	hex_encode(l->id.b, PACK_ID_BYTES, name);
	rc = io_file_open(l->dir, name,
			  IO_READ | IO_WRITE | IO_CREATE | IO_EXCLUSIVE,
			  &l->file, e);
	/* Whoever sweeps leases locks each for a moment to see if it is dead;
	 * before this lock it looks so. */
	if (rc == BC_OK)
		rc = io_file_lock(l->file, 0, 1, IO_LOCK_EXCLUSIVE,
				  LOCK_WAIT_MS, e);
	if (rc == BC_OK)
		rc = io_file_stat(l->file, &st, e);
	if (rc == BC_OK)
		*taken = st.nlink > 0;
	return rc;
}

enum bc_err lease_take(struct lease *l, struct io_dir *dir, struct rng rng,
		       const char *command, struct err *e)
{
	bool taken = false;
	enum bc_err rc = BC_OK;

	*l = (struct lease){ .dir = dir };
	for (int i = 0; rc == BC_OK && !taken && i < TAKE_TRIES; i++) {
		io_file_close(l->file, NULL);
		l->file = NULL;
		rc = try_take(l, rng, &taken, e);
	}
	if (rc == BC_OK && !taken)
		rc = err_set(e, BC_ELOCKED,
			     "leases in %s vanish as soon as they are made",
			     io_dir_path(dir));
	if (rc == BC_OK)
		rc = write_text(l, command, false, 0, e);
	if (rc != BC_OK)
		lease_drop(l);
	return rc;
}

enum bc_err lease_set(struct lease *l, const char *command, uint64_t generation,
		      struct err *e)
{
	return write_text(l, command, true, generation, e);
}

void lease_drop(struct lease *l)
{
	char name[PACK_ID_HEX_BYTES];

	if (l->file == NULL)
		return;
	hex_encode(l->id.b, PACK_ID_BYTES, name);
	/* The name first: a lease that is listed is either locked or dead. */
	(void)!io_unlink(l->dir, name, NULL);
	io_file_close(l->file, NULL);
	l->file = NULL;
}

static void parse_text(char *text, struct lease_info *info)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');

		if (value == NULL)
			continue;
		*value++ = '\0';
		if (strcmp(line, "pid") == 0)
			info->pid = strtoll(value, NULL, 10);
		else if (strcmp(line, "generation") == 0)
			info->generation = strtoull(value, NULL, 10);
		else if (strcmp(line, "command") == 0)
			snprintf(info->command, sizeof(info->command), "%s",
				 value);
		else if (strcmp(line, "host") == 0)
			snprintf(info->host, sizeof(info->host), "%s", value);
	}
}

struct listing {
	struct io_dir *dir;
	const struct lease *mine;
	enum bc_err (*each)(void *ctx, const struct lease_info *info);
	void *ctx;
};

static enum bc_err list_one(void *ctx, const char *name, enum io_type type)
{
	struct listing *l = ctx;
	struct lease_info info = { .alive = true };
	char text[LEASE_BYTES + 1] = "";
	struct io_file *f = NULL;
	size_t got = 0;
	enum bc_err rc;

	(void)type;
	if (strlen(name) != 2 * PACK_ID_BYTES ||
	    !hex_decode(name, PACK_ID_BYTES, info.id.b) ||
	    (l->mine != NULL && pack_id_eq(&info.id, &l->mine->id)))
		return BC_OK;
	rc = io_file_open(l->dir, name, IO_READ | IO_WRITE, &f, NULL);
	if (rc == BC_ENOTFOUND)
		return BC_OK; /* gone meanwhile */
	/* Another user's, or no descriptor left: nothing says that it is dead,
	 * or which generation it has seen. */
	if (rc != BC_OK)
		return l->each(l->ctx, &info);
	info.alive = io_file_lock(f, 0, 1, IO_LOCK_EXCLUSIVE, IO_LOCK_TRY,
				  NULL) != BC_OK;
	if (io_file_pread_some(f, text, LEASE_BYTES, 0, &got, NULL) != BC_OK)
		got = 0;
	/* Under its lock: an owner that has just made it and gets the lock next
	 * sees that the name is gone, and makes another. */
	if (!info.alive)
		(void)!io_unlink(l->dir, name, NULL);
	io_file_close(f, NULL);
	text[got] = '\0';
	parse_text(text, &info);
	return l->each(l->ctx, &info);
}

enum bc_err lease_list(struct io_dir *dir, const struct lease *mine,
		       enum bc_err (*each)(void *ctx,
					   const struct lease_info *info),
		       void *ctx, struct err *e)
{
	struct listing l = { dir, mine, each, ctx };

	return io_list(dir, ".", e, list_one, &l);
}

static enum bc_err pass_over(void *ctx, const struct lease_info *info)
{
	(void)ctx;
	(void)info;
	return BC_OK;
}

void lease_sweep(struct io_dir *dir, const struct lease *mine)
{
	(void)!lease_list(dir, mine, pass_over, NULL, NULL);
}
