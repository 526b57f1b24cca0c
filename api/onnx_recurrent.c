/* onnx_recurrent.c - GRU, LSTM and RNN as ONNX defines them, which differs from us in names, orders and options:
 *
 *     GRU    gates z r h     linear_before_reset = 1: h = tanh(W x + Wb + r * (R H + Rb)), ours reset_after
 *     LSTM   gates i o f c   peepholes P: i o f
 *     RNN    one
 *
 *     X [T][B][in]   W [D][G hid][in]   R [D][G hid][hid]   B [D][2 G hid]: Wb, Rb   D: directions
 *     Y [T][D][B][hid]   Y_h, Y_c [D][B][hid]       layout = 1: B is the first axis of all of them
 *
 * A sequence that sequence_lens ends early leaves its state as it was, and zeros in Y. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "api/onnx_operator.h"

enum input { IN_X, IN_W, IN_R, IN_B, IN_LENGTHS, IN_H, IN_C, IN_P };
enum cell { GRU, LSTM, RNN };
static const struct { const char *op; int gates, activations; const char *activation[3]; } cells[] = {
	[GRU] = { "GRU", 3, 2, { "Sigmoid", "Tanh" } },
	[LSTM] = { "LSTM", 4, 3, { "Sigmoid", "Tanh", "Tanh" } },
	[RNN] = { "RNN", 1, 1, { "Tanh" } },
};

typedef double (*activation)(double x);

struct recurrent {
	enum cell cell;
	int T, B, in, hid, directions, gates;
	bool batch_first, reverse /* the only direction */, reset_after;
	activation f[2][3];
	const struct onnx_call *call;
};

/* One direction while it runs: its part of the inputs, and its states. */
struct direction {
	const float *w, *r, *wb, *rb, *p;     /* the last three may be NULL */
	const activation *f;
	double *a, *b;                        /* [gates * hid] of a step: W x + Wb and R H + Rb */
	double *h, *c;                        /* [hid] of the sequence that runs */
};

static double of_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double of_relu(double x) { return x > 0 ? x : x <= 0 ? 0 : x; }

/* --- what is asked for ---------------------------------------------------------------------------------------------- */

static enum err read_activations(struct onnx_call *c, struct recurrent *r)
{
	static const struct { const char *name; activation of; } known[] = {
		{ "Sigmoid", of_sigmoid }, { "Tanh", tanh }, { "Relu", of_relu },
	};
	const struct onnx_attribute *a = onnx_attribute(c->node, "activations");
	int n = cells[r->cell].activations;
	if (a && (a->member != ONNX_MEMBER_STRINGS || a->n != n * r->directions))
		return call_fail(c, "it has %d activations; %d are expected", a->n, n * r->directions);
	for (int i = 0; i < n * r->directions; i++) {
		const char *name = a ? a->strings[i] : cells[r->cell].activation[i % n];
		for (size_t k = 0; k < sizeof known / sizeof *known; k++)
			if (!strcasecmp(name, known[k].name))
				r->f[i / n][i % n] = known[k].of;
		if (!r->f[i / n][i % n])
			return call_fail(c, "the activation %.40s is not offered", name);
	}
	return ERR_OK;
}

static enum err read_attributes(struct onnx_call *c, struct recurrent *r)
{
	const struct onnx_attribute *direction = onnx_attribute(c->node, "direction");
	const char *way = direction ? direction->s : "forward";
	if (onnx_attribute(c->node, "clip"))
		return call_fail(c, "clip is not offered: it would bound what the gates add up to");
	if (onnx_attribute_int(c->node, "input_forget", 0))
		return call_fail(c, "input_forget is not offered");
	if (strcmp(way, "forward") && strcmp(way, "reverse") && strcmp(way, "bidirectional"))
		return call_fail(c, "the direction %.40s is not known", way);
	while (strcmp(cells[r->cell].op, c->node->op))
		r->cell++;
	r->gates = cells[r->cell].gates;
	r->directions = strcmp(way, "bidirectional") ? 1 : 2;
	r->reverse = !strcmp(way, "reverse");
	r->batch_first = onnx_attribute_int(c->node, "layout", 0) != 0;
	r->reset_after = onnx_attribute_int(c->node, "linear_before_reset", 0) != 0;
	return read_activations(c, r);
}

/* An input, where it is there, has that shape. */
static enum err expect(struct onnx_call *c, enum input i, int ndim, int d0, int d1, int d2)
{
	const struct onnx_array *x = c->in[i];
	const int dim[] = { d0, d1, d2 };
	for (int k = 0; x && k < ndim; k++)
		if (x->ndim != ndim || x->dim[k] != dim[k])
			return call_fail(c, "its input %d does not have the shape [%d, %d, %d] (the first %d)", i, d0, d1, d2,
			                 ndim);
	return ERR_OK;
}

