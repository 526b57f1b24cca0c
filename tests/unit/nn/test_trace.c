/* test_trace.c - the views of a pass against plain loops over the weights: each step of each cell from what it read. */
#include "model/nn/trace.h"

#include "model/nn/transformer.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = 7, IN = 3, HID = 5, HORIZON = 4, MOST = 4 * HID };

#define TOLERANCE (10 * TOLERANCE_SAME)

/* A pass over one sequence of random numbers. */
struct pass {
	struct net_spec spec;
	struct tensor_table table;
	int steps;
	real *params, *x, *y, *attention, *ws;
	struct network_input in;
};

static void pass_init(struct pass *p, const struct net_spec *s, int steps)
{
	*p = (struct pass){ .spec = *s, .steps = steps };
	ck_assert_int_eq(net_spec_check(s, NULL), ERR_OK);
	net_tensors(s, &p->table);
	p->params = random_reals(p->table.count, 1);
	p->x = random_reals((size_t)(steps * s->inputs), 2);
	p->y = reals((size_t)(net_steps(s, steps) * net_outputs(s)));
	p->attention = reals((size_t)(s->horizon * steps));
	p->ws = reals(network_scratch(s, steps, 1));
	p->in = (struct network_input){ .T = steps, .B = 1, .lengths = &p->steps, .x = p->x };
	network_forward(s, p->params, &p->in, &(struct network_output){ .y = p->y, .attention = p->attention }, p->ws);
}

static void pass_fini(struct pass *p)
{
	real *all[] = { p->params, p->x, p->y, p->attention, p->ws };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

static struct trace pass_trace(struct pass *p, int index)
{
	struct trace t;
	network_trace(&p->spec, &p->in, p->ws, index, &t);
	return t;
}

static const struct trace_view *find(const struct trace *t, const char *part, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->view[i].part, part) && !strcmp(t->view[i].name, name))
			return &t->view[i];
	ck_abort_msg("no view %s %s", part, name);
}

static const real *tensor(const struct pass *p, const char *name)
{
	const struct tensor *t = tensor_find(&p->table, name);
	return t ? p->params + t->offset : NULL;
}

/* ---- one step of a cell ---------------------------------------------------- */

struct cell_weights { const real *wi, *wh, *bi, *bh; int in, hid; };

static struct cell_weights weights_of(const struct pass *p, const char *part, const char *suffix, int in, int hid)
{
	char name[64];
	struct cell_weights w = { .in = in, .hid = hid };
	const struct { const char *stem; const real **at; } all[] = {
		{ "weight_ih", &w.wi }, { "weight_hh", &w.wh }, { "bias_ih", &w.bi }, { "bias_hh", &w.bh },
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		snprintf(name, sizeof name, "%s.%s%s", part, all[i].stem, suffix);
		*all[i].at = tensor(p, name);
	}
	return w;
}

static double affine(const real *w, const real *b, int row, int n, const double *x)
{
	double sum = b ? (double)b[row] : 0;
	for (int i = 0; i < n; i++)
		sum += (double)w[row * n + i] * x[i];
	return sum;
}

static double sigmoid(double v)
{
	return 1 / (1 + exp(-v));
}

struct state { double h[2 * HID], c[2 * HID], gate[4][2 * HID]; };

static void gru_step(const struct cell_weights *w, bool reset_after, const double *x, struct state *s)
{
	int hid = w->hid;
	double reset[2 * HID], h[2 * HID];
	for (int g = 0; g < 2; g++)
		for (int j = 0; j < hid; j++)
			s->gate[g][j] = sigmoid(affine(w->wi, w->bi, g * hid + j, w->in, x)
			                        + affine(w->wh, w->bh, g * hid + j, hid, s->h));
	for (int j = 0; j < hid; j++)
		reset[j] = s->gate[0][j] * s->h[j];
	for (int j = 0; j < hid; j++) {
		int row = 2 * hid + j;
		double input = affine(w->wi, w->bi, row, w->in, x);
		double recurrent = reset_after ? s->gate[0][j] * affine(w->wh, w->bh, row, hid, s->h)
		                               : affine(w->wh, w->bh, row, hid, reset);
		s->gate[2][j] = tanh(input + recurrent);
		h[j] = (1 - s->gate[1][j]) * s->gate[2][j] + s->gate[1][j] * s->h[j];
	}
	memcpy(s->h, h, sizeof h);
}

