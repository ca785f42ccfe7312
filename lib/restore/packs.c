/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/packs.h"

#include "repo/packs.h"

void packs_init(struct packs *p, struct repo *r, bool direct, unsigned kept)
{
	memset(p, 0, sizeof(*p));
	p->r = r;
	p->direct = direct;
	p->kept = kept;
	pthread_mutex_init(&p->lock, NULL);
}

void packs_fini(struct packs *p)
{
	for (size_t i = 0; i < sizeof(p->at) / sizeof(p->at[0]); i++)
		io_file_close(p->at[i].file, NULL);
	pthread_mutex_destroy(&p->lock);
}

struct pack_file *packs_get(struct packs *p, uint32_t number)
{
	struct pack_file *found = NULL, *old = NULL, *empty = NULL;
	unsigned open = 0;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < sizeof(p->at) / sizeof(p->at[0]); i++) {
		struct pack_file *k = &p->at[i];

		open += k->file != NULL;
		if (k->file == NULL)
			empty = k;
		else if (k->number == number)
			found = k;
		else if (k->refs == 0 && (old == NULL || k->used < old->used))
			old = k;
	}
	if (found == NULL && (empty != NULL || old != NULL)) {
		found = old != NULL && (open >= p->kept || empty == NULL)
				? old
				: empty;
		io_file_close(found->file, NULL);
		*found = (struct pack_file){ .number = number };
		if (repo_open_numbered(p->r, number, p->direct, &found->file,
				       NULL) != BC_OK)
			found = NULL;
	}
	if (found != NULL) {
		found->refs++;
		found->used = ++p->tick;
	}
	pthread_mutex_unlock(&p->lock);
	return found;
}

void packs_put(struct packs *p, struct pack_file *k)
{
	if (k == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	k->refs--;
	pthread_mutex_unlock(&p->lock);
}
