/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and records as a person and as a program gets them. The output side
 * lives outside the library and is compiled in. */
#include "cmd/json.c"
#include "cmd/out.c"
#include "cmd/out_fd.c"
#include "cmd/out_pager.c"
#include "cmd/out_table.c"
#include "cmd/show.c"

#include <time.h>

#include "t.h"

#define S  INT64_C(1000000000)
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

bool signal_await_output(int fd)
{
	return fd >= 0;
}

/* What show.c says on standard error is not looked at here. */
void msg_note(struct msg *m, const char *fmt, ...)
{
	(void)m;
	(void)fmt;
}

static int64_t noon(void *ctx)
{
	(void)ctx;
	return 12 * 3600 * S;
}

struct sink {
	struct out o;
	char *text;
	size_t n;
	FILE *old;
};

static void begin_sink(struct sink *k, bool tty, unsigned width)
{
	const struct out_options opt = { .status_fd = -1,
					 .colour = AUTO_NEVER };
	const struct clock clk = { noon, noon, noon, NULL };

	*k = (struct sink){ .text = NULL };
	out_init(&k->o, &opt, clk);
	k->o.tty = tty;
	k->o.width = width;
	fclose(k->o.text);
	k->o.text = open_memstream(&k->text, &k->n);
	CHECK(k->o.text != NULL);
}

static void end_sink(struct sink *k, const char *want)
{
	struct err e = ERR_INIT;

	CHECK_EQ(show_end(&k->o) > 0, want[0] != '\0');
	CHECK_OK(out_flush(&k->o, &e), &e);
	if (k->n != strlen(want) || memcmp(k->text, want, k->n) != 0)
		T_FAIL("printed:\n%s\nwanted:\n%s", k->text, want);
	fclose(k->o.text);
	free(k->text);
	json_free(&k->o.counts);
}

static const struct show_snapshot TWO[] = {
	{ .id = ID, .time = 9 * 3600 * S, .files = 1234, .bytes = 1536 },
	{ .id = ID, .time = 0, .files = 1, .bytes = 0 },
};

static void put_snapshots(struct out *o, const struct show_style *s)
{
	struct err e = ERR_INIT;
	struct show_snapshot r;

	CHECK_OK(show_snapshots(o, s, &e), &e);
	for (int i = 0; i < 2; i++) {
		r = TWO[i];
		r.name = bytes_str(i == 0 ? "h\xc3\xa4user" : "a\x1b[1m\n\xff");
		r.tags = bytes_of("k=v", i == 0 ? 4 : 0);
		r.host = r.user = bytes_str("me");
		show_snapshot(o, &r);
	}
}

static void on_a_terminal(void)
{
	struct sink k;

	begin_sink(&k, true, 100);
	put_snapshots(&k.o, NULL);
	end_sink(&k,
		 "ID        TIME                           NAME"
		 "                SIZE  FILES  TAGS\n"
		 "01234567  1970-01-01 09:00:00  3 h ago   h\xc3\xa4user"
		 "          1.50 KiB  1,234  k=v\n"
		 "01234567  1970-01-01 00:00:00  12 h ago  a\\x1b[1m\\n\\xff"
		 "       0 B      1\n");
}

static void cut_to_the_width(void)
{
	struct sink k;

	begin_sink(&k, true, 44);
	put_snapshots(&k.o, NULL);
	/* How long ago, seconds, files and sizes are given up for the names:
	 * no number is cut. */
	end_sink(&k, "ID        TIME              NAME        TAGS\n"
		     "01234567  1970-01-01 09:00  h\xc3\xa4user      k=v\n"
		     "01234567  1970-01-01 00:00  a\\x\xe2\x80\xa6\\n\\xff\n");
	begin_sink(&k, true, 30);
	put_snapshots(&k.o, NULL);
	end_sink(&k, "ID        NAME            SIZE\n"
		     "01234567  h\xc3\xa4user      1.50 KiB\n"
		     "01234567  a\\x\xe2\x80\xa6\\n\\xff       0 B\n");
	begin_sink(&k, true, 18);
	put_snapshots(&k.o, NULL);
	end_sink(&k, "ID        NAME\n"
		     "01234567  h\xc3\xa4user\n"
		     "01234567  a\\\xe2\x80\xa6n\\xff\n");
	/* One column alone is not cut at all. */
	begin_sink(&k, true, 8);
	put_snapshots(&k.o, NULL);
	end_sink(&k, "NAME\n"
		     "h\xc3\xa4user\n"
		     "a\\x1b[1m\\n\\xff\n");
}

static void on_a_pipe(void)
{
	struct sink k;

	begin_sink(&k, false, 44);
	put_snapshots(&k.o, NULL);
	end_sink(&k, ID
		 "\t1970-01-01T09:00:00Z\th\xc3\xa4user\t1536\t1234\tk=v\n" ID
		 "\t1970-01-01T00:00:00Z\ta\x1b[1m\n\xff\t0\t1\t\n");
}

