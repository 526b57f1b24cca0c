/* test_dataset_body.c - what is said of a dataset, and what the audit finds. Frames come from CSV: that is how they come. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/csv.h"
#include "api/dataset_body.h"
#include "tests/unit/check.h"

static struct frame *parse(const char *text, size_t len)
{
	struct csv_reader *r = NULL;
	struct frame *f = NULL;
	struct error e = { 0 };

	ck_assert_int_eq(csv_new(&csv_default_limits, NULL, &r, &e), ERR_OK);
	csv_push(r, text, len, &e);
	ck_assert_msg(csv_finish(r, &f, &e) == ERR_OK, "%s: %s", e.where, e.what);
	csv_free(r);
	return f;
}

static void describe(const char *text, size_t len, struct strbuf *out)
{
	struct frame *f = parse(text, len);

	dataset_describe(f, out);
	ck_assert(strbuf_ok(out));
	frame_free(f);
}

static const struct { const char *text, *want; } describe_cases[] = {
	{ "a\n1\n2\n",
	  "\"columns\":[{\"name\":\"a\",\"type\":\"number\",\"missing\":0,\"min\":1,\"max\":2}],"
	  "\"start\":null,\"end\":null,\"frequency\":null,"
	  "\"audit\":[{\"code\":\"no_date_column\",\"message\":\"no column holds dates; rows are taken as evenly spaced\"}]" },
	{ "Date,Close,t\n2017-11-15,2.5,\n2017-11-16,,x\n2017-11-17,-1,y\n2017-11-18,3,z\n",
	  "\"columns\":[{\"name\":\"Date\",\"type\":\"date\",\"missing\":0,\"min\":\"2017-11-15\",\"max\":\"2017-11-18\"},"
	  "{\"name\":\"Close\",\"type\":\"number\",\"missing\":1,\"min\":-1,\"max\":3},"
	  "{\"name\":\"t\",\"type\":\"text\",\"missing\":1,\"characters\":3,"
	  "\"longest_characters\":1,\"words\":3,\"longest_words\":1}],"
	  "\"start\":\"2017-11-15\",\"end\":\"2017-11-18\",\"frequency\":\"D\","
	  "\"audit\":[{\"code\":\"missing_cells\",\"message\":\"1 of 4 cells of Close are missing\",\"column\":\"Close\",\"row\":1},"
	  "{\"code\":\"missing_cells\",\"message\":\"1 of 4 cells of t are missing\",\"column\":\"t\",\"row\":0}]" },
	{ "d,\"a\"\"b\"\n2017-11-15,1\n",
	  "\"columns\":[{\"name\":\"d\",\"type\":\"date\",\"missing\":0,\"min\":\"2017-11-15\",\"max\":\"2017-11-15\"},"
	  "{\"name\":\"a\\\"b\",\"type\":\"number\",\"missing\":0,\"min\":1,\"max\":1}],"
	  "\"start\":\"2017-11-15\",\"end\":\"2017-11-15\",\"frequency\":null,\"audit\":[]" },
	{ "a,b\n,1\n,2\n",
	  "\"columns\":[{\"name\":\"a\",\"type\":\"number\",\"missing\":2,\"min\":null,\"max\":null},"
	  "{\"name\":\"b\",\"type\":\"number\",\"missing\":0,\"min\":1,\"max\":2}],"
	  "\"start\":null,\"end\":null,\"frequency\":null,"
	  "\"audit\":[{\"code\":\"no_date_column\",\"message\":\"no column holds dates; rows are taken as evenly spaced\"},"
	  "{\"code\":\"missing_cells\",\"message\":\"2 of 2 cells of a are missing\",\"column\":\"a\",\"row\":0}]" },
	{ "text\n\"\"\n\"It isn't so, é!\"\n\"no\nmore\"\n",
	  "\"columns\":[{\"name\":\"text\",\"type\":\"text\",\"missing\":1,\"characters\":22,\"longest_characters\":15,"
	  "\"words\":8,\"longest_words\":6}],\"start\":null,\"end\":null,\"frequency\":null,\"audit\":[]" },
	{ "text,label\ngood day,\nbad day,spam\n",
	  "\"columns\":[{\"name\":\"text\",\"type\":\"text\",\"missing\":0,\"characters\":15,\"longest_characters\":8,"
	  "\"words\":4,\"longest_words\":2},{\"name\":\"label\",\"type\":\"text\",\"missing\":1,\"characters\":4,"
	  "\"longest_characters\":4,\"words\":1,\"longest_words\":1}],\"start\":null,\"end\":null,\"frequency\":null,"
	  "\"audit\":[{\"code\":\"missing_cells\",\"message\":\"1 of 2 cells of label are missing\",\"column\":\"label\",\"row\":0}]" },
};

START_TEST(describes)
{
	struct strbuf out;

	strbuf_init(&out, 1 << 16);
	describe(describe_cases[_i].text, strlen(describe_cases[_i].text), &out);
	ck_assert_str_eq(out.s, describe_cases[_i].want);
	strbuf_fini(&out);
}
END_TEST

/* The findings of a dataset as "code@column:row" each. */
static void findings(const char *text, size_t len, struct strbuf *out)
{
	struct strbuf b;
	json_error_t error;
	size_t i;
	json_t *finding;

	strbuf_init(&b, 1 << 22);
	strbuf_addc(&b, '{');
	describe(text, len, &b);
	strbuf_addc(&b, '}');
	json_t *root = json_loads(b.s, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(root != NULL, "%s", error.text);
	json_array_foreach(json_object_get(root, "audit"), i, finding) {
		const char *column = json_string_value(json_object_get(finding, "column"));
		const json_t *row = json_object_get(finding, "row");
		ck_assert_ptr_nonnull(json_string_value(json_object_get(finding, "message")));
		strbuf_addf(out, "%s%s@%s", i ? " " : "", json_string_value(json_object_get(finding, "code")), column ? column : "");
		if (row)
			strbuf_addf(out, ":%d", (int)json_integer_value(row));
	}
	json_decref(root);
	strbuf_fini(&b);
}

#define DAYS "d,a\n2017-11-15,1\n2017-11-16,2\n2017-11-17,3\n"
#define BARS "d,Open,HIGH,low,Close\n"

static const struct { const char *text, *want; } audit_cases[] = {
	{ DAYS, "" },
	{ DAYS "2017-11-18,4\n2017-11-20,5\n", "gap@d:4" },
	{ DAYS "2017-11-19,4\n2017-11-20,5\n2017-11-21,6\n2017-11-23,7\n", "gap@d:3 gap@d:6" },
	{ DAYS "2017-11-17T12:00,4\n2017-11-18T12:00,5\n2017-11-19T12:00,6\n", "irregular_steps@d:3" },
	/* business days: weekends and one or two holidays are no gap, three are */
	{ "d,a\n2017-11-16,1\n2017-11-17,2\n2017-11-20,3\n2017-11-21,4\n2017-11-22,5\n", "" },
	{ "d,a\n2017-11-16,1\n2017-11-17,2\n2017-11-20,3\n2017-11-21,4\n2017-11-23,5\n", "" },
	{ "d,a\n2017-11-16,1\n2017-11-17,2\n2017-11-20,3\n2017-11-21,4\n2017-11-24,5\n", "" },
	{ "d,a\n2017-11-16,1\n2017-11-17,2\n2017-11-20,3\n2017-11-21,4\n2017-11-27,5\n", "gap@d:4" },
	/* months */
	{ "d,a\n2017-01-31,1\n2017-02-28,2\n2017-03-31,3\n2017-04-30,4\n", "" },
	{ "d,a\n2017-01,1\n2017-02,2\n2017-03,3\n2017-05,4\n", "gap@d:3" },
	/* hours */
	{ "d,a\n2017-01-01T00:00,1\n2017-01-01T01:00,2\n2017-01-01T02:00,3\n2017-01-01T02:30,4\n2017-01-01T03:30,5\n", "irregular_steps@d:3" },
	{ "d,a,b\n2017-11-15,1,7\n2017-11-16,2,7\n2017-11-17,3,7\n", "constant_column@b" },
	{ "d,a,b\n2017-11-15,1,7\n2017-11-16,2,\n2017-11-17,3,\n", "missing_cells@b:1" },
	{ "d,a,b\n2017-11-15,1,7\n2017-11-16,2,\n2017-11-17,3,7\n", "missing_cells@b:1 constant_column@b" },
	/* price bars */
	{ BARS "2017-11-15,2,3,1,2\n2017-11-16,3,4,2,4\n", "" },
	{ BARS "2017-11-15,2,1,3,2\n2017-11-16,3,4,2,4\n", "price_inconsistent@:0" },
	{ BARS "2017-11-15,2,3,1,2\n2017-11-16,5,4,2,4\n", "price_inconsistent@:1" },
	{ BARS "2017-11-15,2,3,1,2\n2017-11-16,1,4,2,4\n", "price_inconsistent@:1" },
	{ BARS "2017-11-15,2,3,1,5\n2017-11-16,3,4,2,4\n", "price_inconsistent@:0" },
	{ BARS "2017-11-15,2,3,1,0.5\n2017-11-16,3,4,2,4\n", "price_inconsistent@:0" },
	{ BARS "2017-11-15,2,3,1,2\n2017-11-16,,4,2,4\n", "missing_cells@Open:1" },
	{ BARS "2017-11-15,2,3,1,2\n2017-11-16,3,4,-2,4\n", "negative_price@low:1" },
	{ "d,Open,Close\n2017-11-15,2,1\n2017-11-16,-3,4\n", "" },
	{ "d,high,low\n2017-11-15,1,2\n2017-11-16,4,3\n", "price_inconsistent@:0" },
};

START_TEST(audits)
{
	struct strbuf got;

	strbuf_init(&got, 1 << 16);
	findings(audit_cases[_i].text, strlen(audit_cases[_i].text), &got);
	ck_assert_str_eq(got.s, audit_cases[_i].want);
	strbuf_fini(&got);
}
END_TEST

/* One spike among steps of alternating size is found, in its row; without it nothing is. */
START_TEST(outlier)
{
	for (int spike = 0; spike < 2; spike++) {
		struct strbuf text, got;
		double v = 0;

		strbuf_init(&text, 1 << 20);
		strbuf_init(&got, 1 << 16);
		strbuf_adds(&text, "a\n");
		for (int i = 0; i < 1000; i++) {
			v += i % 2 ? 1 : -1.1;
			strbuf_addf(&text, "%g\n", v + (spike && i >= 500 ? 300 : 0));
			if (i == 300)
				strbuf_adds(&text, "\"\"\n");   /* what is missing is stepped over */
		}
		findings(text.s, text.len, &got);
		ck_assert_str_eq(got.s, spike ? "no_date_column@ missing_cells@a:301 outlier@a:501"
			: "no_date_column@ missing_cells@a:301");
		strbuf_fini(&got);
		strbuf_fini(&text);
	}
}
END_TEST

static size_t count_of(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *s = text; (s = strstr(s, word)); s += strlen(word))
		n++;
	return n;
}

