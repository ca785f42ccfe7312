/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded owners to local ones; each name is asked for once. One thread. */
#include "restore/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

enum { LOOKUP_BYTES = 1024, LOOKUP_MAX_BYTES = 1 << 20 };

static int ask_user(const char *name, char *mem, size_t n, uint32_t *id)
{
	struct passwd p, *hit = NULL;
	int rc = getpwnam_r(name, &p, mem, n, &hit);

	if (hit != NULL)
		*id = hit->pw_uid;
	return rc;
}

static int ask_group(const char *name, char *mem, size_t n, uint32_t *id)
{
	struct group g, *hit = NULL;
	int rc = getgrnam_r(name, &g, mem, n, &hit);

	if (hit != NULL)
		*id = hit->gr_gid;
	return rc;
}

typedef int ask_fn(const char *name, char *mem, size_t n, uint32_t *id);

/* The number of a name here, or `id` where it is not known. */
static uint32_t look_up(ask_fn *ask, const char *name, uint32_t id)
{
	for (size_t n = LOOKUP_BYTES; n <= LOOKUP_MAX_BYTES; n *= 4) {
		char *mem = malloc(n);
		int rc = mem == NULL ? ENOMEM : ask(name, mem, n, &id);

		free(mem);
		if (rc != ERANGE)
			break;
	}
	return id;
}

static uint32_t map(struct owner_map *m, ask_fn *ask, uint32_t id,
		    struct bytes name)
{
	struct owner_line *l;
	uint32_t to;
	char *own;

	/* The superuser is the superuser by number, whatever its name. */
	if (id == 0 || name.n == 0 || memchr(name.p, 0, name.n) != NULL)
		return id;
	for (size_t i = 0; i < m->n; i++) {
		l = &m->at[(m->last + i) % m->n];
		if (l->from == id && l->n == name.n &&
		    memcmp(l->name, name.p, name.n) == 0) {
			m->last = (size_t)(l - m->at);
			return l->to;
		}
	}
	own = strndup((const char *)name.p, name.n);
	if (own == NULL)
		return id;
	to = look_up(ask, own, id);
	if (m->n == m->cap) {
		size_t cap = m->cap == 0 ? 16 : m->cap * 2;

		l = realloc(m->at, cap * sizeof(*l));
		if (l == NULL) {
			free(own);
			return to;
		}
		m->at = l;
		m->cap = cap;
	}
	m->last = m->n;
	m->at[m->n++] = (struct owner_line){ id, to, name.n, own };
	return to;
}

uint32_t owner_user(struct owner_map *m, uint32_t uid, struct bytes name)
{
	return map(m, ask_user, uid, name);
}

uint32_t owner_group(struct owner_map *m, uint32_t gid, struct bytes name)
{
	return map(m, ask_group, gid, name);
}

void owner_fini(struct owner_map *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->at[i].name);
	free(m->at);
	memset(m, 0, sizeof(*m));
}