static enum err read_shapes(struct onnx_call *c, struct recurrent *r)
{
	const struct onnx_array *x = c->in[IN_X], *w = c->in[IN_R];
	if (x->ndim != 3 || w->ndim != 3 || !w->dim[2])
		return call_fail(c, "X and R do not have three dimensions");
	r->T = x->dim[r->batch_first];
	r->B = x->dim[!r->batch_first];
	r->in = x->dim[2];
	r->hid = w->dim[2];
	int D = r->directions, rows = r->gates * r->hid;
	int first = r->batch_first ? r->B : D, second = r->batch_first ? D : r->B;
	enum err rc = expect(c, IN_W, 3, D, rows, r->in);
	if (!rc)
		rc = expect(c, IN_R, 3, D, rows, r->hid);
	if (!rc)
		rc = expect(c, IN_B, 2, D, 2 * rows, 0);
	if (!rc)
		rc = expect(c, IN_LENGTHS, 1, r->B, 0, 0);
	if (!rc)
		rc = expect(c, IN_H, 3, first, second, r->hid);
	if (!rc)
		rc = expect(c, IN_C, 3, first, second, r->hid);
	if (!rc)
		rc = expect(c, IN_P, 2, D, 3 * r->hid, 0);
	for (size_t b = 0; !rc && c->in[IN_LENGTHS] && b < (size_t)r->B; b++)
		if (!(c->in[IN_LENGTHS]->at[b] >= 0 && c->in[IN_LENGTHS]->at[b] <= (float)r->T))
			rc = call_fail(c, "sequence_lens is not within 0 to %d", r->T);
	return rc;
}

/* --- a step --------------------------------------------------------------------------------------------------------- */

static void affine(const float *w, const float *bias, int rows, int cols, const float *x, const double *h, double *out)
{
	for (int i = 0; i < rows; i++) {
		out[i] = bias ? (double)bias[i] : 0;
		for (int k = 0; k < cols; k++)
			out[i] += (double)w[(size_t)i * (size_t)cols + (size_t)k] * (x ? (double)x[k] : h[k]);
	}
}

static void gru_step(const struct recurrent *r, const struct direction *d)
{
	int hid = r->hid;
	double *z = d->a, *reset = d->a + hid, *n = d->a + 2 * hid;
	const double *rn = d->b + 2 * hid;
	for (int i = 0; i < 2 * hid; i++)
		d->a[i] = d->f[0](d->a[i] + d->b[i]);
	if (!r->reset_after) {
		double *gated = d->b;                 /* z's part, which is done with */
		for (int i = 0; i < hid; i++)
			gated[i] = reset[i] * d->h[i];
		affine(d->r + (size_t)2 * (size_t)hid * (size_t)hid, d->rb ? d->rb + 2 * hid : NULL, hid, hid, NULL, gated,
		       d->b + 2 * hid);
	}
	for (int i = 0; i < hid; i++) {
		n[i] = d->f[1](n[i] + (r->reset_after ? reset[i] : 1) * rn[i]);
		d->h[i] = (1 - z[i]) * n[i] + z[i] * d->h[i];
	}
}

static void lstm_step(const struct recurrent *r, const struct direction *d)
{
	int hid = r->hid;
	for (int i = 0; i < hid; i++) {
		double in = d->a[i] + d->b[i], out = d->a[hid + i] + d->b[hid + i];
		double forget = d->a[2 * hid + i] + d->b[2 * hid + i];
		double cell = d->f[1](d->a[3 * hid + i] + d->b[3 * hid + i]);
		if (d->p) {
			in += (double)d->p[i] * d->c[i];
			forget += (double)d->p[2 * hid + i] * d->c[i];
		}
		d->c[i] = d->f[0](forget) * d->c[i] + d->f[0](in) * cell;
		if (d->p)
			out += (double)d->p[hid + i] * d->c[i];
		d->h[i] = d->f[0](out) * d->f[2](d->c[i]);
	}
}

static void rnn_step(const struct recurrent *r, const struct direction *d)
{
	for (int i = 0; i < r->hid; i++)
		d->h[i] = d->f[0](d->a[i] + d->b[i]);
}

/* --- the run -------------------------------------------------------------------------------------------------------- */

/* Where hid numbers of (direction, sequence) begin in a state, and of (step, …) in Y. */
static size_t state_at(const struct recurrent *r, int d, int b)
{
	size_t D = (size_t)r->directions, B = (size_t)r->B;
	return (r->batch_first ? (size_t)b * D + (size_t)d : (size_t)d * B + (size_t)b) * (size_t)r->hid;
}

static size_t output_at(const struct recurrent *r, int t, int d, int b)
{
	size_t D = (size_t)r->directions, T = (size_t)r->T, B = (size_t)r->B;
	size_t row = r->batch_first ? ((size_t)b * T + (size_t)t) * D + (size_t)d
		: ((size_t)t * D + (size_t)d) * B + (size_t)b;
	return row * (size_t)r->hid;
}

static void load_state(const struct onnx_array *from, size_t at, int hid, double *to)
{
	for (int i = 0; i < hid; i++)
		to[i] = from ? (double)from->at[at + (size_t)i] : 0;
}

