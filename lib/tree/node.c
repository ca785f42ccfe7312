/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/node.h"

enum bc_err node_fetch(const struct node_source *s, const struct digest *id,
		       struct buf *out, struct err *e)
{
	enum bc_err rc = s->fetch(s->ctx, id, out, e);

	if (rc != BC_ENOTFOUND && rc != BC_ELIMIT)
		return rc;
	if (e == NULL)
		return BC_EDAMAGE;
	if (e->code != rc)
		return err_set(e, BC_EDAMAGE, "a tree node is missing");
	e->code = BC_EDAMAGE;
	return BC_EDAMAGE;
}

bool tree_name_valid(struct bytes name)
{
	if (name.n == 0 || name.n > TREE_NAME_MAX_BYTES)
		return false;
	if (name.p[0] == '.' &&
	    (name.n == 1 || (name.n == 2 && name.p[1] == '.')))
		return false;
	return memchr(name.p, '/', name.n) == NULL &&
	       memchr(name.p, 0, name.n) == NULL;
}

static bool content_differs(const struct tree_entry *a,
			    const struct tree_entry *b)
{
	if (a->type != b->type)
		return true;
	switch (a->type) {
	case TREE_FILE:
		return a->content.size != b->content.size ||
		       a->content.count != b->content.count ||
		       !bytes_eq(a->content.items, b->content.items) ||
		       !bytes_eq(a->content.ids, b->content.ids);
	case TREE_DIR:
		return !digest_eq(&a->dir.id, &b->dir.id) ||
		       a->dir.entries != b->dir.entries ||
		       a->dir.bytes != b->dir.bytes;
	case TREE_LINK:
		return !bytes_eq(a->target, b->target);
	case TREE_CHAR:
	case TREE_BLOCK:
		return a->major != b->major || a->minor != b->minor;
	case TREE_FIFO:
	case TREE_SOCKET:
		break;
	}
	return false;
}

static bool attrs_differ(const struct tree_entry *a, const struct tree_entry *b)
{
	unsigned kinds = TREE_HAS_ATTRS | TREE_HAS_ATTRS_ID;

	if ((a->has & kinds) != (b->has & kinds))
		return true;
	if ((a->has & TREE_HAS_ATTRS) != 0)
		return !bytes_eq(a->attrs.raw, b->attrs.raw);
	return (a->has & TREE_HAS_ATTRS_ID) != 0 &&
	       !digest_eq(&a->attrs_id, &b->attrs_id);
}

static bool optional_differs(const struct tree_entry *a,
			     const struct tree_entry *b, unsigned has,
			     uint64_t va, uint64_t vb)
{
	if ((a->has & has) != (b->has & has))
		return true;
	return (a->has & has) != 0 && va != vb;
}

unsigned tree_entry_diff(const struct tree_entry *a, const struct tree_entry *b)
{
	unsigned d = 0;

	if (!bytes_eq(a->name, b->name))
		d |= TREE_DIFF_NAME;
	if (a->type != b->type)
		d |= TREE_DIFF_TYPE;
	if (a->mode != b->mode)
		d |= TREE_DIFF_MODE;
	if (a->uid != b->uid || a->gid != b->gid ||
	    !bytes_eq(a->user, b->user) || !bytes_eq(a->group, b->group))
		d |= TREE_DIFF_OWNER;
	if (a->mtime != b->mtime || a->mtime_nsec != b->mtime_nsec)
		d |= TREE_DIFF_MTIME;
	if (attrs_differ(a, b))
		d |= TREE_DIFF_ATTRS;
	if (optional_differs(a, b, TREE_HAS_LINK, a->link_group, b->link_group))
		d |= TREE_DIFF_LINK;
	if (optional_differs(a, b, TREE_HAS_FLAGS, a->inode_flags,
			     b->inode_flags))
		d |= TREE_DIFF_FLAGS;
	if (content_differs(a, b))
		d |= TREE_DIFF_CONTENT;
	return d;
}
