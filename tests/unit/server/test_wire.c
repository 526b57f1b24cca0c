/* Messages between the daemon and a training process: whole, in pieces, damaged, and hostile. */
#include "server/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/server/fixture.h"

static struct wire_reader reader_of(const struct strbuf *b, size_t len)
{
	return (struct wire_reader){ .at = b->s, .end = b->s + len };
}

START_TEST(values)
{
	struct strbuf b;
	size_t len;
	strbuf_init(&b, 1000);
	wire_u8(&b, 200);
	wire_u32(&b, 4000000000u);
	wire_u64(&b, UINT64_MAX - 1);
	wire_f64(&b, -0.1);
	wire_bytes(&b, "a\0b", 3);
	wire_bytes(&b, NULL, 0);
	ck_assert(strbuf_ok(&b));
	struct wire_reader r = reader_of(&b, b.len);
	ck_assert_uint_eq(wire_get_u8(&r), 200);
	ck_assert_uint_eq(wire_get_u32(&r), 4000000000u);
	ck_assert_uint_eq(wire_get_u64(&r), UINT64_MAX - 1);
	ck_assert(wire_get_f64(&r) == -0.1);
	ck_assert_int_eq(memcmp(wire_get_bytes(&r, &len), "a\0b", 3), 0);
	ck_assert_uint_eq(len, 3);
	wire_get_bytes(&r, &len);
	ck_assert_uint_eq(len, 0);
	ck_assert(!r.failed && r.at == r.end);
	ck_assert_uint_eq(wire_get_u8(&r), 0);   /* behind the end */
	ck_assert(r.failed);
	strbuf_fini(&b);
}
END_TEST

START_TEST(failure_is_sticky)
{
	char payload[12] = { 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4 };   /* 8 bytes announced, 4 there */
	struct wire_reader r = { .at = payload, .end = payload + sizeof payload };
	size_t len = 99;
	ck_assert_str_eq(wire_get_bytes(&r, &len), "");
	ck_assert_uint_eq(len, 0);
	ck_assert(r.failed);
	ck_assert_uint_eq(wire_get_u32(&r), 0);
	ck_assert(wire_get_f64(&r) == 0);
	ck_assert_ptr_null(wire_get_frame(&r));
}
END_TEST

/* ---- frames ------------------------------------------------------------- */

enum { ROWS = 40 };

static struct frame *sample_frame(int rows)
{
	struct frame *f = frame_new();
	ck_assert_ptr_nonnull(f);
	ck_ok(frame_add_column(f, "note", COLUMN_TEXT, NULL));
	ck_ok(frame_add_column(f, "date", COLUMN_DATE, NULL));
	ck_ok(frame_add_column(f, "close \xc3\xa9", COLUMN_NUMBER, NULL));
	for (int i = 0; i < rows; i++) {
		ck_ok(frame_add_row(f, NULL));
		ck_ok(frame_set_text(f, 0, (size_t)i, "text", (size_t)i % 5, NULL));   /* empty ones, too */
		frame_set_date(f, 1, (size_t)i, i * 86400);
		if (i % 3)
			frame_set_number(f, 2, (size_t)i, i / 7.0);
	}
	return f;
}

static void frame_bytes(struct strbuf *b, int rows)
{
	struct frame *f = sample_frame(rows);
	strbuf_init(b, 1 << 20);
	wire_frame(b, f);
	ck_assert(strbuf_ok(b));
	frame_free(f);
}

START_TEST(frame_round_trip)
{
	static const int sizes[] = { 0, 1, ROWS };
	int rows = sizes[_i];
	struct strbuf b;
	frame_bytes(&b, rows);
	struct wire_reader r = reader_of(&b, b.len);
	struct frame *f = wire_get_frame(&r), *want = sample_frame(rows);
	ck_assert_ptr_nonnull(f);
	ck_assert(!r.failed && r.at == r.end);
	ck_assert_uint_eq(f->rows, rows);
	ck_assert_int_eq(f->columns, want->columns);
	ck_assert_int_eq(f->date_column, 1);
	for (int c = 0; c < f->columns; c++) {
		ck_assert_str_eq(f->column[c].name, want->column[c].name);
		ck_assert_int_eq(f->column[c].type, want->column[c].type);
	}
	for (size_t i = 0; i < f->rows; i++) {
		ck_assert_str_eq(frame_text(f, 0, i), frame_text(want, 0, i));
		ck_assert_int_eq(f->column[1].date[i], want->column[1].date[i]);
		ck_assert_mem_eq(&f->column[2].number[i], &want->column[2].number[i], sizeof(double));
	}
	frame_free(want);
	frame_free(f);
	strbuf_fini(&b);
}
END_TEST

START_TEST(frame_cut_anywhere)
{
	struct strbuf b;
	frame_bytes(&b, 3);
	for (size_t len = 0; len < b.len; len++) {
		struct wire_reader r = reader_of(&b, len);
		ck_assert_msg(wire_get_frame(&r) == NULL, "cut after %zu bytes", len);
		ck_assert(r.failed);
	}
	strbuf_fini(&b);
}
END_TEST

