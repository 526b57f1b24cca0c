/* bench_cases.c - the networks of cases.h as files, for racers that cannot link with it.
 *
 *     bench_cases FOLDER  ─►  cases.json         sizes, and how many operations a sequence of so many steps takes
 *                             NAME.safetensors   the weights under PyTorch's names
 *                             NAME.onnx          the graph; of a layer its one node, input [time, batch, columns]
 *                             through.onnx       a graph that only counts its input: what a call costs without work
 *                             NAME.input         CASE_MAX_BATCH sequences of PEER_STEPS, number by number;
 *                                                of shorter ones the first numbers */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/onnx_build.h"
#include "api/onnx_cell.h"
#include "api/onnx_export.h"
#include "api/safetensors.h"
#include "model/nn/cell.h"
#include "tests/bench/cases.h"

#define PEER_STEPS 96
#define FILE_MAX   ((size_t)256 << 20)

static const char *folder;

static void fail_now(const char *what, const struct error *e)
{
	fprintf(stderr, "bench_cases: %s: %s %s\n", what, e->where, e->what);
	exit(EXIT_FAILURE);
}

static void write_file(const char *name, const char *suffix, const void *bytes, size_t len)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s.%s", folder, name, suffix);
	FILE *f = fopen(path, "wb");
	const size_t written = f ? fwrite(bytes, 1, len, f) : 0;
	if (!f || fclose(f) || written != len) {
		perror(path);
		exit(EXIT_FAILURE);
	}
}

static void write_buffer(const char *name, const char *suffix, struct strbuf *b)
{
	const struct error full = { .what = "it does not fit into memory" };
	if (!strbuf_ok(b))
		fail_now(name, &full);
	write_file(name, suffix, b->s, b->len);
	strbuf_fini(b);
}

static void write_weights(const struct bench_case *c, const struct tensor_table *table, const float *params)
{
	struct tensor_view view[NET_MAX_TENSORS];
	struct strbuf b;
	for (int i = 0; i < table->n; i++) {
		const struct tensor *t = &table->tensor[i];
		view[i] = (struct tensor_view){ .name = t->name, .ndim = t->ndim, .value = params + t->offset };
		memcpy(view[i].shape, t->shape, sizeof t->shape);
	}
	strbuf_init(&b, FILE_MAX);
	safetensors_write(view, table->n, NULL, &b);
	write_buffer(c->name, "safetensors", &b);
}

/* The gates of a tensor of `each` numbers a gate, in ONNX's order. */
static float *put_gates(enum cell_type type, const float *from, size_t each, float *to)
{
	for (int g = 0; g < cell_gates(type); g++, to += each)
		memcpy(to, from + (size_t)onnx_cells[type].gate[g] * each, each * sizeof *to);
	return to;
}

/* One recurrent node: [time, batch, columns] to the last state [1, batch, hidden]. `at` receives W, R and B. */
static enum err layer_graph(const struct bench_case *c, const struct tensor_table *table, const float *params,
                            float *at, struct arena *a, struct onnx_graph *out, struct error *e)
{
	const struct net_spec *s = &c->spec;
	const enum cell_type type = net_encoder_cell(s);
	const int rows = cell_gates(type) * s->hidden, hid = s->hidden;
	const size_t each[] = { (size_t)hid * s->inputs, (size_t)hid * hid, (size_t)hid, (size_t)hid };
	const float *start[4];
	struct onnx_build b;
	for (int i = 0; i < 4; i++) {
		start[i] = at;
		at = put_gates(type, params + table->tensor[i].offset, each[i], at);
	}
	build_init(&b, a);
	const int w = build_initialiser(&b, "W", (const int[]){ 1, rows, s->inputs }, 3, start[0]);
	const int r = build_initialiser(&b, "R", (const int[]){ 1, rows, hid }, 3, start[1]);
	const int bias = build_initialiser(&b, "B", (const int[]){ 1, 2 * rows }, 2, start[2]);   /* ih's, then hh's */
	const int x = build_input(&b, "input", ONNX_FLOAT, 3, (const int[]){ 0, 0, s->inputs },
	                          (const char *const[]){ "time", "batch", NULL });
	const struct onnx_attribute attribute[] = { attribute_int("hidden_size", hid),
		attribute_int("linear_before_reset", 1) };
	int y[2];
	build_node(&b, onnx_cells[type].op, (const int[]){ x, w, r, bias }, 4, y, 2, attribute, type == CELL_GRU ? 2 : 1);
	build_output(&b, y[1], "output", 3, (const int[]){ 1, 0, hid }, (const char *const[]){ NULL, "batch", NULL });
	return build_end(&b, out, e);
}

