/* test_openapi.c - the embedded document hangs together: references resolve, operations answer, paths declare their names. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/openapi.h"
#include "model/base/error.h"
#include "tests/unit/check.h"

#define COUNT(table) ((int)(sizeof table / sizeof table[0]))

/* The routes of this release. */
static const char *const routes[] = {
	"put /v1/datasets/{name}", "get /v1/datasets", "get /v1/datasets/{name}", "get /v1/datasets/{name}/rows",
	"delete /v1/datasets/{name}", "post /v1/jobs", "get /v1/jobs", "get /v1/jobs/{id}", "get /v1/jobs/{id}/events",
	"get /v1/jobs/{id}/checkpoints", "post /v1/jobs/{id}/cancel", "post /v1/jobs/{id}/pause", "post /v1/jobs/{id}/resume",
	"get /v1/models", "get /v1/models/{model}", "delete /v1/models/{model}", "get /v1/models/{model}/versions/{version}",
	"delete /v1/models/{model}/versions/{version}", "put /v1/models/{model}/labels/{label}", "post /v1/forecast",
	"post /v1/sessions", "get /v1/sessions/{id}", "delete /v1/sessions/{id}", "post /v1/sessions/{id}/steps",
	"post /v1/generate", "post /v1/classify", "post /v1/translate", "post /v1/anomalies",
	"put /v1/models/{model}", "get /v1/models/{model}/versions/{version}/export",
	"get /v1/models/{model}/metadata", "get /v1/models/{model}/versions/{version}/metadata",
	"get /v1/models/{model}/labels/{label}/metadata",
	"post /v1/models/{model}:predict", "post /v1/models/{model}/versions/{version}:predict",
	"post /v1/models/{model}/labels/{label}:predict", "get /v2", "get /v2/health/live", "get /v2/health/ready",
	"get /v2/models/{model}", "get /v2/models/{model}/versions/{version}", "get /v2/models/{model}/ready",
	"get /v2/models/{model}/versions/{version}/ready", "post /v2/models/{model}/infer",
	"post /v2/models/{model}/versions/{version}/infer", "get /livez", "get /readyz", "get /metrics", "get /openapi.json",
};

static json_t *load(void)
{
	json_error_t error;
	json_t *root = json_loadb(openapi_json, openapi_json_len, JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(root != NULL, "%s", error.text);
	ck_assert_uint_eq(strlen(openapi_json), openapi_json_len);
	return root;
}

/* What "#/a/b" names, or NULL. No name of ours has a slash in it. */
static json_t *resolve(json_t *root, const char *ref)
{
	char name[128];
	json_t *at = root;

	if (strncmp(ref, "#/", 2) != 0)
		return NULL;
	for (ref += 2; at && *ref; ref += strlen(name), ref += *ref == '/') {
		snprintf(name, sizeof name, "%.*s", (int)strcspn(ref, "/"), ref);
		at = json_object_get(at, name);
	}
	return at;
}

static int check_references(json_t *root, json_t *at)
{
	const char *key;
	json_t *value;
	size_t i;
	int n = 0;

	json_object_foreach(at, key, value) {
		if (strcmp(key, "$ref") == 0 && json_is_string(value)) {
			ck_assert_msg(resolve(root, json_string_value(value)) != NULL, "%s", json_string_value(value));
			n++;
		}
		n += check_references(root, value);
	}
	json_array_foreach(at, i, value)
		n += check_references(root, value);
	return n;
}

START_TEST(references)
{
	json_t *root = load();

	ck_assert_int_gt(check_references(root, root), 100);
	json_decref(root);
}
END_TEST

static bool is_method(const char *key)
{
	return !strcmp(key, "get") || !strcmp(key, "put") || !strcmp(key, "post") || !strcmp(key, "delete");
}

/* Whether the parameters of a path declare {name}. */
static bool declares(json_t *root, const json_t *path, const char *name)
{
	size_t i;
	json_t *p;

	json_array_foreach(json_object_get(path, "parameters"), i, p) {
		const char *ref = json_string_value(json_object_get(p, "$ref"));
		const json_t *real = ref ? resolve(root, ref) : p;
		if (!strcmp(json_string_value(json_object_get(real, "in")), "path")
		    && !strcmp(json_string_value(json_object_get(real, "name")), name))
			return true;
	}
	return false;
}

static void check_operation(const char *where, const char *method, const json_t *operation, json_t *ids)
{
	const char *id = json_string_value(json_object_get(operation, "operationId"));
	const json_t *responses = json_object_get(operation, "responses");
	bool good = json_object_get(responses, "200") || json_object_get(responses, "201") || json_object_get(responses, "202")
		|| json_object_get(responses, "204");

	ck_assert_msg(id != NULL, "%s %s has no operationId", method, where);
	ck_assert_msg(json_object_get(ids, id) == NULL, "%s is there twice", id);
	json_object_set_new(ids, id, json_true());
	ck_assert_msg(good, "%s %s never succeeds", method, where);
	ck_assert_msg(json_object_get(responses, "431") != NULL, "%s %s never fails", method, where);
	ck_assert_msg(json_array_size(json_object_get(operation, "tags")) == 1, "%s %s needs one tag", method, where);
}

START_TEST(operations)
{
	json_t *root = load(), *ids = json_object(), *path, *operation;
	const char *where, *key;

	json_object_foreach(json_object_get(root, "paths"), where, path) {
		for (const char *open = strchr(where, '{'); open; open = strchr(open + 1, '{')) {
			char name[64];
			snprintf(name, sizeof name, "%.*s", (int)strcspn(open + 1, "}"), open + 1);
			ck_assert_msg(declares(root, path, name), "%s does not declare %s", where, name);
		}
		json_object_foreach(path, key, operation)
			if (is_method(key))
				check_operation(where, key, operation, ids);
	}
	ck_assert_uint_eq(json_object_size(ids), COUNT(routes));
	json_decref(ids);
	json_decref(root);
}
END_TEST

START_TEST(has_route)
{
	json_t *root = load();
	const char *path = strchr(routes[_i], ' ') + 1;
	char method[8];

	snprintf(method, sizeof method, "%.*s", (int)(path - routes[_i] - 1), routes[_i]);
	ck_assert_msg(json_object_get(json_object_get(json_object_get(root, "paths"), path), method) != NULL, "%s", routes[_i]);
	json_decref(root);
}
END_TEST

/* Every code that a problem may carry is in the document's list, and the other way round. */
START_TEST(problem_codes)
{
	json_t *root = load();
	json_t *codes = resolve(root, "#/components/schemas/Problem/properties/code/enum");

	ck_assert_uint_eq(json_array_size(codes), ERR_COUNT - 1);
	for (int code = 1; code < ERR_COUNT; code++)
		ck_assert_str_eq(json_string_value(json_array_get(codes, (size_t)code - 1)), err_row((enum err)code)->label);
	json_decref(root);
}
END_TEST

START_TEST(version)
{
	json_t *root = load();

	ck_assert_str_eq(json_string_value(resolve(root, "#/info/version")), GATECAST_VERSION);
	json_decref(root);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("openapi");
	TCase *t = tcase_create("openapi");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, references);
	tcase_add_test(t, operations);
	tcase_add_loop_test(t, has_route, 0, COUNT(routes));
	tcase_add_test(t, problem_codes);
	tcase_add_test(t, version);
	suite_add_tcase(s, t);

	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