/* A frame of one column with every member as told. */
static const struct {
	const char *name;
	uint64_t rows;
	uint32_t columns, date_column;
	uint64_t name_len;
	uint8_t type;
} hostile[] = {
	{ "no such type", 1, 1, UINT32_MAX, 1, 3 },
	{ "no such type either", 1, 1, UINT32_MAX, 1, 255 },
	{ "date column behind the last", 1, 1, 1, 1, COLUMN_NUMBER },
	{ "date column far away", 1, 1, 0x7fffffff, 1, COLUMN_NUMBER },
	{ "negative date column", 1, 1, 0xfffffffe, 1, COLUMN_NUMBER },
	{ "too many columns", 1, FRAME_MAX_COLUMNS + 1, UINT32_MAX, 1, COLUMN_NUMBER },
	{ "endless columns", 1, UINT32_MAX, UINT32_MAX, 1, COLUMN_NUMBER },
	{ "second column missing", 1, 2, UINT32_MAX, 1, COLUMN_NUMBER },
	{ "one row too many", 2, 1, UINT32_MAX, 1, COLUMN_NUMBER },
	{ "rows that overflow", UINT64_MAX / 8 + 2, 1, UINT32_MAX, 1, COLUMN_NUMBER },
	{ "endless rows", UINT64_MAX, 1, UINT32_MAX, 1, COLUMN_NUMBER },
	{ "endless rows of texts", UINT64_MAX, 1, UINT32_MAX, 1, COLUMN_TEXT },
	{ "endless name", 1, 1, UINT32_MAX, UINT64_MAX, COLUMN_NUMBER },
	{ "name longer than the rest", 1, 1, UINT32_MAX, 20, COLUMN_NUMBER },
};

START_TEST(frame_hostile)
{
	struct strbuf b;
	strbuf_init(&b, 1000);
	wire_u64(&b, hostile[_i].rows);
	wire_u32(&b, hostile[_i].columns);
	wire_u32(&b, hostile[_i].date_column);
	wire_u64(&b, hostile[_i].name_len);
	strbuf_addc(&b, 'y');
	wire_u8(&b, hostile[_i].type);
	wire_f64(&b, 1.5);
	struct wire_reader r = reader_of(&b, b.len);
	ck_assert_msg(wire_get_frame(&r) == NULL, "%s", hostile[_i].name);
	ck_assert(r.failed);
	strbuf_fini(&b);
}
END_TEST

START_TEST(frame_name_too_long)
{
	char name[FRAME_NAME_MAX + 2];
	struct strbuf b;
	memset(name, 'n', sizeof name);
	strbuf_init(&b, 1000);
	wire_u64(&b, 0);
	wire_u32(&b, 1);
	wire_u32(&b, UINT32_MAX);
	wire_bytes(&b, name, sizeof name - 1);
	wire_u8(&b, COLUMN_NUMBER);
	struct wire_reader r = reader_of(&b, b.len);
	ck_assert_ptr_null(wire_get_frame(&r));
	strbuf_fini(&b);
}
END_TEST

/* ---- messages ----------------------------------------------------------- */

struct pipe_ends {
	int fd[2];
	struct wire_inbox inbox;
};

static void open_ends(struct pipe_ends *p)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, p->fd), 0);
	wire_inbox_init(&p->inbox);
}

static void close_ends(struct pipe_ends *p)
{
	wire_inbox_fini(&p->inbox);
	close(p->fd[0]);
	close(p->fd[1]);
}

START_TEST(one_byte_at_a_time)
{
	static const struct { enum wire_type type; size_t len; } messages[] = {
		{ WIRE_PAUSE, 0 }, { WIRE_EPOCH, 1 }, { WIRE_CHECKPOINT, 300 }, { WIRE_PAUSED, 0 }, { WIRE_RESULT, 17 },
	};
	struct pipe_ends p;
	struct wire_reader r;
	enum wire_type type;
	open_ends(&p);
	for (size_t m = 0; m < COUNT(messages); m++) {
		char bytes[512];
		uint64_t len = messages[m].len;
		memcpy(bytes, &len, 8);
		bytes[8] = (char)messages[m].type;
		for (size_t i = 0; i < len; i++)
			bytes[9 + i] = (char)(i * 7 + m);
		for (size_t i = 0; i < 9 + len; i++) {
			ck_assert_int_eq(write(p.fd[0], bytes + i, 1), 1);
			ck_assert(wire_fill(&p.inbox, p.fd[1]));
			ck_assert_int_eq(wire_next(&p.inbox, &type, &r), i == 8 + len);
		}
		ck_assert_int_eq(type, messages[m].type);
		ck_assert_uint_eq(r.end - r.at, len);
		ck_assert_int_eq(memcmp(r.at, bytes + 9, len), 0);
		ck_assert(!wire_next(&p.inbox, &type, &r));
	}
	close_ends(&p);
}
END_TEST