static void lstm_step(const struct cell_weights *w, const double *x, struct state *s)
{
	int hid = w->hid;
	for (int g = 0; g < 4; g++)
		for (int j = 0; j < hid; j++) {
			double v = affine(w->wi, w->bi, g * hid + j, w->in, x) + affine(w->wh, w->bh, g * hid + j, hid, s->h);
			s->gate[g][j] = g == 2 ? tanh(v) : sigmoid(v);
		}
	for (int j = 0; j < hid; j++) {
		s->c[j] = s->gate[1][j] * s->c[j] + s->gate[0][j] * s->gate[2][j];
		s->h[j] = s->gate[3][j] * tanh(s->c[j]);
	}
}

static void rnn_step(const struct cell_weights *w, const double *x, struct state *s)
{
	double h[2 * HID];
	for (int j = 0; j < w->hid; j++)
		h[j] = tanh(affine(w->wi, w->bi, j, w->in, x) + affine(w->wh, w->bh, j, w->hid, s->h));
	memcpy(s->h, h, sizeof h);
}

static const char *const gate_names[][4] = {
	[CELL_GRU] = { "reset", "update", "candidate" }, [CELL_LSTM] = { "input", "forget", "cell", "output" }, [CELL_RNN] = { 0 },
};

static void check_row(const struct trace *t, const char *part, const char *name, int step, int units, const double *want)
{
	const struct trace_view *v = find(t, part, name);
	ck_assert_int_eq(v->units, units);
	for (int j = 0; j < units; j++)
		ck_assert_msg(fabs((double)trace_row(v, step)[j] - want[j]) <= TOLERANCE, "%s %s, step %d, unit %d: %g, not %g",
		              part, name, step, j, (double)trace_row(v, step)[j], want[j]);
}

/* The cell's step from x; what the trace says of it is the same. */
static void check_step(const struct pass *p, const struct trace *t, enum cell_type type, const char *part,
                       const struct cell_weights *w, int step, const double *x, struct state *s)
{
	if (type == CELL_GRU)
		gru_step(w, p->spec.reset_after, x, s);
	else if (type == CELL_LSTM)
		lstm_step(w, x, s);
	else
		rnn_step(w, x, s);
	for (int g = 0; g < 4; g++)
		if (gate_names[type][g])
			check_row(t, part, gate_names[type][g], step, w->hid, s->gate[g]);
	check_row(t, part, "h", step, w->hid, s->h);
	if (type == CELL_LSTM)
		check_row(t, part, "c", step, w->hid, s->c);
}

/* ---- recurrent encoders ----------------------------------------------------- */

static const struct {
	const char *name;
	enum encoder_type encoder;
	bool bidirectional, reverse, reset_after, bias;
} encoders[] = {
	{ "gru",              ENCODER_GRU,  false, false, true,  true },
	{ "gru, reset before", ENCODER_GRU, true,  false, false, true },
	{ "gru both ways",    ENCODER_GRU,  true,  false, true,  false },
	{ "gru backwards",    ENCODER_GRU,  false, true,  true,  true },
	{ "lstm",             ENCODER_LSTM, false, false, true,  true },
	{ "lstm both ways",   ENCODER_LSTM, true,  false, true,  true },
	{ "lstm backwards",   ENCODER_LSTM, false, true,  true,  true },
	{ "rnn both ways",    ENCODER_RNN,  true,  false, true,  true },
};

static struct net_spec encoder_spec(int i)
{
	return (struct net_spec){
		.inputs = IN, .encoder = encoders[i].encoder, .hidden = HID, .layers = 2, .bidirectional = encoders[i].bidirectional,
		.reverse = encoders[i].reverse, .bias = encoders[i].bias, .reset_after = encoders[i].reset_after,
		.decoder = DECODER_LAST, .targets = 1, .levels = 1, .horizon = 2,
	};
}

