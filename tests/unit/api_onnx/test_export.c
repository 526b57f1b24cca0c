/* test_export.c - the graph of any network computes what the network does, and reads back to the same bits. */
#include "tests/unit/api_onnx/sample.h"
#include "tests/unit/api_onnx/support.h"

#include "api/onnx_export.h"

#include <math.h>
#include <string.h>

#define SPECS 400
#define TOLERANCE 1e-5

static void check_close(int number, const char *what, const struct onnx_array *got, size_t n, const float *want)
{
	ck_assert_msg(got->count == n, "spec %d: %s has %zu numbers, not %zu", number, what, got->count, n);
	for (size_t i = 0; i < n; i++) {
		double a = (double)got->at[i], b = (double)want[i];
		ck_assert_msg(fabs(a - b) <= TOLERANCE * (1 + fabs(b)), "spec %d: %s[%zu] is %.9g, not %.9g", number, what, i,
		              a, b);
	}
}

static struct onnx_array input_of(const struct sample *s)
{
	bool tokens = s->net.spec.vocabulary != 0;
	return (struct onnx_array){ .type = tokens ? ONNX_INT64 : ONNX_FLOAT, .ndim = tokens ? 2 : 3,
	                            .dim = { s->B, s->T, s->net.spec.inputs }, .count = s->n_x, .at = s->x };
}

START_TEST(graph_computes_what_the_network_does)
{
	struct sample s;
	struct arena a;
	struct onnx_graph g;
	struct onnx_array *value;
	struct error e = { 0 };

	sample_init(&s, _i);
	arena_init(&a, ARENA_CAP);
	ck_assert_int_eq(onnx_export(&s.net.spec, s.net.params, NULL, s.T, &a, &g, &e), ERR_OK);
	struct onnx_array x = input_of(&s);
	ck_assert_msg(!onnx_run(&g, &x, &a, NULL, &value, &e), "spec %d: %s", _i, e.what);
	check_close(_i, "output", &value[g.output[0].value], s.n_y, s.y);
	ck_assert_int_eq(g.n_outputs, net_attends(&s.net.spec) ? 2 : 1);
	if (net_attends(&s.net.spec))
		check_close(_i, "attention", &value[g.output[1].value], s.n_attention, s.attention);
	arena_fini(&a);
	sample_fini(&s);
}
END_TEST

START_TEST(file_reads_back_to_the_same_bits)
{
	struct sample s;
	struct arena a;
	struct onnx_graph g, again;
	struct strbuf file, second;

	sample_init(&s, _i);
	arena_init(&a, ARENA_CAP);
	strbuf_init(&file, ARENA_CAP);
	strbuf_init(&second, ARENA_CAP);
	ck_assert_int_eq(onnx_export(&s.net.spec, s.net.params, NULL, 9, &a, &g, NULL), ERR_OK);
	g.document = "{\"a\":\"\u00e9\"}";
	ck_assert_int_eq(onnx_write(&g, &a, &file, NULL), ERR_OK);
	struct error e = { 0 };
	ck_assert_msg(!onnx_parse(file.s, file.len, &a, &again, &e), "%s", e.what);
	ck_assert_str_eq(again.document, g.document);
	ck_assert_int_eq(again.n_initialisers, s.net.table.n);
	for (int i = 0; i < s.net.table.n; i++) {
		const struct tensor *t = &s.net.table.tensor[i];
		ck_assert_str_eq(again.value[i].name, t->name);
		ck_assert_uint_eq(again.value[i].initialiser->count, t->count);
		ck_assert_mem_eq(again.value[i].initialiser->at, s.net.params + t->offset, t->count * sizeof(float));
	}
	ck_assert_int_eq(onnx_write(&again, &a, &second, NULL), ERR_OK);
	ck_assert_uint_eq(second.len, file.len);
	ck_assert_mem_eq(second.s, file.s, file.len);
	strbuf_fini(&file);
	strbuf_fini(&second);
	arena_fini(&a);
	sample_fini(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ONNX export");
	TCase *tc = tcase_create("drawn");
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, graph_computes_what_the_network_does, 0, SPECS);
	tcase_add_loop_test(tc, file_reads_back_to_the_same_bits, 0, 50);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