START_TEST(many_in_one_read)
{
	struct pipe_ends p;
	struct wire_reader r;
	enum wire_type type;
	struct strbuf payload;
	open_ends(&p);
	strbuf_init(&payload, 100);
	wire_u32(&payload, 7);
	for (int i = 0; i < 10; i++)
		ck_assert(wire_send(p.fd[0], WIRE_EPOCH, i % 2 ? &payload : NULL));
	ck_assert(wire_fill(&p.inbox, p.fd[1]));
	for (int i = 0; i < 10; i++) {
		ck_assert(wire_next(&p.inbox, &type, &r));
		ck_assert_int_eq(type, WIRE_EPOCH);
		ck_assert_uint_eq(wire_get_u32(&r), i % 2 ? 7 : 0);
		ck_assert_int_eq(r.failed, !(i % 2));
	}
	ck_assert(!wire_next(&p.inbox, &type, &r));
	strbuf_fini(&payload);
	close_ends(&p);
}
END_TEST

enum { BIG = 3 << 20 };

static void *send_big(void *arg)
{
	struct strbuf payload;
	char *bytes = malloc(BIG);
	strbuf_init(&payload, 2 * BIG);
	memset(bytes, 'x', BIG);
	wire_bytes(&payload, bytes, BIG);
	bool sent = wire_send(*(int *)arg, WIRE_CHECKPOINT, &payload) && wire_send(*(int *)arg, WIRE_PAUSED, NULL);
	strbuf_fini(&payload);
	free(bytes);
	return sent ? arg : NULL;
}

START_TEST(larger_than_the_socket)
{
	struct pipe_ends p;
	struct wire_reader r;
	enum wire_type type;
	pthread_t thread;
	void *sent;
	size_t len;
	open_ends(&p);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_big, &p.fd[0]), 0);
	while (!wire_next(&p.inbox, &type, &r))
		ck_assert(wire_fill(&p.inbox, p.fd[1]));
	ck_assert_int_eq(type, WIRE_CHECKPOINT);
	const char *bytes = wire_get_bytes(&r, &len);
	ck_assert_uint_eq(len, BIG);
	for (size_t i = 0; i < len; i += 4096)
		ck_assert_int_eq(bytes[i], 'x');
	while (!wire_next(&p.inbox, &type, &r))
		ck_assert(wire_fill(&p.inbox, p.fd[1]));
	ck_assert_int_eq(type, WIRE_PAUSED);
	pthread_join(thread, &sent);
	ck_assert_ptr_nonnull(sent);
	close_ends(&p);
}
END_TEST

START_TEST(hostile_length)
{
	static const uint64_t lengths[] = { UINT64_MAX, UINT64_MAX - 8, UINT64_MAX - 9, 1ull << 63, WIRE_MAX };
	struct pipe_ends p;
	struct wire_reader r;
	enum wire_type type;
	char bytes[64] = { 0 };
	open_ends(&p);
	memcpy(bytes, &lengths[_i], 8);
	bytes[8] = WIRE_EPOCH;
	ck_assert_int_eq(write(p.fd[0], bytes, sizeof bytes), sizeof bytes);
	ck_assert(wire_fill(&p.inbox, p.fd[1]));
	ck_assert(!wire_next(&p.inbox, &type, &r));
	close_ends(&p);
}
END_TEST

START_TEST(ends)
{
	struct pipe_ends p;
	struct strbuf failed;
	open_ends(&p);
	strbuf_init(&failed, 2);
	strbuf_adds(&failed, "too much");
	ck_assert(!wire_send(p.fd[0], WIRE_EPOCH, &failed));   /* half a payload is not sent */
	strbuf_fini(&failed);
	fcntl(p.fd[1], F_SETFL, O_NONBLOCK);
	ck_assert(wire_fill(&p.inbox, p.fd[1]));               /* nothing there yet */
	close(p.fd[0]);
	ck_assert(!wire_fill(&p.inbox, p.fd[1]));              /* end of file */
	ck_assert(!wire_send(p.fd[1], WIRE_PAUSE, NULL));      /* and no signal */
	p.fd[0] = dup(p.fd[1]);
	close_ends(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *c = tcase_create("wire");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, values);
	tcase_add_test(c, failure_is_sticky);
	tcase_add_loop_test(c, frame_round_trip, 0, 3);
	tcase_add_test(c, frame_cut_anywhere);
	tcase_add_loop_test(c, frame_hostile, 0, COUNT(hostile));
	tcase_add_test(c, frame_name_too_long);
	tcase_add_test(c, one_byte_at_a_time);
	tcase_add_test(c, many_in_one_read);
	tcase_add_test(c, larger_than_the_socket);
	tcase_add_loop_test(c, hostile_length, 0, 5);
	tcase_add_test(c, ends);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
