/* kernels.c - how long inference takes, at every CPU level that runs here.
 *
 *     kernels [filter]     only lines that contain the filter
 *
 * A line is the median, least and greatest of SAMPLES samples in microseconds
 * a call, and GFLOP/s at the median (a multiply-add counts twice; gates and
 * softmax count nothing). Pin it to a core: figures of a busy machine differ. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/base/rng.h"
#include "model/infer/model.h"

#define SAMPLES   15
#define SAMPLE_US 3000.0

static const int batches[] = { 1, 8, 32, 64 };
#define MAX_BATCH 64

struct work {
	struct infer_model *m;
	struct infer_ws *ws;
	struct infer_sequence *seq;
	float *states, *c;          /* [MAX_BATCH][T + 1][width], [MAX_BATCH][width] for the layer alone */
	int T, batch;
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run_model(const struct work *w)
{
	infer_run(w->m, w->ws, w->seq, w->batch);
}

static size_t state_stride(const struct work *w)
{
	return (size_t)(w->T + 1) * w->m->width + KERNEL_UNITS;
}

/* The first encoder layer alone, as run.c carries it. */
static void run_layer(const struct work *w)
{
	const size_t width = (size_t)w->m->width, stride = state_stride(w), in = (size_t)w->m->spec.inputs;

	for (int row = 0; row < w->batch; row += KERNEL_ROWS)
		for (int t = 0; t < w->T; t++) {
			float *h = w->states + row * stride + t * width;
			kernels_step(w->m->kernels, &w->m->encoder[0][0], &(struct cell_step){
				.rows = w->batch - row < KERNEL_ROWS ? w->batch - row : KERNEL_ROWS,
				.x = w->seq[row].x + t * in, .x_stride = (size_t)w->T * in, .h = h, .h_stride = stride,
				.out = h + width, .out_stride = stride, .c = w->c + row * width, .c_stride = width,
				.backward = t % 2,
			});
		}
}

static void measure(const char *name, const struct work *w, void (*run)(const struct work *), double flops)
{
	double sample[SAMPLES];
	long calls = 1;

	for (double us = 0; us < SAMPLE_US; calls *= 2) {   /* warms up as well */
		double start = now_us();
		for (long i = 0; i < calls; i++)
			run(w);
		us = now_us() - start;
	}
	calls /= 2;
	for (int s = 0; s < SAMPLES; s++) {
		double start = now_us();
		for (long i = 0; i < calls; i++)
			run(w);
		sample[s] = (now_us() - start) / (double)calls;
	}
	qsort(sample, SAMPLES, sizeof *sample, by_value);
	double median = sample[SAMPLES / 2];
	printf("%-50s %9.2f us  (%9.2f … %9.2f)  %6.1f GFLOP/s\n", name, median, sample[0], sample[SAMPLES - 1],
	       flops / median / 1e3);
}

static double cell_flops(enum cell_type type, int in, int hid)
{
	return 2.0 * cell_gates(type) * hid * (in + hid);
}

/* With the additive attention. */
static double model_flops(const struct net_spec *s, int T)
{
	const int width = net_width(s);
	const double keys = 2.0 * T * s->attention * width;
	const double step = 2.0 * s->attention * width + 2.0 * T * (s->attention + width) +
	                    cell_flops(net_decoder_cell(s), net_decoder_inputs(s), width) +
	                    2.0 * net_outputs(s) * width;
	double encoder = 0;

	for (int l = 0; l < s->layers; l++)
		encoder += T * net_directions(s) * cell_flops(net_encoder_cell(s), l ? width : s->inputs, s->hidden);
	return encoder + keys + s->horizon * step;
}

static float *draw(size_t n, double scale, uint32_t substream)
{
	struct rng r;
	float *p = malloc(n * sizeof *p);

	rng_init(&r, 1, RNG_TEST, substream);
	for (size_t i = 0; p && i < n; i++)
		p[i] = (float)(scale * (2 * rng_uniform(&r) - 1));
	return p;
}

