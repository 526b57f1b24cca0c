/* Datasets: what comes back is what went in, over every border of a chunk; versions, pages, damage. */
#include <math.h>

#include "fixture.h"

static void check_rows(const struct frame *f, size_t from)
{
	ck_assert_int_eq(f->columns, 3);
	ck_assert_int_eq(f->date_column, 0);
	ck_assert_str_eq(f->column[0].name, "date");
	ck_assert_int_eq(f->column[2].type, COLUMN_TEXT);
	for (size_t i = 0; i < f->rows; i++) {
		size_t r = from + i;
		char text[32] = "";
		if (r % 3)
			snprintf(text, sizeof text, "row %zu", r);
		ck_assert_int_eq(f->column[0].date[i], (int64_t)r * 86400);
		ck_assert(r % 7 ? f->column[1].number[i] == (double)r + 0.5 : isnan(f->column[1].number[i]));
		ck_assert_str_eq(frame_text(f, 2, i), text);
	}
}

static const struct { size_t stored, from, limit, want; } row_cases[] = {
	{ 0, 0, SIZE_MAX, 0 },           { 0, 5, 1, 0 },                  { 1, 0, SIZE_MAX, 1 },
	{ 8191, 0, SIZE_MAX, 8191 },     { 8192, 0, SIZE_MAX, 8192 },     { 8193, 0, SIZE_MAX, 8193 },
	{ 20000, 0, SIZE_MAX, 20000 },   { 20000, 8191, 2, 2 },           { 20000, 8192, 8192, 8192 },
	{ 20000, 8191, 8194, 8194 },     { 20000, 16383, 1, 1 },          { 20000, 16384, SIZE_MAX, 3616 },
	{ 20000, 19999, 10, 1 },         { 20000, 20000, 10, 0 },         { 20000, SIZE_MAX, SIZE_MAX, 0 },
	{ 20000, 3, 0, 0 },
};

START_TEST(rows)
{
	struct fixture f;
	struct frame *got;
	fixture_open(&f);
	int64_t id = put_dataset(&f, "d", row_cases[_i].stored);
	ck_ok(&f, dataset_rows(f.s, id, row_cases[_i].from, row_cases[_i].limit, &got, &f.e));
	ck_assert_uint_eq(got->rows, row_cases[_i].want);
	check_rows(got, row_cases[_i].from);
	frame_free(got);
	fixture_close(&f);
}
END_TEST

START_TEST(put_get_delete)
{
	struct fixture f;
	struct dataset_info d;
	struct frame *frame = sample_frame(5);
	bool replaced = true;
	fixture_open(&f);
	ck_ok(&f, dataset_put(f.s, "d", frame, "{\"a\":1}", sample_sha256, &d, &replaced, &f.e));
	ck_assert(!replaced);
	ck_assert_int_eq(d.version, 1);
	ck_assert_uint_eq(d.rows, 5);
	ck_assert_str_eq(d.name, "d");
	ck_assert_str_eq(d.description, "{\"a\":1}");
	ck_assert_str_eq(d.sha256, sample_sha256);
	ck_assert_int_gt(d.created_at_us, 0);
	dataset_info_fini(&d);
	ck_ok(&f, dataset_put(f.s, "d", frame, "{\"a\":2}", sample_sha256, &d, &replaced, &f.e));
	ck_assert(replaced);
	ck_assert_int_eq(d.version, 2);
	dataset_info_fini(&d);
	ck_ok(&f, dataset_get(f.s, "d", 2, &d, &f.e));
	ck_assert_str_eq(d.description, "{\"a\":2}");
	dataset_info_fini(&d);
	ck_err(ERR_NOT_FOUND, dataset_get(f.s, "d", 1, &d, &f.e));   /* nobody needed it */
	ck_err(ERR_NOT_FOUND, dataset_get(f.s, "e", 0, &d, &f.e));
	ck_err(ERR_INVALID, dataset_put(f.s, "no name", frame, "{}", sample_sha256, &d, &replaced, &f.e));
	ck_assert_str_eq(f.e.where, "/name");
	ck_ok(&f, dataset_delete(f.s, "d", &f.e));
	ck_err(ERR_NOT_FOUND, dataset_delete(f.s, "d", &f.e));
	ck_assert_int_eq(fixture_int(&f, "SELECT (SELECT count(*) FROM dataset_chunk)"
		" + (SELECT count(*) FROM dataset_column)"), 0);
	frame_free(frame);
	fixture_close(&f);
}
END_TEST

