/* test_nodes.c - ONNX's own node tests of what our networks are made of, through the reader and the run.
 *
 *     FOLDER/test_gru_defaults/model.onnx                       a graph, mostly of one node
 *                              test_data_set_0/input_0.pb …     tensors in, tensors that have to come out
 *
 *     test_nodes FOLDER COUNT     every folder there whose name begins as `families` say; COUNT of them have to be there
 *
 * Without a folder it has nothing to compare with: 77. */
#include "tests/unit/api_onnx/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TESTS  512
#define MAX_INPUTS 16

static const char *const families[] = {
	"test_gru_", "test_lstm_", "test_rnn_", "test_simple_rnn_", "test_attention_", "test_layer_normalization_",
	"test_gelu_", "test_softmax_", "test_logsoftmax_",
};

static const char *folder;
static char tests[MAX_TESTS][96];
static int n_tests, n_wanted;

static bool is_ours(const char *name)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (!strncmp(name, families[i], strlen(families[i])))
			return true;
	return false;
}

static void find_tests(void)
{
	DIR *dir = opendir(folder);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (n_tests < MAX_TESTS && is_ours(entry->d_name))
			snprintf(tests[n_tests++], sizeof *tests, "%.95s", entry->d_name);
	if (dir)
		closedir(dir);
}

static void *test_file(const char *test, const char *file, size_t *len)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s/%s", folder, test, file);
	return file_read(path, len);
}

static void tensor_read(const char *test, const char *kind, int i, struct arena *a, struct onnx_array *out)
{
	char name[64];
	struct error e;
	size_t len;
	snprintf(name, sizeof name, "test_data_set_0/%s_%d.pb", kind, i);
	void *bytes = test_file(test, name, &len);
	ck_assert_msg(!onnx_tensor_parse(bytes, len, a, out, &e), "%s/%s: %s", test, name, e.what);
	free(bytes);
}

START_TEST(node_computes_what_onnx_says)
{
	const char *test = tests[_i];
	struct onnx_graph g;
	struct onnx_array in[MAX_INPUTS], *value, want;
	struct arena a;
	struct error e = { 0 };
	size_t len;

	arena_init(&a, ARENA_CAP);
	void *bytes = test_file(test, "model.onnx", &len);
	ck_assert_msg(!onnx_parse(bytes, len, &a, &g, &e), "%s: %s", test, e.what);
	free(bytes);
	ck_assert_int_le(g.n_inputs, MAX_INPUTS);
	for (int i = 0; i < g.n_inputs; i++)
		tensor_read(test, "input", i, &a, &in[i]);
	ck_assert_msg(!onnx_run(&g, in, &a, NULL, &value, &e), "%s: %s", test, e.what);
	ck_assert_int_gt(g.n_outputs, 0);
	for (int i = 0; i < g.n_outputs; i++) {
		tensor_read(test, "output", i, &a, &want);
		check_array(test, &value[g.output[i].value], &want);
	}
	arena_fini(&a);
}
END_TEST

START_TEST(all_tests_are_there)
{
	ck_assert_int_eq(n_tests, n_wanted);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc != 3 || !*argv[1]) {
		fprintf(stderr, "no folder of node tests was given: nothing was compared\n");
		return 77;
	}
	folder = argv[1];
	n_wanted = atoi(argv[2]);
	find_tests();
	Suite *suite = suite_create("ONNX nodes");
	TCase *tc = tcase_create("node");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, all_tests_are_there);
	tcase_add_loop_test(tc, node_computes_what_onnx_says, 0, n_tests);
	suite_add_tcase(suite, tc);
	printf("%d node tests of %s\n", n_tests, folder);
	return run_suite(suite);
}