static void write_graph(const char *name, const struct onnx_graph *g, struct arena *a)
{
	struct strbuf b;
	struct error e;
	strbuf_init(&b, FILE_MAX);
	if (onnx_write(g, a, &b, &e))
		fail_now(name, &e);
	write_buffer(name, "onnx", &b);
}

static void write_through(void)
{
	struct arena a;
	struct onnx_graph g;
	struct onnx_build b;
	struct error e;
	arena_init(&a, FILE_MAX);
	build_init(&b, &a);
	const int x = build_input(&b, "input", ONNX_FLOAT, 3, (const int[]){ 0, 0, 0 },
	                          (const char *const[]){ "rows", "steps", "columns" });
	const int count = BUILD_WITH(&b, "Cast", attribute_int("to", ONNX_FLOAT), BUILD(&b, "Size", x));
	build_output(&b, count, "output", 0, NULL, NULL);
	if (build_end(&b, &g, &e))
		fail_now("through", &e);
	write_graph("through", &g, &a);
	arena_fini(&a);
}

static void write_network(const struct bench_case *c, const struct tensor_table *table, const float *params)
{
	struct arena a;
	struct onnx_graph g;
	struct error e;
	float *reordered = malloc(table->count * sizeof *reordered);
	arena_init(&a, FILE_MAX);
	enum err rc = !reordered ? fail_nomem(&e)
	            : c->layer   ? layer_graph(c, table, params, reordered, &a, &g, &e)
	                         : onnx_export(&c->spec, params, NULL, PEER_STEPS, &a, &g, &e);
	if (rc)
		fail_now(c->name, &e);
	write_graph(c->name, &g, &a);
	arena_fini(&a);
	free(reordered);
}

static void write_case(const struct bench_case *c)
{
	struct tensor_table table;
	struct error e;
	if (net_spec_check(&c->spec, &e))
		fail_now(c->name, &e);
	net_tensors(&c->spec, &table);
	float *params = bench_case_weights(c), *x = bench_case_input(c, PEER_STEPS);
	if (!params || !x) {
		fail_nomem(&e);
		fail_now(c->name, &e);
	}
	write_weights(c, &table, params);
	write_network(c, &table, params);
	write_file(c->name, "input", x, (size_t)CASE_MAX_BATCH * PEER_STEPS * (size_t)c->spec.inputs * sizeof *x);
	free(params);
	free(x);
}

/* A sequence takes flops[0] operations, and flops[1] more a step; the tensors in the order of the block. */
static void describe(const struct bench_case *c, struct strbuf *out)
{
	static const char *const encoders[] = { "gru", "lstm", "rnn", "transformer" };
	const struct net_spec *s = &c->spec;
	const double step = bench_case_flops(c, 2) - bench_case_flops(c, 1);
	struct tensor_table table;
	strbuf_addf(out, "%s\"%s\":{\"encoder\":\"%s\",\"layer\":%s,\"bidirectional\":%s", out->len > 1 ? ",\n" : "",
		c->name, encoders[s->encoder], c->layer ? "true" : "false", s->bidirectional ? "true" : "false");
	strbuf_addf(out, ",\"inputs\":%d,\"hidden\":%d,\"layers\":%d,\"heads\":%d,\"feedforward\":%d", s->inputs,
		s->hidden, s->layers, s->heads, s->feedforward);
	strbuf_addf(out, ",\"attention\":%d,\"horizon\":%d,\"flops\":[%.0f,%.0f],\"tensors\":[", s->attention,
		s->horizon, bench_case_flops(c, 1) - step, step);
	net_tensors(s, &table);
	for (int i = 0; i < table.n; i++)
		strbuf_addf(out, "%s\"%s\"", i ? "," : "", table.tensor[i].name);
	strbuf_adds(out, "]}");
}

int main(int argc, char **argv)
{
	struct strbuf json;
	if (argc != 2) {
		fputs("usage: bench_cases FOLDER\n", stderr);
		return 2;
	}
	folder = argv[1];
	strbuf_init(&json, FILE_MAX);
	write_through();
	strbuf_addc(&json, '{');
	for (int i = 0; i < bench_cases_n; i++) {
		write_case(&bench_cases[i]);
		describe(&bench_cases[i], &json);
	}
	strbuf_addc(&json, '}');
	write_buffer("cases", "json", &json);
	return EXIT_SUCCESS;
}
