/* onnx_samples.c - drawn networks for another runtime to compute:
 *
 *     onnx_samples FOLDER COUNT  ─►  FOLDER/0.onnx, 0.json, 1.onnx …
 *
 * N.json: {"type": "float32" or "int64", "dims": [B, T, columns], "input": […], "output": […], "attention": […] or null}, the
 * numbers as the inference execution says them. */
#include <stdio.h>
#include <stdlib.h>

#include "api/json_write.h"
#include "api/onnx_export.h"
#include "tests/unit/api_onnx/sample.h"
#include "tests/unit/api_onnx/support.h"

static const char *folder;
static int count;

static void write_numbers(const char *name, const float *at, size_t n, struct strbuf *out)
{
	strbuf_addf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%s%.9g", i ? "," : "", (double)at[i]);
	strbuf_addc(out, ']');
}

static void write_case(const struct sample *s, struct strbuf *out)
{
	const struct net_spec *n = &s->net.spec;
	strbuf_addf(out, "{\"type\":\"%s\",\"dims\":[%d,%d", n->vocabulary ? "int64" : "float32", s->B, s->T);
	if (!n->vocabulary)
		strbuf_addf(out, ",%d", n->inputs);
	strbuf_addc(out, ']');
	write_numbers("input", s->x, s->n_x, out);
	write_numbers("output", s->y, s->n_y, out);
	if (net_attends(n))
		write_numbers("attention", s->attention, s->n_attention, out);
	else
		strbuf_adds(out, ",\"attention\":null");
	strbuf_addc(out, '}');
}

static void write_graph(const struct sample *s, struct strbuf *out)
{
	struct arena a;
	struct onnx_graph g;
	arena_init(&a, ARENA_CAP);
	ck_assert_int_eq(onnx_export(&s->net.spec, s->net.params, NULL, s->T, &a, &g, NULL), ERR_OK);
	ck_assert_int_eq(onnx_write(&g, &a, out, NULL), ERR_OK);
	arena_fini(&a);
}

static void write_file(int number, const char *suffix, const struct sample *s,
                       void (*write)(const struct sample *, struct strbuf *))
{
	char path[4096];
	struct strbuf b;
	strbuf_init(&b, ARENA_CAP);
	write(s, &b);
	snprintf(path, sizeof path, "%s/%d.%s", folder, number, suffix);
	FILE *f = fopen(path, "wb");
	ck_assert_msg(f && strbuf_ok(&b) && fwrite(b.s, 1, b.len, f) == b.len && !fclose(f), "%s cannot be written", path);
	strbuf_fini(&b);
}

/* A test, for whatever draws networks makes assertions. */
START_TEST(samples_are_written)
{
	for (int i = 0; i < count; i++) {
		struct sample s;
		sample_init(&s, i);
		write_file(i, "onnx", &s, write_graph);
		write_file(i, "json", &s, write_case);
		sample_fini(&s);
	}
}
END_TEST

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	folder = argv[1];
	count = atoi(argv[2]);
	Suite *suite = suite_create("samples");
	TCase *tc = tcase_create("written");
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, samples_are_written);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
