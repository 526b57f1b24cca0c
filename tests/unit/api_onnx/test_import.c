/* test_import.c - graphs of strangers: what is understood, what is refused, and with which node; files that are broken. */
#include "api/model_import.h"
#include "api/onnx_build.h"
#include "model/base/rng.h"
#include "tests/unit/api_onnx/support.h"

#include <stdlib.h>
#include <string.h>

#define IN 2
#define HID 3
#define ROWS 4
#define VOCABULARY 9

/* A graph as torch.onnx would write it, and one thing that is another. */
struct plan {
	const char *op;                  /* "GRU" */
	int layers;
	const struct onnx_attribute *attribute;   /* of every recurrent node, or NULL */
	bool h0, peepholes, lengths;     /* inputs that are not what we offer */
	const char *between, *behind;    /* an operator between the layers, behind the Linear layer; or NULL */
	const char *summary;             /* "last", "mean", "first", "max", "all" */
	int columns;                     /* of the Linear's matrix, if not HID */
	bool tokens;                     /* go in, through an embedding */
};

struct drawn { struct onnx_build b; struct rng rng; };

static int draw(struct drawn *d, const char *name, int ndim, int d0, int d1, int d2)
{
	const int dim[] = { d0, d1, d2 };
	size_t n = 1;
	for (int i = 0; i < ndim; i++)
		n *= (size_t)dim[i];
	float *at = arena_calloc(d->b.arena, n, sizeof *at);
	ck_assert_ptr_nonnull(at);
	for (size_t i = 0; i < n; i++)
		at[i] = (float)(2 * rng_uniform(&d->rng) - 1);
	return build_initialiser(&d->b, name, dim, ndim, at);
}

static int gates_of(const char *op)
{
	return *op == 'G' ? 3 : *op == 'L' ? 4 : 1;
}

/* [T][B][HID] of v [T][B][…] */
static int build_layer(struct drawn *d, const struct plan *p, int v, const int w[6])
{
	const int in[] = { v, w[0], w[1], w[2], p->lengths ? w[5] : ONNX_ABSENT, p->h0 ? w[3] : ONNX_ABSENT, ONNX_ABSENT,
	                   p->peepholes ? w[4] : ONNX_ABSENT };
	int out[2];
	build_node(&d->b, p->op, in, p->peepholes ? 8 : 6, out, 2, p->attribute, p->attribute != NULL);
	return BUILD(&d->b, "Squeeze", out[0], BUILD_INTS(&d->b, 1));
}

static int build_summary(struct drawn *d, const char *summary, int v)
{
	const struct onnx_attribute axes = attribute_ints("axes", (const int64_t[]){ 0 },
	                                                  1), drop = attribute_int("keepdims", 0);
	const struct onnx_attribute both[] = { axes, drop };
	if (!strcmp(summary, "all"))
		return BUILD_TRANSPOSE(&d->b, v, 1, 0, 2);
	if (!strcmp(summary, "mean") || !strcmp(summary, "max"))
		return build_node(&d->b, *summary == 'm' && summary[1] == 'e' ? "ReduceMean" : "ReduceMax", &v, 1, NULL, 1,
		                  both, 2);
	return BUILD(&d->b, "Gather", v, build_int(&d->b, strcmp(summary, "first") ? -1 : 0));
}