static void store_state(const double *from, int hid, float *to)
{
	for (int i = 0; i < hid; i++)
		to[i] = (float)from[i];
}

static struct direction direction_of(const struct recurrent *r, int d, double *scratch)
{
	const struct onnx_array *const *in = r->call->in;
	size_t hid = (size_t)r->hid, rows = (size_t)r->gates * hid, at = (size_t)d;
	return (struct direction){
		.w = in[IN_W]->at + at * rows * (size_t)r->in, .r = in[IN_R]->at + at * rows * hid,
		.wb = in[IN_B] ? in[IN_B]->at + at * 2 * rows : NULL,
		.rb = in[IN_B] ? in[IN_B]->at + at * 2 * rows + rows : NULL,
		.p = in[IN_P] ? in[IN_P]->at + at * 3 * hid : NULL, .f = r->f[d],
		.a = scratch, .b = scratch + rows, .h = scratch + 2 * rows, .c = scratch + 2 * rows + hid,
	};
}

/* One sequence in one direction; y, last and memory are whole outputs. */
static void run_sequence(const struct recurrent *r, int d, int b, double *scratch, float *y, float *last, float *memory)
{
	static void (*const step[])(const struct recurrent *, const struct direction *) = { gru_step, lstm_step, rnn_step };
	const struct onnx_array *const *in = r->call->in;
	const struct direction way = direction_of(r, d, scratch);
	int length = in[IN_LENGTHS] ? (int)in[IN_LENGTHS]->at[b] : r->T, rows = r->gates * r->hid;
	load_state(in[IN_H], state_at(r, d, b), r->hid, way.h);
	load_state(in[IN_C], state_at(r, d, b), r->hid, way.c);
	for (int i = 0; i < length; i++) {
		int t = d || r->reverse ? length - 1 - i : i;
		size_t row = r->batch_first ? (size_t)b * (size_t)r->T + (size_t)t : (size_t)t * (size_t)r->B + (size_t)b;
		affine(way.w, way.wb, rows, r->in, in[IN_X]->at + row * (size_t)r->in, NULL, way.a);
		affine(way.r, way.rb, rows, r->hid, NULL, way.h, way.b);
		step[r->cell](r, &way);
		store_state(way.h, r->hid, y + output_at(r, t, d, b));
	}
	store_state(way.h, r->hid, last + state_at(r, d, b));
	if (memory)
		store_state(way.c, r->hid, memory + state_at(r, d, b));
}

static enum err charge(struct onnx_call *c, const struct recurrent *r)
{
	uint64_t n = (uint64_t)r->gates * (uint64_t)r->hid * ((uint64_t)r->in + (uint64_t)r->hid);
	if (__builtin_mul_overflow(n * (uint64_t)r->directions, (uint64_t)r->T * (uint64_t)r->B, &n))   /* n is below 2^58 */
		n = UINT64_MAX;
	return call_charge(c, n);
}

static enum err make_outputs(struct onnx_call *c, const struct recurrent *r, float **y, float **last, float **memory)
{
	const int steps[] = { r->T, r->directions, r->B, r->hid }, batches[] = { r->B, r->T, r->directions, r->hid };
	const int state[] = { r->directions, r->B, r->hid }, batch_state[] = { r->B, r->directions, r->hid };
	enum err rc = call_result(c, 0, ONNX_FLOAT, r->batch_first ? batches : steps, 4, y);
	if (!rc)
		rc = call_result(c, 1, ONNX_FLOAT, r->batch_first ? batch_state : state, 3, last);
	*memory = NULL;
	return rc || r->cell != LSTM ? rc : call_result(c, 2, ONNX_FLOAT, r->batch_first ? batch_state : state, 3, memory);
}

static enum err run_recurrent(struct onnx_call *c)
{
	struct recurrent r = { .call = c };
	float *y, *last, *memory;
	double *scratch;
	enum err rc = read_attributes(c, &r);
	if (!rc)
		rc = read_shapes(c, &r);
	if (!rc)
		rc = charge(c, &r);
	if (!rc)
		rc = make_outputs(c, &r, &y, &last, &memory);
	if (rc)
		return rc;
	scratch = arena_calloc(c->arena, 2 * (size_t)(r.gates + 1) * (size_t)r.hid, sizeof *scratch);
	if (!scratch)
		return onnx_fail(c->graph, c->node, ERR_TOO_LARGE, c->e, "the graph takes more than %zu bytes of memory",
		                 c->arena->cap);
	for (int d = 0; d < r.directions; d++)
		for (int b = 0; b < r.B; b++)
			run_sequence(&r, d, b, scratch, y, last, memory);
	return ERR_OK;
}

const struct onnx_operator_row onnx_recurrent_operators[] = {
	{ "GRU", 3, run_recurrent }, { "LSTM", 3, run_recurrent }, { "RNN", 3, run_recurrent }, { NULL, 0, NULL },
};