/* What layer k reads at a step: x, or the states below side by side. */
static int layer_reads(const struct pass *p, const struct trace *t, int k, int step, double *out)
{
	static const char *const below[2] = { "encoder.l0", "encoder.l0_reverse" };
	if (k == 0) {
		for (int i = 0; i < IN; i++)
			out[i] = (double)p->x[step * IN + i];
		return IN;
	}
	for (int d = 0; d < net_directions(&p->spec); d++)
		for (int j = 0; j < HID; j++)
			out[d * HID + j] = (double)trace_row(find(t, below[d], "h"), step)[j];
	return net_width(&p->spec);
}

START_TEST(gates_of_each_layer_and_direction)
{
	struct net_spec spec = encoder_spec(_i);
	struct pass p;
	pass_init(&p, &spec, T);
	struct trace t = pass_trace(&p, 0);
	for (int k = 0; k < spec.layers; k++)
		for (int d = 0; d < net_directions(&spec); d++) {
			char suffix[CELL_SUFFIX], part[TRACE_PART];
			struct state s = { 0 };
			bool backwards = d == 1 || spec.reverse;
			net_cell_suffix(k, d, suffix);
			snprintf(part, sizeof part, "encoder.%s", suffix + 1);
			for (int i = 0; i < T; i++) {
				double x[MOST];
				int step = backwards ? T - 1 - i : i, in = layer_reads(&p, &t, k, step, x);
				struct cell_weights w = weights_of(&p, "encoder", suffix, in, HID);
				check_step(&p, &t, net_encoder_cell(&spec), part, &w, step, x, &s);
			}
		}
	pass_fini(&p);
}
END_TEST

/* Layers, directions, then gates, h, and c: no more and no less. */
START_TEST(views_are_all_there_is)
{
	static const int each[] = { [ENCODER_GRU] = 4, [ENCODER_LSTM] = 6, [ENCODER_RNN] = 1 };
	struct net_spec spec = encoder_spec(_i);
	struct pass p;
	pass_init(&p, &spec, T);
	struct trace t = pass_trace(&p, 0);
	ck_assert_int_eq(t.n, 2 * net_directions(&spec) * each[spec.encoder]);
	for (int i = 0; i < t.n; i++)
		ck_assert_int_eq(t.view[i].steps, T);
	ck_assert_int_eq(network_traces(&spec), 1);
	pass_fini(&p);
}
END_TEST

/* ---- decoders ---------------------------------------------------------------- */

START_TEST(the_attention_decoder_a_step_of_the_answer)
{
	struct net_spec spec = encoder_spec(_i);
	spec.decoder = DECODER_ATTENTION;
	spec.attention = 6;
	spec.decoder_input = DECODER_CONTEXT_PREVIOUS;
	spec.horizon = HORIZON;
	spec.layers = 1;
	int width = net_width(&spec);
	struct pass p;
	pass_init(&p, &spec, T);
	struct trace t = pass_trace(&p, 0);
	const struct trace_view *a = find(&t, "decoder", "attention");
	ck_assert_int_eq(a->steps, HORIZON);
	ck_assert_int_eq(a->units, T);
	struct cell_weights w = weights_of(&p, "decoder.cell", "", width + 1, width);
	struct state s = { 0 };
	for (int d = 0; d < net_directions(&spec); d++)     /* it begins with what the encoder ends with */
		for (int j = 0; j < HID; j++) {
			const char *part = d ? "encoder.l0_reverse" : "encoder.l0";
			int last = d == 1 || spec.reverse ? 0 : T - 1;
			s.h[d * HID + j] = (double)trace_row(find(&t, part, "h"), last)[j];
			if (spec.encoder == ENCODER_LSTM)
				s.c[d * HID + j] = (double)trace_row(find(&t, part, "c"), last)[j];
		}
	for (int h = 0; h < HORIZON; h++) {
		double x[MOST] = { 0 }, outputs[MOST];
		ck_assert_mem_eq(trace_row(a, h), p.attention + h * T, T * sizeof(real));
		for (int step = 0; step < T; step++) {
			layer_reads(&p, &t, 1, step, outputs);
			for (int j = 0; j < width; j++)
				x[j] += (double)trace_row(a, h)[step] * outputs[j];
		}
		x[width] = h ? (double)p.y[h - 1] : 0;
		check_step(&p, &t, net_decoder_cell(&spec), "decoder", &w, h, x, &s);
	}
	pass_fini(&p);
}
END_TEST