START_TEST(at_most_100)
{
	struct strbuf text, b;

	strbuf_init(&text, 1 << 20);
	strbuf_init(&b, 1 << 20);
	strbuf_adds(&text, "high,low\n");
	for (int i = 0; i < 150; i++)
		strbuf_addf(&text, "%d,%d\n", i, i + 1);
	describe(text.s, text.len, &b);
	ck_assert_uint_eq(count_of(b.s, "{\"code\":"), 101);
	ck_assert_uint_eq(count_of(b.s, "price_inconsistent"), 99);   /* after no_date_column */
	ck_assert_ptr_nonnull(strstr(b.s, ",{\"code\":\"more\",\"message\":\"51 more findings\"}]"));
	strbuf_fini(&b);
	strbuf_fini(&text);
}
END_TEST

START_TEST(renders)
{
	struct strbuf out;

	strbuf_init(&out, 4096);
	dataset_render("aapl", 3, 42, "\"columns\":[],\"audit\":[]", "abc", 1767323045678000, &out);
	ck_assert_str_eq(out.s, "{\"name\":\"aapl\",\"object\":\"dataset\",\"version\":3,\"rows\":42,\"columns\":[],\"audit\":[],"
		"\"sha256\":\"abc\",\"created_at\":\"2026-01-02T03:04:05.678Z\"}");
	strbuf_fini(&out);
}
END_TEST