static void build_plan(const struct plan *p, struct arena *a, struct onnx_graph *g)
{
	static const char *const names[] = { "batch", "time", NULL };
	struct drawn d;
	int w[2][6], G = gates_of(p->op), head, bias;
	rng_init(&d.rng, 7, RNG_TEST, 0);
	build_init(&d.b, a);
	for (int k = 0; k < p->layers; k++) {
		w[k][0] = draw(&d, k ? "w1" : "w0", 3, 1, G * HID, k ? HID : IN);
		w[k][1] = draw(&d, k ? "r1" : "r0", 3, 1, G * HID, HID);
		w[k][2] = draw(&d, k ? "b1" : "b0", 2, 1, 2 * G * HID, 0);
		w[k][3] = draw(&d, k ? "h1" : "h0", 3, 1, 3, HID);
		w[k][4] = draw(&d, k ? "p1" : "p0", 2, 1, 3 * HID, 0);
		w[k][5] = draw(&d, k ? "l1" : "l0", 1, 3, 0, 0);
	}
	int embedding = draw(&d, "embedding.weight", 2, VOCABULARY, IN, 0);
	head = draw(&d, "fc.weight", 2, ROWS, p->columns ? p->columns : HID, 0);
	bias = draw(&d, "fc.bias", 1, ROWS, 0, 0);
	int x = build_input(&d.b, "x", p->tokens ? ONNX_INT64 : ONNX_FLOAT, p->tokens ? 2 : 3, (const int[]){ 0, 0, IN },
	                    names);
	int v = BUILD_TRANSPOSE(&d.b, p->tokens ? BUILD(&d.b, "Gather", embedding, x) : x, 1, 0, 2);
	for (int k = 0; k < p->layers; k++) {
		v = build_layer(&d, p, v, w[k]);
		if (k == 0 && p->between)
			v = BUILD(&d.b, p->between, v);
	}
	v = build_summary(&d, p->summary, v);
	if (!strcmp(p->summary, "all"))
		v = BUILD(&d.b, "Add", BUILD(&d.b, "MatMul", v, BUILD_TRANSPOSE(&d.b, head, 1, 0)), bias);
	else
		v = BUILD_WITH(&d.b, "Gemm", attribute_int("transB", 1), v, head, bias);
	if (p->behind)
		v = BUILD(&d.b, p->behind, v);
	build_output(&d.b, v, "y", 2, (const int[]){ 0, ROWS }, names);
	ck_assert_int_eq(build_end(&d.b, g, NULL), ERR_OK);
}

/* The file of a graph; free(). */
static char *file_of(const struct onnx_graph *g, struct arena *a, size_t *len)
{
	struct strbuf out;
	strbuf_init(&out, ARENA_CAP);
	ck_assert_int_eq(onnx_write(g, a, &out, NULL), ERR_OK);
	return strbuf_detach(&out, len);
}

static enum err import_file(const char *file, size_t len, struct imported *m, struct error *e)
{
	const struct import_options nothing = { 0 };
	char *exact = malloc(len ? len : 1);   /* so that the address sanitizer sees one read too many */
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, file, len);
	enum err rc = model_import(WEIGHTS_ONNX, exact, len, &nothing, m, e);
	free(exact);
	return rc;
}

static enum err import_graph(const struct onnx_graph *g, struct arena *a, struct imported *m, struct error *e)
{
	size_t len;
	char *file = file_of(g, a, &len);
	enum err rc = import_file(file, len, m, e);
	free(file);
	return rc;
}

#define TEXTS(...) (const char *const[]){ __VA_ARGS__ }
#define ATTRIBUTE(...) &(const struct onnx_attribute){ __VA_ARGS__, .s = "" }

