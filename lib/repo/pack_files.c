/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/pack_files.h"

#include "repo/packs.h"

void pack_files_init(struct pack_files *p, struct repo *r, bool direct,
		     unsigned kept)
{
	memset(p, 0, sizeof(*p));
	p->r = r;
	p->direct = direct;
	p->kept = kept;
	pthread_mutex_init(&p->lock, NULL);
}

void pack_files_fini(struct pack_files *p)
{
	for (size_t i = 0; i < PACK_FILES_MAX; i++)
		io_file_close(p->at[i].file, NULL);
	pthread_mutex_destroy(&p->lock);
}

/* The place that holds the pack, or else the one to open it in: an empty one
 * while fewer than `kept` are open, the longest unused after that. NULL: all
 * are in use. */
static struct pack_file *find_place(struct pack_files *p, uint32_t number)
{
	struct pack_file *old = NULL, *empty = NULL;
	unsigned open = 0;

	for (size_t i = 0; i < PACK_FILES_MAX; i++) {
		struct pack_file *k = &p->at[i];

		if (k->file == NULL) {
			empty = k;
			continue;
		}
		if (k->number == number)
			return k;
		open++;
		if (k->refs == 0 && (old == NULL || k->used < old->used))
			old = k;
	}
	return old != NULL && (open >= p->kept || empty == NULL) ? old : empty;
}

static enum bc_err get(struct pack_files *p, uint32_t number,
		       struct pack_file **out, struct err *e)
{
	struct pack_file *k = find_place(p, number);
	enum bc_err rc = BC_OK;

	if (k == NULL)
		return err_set(e, BC_ELIMIT, "more than %d packs are in use",
			       PACK_FILES_MAX);
	if (k->file == NULL || k->number != number) {
		io_file_close(k->file, NULL);
		*k = (struct pack_file){ .number = number };
		rc = repo_open_numbered(p->r, number, p->direct, &k->file, e);
	}
	if (rc == BC_OK) {
		k->refs++;
		k->used = ++p->tick;
		*out = k;
	}
	return rc;
}

enum bc_err pack_files_get(struct pack_files *p, uint32_t number,
			   struct pack_file **out, struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&p->lock);
	rc = get(p, number, out, e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* No more than `kept` stay open though nobody uses them: the longest unused
 * goes. One at a time, as nothing but a put makes one more. */
static void close_spare(struct pack_files *p)
{
	struct pack_file *old = NULL;
	unsigned unused = 0;

	for (size_t i = 0; i < PACK_FILES_MAX; i++) {
		struct pack_file *k = &p->at[i];

		if (k->file == NULL || k->refs > 0)
			continue;
		unused++;
		if (old == NULL || k->used < old->used)
			old = k;
	}
	if (unused <= p->kept)
		return;
	io_file_close(old->file, NULL);
	*old = (struct pack_file){ .file = NULL };
}

void pack_files_put(struct pack_files *p, struct pack_file *k)
{
	if (k == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	k->refs--;
	close_spare(p);
	pthread_mutex_unlock(&p->lock);
}
