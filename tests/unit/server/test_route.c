/* The table of routes: each row is found by a path of its own, and nothing else is. */
#include "server/route.h"

#include "server/metrics.h"
#include "server/request.h"

#include "tests/unit/server/fixture.h"

struct found {
	const struct route *route;
	char param[REQUEST_PARAMS][REQUEST_PARAM_MAX + 1], allow[64];
	struct error e;
};

static enum err look(const char *method, const char *path, struct found *f)
{
	memset(f, 0, sizeof *f);
	return route_match(method, path, &f->route, f->param, f->allow, sizeof f->allow, &f->e);
}

/* A pattern with each {} replaced: "name.0", "name.1". */
static int sample(const char *pattern, char out[256])
{
	int params = 0;
	for (*out = '\0'; *pattern;) {
		size_t n = strlen(out);
		if (strncmp(pattern, "{}", 2)) {
			out[n] = *pattern++;
			out[n + 1] = '\0';
		} else {
			snprintf(out + n, 256 - n, "name.%d", params++);
			pattern += 2;
		}
	}
	return params;
}

START_TEST(every_row)
{
	struct found f;
	char path[256], want[16];
	const struct route *r = &routes[_i];
	int params = sample(r->pattern, path);
	ck_ok(look(r->method, path, &f));
	ck_assert_msg(f.route == r, "%s %s gives %s", r->method, path, f.route->pattern);
	ck_assert_int_le(params, REQUEST_PARAMS);
	for (int i = 0; i < params; i++) {
		snprintf(want, sizeof want, "name.%d", i);
		ck_assert_str_eq(f.param[i], want);
	}
	ck_assert_str_eq(f.allow, "");
	if (!strcmp(r->method, "GET")) {
		ck_ok(look("HEAD", path, &f));
		ck_assert_ptr_eq(f.route, r);
	}
	strcat(path, "/more");
	if (look(r->method, path, &f) == ERR_OK)
		ck_assert_ptr_ne(f.route, r);
}
END_TEST

START_TEST(other_methods)
{
	struct found f;
	char path[256];
	sample(routes[_i].pattern, path);
	ck_err(ERR_METHOD, look("PATCH", path, &f));
	ck_assert_ptr_null(f.route);
	ck_assert_ptr_nonnull(strstr(f.allow, routes[_i].method));
	ck_err(ERR_METHOD, look("get", path, &f));   /* methods have a case */
}
END_TEST

static const struct { const char *method, *path, *allow; } allowed[] = {
	{ "POST", "/v1/datasets", "GET" },
	{ "POST", "/v1/datasets/a", "PUT, GET, DELETE" },
	{ "DELETE", "/v1/jobs", "POST, GET" },
	{ "GET", "/v1/forecast", "POST" },
	{ "HEAD", "/v1/forecast", "POST" },
	{ "PUT", "/v1/models/a:predict", "GET, DELETE, POST" },
};

START_TEST(allow)
{
	struct found f;
	ck_err(ERR_METHOD, look(allowed[_i].method, allowed[_i].path, &f));
	ck_assert_str_eq(f.allow, allowed[_i].allow);
}
END_TEST

static const char *const nowhere[] = {
	"", "v1/jobs", "//", "/v1", "/v1/", "/v1/jobs/", "/v1//jobs", "/v1/datasets//rows", "/V1/jobs", "/v1/jobsx", "/v1/job",
	"/v1/models/a/versions/", "/v1/models/a/versions/1/2", "/v1/models//versions/1", "/v1/jobs/a/events/", "/livezz", "/v3",
	"/v1/models/a/versions/1:", "*",
};

START_TEST(not_found)
{
	struct found f;
	enum err rc = look("GET", nowhere[_i], &f);
	if (rc == ERR_OK)   /* a segment may hold ':' where no verb follows; the store knows no such name */
		ck_assert_ptr_nonnull(strchr(nowhere[_i], ':'));
	else
		ck_err(ERR_NOT_FOUND, rc);
	ck_assert_str_eq(f.allow, "");
}
END_TEST

static const struct { const char *path, *pattern, *param[2]; } verbs[] = {
	{ "/v1/models/a:predict", "/v1/models/{}:predict", { "a", "" } },
	{ "/v1/models/a-b.c_1:predict", "/v1/models/{}:predict", { "a-b.c_1", "" } },
	{ "/v1/models/a/versions/3:predict", "/v1/models/{}/versions/{}:predict", { "a", "3" } },
	{ "/v1/models/a/labels/stable:predict", "/v1/models/{}/labels/{}:predict", { "a", "stable" } },
};

START_TEST(verb)
{
	struct found f;
	ck_ok(look("POST", verbs[_i].path, &f));
	ck_assert_str_eq(f.route->pattern, verbs[_i].pattern);
	ck_assert_str_eq(f.param[0], verbs[_i].param[0]);
	if (*verbs[_i].param[1])
		ck_assert_str_eq(f.param[1], verbs[_i].param[1]);
}
END_TEST

START_TEST(long_segments)
{
	static const int lengths[] = { 1, REQUEST_PARAM_MAX, REQUEST_PARAM_MAX + 1, 5000 };
	struct found f;
	char path[6000] = "/v1/models/";
	size_t at = strlen(path);
	int n = lengths[_i];
	memset(path + at, 'n', (size_t)n);
	strcpy(path + at + n, ":predict");
	enum err want = n <= REQUEST_PARAM_MAX ? ERR_OK : ERR_NOT_FOUND;
	ck_err(want, look("POST", path, &f));
	if (!want)
		ck_assert_uint_eq(strlen(f.param[0]), n);
	path[at + (size_t)n] = '\0';
	ck_err(want, look("GET", path, &f));
}
END_TEST

START_TEST(table)
{
	ck_assert_int_le(n_routes, METRIC_ROUTES);
	for (int i = 0; i < n_routes; i++) {
		const struct route *r = &routes[i];
		ck_assert_ptr_nonnull(r->handle);
		bool upload = r->body == BODY_UPLOAD;
		ck_assert_int_eq(r->upload_open && r->upload_push && r->upload_free, upload);
		for (int k = 0; k < i; k++)
			ck_assert(strcmp(r->method, routes[k].method) || strcmp(r->pattern, routes[k].pattern));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("route");
	TCase *c = tcase_create("route");
	tcase_add_loop_test(c, every_row, 0, n_routes);
	tcase_add_loop_test(c, other_methods, 0, n_routes);
	tcase_add_loop_test(c, allow, 0, COUNT(allowed));
	tcase_add_loop_test(c, not_found, 0, COUNT(nowhere));
	tcase_add_loop_test(c, verb, 0, COUNT(verbs));
	tcase_add_loop_test(c, long_segments, 0, 4);
	tcase_add_test(c, table);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
