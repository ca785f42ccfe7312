/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/attrs.h"

#include <stdlib.h>

#include "tree/node_code.h"
#include "util/append.h"

static int by_name(const void *a, const void *b)
{
	const struct attr *x = a, *y = b;

	return bytes_cmp(x->name, y->name);
}

void attrs_sort(struct attr *v, size_t n)
{
	if (n > 1)
		qsort(v, n, sizeof(*v), by_name);
}

static bool name_valid(struct bytes name)
{
	return name.n != 0 && name.n <= ATTR_NAME_MAX_BYTES &&
	       !code_has_nul(name);
}

enum bc_err attrs_encode(const struct attr *v, size_t n, struct buf *out,
			 struct err *e)
{
	struct append a = append_begin(out);
	enum bc_err rc;

	if (n == 0)
		return err_set(e, BC_EINVAL, "no attributes to encode");
	for (size_t i = 0; i < n; i++)
		if (!name_valid(v[i].name) ||
		    v[i].value.n > ATTR_VALUE_MAX_BYTES ||
		    (i > 0 && bytes_cmp(v[i - 1].name, v[i].name) >= 0))
			return err_set(e, BC_EINVAL,
				       "extended attribute %zu of %zu is not "
				       "valid or out of order",
				       i + 1, n);
	append_varint(&a, n);
	for (size_t i = 0; i < n; i++) {
		append_str(&a, v[i].name);
		append_str(&a, v[i].value);
	}
	rc = append_end(&a);
	if (rc != BC_OK)
		return err_set(e, rc, "no room for %zu extended attributes", n);
	return BC_OK;
}

enum bc_err attrs_emit(struct attrs set, const struct node_sink *sink,
		       struct digest *id, struct err *e)
{
	struct buf node = BUF_INIT(ATTRS_MAX_BYTES);
	enum bc_err rc;

	rc = buf_reserve(&node, set.raw.n + 1);
	if (rc == BC_OK)
		rc = buf_u8(&node, NODE_ATTRS);
	if (rc == BC_OK)
		rc = buf_add(&node, set.raw.p, set.raw.n);
	if (rc != BC_OK)
		err_set(e, rc, "%zu bytes of extended attributes", set.raw.n);
	else
		rc = sink->emit(sink->ctx, buf_bytes(&node), id, e);
	buf_fini(&node);
	return rc;
}

struct attrs attrs_parse(struct cursor *c)
{
	struct attrs out = { { NULL, 0 } };
	const uint8_t *from = c->p;
	struct bytes name, last = { NULL, 0 };
	/* An attribute takes three bytes or more. */
	uint64_t n = code_get(c, c->left / 3);

	if (n == 0)
		cursor_fail(c);
	for (; n > 0 && cursor_ok(c); n--) {
		name = code_get_str(c, ATTR_NAME_MAX_BYTES);
		(void)code_get_str(c, ATTR_VALUE_MAX_BYTES);
		if (!name_valid(name) || bytes_cmp(last, name) >= 0)
			cursor_fail(c);
		last = name;
	}
	out.raw = code_since(c, from);
	return out;
}

enum bc_err attrs_open_node(struct bytes node, struct attrs *out, struct err *e)
{
	struct cursor c = cursor_of(node);
	struct attrs set;

	if (node.n > ATTRS_MAX_BYTES || cursor_u8(&c) != NODE_ATTRS)
		cursor_fail(&c);
	set = attrs_parse(&c);
	if (!cursor_done(&c))
		return err_set(e, BC_EDAMAGE,
			       "a set of extended attributes is not valid");
	*out = set;
	return BC_OK;
}

void attrs_begin(struct attrs_iter *it, struct attrs set)
{
	it->c = cursor_of(set.raw);
	it->left = set.raw.n == 0 ? 0 : code_get(&it->c, set.raw.n);
}

bool attrs_next(struct attrs_iter *it, struct attr *out)
{
	if (it->left == 0)
		return false;
	it->left--;
	out->name = code_get_str(&it->c, ATTR_NAME_MAX_BYTES);
	out->value = code_get_str(&it->c, ATTR_VALUE_MAX_BYTES);
	return cursor_ok(&it->c);
}