static enum err bench(const struct kernels *k, const struct net_spec *s, const struct infer_options *o, int T,
                      const char *filter, struct error *e)
{
	static const char *const names[] = { [ENCODER_GRU] = "gru", [ENCODER_LSTM] = "lstm", [ENCODER_RNN] = "rnn" };
	const char *cell = names[s->encoder], *weights = o->int8 ? "int8" : "float";
	struct tensor_table table;
	struct infer_sequence seq[MAX_BATCH];
	struct work w = { .T = T, .seq = seq };
	const size_t outputs = (size_t)s->horizon * net_outputs(s), inputs = (size_t)T * s->inputs;
	float *params = NULL, *x = NULL, *y = NULL;
	enum err rc = net_spec_check(s, e);

	if (rc)
		goto done;
	net_tensors(s, &table);
	params = draw(table.count, 0.1, 0);
	x = draw(MAX_BATCH * inputs, 1, 1);
	y = draw(MAX_BATCH * outputs, 0, 2);
	if (!params || !x || !y) {
		rc = fail_nomem(e);
		goto done;
	}
	for (int i = 0; i < MAX_BATCH; i++)
		seq[i] = (struct infer_sequence){ .x = x + i * inputs, .T = T, .y = y + i * outputs };
	rc = infer_model_new_for(k, s, params, o, &w.m, e);
	if (rc)
		goto done;
	rc = infer_ws_new(MAX_BATCH, &w.ws, e);
	if (rc)
		goto done;
	rc = infer_ws_reserve(w.ws, w.m, T, e);
	if (rc)
		goto done;
	w.states = aligned_alloc(64, MAX_BATCH * state_stride(&w) * sizeof *w.states);
	w.c = aligned_alloc(64, (size_t)MAX_BATCH * w.m->width * sizeof *w.c);
	if (!w.states || !w.c) {
		rc = fail_nomem(e);
		goto done;
	}
	memset(w.states, 0, MAX_BATCH * state_stride(&w) * sizeof *w.states);
	memset(w.c, 0, (size_t)MAX_BATCH * w.m->width * sizeof *w.c);

	for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
		char name[64];
		w.batch = batches[b];
		snprintf(name, sizeof name, "%-7s %-5s %-4s layer %d->%d T=%d B=%d", k->name, weights, cell, s->inputs, s->hidden, T,
		         w.batch);
		if (strstr(name, filter))
			measure(name, &w, run_layer,
			        w.batch * T * cell_flops(net_encoder_cell(s), s->inputs, s->hidden));
		snprintf(name, sizeof name, "%-7s %-5s %-4s model %d->%d T=%d B=%d", k->name, weights, cell, s->inputs, s->hidden, T,
		         w.batch);
		if (strstr(name, filter))
			measure(name, &w, run_model, w.batch * model_flops(s, T));
	}
done:
	free(w.c);
	free(w.states);
	infer_ws_free(w.ws);
	infer_model_free(w.m);
	free(y);
	free(x);
	free(params);
	return rc;
}

int main(int argc, char **argv)
{
	static const char *const levels[] = { "avx512", "avx2", "c" };
	static const struct { enum encoder_type encoder; int in, hid, T; } sizes[] = {
		{ ENCODER_GRU,  8, 64, 30 }, { ENCODER_GRU, 8, 64, 96 }, { ENCODER_GRU, 64, 256, 96 },
		{ ENCODER_LSTM, 8, 64, 30 }, { ENCODER_RNN, 8, 64, 30 },
	};
	const char *filter = argc > 1 ? argv[1] : "";

	for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
		const struct kernels *k = kernels_find(levels[l]);
		for (size_t i = 0; k && i < sizeof sizes / sizeof *sizes; i++) {
			struct error e;
			const struct net_spec s = {
				.encoder = sizes[i].encoder, .inputs = sizes[i].in, .hidden = sizes[i].hid,
				.layers = 1, .bias = true,
				.reset_after = true, .attention = sizes[i].hid,
				.decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 1, .levels = 1, .horizon = 5,
			};
			for (int int8 = 0; int8 < 2; int8++)
				if (bench(k, &s, &(struct infer_options){ .int8 = int8 }, sizes[i].T, filter, &e)) {
					fprintf(stderr, "%s\n", e.what);
					return EXIT_FAILURE;
				}
		}
	}
	return EXIT_SUCCESS;
}
