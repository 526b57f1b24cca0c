/* Models: versions, labels, deleting, digests. */
#include "fixture.h"

static int put(struct fixture *f, const char *name)
{
	struct model_blobs b = sample_blobs();
	int version = 0;
	ck_ok(f, model_put(f->s, name, &b, NULL, &version, &f->e));
	return version;
}

static int latest(struct fixture *f, const char *name)
{
	struct model_version m;
	ck_ok(f, model_get(f->s, name, 0, NULL, false, &m, &f->e));
	model_version_fini(&m);
	return m.version;
}

START_TEST(put_get)
{
	struct fixture f;
	struct model_blobs b = sample_blobs();
	struct model_version m;
	fixture_open(&f);
	ck_assert_int_eq(put(&f, "m"), 1);
	ck_assert_int_eq(put(&f, "m"), 2);
	ck_ok(&f, model_get(f.s, "m", 1, NULL, true, &m, &f.e));
	ck_assert_int_eq(m.version, 1);
	ck_assert_str_eq(m.name, "m");
	ck_assert_str_eq(m.document, b.document);
	ck_assert_str_eq(m.evaluation, b.evaluation);
	ck_assert_str_eq(m.job, "");
	ck_assert_uint_eq(m.n_weights, b.n_weights);
	ck_assert_mem_eq(m.weights, b.weights, b.n_weights * sizeof *b.weights);
	ck_assert_uint_eq(m.n_calibration, b.n_calibration);
	ck_assert_mem_eq(m.calibration, b.calibration, b.n_calibration * sizeof *b.calibration);
	ck_assert_int_gt(m.created_at_us, 0);
	model_version_fini(&m);
	ck_ok(&f, model_get(f.s, "m", 0, "latest", false, &m, &f.e));
	ck_assert_int_eq(m.version, 2);
	ck_assert_ptr_null(m.weights);
	ck_assert_ptr_null(m.calibration);
	model_version_fini(&m);

	b = (struct model_blobs){ .document = "{}", .weights = b.weights, .n_weights = 1 };
	int version;
	ck_ok(&f, model_put(f.s, "bare", &b, NULL, &version, &f.e));
	ck_ok(&f, model_get(f.s, "bare", 0, NULL, true, &m, &f.e));
	ck_assert_ptr_null(m.evaluation);
	ck_assert_uint_eq(m.n_calibration, 0);
	model_version_fini(&m);
	fixture_close(&f);
}
END_TEST

START_TEST(errors)
{
	struct fixture f;
	struct model_blobs b = sample_blobs();
	struct model_version m, *versions;
	struct model_label *labels;
	size_t n;
	bool more;
	int version;
	fixture_open(&f);
	put(&f, "m");
	ck_err(ERR_INVALID, model_put(f.s, "", &b, NULL, &version, &f.e));
	ck_assert_str_eq(f.e.where, "/model");
	ck_err(ERR_NOT_FOUND, model_get(f.s, "n", 0, NULL, true, &m, &f.e));
	ck_err(ERR_NOT_FOUND, model_get(f.s, "m", 2, NULL, true, &m, &f.e));
	ck_err(ERR_NOT_FOUND, model_get(f.s, "m", 0, "stable", true, &m, &f.e));
	ck_err(ERR_NOT_FOUND, model_versions(f.s, "n", 0, 1, &versions, &n, &more, &f.e));
	ck_err(ERR_INVALID, model_versions(f.s, "m", 0, 0, &versions, &n, &more, &f.e));
	ck_err(ERR_NOT_FOUND, model_labels(f.s, "n", &labels, &n, &f.e));
	ck_err(ERR_INVALID, model_label_set(f.s, "m", "latest", 1, &f.e));
	ck_err(ERR_INVALID, model_label_set(f.s, "m", "no label", 1, &f.e));
	ck_err(ERR_NOT_FOUND, model_label_set(f.s, "m", "stable", 2, &f.e));
	ck_err(ERR_NOT_FOUND, model_label_set(f.s, "n", "stable", 1, &f.e));
	ck_err(ERR_NOT_FOUND, model_delete(f.s, "n", 0, &f.e));
	ck_err(ERR_NOT_FOUND, model_delete(f.s, "n", 1, &f.e));
	ck_err(ERR_NOT_FOUND, model_delete(f.s, "m", 2, &f.e));
	fixture_close(&f);
}
END_TEST