START_TEST(the_pool_has_one_row_of_attention)
{
	struct net_spec spec = encoder_spec(0);
	spec.decoder = DECODER_POOL;
	spec.attention = 4;
	struct pass p;
	pass_init(&p, &spec, T);
	struct trace t = pass_trace(&p, 0);
	const struct trace_view *a = find(&t, "decoder", "attention");
	ck_assert_int_eq(a->steps, 1);
	ck_assert_mem_eq(trace_row(a, 0), p.attention, T * sizeof(real));
	pass_fini(&p);
}
END_TEST

START_TEST(what_reconstructs_reads_its_summary_again_and_again)
{
	struct net_spec spec = encoder_spec(4);
	spec.decoder = DECODER_RECONSTRUCT;
	spec.targets = IN;
	spec.horizon = 1;
	spec.layers = 1;
	struct pass p;
	pass_init(&p, &spec, T);
	struct trace t = pass_trace(&p, 0);
	struct cell_weights w = weights_of(&p, "decoder.cell", "", HID, HID);
	struct state s = { 0 };
	double summary[HID];
	for (int j = 0; j < HID; j++) {
		s.h[j] = summary[j] = (double)trace_row(find(&t, "encoder.l0", "h"), T - 1)[j];
		s.c[j] = (double)trace_row(find(&t, "encoder.l0", "c"), T - 1)[j];
	}
	for (int step = 0; step < T; step++)
		check_step(&p, &t, CELL_LSTM, "decoder", &w, step, summary, &s);
	pass_fini(&p);
}
END_TEST

/* ---- segments: a trace a channel ---------------------------------------------- */

enum { SEGMENT = 2, SEGMENTS = (T + SEGMENT - 1) / SEGMENT, SEGMENTS_AHEAD = 3 };

/* Segment j of channel c, embedded: zeros in front, values less the last. */
static void segment_reads(const struct pass *p, int c, int j, double *out)
{
	double cut[SEGMENT];
	int channels = p->spec.inputs, lacking = SEGMENTS * SEGMENT - T;
	for (int i = 0; i < SEGMENT; i++) {
		int step = j * SEGMENT + i - lacking;
		cut[i] = step < 0 ? 0 : (double)p->x[step * channels + c] - (double)p->x[(T - 1) * channels + c];
	}
	for (int u = 0; u < p->spec.hidden; u++)
		out[u] = fmax(0, affine(tensor(p, "segment.weight"), tensor(p, "segment.bias"), u, SEGMENT, cut));
}

START_TEST(each_channel_of_a_segment_network)
{
	const struct net_spec spec = {
		.inputs = 3, .encoder = ENCODER_GRU, .hidden = 6, .layers = 1, .bias = true, .reset_after = true,
		.decoder = DECODER_SEGMENT, .targets = 3, .levels = 1, .segment = SEGMENT, .horizon = SEGMENT * SEGMENTS_AHEAD,
	};
	struct pass p;
	pass_init(&p, &spec, T);
	ck_assert_int_eq(network_traces(&spec), 3);
	struct cell_weights w = weights_of(&p, "encoder", "_l0", spec.hidden, spec.hidden);
	for (int c = 0; c < 3; c++) {
		struct trace t = pass_trace(&p, c);
		struct state s = { 0 }, last;
		double x[MOST];
		ck_assert_int_eq(find(&t, "encoder.l0", "h")->steps, SEGMENTS);
		for (int j = 0; j < SEGMENTS; j++) {
			segment_reads(&p, c, j, x);
			check_step(&p, &t, CELL_GRU, "encoder.l0", &w, j, x, &s);
		}
		last = s;
		for (int j = 0; j < SEGMENTS_AHEAD; j++) {
			for (int u = 0; u < 3; u++) {
				x[u] = (double)tensor(&p, "decoder.position.weight")[j * 3 + u];
				x[3 + u] = (double)tensor(&p, "decoder.channel.weight")[c * 3 + u];
			}
			s = last;                                /* no segment waits for another */
			check_step(&p, &t, CELL_GRU, "decoder", &w, j, x, &s);
		}
	}
	pass_fini(&p);
}
END_TEST

/* ---- Transformers ------------------------------------------------------------- */

enum { LONG = 70, HEADS = 2, WIDTH = 6 };    /* longer than multihead.c's block of scores */