static const struct { const char *name; struct plan plan; const char *says; } plans[] = {
	/* what is understood */
	{ "gru", { "GRU", 1, .summary = "last" }, NULL },
	{ "linear after", { "GRU", 1, ATTRIBUTE(.name = "linear_before_reset", .member = ONNX_MEMBER_I, .i = 1), .summary = "last" }, NULL },
	{ "lstm", { "LSTM", 2, .summary = "mean" }, NULL },
	{ "rnn", { "RNN", 2, .summary = "last" }, NULL },
	{ "relu", { "RNN", 1, ATTRIBUTE(.name = "activations", .member = ONNX_MEMBER_STRINGS, .n = 1, .strings = TEXTS("Relu")),
	            .summary = "mean" }, NULL },
	{ "reverse", { "GRU", 2, &(const struct onnx_attribute){ .name = "direction", .member = ONNX_MEMBER_S, .s = "reverse" },
	               .summary = "first" }, NULL },
	{ "doing nothing", { "GRU", 2, .between = "Identity", .behind = "Identity", .summary = "last" }, NULL },
	{ "text", { "GRU", 1, .summary = "last", .tokens = true }, NULL },
	{ "mean of a text", { "LSTM", 2, .summary = "mean", .tokens = true }, NULL },
	{ "language", { "GRU", 1, .summary = "all", .tokens = true }, NULL },
	/* what is not */
	{ "every step of a series", { "GRU", 1, .summary = "all" }, "what the Linear layer reads" },
	{ "clip", { "GRU", 1, ATTRIBUTE(.name = "clip", .member = ONNX_MEMBER_F, .f = 3), .summary = "last" }, "(GRU): clip" },
	{ "input_forget", { "LSTM", 1, ATTRIBUTE(.name = "input_forget", .member = ONNX_MEMBER_I, .i = 1), .summary = "last" },
	  "(LSTM): input_forget" },
	{ "activation", { "RNN", 1, ATTRIBUTE(.name = "activations", .member = ONNX_MEMBER_STRINGS, .n = 1, .strings = TEXTS("Elu")),
	                  .summary = "last" }, "(RNN): the activation Elu" },
	{ "relu in a gru", { "GRU", 1, ATTRIBUTE(.name = "activations", .member = ONNX_MEMBER_STRINGS, .n = 2,
	                     .strings = TEXTS("Sigmoid", "Relu")), .summary = "last" }, "(GRU): its activation 1 is Relu" },
	{ "direction", { "GRU", 1, &(const struct onnx_attribute){ .name = "direction", .member = ONNX_MEMBER_S, .s = "sideways" },
	                 .summary = "last" }, "(GRU): the direction" },
	{ "both ways with one", { "GRU", 1, &(const struct onnx_attribute){ .name = "direction", .member = ONNX_MEMBER_S,
	                          .s = "bidirectional" }, .summary = "last" }, "(GRU): its input 1" },
	{ "initial state", { "GRU", 1, .h0 = true, .summary = "last" }, "(GRU): it does not begin with zeros" },
	{ "peepholes", { "LSTM", 1, .peepholes = true, .summary = "last" }, "(LSTM): peepholes" },
	{ "lengths", { "GRU", 1, .lengths = true, .summary = "last" }, "(GRU): sequence_lens" },
	{ "between layers", { "GRU", 2, .between = "Tanh", .summary = "last" }, "(GRU): it reads something else than the outputs" },
	{ "behind the head", { "GRU", 1, .behind = "Tanh", .summary = "last" }, "what the Linear layer reads here is neither" },
	{ "first output", { "GRU", 1, .summary = "first" }, "(Gather): what the Linear layer reads" },
	{ "maximum", { "GRU", 1, .summary = "max" }, "(ReduceMax): what the Linear layer reads" },
	{ "columns", { "GRU", 1, .summary = "last", .columns = HID + 1 }, "(Gemm): its inputs" },
	{ "no such operator", { "GRU", 1, .behind = "Loop", .summary = "last" }, "(Loop): the operator is not offered" },
};

START_TEST(graph_is_understood_or_refused_with_its_node)
{
	struct arena a;
	struct onnx_graph g;
	struct imported m = { 0 };
	struct error e = { 0 };
	arena_init(&a, ARENA_CAP);
	build_plan(&plans[_i].plan, &a, &g);
	enum err rc = import_graph(&g, &a, &m, &e);
	if (plans[_i].says)
		ck_assert_msg(rc == ERR_INVALID && *e.where && strstr(e.what, plans[_i].says), "%s: %d %s", plans[_i].name, rc,
		              e.what);
	else
		ck_assert_msg(!rc, "%s: %s", plans[_i].name, e.what);
	imported_fini(&m);
	arena_fini(&a);
}
END_TEST

/* What is done to the graph of a GRU before it is written. */
static void older(struct onnx_graph *g) { g->opset = 12; }
static void newer(struct onnx_graph *g) { g->opset = 99; }
static void no_output(struct onnx_graph *g) { g->n_outputs = 0; }
static void no_input(struct onnx_graph *g) { g->n_inputs = 0; }
static void other_output(struct onnx_graph *g) { g->output[0].value = g->node[0].in[0]; }
static void swapped(struct onnx_graph *g)
{
	struct onnx_node n = g->node[0];
	g->node[0] = g->node[1];
	g->node[1] = n;
}
static void same_name(struct onnx_graph *g) { g->value[1].name = g->value[0].name; }
static void missing(struct onnx_graph *g) { g->n_initialisers--; }
static void own_output(struct onnx_graph *g)
{
	int *in = (int *)(uintptr_t)g->node[1].in;
	in[0] = g->node[1].out[0];
}