START_TEST(labels)
{
	struct fixture f;
	struct model_label *list;
	struct model_version m;
	size_t n;
	fixture_open(&f);
	put(&f, "m");
	put(&f, "m");
	ck_ok(&f, model_label_set(f.s, "m", "stable", 1, &f.e));
	ck_ok(&f, model_label_set(f.s, "m", "canary", 1, &f.e));
	ck_ok(&f, model_label_set(f.s, "m", "canary", 2, &f.e));
	ck_ok(&f, model_labels(f.s, "m", &list, &n, &f.e));
	ck_assert_uint_eq(n, 3);
	ck_assert(!strcmp(list[0].label, "canary") && list[0].version == 2);
	ck_assert(!strcmp(list[1].label, "latest") && list[1].version == 2);
	ck_assert(!strcmp(list[2].label, "stable") && list[2].version == 1);
	free(list);
	ck_ok(&f, model_get(f.s, "m", 0, "stable", true, &m, &f.e));
	ck_assert_int_eq(m.version, 1);
	model_version_fini(&m);
	fixture_close(&f);
}
END_TEST

START_TEST(deleting)
{
	struct fixture f;
	struct model_version m;
	fixture_open(&f);
	for (int v = 1; v <= 4; v++)
		ck_assert_int_eq(put(&f, "m"), v);
	ck_ok(&f, model_label_set(f.s, "m", "stable", 2, &f.e));
	ck_err(ERR_CONFLICT, model_delete(f.s, "m", 2, &f.e));
	ck_ok(&f, model_delete(f.s, "m", 4, &f.e));
	ck_assert_int_eq(latest(&f, "m"), 3);
	ck_ok(&f, model_delete(f.s, "m", 1, &f.e));       /* not the newest: latest stays */
	ck_assert_int_eq(latest(&f, "m"), 3);
	ck_assert_int_eq(put(&f, "m"), 5);                /* a number is not given twice */
	ck_ok(&f, model_delete(f.s, "m", 0, &f.e));       /* labels do not protect the whole */
	ck_err(ERR_NOT_FOUND, model_get(f.s, "m", 0, NULL, false, &m, &f.e));
	put(&f, "one");
	ck_ok(&f, model_delete(f.s, "one", 1, &f.e));     /* the last version takes the name with it */
	ck_assert_int_eq(fixture_int(&f, "SELECT (SELECT count(*) FROM model) + (SELECT count(*) FROM model_label)"
		" + (SELECT count(*) FROM model_version)"), 0);
	fixture_close(&f);
}
END_TEST

START_TEST(pages)
{
	struct fixture f;
	struct model_name *names;
	struct model_version *versions;
	size_t n;
	bool more;
	fixture_open(&f);
	ck_ok(&f, model_list(f.s, NULL, 5, &names, &n, &more, &f.e));
	ck_assert(n == 0 && !more);
	free(names);
	for (const char *name = "bcabbb"; *name; name++)
		put(&f, (char[]){ *name, '\0' });
	ck_ok(&f, model_list(f.s, "a", 1, &names, &n, &more, &f.e));
	ck_assert(n == 1 && more && !strcmp(names[0].name, "b") && names[0].latest == 4 && names[0].versions == 4);
	free(names);
	ck_ok(&f, model_list(f.s, "", 3, &names, &n, &more, &f.e));
	ck_assert(n == 3 && !more && !strcmp(names[2].name, "c") && names[2].latest == 1);
	free(names);
	ck_ok(&f, model_versions(f.s, "b", 1, 2, &versions, &n, &more, &f.e));
	ck_assert(n == 2 && more && versions[0].version == 2 && versions[1].version == 3);
	ck_assert(!versions[0].weights && !strcmp(versions[0].name, "b"));
	model_versions_free(versions, n);
	ck_ok(&f, model_versions(f.s, "b", 3, 2, &versions, &n, &more, &f.e));
	ck_assert(n == 1 && !more && versions[0].version == 4);
	model_versions_free(versions, n);
	fixture_close(&f);
}
END_TEST

static const char *const damages[] = {
	"UPDATE model_version SET weights = zeroblob(length(weights))",
	"UPDATE model_version SET calibration = zeroblob(length(calibration))",
	"UPDATE model_version SET document = document || ' '",
	"UPDATE model_version SET sha256 = 'x' || substr(sha256, 2)",
};

START_TEST(damage)
{
	struct fixture f;
	struct model_version m;
	fixture_open(&f);
	put(&f, "m");
	fixture_sql(&f, damages[_i]);
	ck_err(ERR_STORAGE, model_get(f.s, "m", 0, NULL, true, &m, &f.e));
	ck_assert_ptr_nonnull(strstr(f.e.what, "version 1 of model \"m\" is damaged"));
	ck_ok(&f, model_get(f.s, "m", 0, NULL, false, &m, &f.e));
	model_version_fini(&m);
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("model_store");
	TCase *t = tcase_create("model_store");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, put_get);
	tcase_add_test(t, errors);
	tcase_add_test(t, labels);
	tcase_add_test(t, deleting);
	tcase_add_test(t, pages);
	tcase_add_loop_test(t, damage, 0, sizeof damages / sizeof *damages);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