static struct net_spec transformer_spec(bool causal, bool norm_first)
{
	return (struct net_spec){
		.inputs = IN, .encoder = ENCODER_TRANSFORMER, .hidden = WIDTH, .layers = 2, .heads = HEADS, .feedforward = 8,
		.causal = causal, .norm_first = norm_first, .decoder = DECODER_LAST, .targets = 1, .levels = 1, .horizon = 1,
	};
}

/* What the first layer reads: x embedded, and the position. */
static void embedded(const struct pass *p, double out[LONG][WIDTH])
{
	real *positions = reals(LONG * WIDTH);
	transformer_positions(LONG, WIDTH, positions);
	for (int t = 0; t < LONG; t++) {
		double x[IN];
		for (int i = 0; i < IN; i++)
			x[i] = (double)p->x[t * IN + i];
		for (int j = 0; j < WIDTH; j++)
			out[t][j] = affine(tensor(p, "encoder.embedding.weight"), tensor(p, "encoder.embedding.bias"), j, IN, x)
				+ (double)positions[t * WIDTH + j];
	}
	free(positions);
}

START_TEST(shares_of_a_head)
{
	enum { D = WIDTH / HEADS };
	static double e[LONG][WIDTH];
	struct net_spec spec = transformer_spec(_i, false);
	struct pass p;
	pass_init(&p, &spec, LONG);
	const real *w = tensor(&p, "encoder.layers.0.self_attn.in_proj_weight");
	const real *b = tensor(&p, "encoder.layers.0.self_attn.in_proj_bias");
	real *shares = reals(LONG * LONG);
	embedded(&p, e);
	for (int head = 0; head < HEADS; head++) {
		network_head(&spec, &p.in, p.ws, 0, head, shares);
		for (int t = 0; t < LONG; t++) {
			double want[LONG], sum = 0;
			int sees = spec.causal ? t + 1 : LONG;
			for (int s = 0; s < sees; s++) {
				double score = 0;
				for (int j = head * D; j < (head + 1) * D; j++)
					score += affine(w, b, j, WIDTH, e[t]) * affine(w, b, WIDTH + j, WIDTH, e[s]);
				want[s] = exp(score / sqrt(D));
				sum += want[s];
			}
			for (int s = 0; s < LONG; s++) {
				double share = s < sees ? want[s] / sum : 0;
				ck_assert(fabs((double)shares[t * LONG + s] - share) <= TOLERANCE);
			}
		}
	}
	free(shares);
	pass_fini(&p);
}
END_TEST

/* The head reads the last state of the last view. */
START_TEST(outputs_of_each_layer)
{
	struct net_spec spec = transformer_spec(false, _i);
	struct pass p;
	pass_init(&p, &spec, T);
	struct trace t = pass_trace(&p, 0);
	ck_assert_int_eq(t.n, _i ? 3 : 2);
	const struct trace_view *v = find(&t, _i ? "encoder.norm" : "encoder.l1", "h");
	double last[WIDTH];
	for (int j = 0; j < WIDTH; j++)
		last[j] = (double)trace_row(v, T - 1)[j];
	ck_assert(fabs(affine(tensor(&p, "output.weight"), tensor(&p, "output.bias"), 0, WIDTH, last) - (double)p.y[0]) <= TOLERANCE);
	find(&t, "encoder.l0", "h");
	pass_fini(&p);
}
END_TEST

int main(void)
{
	enum { ENCODERS = sizeof encoders / sizeof *encoders };
	Suite *suite = suite_create("trace (" BUILD ")");
	TCase *c = tcase_create("views");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, gates_of_each_layer_and_direction, 0, ENCODERS);
	tcase_add_loop_test(c, views_are_all_there_is, 0, ENCODERS);
	tcase_add_loop_test(c, the_attention_decoder_a_step_of_the_answer, 0, ENCODERS);
	tcase_add_test(c, the_pool_has_one_row_of_attention);
	tcase_add_test(c, what_reconstructs_reads_its_summary_again_and_again);
	tcase_add_test(c, each_channel_of_a_segment_network);
	tcase_add_loop_test(c, shares_of_a_head, 0, 2);
	tcase_add_loop_test(c, outputs_of_each_layer, 0, 2);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
