/* Log lines: one JSON object each, whatever the strings hold. */
#include "server/log.h"

#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/server/fixture.h"

/* stderr goes into a file while a test runs. */
static FILE *captured;

static void begin(void)
{
	captured = tmpfile();
	ck_assert_ptr_nonnull(captured);
	ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
	log_set_level(LOG_DEBUG);
}

/* The next line as JSON; NULL after the last. The file is read from its start on the first call. */
static json_t *next_line(void)
{
	char line[16384];
	json_error_t why;
	if (!fgets(line, sizeof line, captured))
		return NULL;
	json_t *j = json_loads(line, JSON_REJECT_DUPLICATES, &why);
	ck_assert_msg(j != NULL, "%s: %s", why.text, line);
	ck_assert_int_eq(line[strlen(line) - 1], '\n');
	return j;
}

static const char *text(const json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

static const char *const hostile[] = {
	"", "plain", "\"", "\\", "\\\"}{", "a\nb\r\tc", "\x01\x02\x1f\x7f", "caf\xc3\xa9", "\xf0\x9f\x98\x80", "%s %n %d", "</script>",
	"a=1 b=%s",
};

START_TEST(strings)
{
	begin();
	log_line(LOG_INFO, hostile[_i], "first=%s number=%d second=%s", hostile[_i], -7, "end");
	rewind(captured);
	json_t *j = next_line();
	ck_assert_ptr_nonnull(j);
	ck_assert_str_eq(text(j, "event"), hostile[_i]);
	ck_assert_str_eq(text(j, "first"), hostile[_i]);
	ck_assert_str_eq(text(j, "second"), "end");
	ck_assert_int_eq(json_integer_value(json_object_get(j, "number")), -7);
	json_decref(j);
	ck_assert_ptr_null(next_line());
}
END_TEST

/* Bytes that are no UTF-8: the line is JSON all the same. */
static const char *const broken[] = { "\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "\x80z" };

START_TEST(broken_utf8)
{
	begin();
	log_line(LOG_INFO, "event", "text=%s", broken[_i]);
	rewind(captured);
	json_t *j = next_line();
	ck_assert_ptr_nonnull(j);
	ck_assert_ptr_nonnull(text(j, "text"));
	json_decref(j);
}
END_TEST

START_TEST(kinds)
{
	begin();
	log_line(LOG_WARN, "kinds", "large=%ld real=%f third=%f", 9000000000000000000L, 0.25, -1e300);
	log_failure("failed", &(struct error){ .code = ERR_INVALID, .where = "/a\"b", .what = "it's \\ wrong\n" });
	rewind(captured);
	json_t *j = next_line();
	ck_assert_str_eq(text(j, "level"), "warn");
	ck_assert_int_eq(json_integer_value(json_object_get(j, "large")), 9000000000000000000LL);
	ck_assert(json_real_value(json_object_get(j, "real")) == 0.25);
	ck_assert(json_real_value(json_object_get(j, "third")) == -1e300);
	ck_assert_uint_eq(strlen(text(j, "time")), strlen("2026-01-02T03:04:05.678Z"));
	json_decref(j);
	j = next_line();
	ck_assert_str_eq(text(j, "level"), "error");
	ck_assert_str_eq(text(j, "code"), err_row(ERR_INVALID)->label);
	ck_assert_str_eq(text(j, "where"), "/a\"b");
	ck_assert_str_eq(text(j, "detail"), "it's \\ wrong\n");
	json_decref(j);
}
END_TEST

/* An error as large as it can be, of what takes most room when escaped, still makes a line. */
START_TEST(largest_error)
{
	struct error e = { .code = ERR_IO };
	memset(e.where, '\x01', sizeof e.where - 1);
	memset(e.what, '\x01', sizeof e.what - 1);
	begin();
	log_failure("failed", &e);
	rewind(captured);
	json_t *j = next_line();
	ck_assert_ptr_nonnull(j);
	ck_assert_str_eq(text(j, "detail"), e.what);
	json_decref(j);
}
END_TEST

START_TEST(levels)
{
	static const char *const names[] = { "debug", "info", "warn", "error", "none" };
	enum log_level level;
	begin();
	for (int i = 0; i < 5; i++) {
		ck_assert(log_level_parse(names[i], &level));
		ck_assert_int_eq(level, i);
		log_set_level(level);
		for (int k = LOG_DEBUG; k < LOG_NONE; k++) {
			ck_assert_int_eq(log_enabled((enum log_level)k), k >= i);
			log_line((enum log_level)k, "line", "threshold=%d", i);
		}
	}
	ck_assert(!log_level_parse("loud", &level));
	ck_assert(!log_level_parse("", &level));
	rewind(captured);
	int lines = 0;
	for (json_t *j; (j = next_line()); lines++)
		json_decref(j);
	ck_assert_int_eq(lines, 4 + 3 + 2 + 1);
}
END_TEST

enum { THREADS = 4, LINES = 300 };

static void *writer(void *arg)
{
	char long_text[600];
	memset(long_text, 'a' + *(int *)arg, sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	for (int i = 0; i < LINES; i++)
		log_line(LOG_INFO, "thread", "thread=%d line=%d text=%s", *(int *)arg, i, long_text);
	return NULL;
}

START_TEST(threads)
{
	pthread_t thread[THREADS];
	int number[THREADS], next[THREADS] = { 0 }, lines = 0;
	char path[] = "/tmp/gatecast-test-log-XXXXXX";
	begin();
	/* append, as a log is: writes of one descriptor then do not overlap */
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	captured = freopen(path, "a+", captured);
	ck_assert_ptr_nonnull(captured);
	ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
	close(fd);
	unlink(path);
	for (int i = 0; i < THREADS; i++) {
		number[i] = i;
		ck_assert_int_eq(pthread_create(&thread[i], NULL, writer, &number[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	rewind(captured);
	for (json_t *j; (j = next_line()); lines++) {
		long long t = json_integer_value(json_object_get(j, "thread"));
		ck_assert_int_eq(json_integer_value(json_object_get(j, "line")), next[t]++);
		json_decref(j);
	}
	ck_assert_int_eq(lines, THREADS * LINES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *c = tcase_create("log");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, strings, 0, COUNT(hostile));
	tcase_add_loop_test(c, broken_utf8, 0, COUNT(broken));
	tcase_add_test(c, kinds);
	tcase_add_test(c, largest_error);
	tcase_add_test(c, levels);
	tcase_add_test(c, threads);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