static void of_ones_own(void)
{
	struct show_style s = { .format = "{files}\\t{{{name}" };
	struct err e = ERR_INIT;
	struct sink k;

	begin_sink(&k, false, 80);
	put_snapshots(&k.o, &s);
	end_sink(&k, "1234\t{h\xc3\xa4user\n1\t{a\x1b[1m\n\xff\n");

	begin_sink(&k, false, 80);
	s.format = "{size}";
	CHECK_EQ(show_snapshots(&k.o, &s, &e), BC_EUSAGE);
	CHECK(strstr(e.text, "{size}") != NULL);
	CHECK(strstr(e.hint, "logical_bytes") != NULL);
	s.format = "{name";
	CHECK_EQ(show_snapshots(&k.o, &s, &e), BC_EUSAGE);
	end_sink(&k, "");
}

static void entries(void)
{
	const struct show_entry r = { .path = bytes_str("d/a b"),
				      .key = bytes_str("0123:d/a b"),
				      .snapshot_id = ID,
				      .type = "link",
				      .mode = 0120777,
				      .uid = 7,
				      .group = bytes_str("users"),
				      .target = bytes_str("../x"),
				      .size = 4,
				      .mtime = S / 2 };
	struct show_style s = { .is_long = true };
	struct err e = ERR_INIT;
	struct sink k;

	begin_sink(&k, false, 80);
	CHECK_OK(show_entries(&k.o, &s, &e), &e);
	show_entry(&k.o, &r);
	end_sink(&k, "lrwxrwxrwx\t7\tusers\t4\t1970-01-01T00:00:00.500000000Z"
		     "\td/a b\t../x\n");

	begin_sink(&k, false, 80);
	s = (struct show_style){ .zero = true };
	CHECK_OK(show_entries(&k.o, &s, &e), &e);
	show_entry(&k.o, &r);
	CHECK_EQ(show_end(&k.o), 1);
	CHECK_OK(out_flush(&k.o, &e), &e);
	CHECK_EQ(k.n, 6);
	CHECK(memcmp(k.text, "d/a b", 6) == 0);
	fclose(k.o.text);
	free(k.text);

	begin_sink(&k, false, 80);
	CHECK_OK(show_matches(&k.o, NULL, &e), &e);
	show_match(&k.o, &r);
	end_sink(&k, "0123:d/a b\n");
}

/* More rows than are held back: widths may grow, nothing is lost. */
static void many_rows(void)
{
	struct show_change r = { .kind = CHANGE_CONTENT };
	struct err e = ERR_INIT;
	struct sink k;
	size_t lines = 0;
	char path[32];

	begin_sink(&k, true, 80);
	CHECK_OK(show_changes(&k.o, NULL, &e), &e);
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "file-%d", i * i);
		r.path = bytes_str(path);
		show_change(&k.o, &r);
	}
	CHECK_EQ(show_end(&k.o), 3000);
	CHECK_OK(out_flush(&k.o, &e), &e);
	for (size_t i = 0; i < k.n; i++)
		lines += k.text[i] == '\n';
	CHECK_EQ(lines, 3001); /* and the header */
	fclose(k.o.text);
	free(k.text);
}

/* A descriptor instead of standard output: the JSON lines. */
static void json_rows(void)
{
	static const char WANT[] =
		"{\"v\":1,\"type\":\"change\",\"change\":\"+\","
		"\"path\":\"a\xef\xbf\xbd\",\"path_b64\":\"Yf8=\","
		"\"what\":\"\",\"before_bytes\":0,\"after_bytes\":9}\n";
	struct show_change r = { .kind = CHANGE_ADDED,
				 .path = bytes_str("a\xff"),
				 .what = bytes_str(""),
				 .size_b = 9 };
	struct err e = ERR_INIT;
	char got[512];
	struct sink k;
	ssize_t n;
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	begin_sink(&k, false, 80);
	k.o.opt.status_fd = fd[1];
	k.o.status.fd = fd[1];
	CHECK_OK(show_changes(&k.o, NULL, &e), &e);
	show_change(&k.o, &r);
	n = read(fd[0], got, sizeof(got));
	CHECK_EQ(n, sizeof(WANT) - 1);
	CHECK(memcmp(got, WANT, sizeof(WANT) - 1) == 0);
	end_sink(&k, "+\ta\xff\t\n");
	close(fd[0]);
	close(fd[1]);
}

static void lost_output(void)
{
	struct show_change r = { .kind = CHANGE_ADDED,
				 .path = bytes_str("a"),
				 .what = bytes_str("") };
	struct err e = ERR_INIT;
	struct sink k;
	FILE *full = fopen("/dev/full", "w");

	if (full == NULL) {
		printf("no /dev/full here\n");
		return;
	}
	begin_sink(&k, false, 80);
	fclose(k.o.text);
	free(k.text);
	k.o.text = full;
	CHECK_OK(show_changes(&k.o, NULL, &e), &e);
	show_change(&k.o, &r);
	CHECK_EQ(out_flush(&k.o, &e), BC_ESYS);
	CHECK_EQ(e.sys_errno, ENOSPC);
	CHECK_OK(out_flush(&k.o, &e), &e); /* said once */
	fclose(full);
}

int main(void)
{
	setenv("TZ", "UTC0", 1);
	tzset();
	RUN(on_a_terminal);
	RUN(cut_to_the_width);
	RUN(on_a_pipe);
	RUN(of_ones_own);
	RUN(entries);
	RUN(many_rows);
	RUN(json_rows);
	RUN(lost_output);
	return 0;
}
