/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/owners.h"

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>

#include "tree/node.h"

enum {
	OWNER_BUCKETS = 64,
	OWNER_TEXT_BYTES = 16 << 10,
};

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