static void reshape(struct onnx_graph *g, int i, int d0, int d1, int d2)
{
	struct onnx_array *t = (struct onnx_array *)(uintptr_t)g->value[i].initialiser;
	t->dim[0] = d0;
	t->dim[1] = d1;
	t->dim[2] = d2;
}
static void wrong_count(struct onnx_graph *g) { reshape(g, 0, 1, 9, 3); }
static void other_shape(struct onnx_graph *g) { reshape(g, 0, 1, 6, 3); }
static void huge_dims(struct onnx_graph *g) { reshape(g, 0, 1 << 27, 1 << 27, 1 << 27); }
static void negative_dim(struct onnx_graph *g) { reshape(g, 0, -1, -9, 2); }
static void empty_dims(struct onnx_graph *g) { reshape(g, 0, 1 << 27, 1 << 27, 0); }
static void not_finite(struct onnx_graph *g)
{
	float *at = (float *)(uintptr_t)g->value[0].initialiser->at;
	at[3] = __builtin_nanf("");
}
static void too_many_columns(struct onnx_graph *g) { g->input[0].dim[2] = 100000; }
static void huge_batch(struct onnx_graph *g) { g->input[0].dim[0] = 1 << 27; }
static void whole_numbers(struct onnx_graph *g) { g->input[0].type = ONNX_INT64; }
static void tokens(struct onnx_graph *g) { g->input[0].type = ONNX_INT64; g->input[0].ndim = 2; }
static void broken_document(struct onnx_graph *g) { g->document = "{"; }

static const struct {
	const char *name;
	void (*change)(struct onnx_graph *);
	enum err want;
	const char *says;
} changes[] = {
	{ "old opset", older, ERR_INVALID, "opset is 12" }, { "new opset", newer, ERR_INVALID, "opset is 99" },
	{ "no output", no_output, ERR_INVALID, "0 outputs" }, { "no input", no_input, ERR_INVALID, "nothing before it makes" },
	{ "the input as output", other_output, ERR_INVALID, "no Linear layer" },
	{ "another order", swapped, ERR_INVALID, "nothing before it makes" }, { "a name twice", same_name, ERR_INVALID, "two values" },
	{ "missing initialiser", missing, ERR_INVALID, "nothing before it makes" },
	{ "a cycle", own_output, ERR_INVALID, "nothing before it makes" },
	{ "wrong count", wrong_count, ERR_INVALID, "its dimensions make 27" }, { "other shape", other_shape, ERR_INVALID, "(GRU): its input 1" },
	{ "huge dimensions", huge_dims, ERR_INVALID, "overflow" }, { "negative", negative_dim, ERR_INVALID, "dimension 0" },
	{ "empty and huge", empty_dims, ERR_INVALID, "overflow" }, { "not finite", not_finite, ERR_INVALID, "" },
	{ "columns", too_many_columns, ERR_INVALID, "100000 columns" }, { "batch", huge_batch, ERR_TOO_LARGE, "" },
	{ "tokens", tokens, ERR_INVALID, "no Gather of a matrix" }, { "whole numbers", whole_numbers, ERR_INVALID, "neither [batch" }, { "document", broken_document, ERR_SYNTAX, "" },
};

START_TEST(changed_file_is_refused)
{
	static const struct plan plan = { "GRU", 1, .summary = "last" };
	struct arena a;
	struct onnx_graph g;
	struct imported m = { 0 };
	struct error e = { 0 };
	arena_init(&a, ARENA_CAP);
	build_plan(&plan, &a, &g);
	changes[_i].change(&g);
	enum err rc = import_graph(&g, &a, &m, &e);
	ck_assert_msg(rc == changes[_i].want && rc == e.code && strstr(e.what, changes[_i].says), "%s: %d %s",
	              changes[_i].name, rc, e.what);
	arena_fini(&a);
}
END_TEST

/* A prefix may be a file of its own, but none of a version. */
START_TEST(truncated_file_is_refused_at_every_byte)
{
	static const struct plan plan = { "GRU", 1, .summary = "last" };
	struct arena a;
	struct onnx_graph g;
	struct imported m = { 0 };
	struct error e;
	size_t len;
	arena_init(&a, ARENA_CAP);
	build_plan(&plan, &a, &g);
	char *file = file_of(&g, &a, &len);
	ck_assert_int_eq(import_file(file, len, &m, &e), ERR_OK);
	imported_fini(&m);
	for (size_t cut = 0; cut < len; cut++) {
		enum err rc = import_file(file, cut, &m, &e);
		ck_assert_msg(rc && rc == e.code && *e.what, "%zu of %zu bytes: %d", cut, len, rc);
	}
	free(file);
	arena_fini(&a);
}
END_TEST

