/* test_frame.c - columns of three types, what is missing, names, and failing allocations.
 *
 * The allocator is replaced: allocation number `fail_at` (0 …) fails, which a loop moves through all of them. */
#include <stdio.h>
#include <string.h>

#include "model/series/frame.h"
#include "tests/unit/series/suite.h"

static long allocations, fail_at = -1;

static int refuse(void)
{
	return allocations++ == fail_at;
}

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return refuse() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return refuse() ? NULL : __real_reallocarray(p, n, size);
}

/* A date, a number and a text column; every seventh cell missing. */
static enum err fill(struct frame *f, size_t rows)
{
	static const struct { const char *name; enum column_type type; } columns[] = {
		{ "when", COLUMN_DATE }, { "close", COLUMN_NUMBER }, { "name", COLUMN_TEXT },
	};
	enum err rc = ERR_OK;
	for (size_t j = 0; !rc && j < 3; j++)
		rc = frame_add_column(f, columns[j].name, columns[j].type, NULL);
	for (size_t i = 0; !rc && i < rows; i++) {
		rc = frame_add_row(f, NULL);
		if (rc || i % 7 == 0)
			continue;
		char text[32];
		int n = snprintf(text, sizeof text, "row %zu", i);
		frame_set_date(f, 0, i, (int64_t)i * 60);
		frame_set_number(f, 1, i, (double)i / 2);
		rc = frame_set_text(f, 2, i, text, (size_t)n, NULL);
	}
	return rc;
}

static void check_row(const struct frame *f, size_t i)
{
	char text[32] = "";
	if (i % 7 == 0) {
		ck_assert(f->column[0].date[i] == FRAME_NO_DATE);
		ck_assert(isnan(f->column[1].number[i]));
	} else {
		snprintf(text, sizeof text, "row %zu", i);
		ck_assert(f->column[0].date[i] == (int64_t)i * 60);
		ck_assert(near(f->column[1].number[i], (double)i / 2, 0));
	}
	ck_assert_str_eq(frame_text(f, 2, i), text);
}

START_TEST(grows)
{
	struct frame *f = frame_new();
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(f->date_column, -1);
	ck_assert_int_eq(fill(f, 5000), ERR_OK);
	ck_assert_int_eq(f->date_column, 0);
	ck_assert_uint_eq(f->rows, 5000);
	for (size_t i = 0; i < f->rows; i++)
		check_row(f, i);
	frame_free(f);
	frame_free(NULL);
}
END_TEST

START_TEST(missing_text)
{
	struct frame *f = frame_new();
	ck_assert_int_eq(frame_add_column(f, "t", COLUMN_TEXT, NULL), ERR_OK);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(frame_add_row(f, NULL), ERR_OK);
	ck_assert_int_eq(frame_set_text(f, 0, 1, "", 0, NULL), ERR_OK);
	ck_assert_int_eq(frame_set_text(f, 0, 2, "abc", 2, NULL), ERR_OK);
	ck_assert_str_eq(frame_text(f, 0, 0), "");
	ck_assert_str_eq(frame_text(f, 0, 1), "");
	ck_assert_str_eq(frame_text(f, 0, 2), "ab");
	frame_free(f);
}
END_TEST

START_TEST(names)
{
	struct frame *f = frame_new();
	struct error e;
	char name[FRAME_NAME_MAX + 2];
	memset(name, 'x', sizeof name);
	name[sizeof name - 1] = '\0';
	ck_assert_int_eq(frame_add_column(f, name, COLUMN_NUMBER, &e), ERR_INVALID);
	name[FRAME_NAME_MAX] = '\0';
	ck_assert_int_eq(frame_add_column(f, name, COLUMN_NUMBER, &e), ERR_OK);
	ck_assert_int_eq(frame_add_column(f, "Close", COLUMN_NUMBER, &e), ERR_OK);
	ck_assert_int_eq(frame_add_column(f, "Close", COLUMN_TEXT, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "Close");
	ck_assert_int_eq(frame_find(f, "close"), 1);
	ck_assert_int_eq(frame_add_column(f, "CLOSE", COLUMN_NUMBER, &e), ERR_OK);
	ck_assert_int_eq(frame_find(f, "Close"), 1);
	ck_assert_int_eq(frame_find(f, "CLOSE"), 2);
	ck_assert_int_eq(frame_find(f, "close"), -1);   /* which one? */
	ck_assert_int_eq(frame_find(f, "open"), -1);
	frame_free(f);
}
END_TEST

START_TEST(too_many_columns)
{
	struct frame *f = frame_new();
	for (int j = 0; j <= FRAME_MAX_COLUMNS; j++) {
		char name[16];
		snprintf(name, sizeof name, "c%d", j);
		ck_assert_int_eq(frame_add_column(f, name, COLUMN_NUMBER, NULL), j < FRAME_MAX_COLUMNS ? ERR_OK : ERR_INVALID);
	}
	ck_assert_int_eq(f->columns, FRAME_MAX_COLUMNS);
	frame_free(f);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
	enum err rc = ERR_NOMEM;
	long failures = 0;
	for (long k = 0; rc; k++) {
		allocations = 0;
		fail_at = k;
		struct frame *f = frame_new();
		rc = f ? fill(f, 300) : ERR_NOMEM;
		fail_at = -1;
		ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
		for (size_t i = 0; f && !rc && i < f->rows; i++)
			check_row(f, i);
		if (rc)
			failures++;
		frame_free(f);
	}
	ck_assert_int_gt(failures, 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frame");
	TCase *c = new_case(s, "frame");
	tcase_add_test(c, grows);
	tcase_add_test(c, missing_text);
	tcase_add_test(c, names);
	tcase_add_test(c, too_many_columns);
	tcase_add_test(c, every_allocation_may_fail);
	return run_suite(s);
}
