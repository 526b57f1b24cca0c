/* cases.c - see cases.h. */
#include "tests/bench/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"

#define RECURRENT .bias = true, .reset_after = true, .targets = 1, .levels = 1
#define LAYER(TYPE, IN, HID) \
	true, { RECURRENT, .encoder = TYPE, .layers = 1, .inputs = IN, .hidden = HID, .decoder = DECODER_TOKEN, .horizon = 1 }
#define SMALL(TYPE, LAYERS, ...) \
	false, { RECURRENT, .encoder = TYPE, .layers = LAYERS, .inputs = 8, .hidden = 64, .decoder = DECODER_LAST, \
	         .horizon = 1, __VA_ARGS__ }
#define MODEL(HID) \
	false, { RECURRENT, .encoder = ENCODER_GRU, .layers = 1, .inputs = 8, .hidden = HID, .decoder = DECODER_ATTENTION, \
	         .attention = HID, .decoder_input = DECODER_CONTEXT_PREVIOUS, .horizon = 5 }

const struct bench_case bench_cases[] = {
	{ "gru-8-64",    LAYER(ENCODER_GRU, 8, 64) },
	{ "gru-64-256",  LAYER(ENCODER_GRU, 64, 256) },
	{ "lstm-8-64",   LAYER(ENCODER_LSTM, 8, 64) },
	{ "rnn-8-64",    LAYER(ENCODER_RNN, 8, 64) },
	{ "both-ways",   SMALL(ENCODER_GRU, 1, .bidirectional = true) },
	{ "two-layers",  SMALL(ENCODER_GRU, 2, .bidirectional = false) },
	{ "transformer", SMALL(ENCODER_TRANSFORMER, 2, .heads = 4, .feedforward = 256) },
	{ "model",       MODEL(64) },
	{ "model-16",    MODEL(16) },
	{ "model-32",    MODEL(32) },
	{ "model-128",   MODEL(128) },
	{ "model-256",   MODEL(256) },
	{ "model-512",   MODEL(512) },
};
const int bench_cases_n = sizeof bench_cases / sizeof *bench_cases;

const struct bench_case *bench_case_find(const char *name)
{
	for (int i = 0; i < bench_cases_n; i++)
		if (!strcmp(bench_cases[i].name, name))
			return &bench_cases[i];
	return NULL;
}

int bench_case_outputs(const struct bench_case *c)
{
	return c->layer ? c->spec.hidden : c->spec.horizon * net_outputs(&c->spec);
}

static void draw(const struct bench_case *c, uint32_t part, float centre, double reach, float *to, size_t n)
{
	struct rng r;
	rng_init(&r, (uint64_t)(c - bench_cases), RNG_TEST, part);
	for (size_t i = 0; i < n; i++)
		to[i] = centre + (float)(reach * (2 * rng_uniform(&r) - 1));
}

/* As PyTorch draws a fresh cell's: within 1 / sqrt(hidden). A norm's weights lie around 1. */
float *bench_case_weights(const struct bench_case *c)
{
	struct tensor_table table;
	net_tensors(&c->spec, &table);
	float *params = malloc(table.count * sizeof *params);
	for (int i = 0; params && i < table.n; i++) {
		const struct tensor *t = &table.tensor[i];
		draw(c, (uint32_t)i, t->init == INIT_ONE, 1 / sqrt(c->spec.hidden), params + t->offset, t->count);
	}
	return params;
}

float *bench_case_input(const struct bench_case *c, int T)
{
	const size_t n = (size_t)CASE_MAX_BATCH * (size_t)T * (size_t)c->spec.inputs;
	float *x = malloc(n * sizeof *x);
	if (x)
		draw(c, NET_MAX_TENSORS, 0, 1, x, n);
	return x;
}

static double cell_flops(enum cell_type type, int in, int hid)
{
	return 2.0 * cell_gates(type) * hid * (in + hid);
}

static double attention_flops(const struct net_spec *s, int T)
{
	const int width = net_width(s);
	const double keys = 2.0 * T * s->attention * width;
	const double step = 2.0 * s->attention * width + 2.0 * T * (s->attention + width) +
	                    cell_flops(net_decoder_cell(s), net_decoder_inputs(s), width) + 2.0 * net_outputs(s) * width;
	return keys + s->horizon * step;
}

double bench_case_flops(const struct bench_case *c, int T)
{
	const struct net_spec *s = &c->spec;
	double flops = 0;
	if (s->encoder == ENCODER_TRANSFORMER)
		return 0;
	for (int l = 0; l < s->layers; l++)
		flops += T * net_directions(s) * cell_flops(net_encoder_cell(s), l ? net_width(s) : s->inputs, s->hidden);
	return s->decoder == DECODER_ATTENTION ? flops + attention_flops(s, T) : flops;
}