/* Bytes that are something else are refused or make another model; nothing breaks. */
START_TEST(changed_bytes_break_nothing)
{
	static const struct plan plan = { "LSTM", 1, .summary = "mean" };
	struct arena a;
	struct onnx_graph g;
	struct imported m = { 0 };
	struct error e;
	size_t len;
	arena_init(&a, ARENA_CAP);
	build_plan(&plan, &a, &g);
	char *file = file_of(&g, &a, &len);
	for (size_t i = 0; i < len; i++) {
		char was = file[i];
		file[i] = (char)(was ^ (1 << i % 8));
		enum err rc = import_file(file, len, &m, &e);
		ck_assert(!rc || (rc == e.code && *e.what));
		imported_fini(&m);
		file[i] = was;
	}
	free(file);
	arena_fini(&a);
}
END_TEST

/* Many messages of two bytes take far more memory than the file: the budget ends it. */
START_TEST(memory_is_bounded)
{
	size_t len = (size_t)8 << 20;
	struct arena a;
	struct onnx_graph g;
	struct error e = { 0 };
	char *file = malloc(len);
	ck_assert_ptr_nonnull(file);
	/* ModelProto.graph (7) of the rest, which is nothing but empty nodes (1). */
	memcpy(file, "\x3a\xf0\xff\xff\x03", 5);
	for (size_t i = 5; i + 1 < len; i += 2)
		memcpy(file + i, "\x0a\x00", 2);
	size_t body = (size_t)0x70 | (size_t)0x7f << 7 | (size_t)0x7f << 14 | (size_t)3 << 21;
	arena_init(&a, onnx_budget(len));
	ck_assert_int_eq(onnx_parse(file, 5 + body, &a, &g, &e), ERR_TOO_LARGE);
	ck_assert_uint_le(a.used, onnx_budget(len));
	arena_fini(&a);
	free(file);
}
END_TEST

/* What an import made leaves and comes back as it is, by way of either format. */
START_TEST(version_survives_both_formats)
{
	static const struct plan plan = { "LSTM", 2, .summary = "mean" };
	const struct import_options nothing = { 0 };
	struct arena a;
	struct onnx_graph g;
	struct imported m = { 0 }, again = { 0 };
	struct strbuf out;
	struct error e = { 0 };
	arena_init(&a, ARENA_CAP);
	strbuf_init(&out, ARENA_CAP);
	build_plan(&plan, &a, &g);
	ck_assert_int_eq(import_graph(&g, &a, &m, &e), ERR_OK);
	for (int format = WEIGHTS_SAFETENSORS; format <= WEIGHTS_ONNX; format++) {
		const struct model_numbers n = { m.weights, m.n_weights, m.calibration, m.n_calibration };
		ck_assert_int_eq(model_export((enum weights_format)format, m.document, &n, &out, &e), ERR_OK);
		ck_assert_msg(!model_import((enum weights_format)format, out.s, out.len, &nothing, &again, &e), "%s", e.what);
		ck_assert_str_eq(again.document, m.document);
		ck_assert_uint_eq(again.n_weights, m.n_weights);
		ck_assert_mem_eq(again.weights, m.weights, m.n_weights * sizeof *m.weights);
		imported_fini(&again);
		strbuf_reset(&out);
	}
	imported_fini(&m);
	strbuf_fini(&out);
	arena_fini(&a);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
	Suite *suite = suite_create("ONNX import");
	TCase *tc = tcase_create("graphs");
	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, graph_is_understood_or_refused_with_its_node, 0, COUNT(plans));
	tcase_add_loop_test(tc, changed_file_is_refused, 0, COUNT(changes));
	tcase_add_test(tc, truncated_file_is_refused_at_every_byte);
	tcase_add_test(tc, changed_bytes_break_nothing);
	tcase_add_test(tc, memory_is_bounded);
	tcase_add_test(tc, version_survives_both_formats);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
