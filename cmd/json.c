/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "util/fmt.h"
#include "util/fmt_text.h"

static void note(struct json *j, enum bc_err rc)
{
	if (rc != BC_OK)
		j->bad = true;
}

static void raw(struct json *j, const char *s)
{
	note(j, buf_add(&j->b, s, strlen(s)));
}

static void put_key(struct json *j, const char *key)
{
	/* Nothing but the opening brace, or an empty fragment, has no comma. */
	if (j->b.n > 0 && j->b.p[j->b.n - 1] != '{')
		raw(j, ",");
	raw(j, "\"");
	raw(j, key);
	raw(j, "\":");
}

void json_fragment(struct json *j)
{
	buf_init(&j->b, JSON_LINE_MAX);
	j->bad = false;
}

void json_begin(struct json *j, const char *type)
{
	json_fragment(j);
	raw(j, "{");
	json_u64(j, "v", JSON_VERSION);
	if (type != NULL)
		json_text(j, "type", type);
}

void json_free(struct json *j)
{
	buf_fini(&j->b);
}

void json_null(struct json *j, const char *key)
{
	put_key(j, key);
	raw(j, "null");
}

void json_bool(struct json *j, const char *key, bool v)
{
	put_key(j, key);
	raw(j, v ? "true" : "false");
}

void json_u64(struct json *j, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	put_key(j, key);
	raw(j, text);
}

void json_i64(struct json *j, const char *key, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	put_key(j, key);
	raw(j, text);
}

void json_f64(struct json *j, const char *key, double v)
{
	char text[400];

	if (!isfinite(v)) {
		json_null(j, key);
		return;
	}
	snprintf(text, sizeof(text), "%.6f", v);
	put_key(j, key);
	raw(j, text);
}

void json_bytes(struct json *j, const char *key, struct bytes s)
{
	put_key(j, key);
	raw(j, "\"");
	note(j, fmt_json_text(&j->b, s));
	raw(j, "\"");
}

void json_text(struct json *j, const char *key, const char *s)
{
	if (s == NULL)
		json_null(j, key);
	else
		json_bytes(j, key, bytes_str(s));
}

void json_path(struct json *j, const char *key, struct bytes s)
{
	char b64[64];

	snprintf(b64, sizeof(b64), "%s_b64", key);
	if (s.p == NULL) {
		json_null(j, key);
		json_null(j, b64);
		return;
	}
	json_bytes(j, key, s);
	if (fmt_utf8_ok(s)) {
		json_null(j, b64);
		return;
	}
	put_key(j, b64);
	raw(j, "\"");
	note(j, fmt_base64(&j->b, s));
	raw(j, "\"");
}

void json_list(struct json *j, const char *key, struct bytes s)
{
	const char *before = "\"";
	struct bytes item;

	put_key(j, key);
	raw(j, "[");
	while (bytes_pop(&s, &item)) {
		raw(j, before);
		note(j, fmt_json_text(&j->b, item));
		raw(j, "\"");
		before = ",\"";
	}
	raw(j, "]");
}

void json_time(struct json *j, const char *key, int64_t ns)
{
	char text[FMT_BYTES];

	json_text(j, key, fmt_time_utc(ns, true, text));
}

void json_splice(struct json *j, const struct json *fragment)
{
	if (fragment->bad)
		j->bad = true;
	if (fragment->b.n == 0)
		return;
	raw(j, ",");
	note(j, buf_add(&j->b, fragment->b.p, fragment->b.n));
}

struct bytes json_line(struct json *j)
{
	raw(j, "}\n");
	return j->bad ? bytes_of("", 0) : buf_bytes(&j->b);
}