static const struct { const char *text; size_t from; bool has_more; const char *want; } rows_cases[] = {
	{ "d,a,t\n2017-11-15,1.5,x\n2017-11-16,,\n", 0, false,
	  "{\"object\":\"list\",\"columns\":[\"d\",\"a\",\"t\"],\"data\":[[\"2017-11-15\",1.5,\"x\"],[\"2017-11-16\",null,null]],"
	  "\"from\":0,\"has_more\":false}" },
	{ "\"a\"\"\",b\n1,2\n", 7, true,
	  "{\"object\":\"list\",\"columns\":[\"a\\\"\",\"b\"],\"data\":[[1,2]],\"from\":7,\"has_more\":true}" },
};

START_TEST(rows)
{
	struct frame *f = parse(rows_cases[_i].text, strlen(rows_cases[_i].text));
	struct strbuf out;

	strbuf_init(&out, 4096);
	dataset_rows_render(f, rows_cases[_i].from, rows_cases[_i].has_more, &out);
	ck_assert_str_eq(out.s, rows_cases[_i].want);
	strbuf_fini(&out);
	frame_free(f);
}
END_TEST

#define COUNT(table) ((int)(sizeof table / sizeof table[0]))

int main(void)
{
	Suite *s = suite_create("dataset_body");
	TCase *t = tcase_create("dataset_body");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, describes, 0, COUNT(describe_cases));
	tcase_add_loop_test(t, audits, 0, COUNT(audit_cases));
	tcase_add_test(t, outlier);
	tcase_add_test(t, at_most_100);
	tcase_add_test(t, renders);
	tcase_add_loop_test(t, rows, 0, COUNT(rows_cases));
	suite_add_tcase(s, t);

	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