/* A digest of a wrong length breaks a CHECK: nothing of the frame may stay. */
START_TEST(failed_put_leaves_nothing)
{
	struct fixture f;
	struct dataset_info d;
	struct frame *frame = sample_frame(5);
	bool replaced;
	fixture_open(&f);
	ck_err(ERR_INTERNAL, dataset_put(f.s, "d", frame, "{}", "short", &d, &replaced, &f.e));
	ck_assert_int_eq(fixture_int(&f, "SELECT (SELECT count(*) FROM dataset)"
		" + (SELECT count(*) FROM dataset_column)"), 0);
	frame_free(frame);
	fixture_close(&f);
}
END_TEST

START_TEST(pages)
{
	struct fixture f;
	struct dataset_info *page;
	size_t n;
	bool more;
	char after[STORE_NAME_MAX + 1] = "", all[64] = "";
	fixture_open(&f);
	ck_ok(&f, dataset_list(f.s, NULL, 2, &page, &n, &more, &f.e));
	ck_assert(n == 0 && !more);
	dataset_list_free(page, n);
	for (const char *name = "cadbe"; *name; name++)
		put_dataset(&f, (char[]){ *name, '\0' }, 1);
	put_dataset(&f, "b", 2);
	do {
		ck_ok(&f, dataset_list(f.s, after, 2, &page, &n, &more, &f.e));
		ck_assert_uint_ge(n, 1);
		for (size_t i = 0; i < n; i++) {
			ck_assert_int_eq(page[i].version, page[i].name[0] == 'b' ? 2 : 1);
			ck_assert_uint_eq(page[i].rows, (size_t)page[i].version);
			strcat(all, page[i].name);
		}
		memcpy(after, page[n - 1].name, sizeof after);
		dataset_list_free(page, n);
	} while (more);
	ck_assert_str_eq(all, "abcde");
	ck_err(ERR_INVALID, dataset_list(f.s, NULL, 0, &page, &n, &more, &f.e));
	fixture_close(&f);
}
END_TEST

/* Old versions stay while a job needs them and go when it ends; the newest is protected from deletion meanwhile. */
START_TEST(jobs_keep_versions)
{
	struct fixture f;
	struct dataset_info d;
	struct job j;
	struct frame *frame;
	char id[JOB_ID_MAX + 1];
	fixture_open(&f);
	int64_t first = put_dataset(&f, "d", 4);
	put_job(&f, "d", id);
	put_dataset(&f, "d", 5);
	put_dataset(&f, "d", 6);
	ck_ok(&f, dataset_get(f.s, "d", 1, &d, &f.e));
	dataset_info_fini(&d);
	ck_err(ERR_NOT_FOUND, dataset_get(f.s, "d", 2, &d, &f.e));
	ck_ok(&f, dataset_rows(f.s, first, 0, SIZE_MAX, &frame, &f.e));
	ck_assert_uint_eq(frame->rows, 4);
	frame_free(frame);
	ck_err(ERR_CONFLICT, dataset_delete(f.s, "d", &f.e));
	ck_ok(&f, job_request_cancel(f.s, id, true, &j, &f.e));
	job_fini(&j);
	ck_err(ERR_NOT_FOUND, dataset_get(f.s, "d", 1, &d, &f.e));
	ck_err(ERR_NOT_FOUND, dataset_rows(f.s, first, 0, 1, &frame, &f.e));
	ck_ok(&f, dataset_delete(f.s, "d", &f.e));
	ck_ok(&f, job_get(f.s, id, &j, &f.e));
	ck_assert_int_eq(j.dataset_id, 0);
	ck_assert_str_eq(j.dataset, "d");
	job_fini(&j);
	fixture_close(&f);
}
END_TEST

static const char *const cell_damages[] = {
	"UPDATE dataset_chunk SET cells = zeroblob(length(cells))",
	"DELETE FROM dataset_chunk WHERE position = 1",
	"UPDATE dataset SET rows = rows + 1",
	"UPDATE dataset_chunk SET sha256 = replace(sha256, substr(sha256, 1, 1), 'x') WHERE position = 2",
};

START_TEST(damaged_cells)
{
	struct fixture f;
	struct frame *frame = NULL;
	fixture_open(&f);
	int64_t id = put_dataset(&f, "d", 10);
	fixture_sql(&f, cell_damages[_i]);
	ck_err(ERR_STORAGE, dataset_rows(f.s, id, 0, SIZE_MAX, &frame, &f.e));
	ck_assert_ptr_null(frame);
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dataset");
	TCase *t = tcase_create("dataset");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, rows, 0, sizeof row_cases / sizeof *row_cases);
	tcase_add_test(t, put_get_delete);
	tcase_add_test(t, failed_put_leaves_nothing);
	tcase_add_test(t, pages);
	tcase_add_test(t, jobs_keep_versions);
	tcase_add_loop_test(t, damaged_cells, 0, sizeof cell_damages / sizeof *cell_damages);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
