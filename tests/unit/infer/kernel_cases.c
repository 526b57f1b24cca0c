/* kernel_cases.c - see kernel_cases.h. */
#include "tests/unit/infer/kernel_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/infer/int8.h"
#include "tests/unit/infer/fence.h"

#define X_GAP 5                /* numbers between the rows of what may have any length */
#define GAP   KERNEL_UNITS     /* and of what is padded */

#define CELL(NAME, ENCODER, AFTER, RELU, INT8, TOLERANCE) \
	{ .name = NAME, .kind = KIND_CELL, .int8 = INT8, .tolerance = TOLERANCE, .cell = { ENCODER, AFTER, RELU } }
#define FUNCTION(NAME, TOLERANCE) \
	{ .name = #NAME, .kind = KIND_FUNCTION, .tolerance = TOLERANCE, .function = offsetof(struct kernels, NAME) }

/* A state that is reset is quantised when its last bits differ already, and may become the neighbouring integer. */
const struct kernel_case kernel_cases[] = {
	{ .name = "linear",       .kind = KIND_LINEAR, .tolerance = 1e-5 },
	{ .name = "linear, int8", .kind = KIND_LINEAR, .int8 = true },
	CELL("gru, reset after",        ENCODER_GRU,  true,  false, false, 4e-6),
	CELL("gru, reset after, int8",  ENCODER_GRU,  true,  false, true,  4e-6),
	CELL("gru, reset before",       ENCODER_GRU,  false, false, false, 4e-6),
	CELL("gru, reset before, int8", ENCODER_GRU,  false, false, true,  2e-4),
	CELL("lstm",                    ENCODER_LSTM, false, false, false, 4e-6),
	CELL("lstm, int8",              ENCODER_LSTM, false, false, true,  4e-6),
	CELL("rnn, tanh",               ENCODER_RNN,  false, false, false, 4e-6),
	CELL("rnn, tanh, int8",         ENCODER_RNN,  false, false, true,  4e-6),
	CELL("rnn, relu",               ENCODER_RNN,  false, true,  false, 1e-5),
	CELL("rnn, relu, int8",         ENCODER_RNN,  false, true,  true,  0),
	{ .name = "attend, additive", .kind = KIND_ATTEND, .tolerance = 4e-6, .score = SCORE_ADDITIVE },
	{ .name = "attend, dot",      .kind = KIND_ATTEND, .tolerance = 4e-6, .score = SCORE_DOT },
	{ .name = "layer norm",       .kind = KIND_NORM,   .tolerance = 1e-5 },
	FUNCTION(sigmoid, 1e-6), FUNCTION(tanh, 1e-6), FUNCTION(relu, 0), FUNCTION(gelu, 4e-6),
};
const int kernel_cases_n = sizeof kernel_cases / sizeof *kernel_cases;
_Static_assert(sizeof(struct kernels) == (2 + 3 + FORM_COUNT + 4) * sizeof(void (*)(void)),
               "name and width; linear, attend, layer_norm; cells; functions: what is new needs a case");

/* What a call reads, then what it writes. */
enum array {
	X,                         /* rows; attend: the query */
	STATE,                     /* cell: h; attend: the states */
	KEYS, V,                   /* attend */
	PACKED,                    /* arrays of the pack, of a candidate's too */
	CANDIDATE = PACKED + 4,
	OUT = CANDIDATE + 4,
	MEMORY,                    /* LSTM: c; attend: the weights */
	Z, RESET,                  /* scratch */
	ARRAYS,
};

struct kernel_call {
	const struct kernel_case *c;
	const struct kernels *k;
	struct kernel_size size;
	int padded;                /* units */
	struct cell cell;          /* a pack alone is its gates */
	struct fence array[ARRAYS];
};

/* Rows of an output that are written, the last of its array. */
struct region {
	int rows;
	size_t width, stride;
};

static struct region region_of(const struct kernel_call *call, enum array array, int rows)
{
	const size_t width = (size_t)call->padded;

	switch (call->c->kind) {
	case KIND_ATTEND:
		return array == MEMORY ? (struct region){ 1, (size_t)kernels_pad(rows), 0 } : (struct region){ 1, width, 0 };
	case KIND_FUNCTION:
		return (struct region){ rows, width, width };
	default:
		return (struct region){ rows, width, width + GAP };
	}
}

static size_t region_size(const struct region *r)
{
	return (size_t)(r->rows - 1) * r->stride + r->width;
}

/* The last n numbers of the array. */
static float *last(const struct kernel_call *call, enum array array, size_t n)
{
	const struct fence *f = &call->array[array];

	return f->at + f->n - n;
}

/* The last rows of an array of as many as the size has. */
static float *last_rows(const struct kernel_call *call, enum array array, int rows, size_t stride)
{
	return call->array[array].at + (size_t)(call->size.rows - rows) * stride;
}

static bool has_memory(const struct kernel_case *c)
{
	return c->kind == KIND_ATTEND || (c->kind == KIND_CELL && c->cell.encoder == ENCODER_LSTM);
}

/* ---- what is read -------------------------------------------------------- */

static void draw(const struct kernel_call *call, uint32_t stream, double scale, float *to, size_t n)
{
	const struct kernel_size *s = &call->size;
	struct rng r;

	rng_init(&r, ((uint64_t)s->rows << 40) + ((uint64_t)s->in << 20) + (uint64_t)s->units, RNG_TEST, stream);
	for (size_t i = 0; i < n; i++)
		to[i] = (float)(scale * (2 * rng_uniform(&r) - 1));
}

static bool draw_input(struct kernel_call *call, enum array array, size_t n, double scale)
{
	struct fence *f = &call->array[array];

	if (!fence_init(f, n))
		return false;
	draw(call, array, scale, f->at, n);
	fence_seal(f);
	return true;
}

static size_t x_stride(const struct kernel_call *call)
{
	return (size_t)(call->c->kind == KIND_NORM ? call->padded + GAP : call->size.in + X_GAP);
}

static bool draw_rows(struct kernel_call *call)
{
	const size_t before = (size_t)call->size.rows - 1;

	return draw_input(call, X, before * x_stride(call) + (size_t)call->size.in, 1) &&
	       draw_input(call, STATE, before * (size_t)(call->padded + GAP) + (size_t)call->padded, 1);
}

static bool draw_steps(struct kernel_call *call)
{
	const size_t before = (size_t)call->size.rows - 1, in = (size_t)call->size.in, units = (size_t)call->size.units;

	return draw_input(call, X, in, 2) && draw_input(call, KEYS, before * (in + GAP) + in, 2) &&
	       draw_input(call, STATE, before * (units + GAP) + units, 1) &&
	       draw_input(call, V, call->c->score == SCORE_ADDITIVE ? in : 0, 1);
}

/* Zeros behind the units of a row. */
static bool draw_norm_rows(struct kernel_call *call)
{
	const size_t stride = x_stride(call), width = (size_t)call->padded;
	struct fence *f = &call->array[X];

	if (!fence_init(f, (size_t)(call->size.rows - 1) * stride + width))
		return false;
	for (int row = 0; row < call->size.rows; row++) {
		memset(f->at + row * stride, 0, width * sizeof *f->at);
		draw(call, (uint32_t)row, 3, f->at + row * stride, (size_t)call->size.units);
	}
	fence_seal(f);
	return true;
}

/* ---- packs --------------------------------------------------------------- */

/* A network in which the kernel's pack is one of a model's. */
static struct net_spec spec_of(const struct kernel_case *c, const struct kernel_size *s)
{
	struct net_spec spec = {
		.encoder = c->cell.encoder, .inputs = s->in, .hidden = s->units, .layers = 1, .bias = true,
		.reset_after = c->cell.reset_after, .relu = c->cell.relu, .decoder = DECODER_LAST, .targets = 1, .levels = 1,
		.horizon = 1,
	};

	if (c->kind == KIND_LINEAR) {
		spec.inputs = 1;
		spec.hidden = s->in;
		spec.attention = s->units;
		spec.decoder = DECODER_ATTENTION;
	} else if (c->kind == KIND_NORM) {
		spec.encoder = ENCODER_TRANSFORMER;
		spec.inputs = spec.heads = spec.feedforward = 1;
	}
	return spec;
}

static const struct cell *cell_of(const struct infer_model *m, enum kernel_kind kind, struct cell *alone)
{
	if (kind == KIND_CELL)
		return &m->encoder[0][0];
	*alone = (struct cell){ .gates = kind == KIND_LINEAR ? m->key : m->transformer.layer[0].norm[0] };
	return alone;
}

static bool copy_input(struct fence *f, const void *from, size_t n)
{
	if (!fence_init(f, n))
		return false;
	if (n)
		memcpy(f->at, from, n * sizeof *f->at);
	fence_seal(f);
	return true;
}

/* The pack's arrays behind fences, where it then points to. */
static bool fence_pack(struct pack *p, int lanes, struct fence fence[4])
{
	const size_t columns = (size_t)p->panels * p->gates * lanes, parts = p->k > p->in ? PACK_PARTS : 1;
	const size_t bytes = columns * 2 * (size_t)(int8_pairs(p->in) + int8_pairs(p->k - p->in));

	if (!copy_input(&fence[0], p->w, p->w ? columns * p->k : 0) ||
	    !copy_input(&fence[1], p->bias, (size_t)p->panels * p->sums * lanes) ||
	    !copy_input(&fence[2], p->q, p->q ? bytes / sizeof(float) : 0) ||
	    !copy_input(&fence[3], p->scale, p->q ? columns * parts : 0))
		return false;
	p->w = fence[0].at;
	p->bias = fence[1].at;
	p->q = (int8_t *)fence[2].at;
	p->scale = fence[3].at;
	return true;
}

static bool pack(struct kernel_call *call)
{
	const struct infer_options o = { .int8 = call->c->int8 };
	const struct net_spec spec = spec_of(call->c, &call->size);
	struct tensor_table table;
	struct infer_model *m = NULL;
	struct cell alone;

	net_tensors(&spec, &table);
	float *params = malloc(table.count * sizeof *params);
	if (params)
		draw(call, ARRAYS, 1.5 / sqrt(call->size.in + call->size.units), params, table.count);
	bool done = params && !infer_model_new_for(call->k, &spec, params, &o, &m, NULL);
	if (done) {
		call->cell = *cell_of(m, call->c->kind, &alone);
		done = fence_pack(&call->cell.gates, call->k->width, &call->array[PACKED]) &&
		       fence_pack(&call->cell.candidate, call->k->width, &call->array[CANDIDATE]);
	}
	infer_model_free(m);
	free(params);
	return done;
}

/* ---- life ---------------------------------------------------------------- */

static bool make_inputs(struct kernel_call *call)
{
	switch (call->c->kind) {
	case KIND_LINEAR:
	case KIND_CELL:     return draw_rows(call) && pack(call);
	case KIND_ATTEND:   return draw_steps(call);
	case KIND_NORM:     return draw_norm_rows(call) && pack(call);
	case KIND_FUNCTION: return true;
	}
	return false;
}

static bool make_outputs(struct kernel_call *call)
{
	const size_t scratch = call->c->kind == KIND_CELL ? (size_t)call->size.rows * call->padded : 0;
	const struct region out = region_of(call, OUT, call->size.rows), memory = region_of(call, MEMORY, call->size.rows);

	return fence_init(&call->array[OUT], region_size(&out)) &&
	       fence_init(&call->array[MEMORY], has_memory(call->c) ? region_size(&memory) : 0) &&
	       fence_init(&call->array[Z], scratch) && fence_init(&call->array[RESET], scratch);
}

struct kernel_call *kernel_call_new(const struct kernel_case *c, const struct kernel_size *s, const struct kernels *k)
{
	struct kernel_call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	*call = (struct kernel_call){ .c = c, .k = k, .size = *s, .padded = kernels_pad(s->units) };
	if (!make_inputs(call) || !make_outputs(call)) {
		kernel_call_free(call);
		return NULL;
	}
	kernel_call_reset(call, s->rows);
	return call;
}

void kernel_call_free(struct kernel_call *call)
{
	for (int i = 0; call && i < ARRAYS; i++)
		fence_fini(&call->array[i]);
	free(call);
}

/* ---- running and looking ------------------------------------------------- */

static void draw_in_place(struct kernel_call *call, enum array array, int rows, double scale)
{
	const struct region r = region_of(call, array, rows);
	float *to = last(call, array, region_size(&r));

	for (int row = 0; row < rows; row++)
		draw(call, (uint32_t)(ARRAYS + 1 + row), scale, to + row * r.stride, r.width);
}

void kernel_call_reset(struct kernel_call *call, int rows)
{
	for (int i = OUT; i < ARRAYS; i++)
		if (call->array[i].n)
			fence_clear(&call->array[i]);
	if (call->c->kind == KIND_FUNCTION)
		draw_in_place(call, OUT, rows, 8);
	else if (call->c->kind == KIND_CELL && has_memory(call->c))
		draw_in_place(call, MEMORY, rows, 2);
}

static void run_cell(struct kernel_call *call, int rows)
{
	const struct region r = region_of(call, OUT, rows);
	const size_t scratch = (size_t)rows * call->padded;

	kernels_step(call->k, &call->cell, &(struct cell_step){
		.rows = rows, .x = last_rows(call, X, rows, x_stride(call)), .x_stride = x_stride(call),
		.h = last_rows(call, STATE, rows, r.stride), .h_stride = r.stride,
		.out = last(call, OUT, region_size(&r)), .out_stride = r.stride,
		.c = has_memory(call->c) ? last(call, MEMORY, region_size(&r)) : NULL, .c_stride = r.stride,
		.z = last(call, Z, scratch), .rh = last(call, RESET, scratch), .backward = rows % 2,
	});
}

static void run_attend(struct kernel_call *call, int rows)
{
	const size_t in = (size_t)call->size.in, units = (size_t)call->size.units;

	call->k->attend(&(struct attend){
		.T = rows, .attention = call->size.in, .hidden = call->size.units, .query = call->array[X].at,
		.keys = last_rows(call, KEYS, rows, in + GAP), .key_stride = in + GAP, .v = call->array[V].at,
		.scale = (float)(ATTEND_SCALE_DOT / sqrt(call->size.in)),
		.states = last_rows(call, STATE, rows, units + GAP), .state_stride = units + GAP,
		.weights = last(call, MEMORY, (size_t)kernels_pad(rows)), .context = call->array[OUT].at,
	});
}

void kernel_call_run(struct kernel_call *call, int rows)
{
	const struct region r = region_of(call, OUT, rows);
	float *out = last(call, OUT, region_size(&r));
	void (*function)(float *, size_t);

	switch (call->c->kind) {
	case KIND_LINEAR:
		call->k->linear(&call->cell.gates, rows, last_rows(call, X, rows, x_stride(call)), x_stride(call), out,
		                r.stride);
		break;
	case KIND_CELL:
		run_cell(call, rows);
		break;
	case KIND_ATTEND:
		run_attend(call, rows);
		break;
	case KIND_NORM:
		call->k->layer_norm(&call->cell.gates, call->size.units, rows, last_rows(call, X, rows, r.stride), out,
		                    r.stride);
		break;
	case KIND_FUNCTION:
		memcpy(&function, (const char *)call->k + call->c->function, sizeof function);
		function(out, region_size(&r));
		break;
	}
}

static bool row_near(const float *a, const float *b, size_t n, double tolerance)
{
	if (tolerance == 0)
		return !memcmp(a, b, n * sizeof *a);
	for (size_t i = 0; i < n; i++)
		if (!(fabs((double)a[i] - b[i]) <= tolerance))
			return false;
	return true;
}

static bool array_near(const struct kernel_call *a, const struct kernel_call *b, enum array array, int rows,
                       double tolerance)
{
	const struct region r = region_of(a, array, rows);
	const float *from_a = last(a, array, region_size(&r)), *from_b = last(b, array, region_size(&r));

	for (int row = 0; row < r.rows; row++)
		if (!row_near(from_a + row * r.stride, from_b + row * r.stride, r.width, tolerance))
			return false;
	return true;
}

bool kernel_call_near(const struct kernel_call *a, const struct kernel_call *b, int rows, double tolerance)
{
	return array_near(a, b, OUT, rows, tolerance) &&
	       (!has_memory(a->c) || array_near(a, b, MEMORY, rows, tolerance));
}

/* Before the region, and between its rows. */
static bool region_kept(const struct kernel_call *call, enum array array, int rows)
{
	const struct region r = region_of(call, array, rows);
	const float *first = last(call, array, region_size(&r));

	if (!fence_untouched(call->array[array].at, first))
		return false;
	for (int row = 0; row + 1 < r.rows; row++)
		if (!fence_untouched(first + row * r.stride + r.width, first + (row + 1) * r.stride))
			return false;
	return true;
}

bool kernel_call_intact(const struct kernel_call *call, int rows)
{
	for (int i = 0; i < ARRAYS; i++)
		if (!fence_intact(&call->array[i]))
			return false;
	return region_kept(call, OUT, rows) && (!has_memory(call->c) || region_kept(call, MEMORY, rows));
}

double kernel_case_flops(const struct kernel_case *c, const struct kernel_size *s)
{
	static const int gates[] = { [ENCODER_GRU] = 3, [ENCODER_LSTM] = 4, [ENCODER_RNN] = 1 };

	switch (c->kind) {
	case KIND_LINEAR: return 2.0 * s->rows * s->in * s->units;
	case KIND_CELL:   return 2.0 * s->rows * gates[c->cell.encoder] * (s->in + s->units) * s->units;
	default:          return 0;
	}
}
