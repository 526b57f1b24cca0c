/* training.c - how long a training step takes: forward, loss, backward, norm and Adam, on one thread.
 *
 *     training [-d FILE] [filter]     only lines that contain the filter
 *
 * A line is the median, least and greatest of SAMPLES samples in microseconds a step of BATCH sequences, and sequences
 * a second at the median: of processor time, so that it stands on a machine that does other work too. Minibatches are
 * cut into shards as the trainer cuts them.
 *
 * -d writes, of each step that is measured, what another implementation needs to do the same: its weights, x, the
 * targets and the gradient of the mean squared error, floats one behind the other (training.py reads them). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/base/rng.h"
#include "model/nn/loss.h"
#include "model/nn/network.h"
#include "model/nn/optimizer.h"
#include "model/trainer.h"

#define BATCH     64
#define SAMPLES   15
#define SAMPLE_US 60000.0

struct work {
	struct net_spec net;
	struct loss loss;
	int T, S;
	int lengths[TRAINER_SHARD_ROWS];
	size_t weights, outputs;           /* of the network; of a shard */
	float *params, *m, *v;             /* [weights] */
	float *gradient;                   /* [shards][weights] */
	float *x, *target, *y, *dy;        /* of all shards [shards][T][rows][inputs], [shards][S][rows]; of one shard */
	float *ws;
	uint64_t steps;
};

enum { SHARDS = BATCH / TRAINER_SHARD_ROWS };

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static float *floats(size_t n)
{
	float *block = aligned_alloc(64, (n * sizeof *block + 63) / 64 * 64);
	if (!block)
		abort();
	memset(block, 0, n * sizeof *block);
	return block;
}

static size_t inputs(const struct work *w)
{
	return (size_t)w->T * TRAINER_SHARD_ROWS * (size_t)w->net.inputs;
}

static size_t targets(const struct work *w)
{
	return (size_t)w->S * TRAINER_SHARD_ROWS;
}

static void shard(struct work *w, int i)
{
	const struct dropout_key key = { .seed = 1, .key = 1, .row_base = (uint32_t)(i * TRAINER_SHARD_ROWS) };
	const struct network_input in = {
		.T = w->T, .B = TRAINER_SHARD_ROWS, .lengths = w->lengths, .x = w->x + (size_t)i * inputs(w), .dropout = &key,
	};
	const float *target = w->target + (size_t)i * targets(w);
	float *gradient = w->gradient + (size_t)i * w->weights;

	network_forward(&w->net, w->params, &in, &(struct network_output){ .y = w->y }, w->ws);
	loss_forward_backward(&w->loss, targets(w), w->y, target, 1.0 / (double)(targets(w) * SHARDS), w->dy);
	memset(gradient, 0, w->weights * sizeof *gradient);
	network_backward(&w->net, w->params, &in, w->dy, gradient, NULL, w->ws);
}

static void gradients(struct work *w)
{
	for (int i = 0; i < SHARDS; i++)
		shard(w, i);
	gradient_reduce(w->gradient, SHARDS, w->weights);
}

static void step(struct work *w)
{
	const struct optimizer adam = { .type = OPTIMIZER_ADAM, .learning_rate = 1e-4 };
	gradients(w);
	if (gradient_norm(w->gradient, w->weights) > 0)
		optimizer_step(&adam, ++w->steps, w->weights, w->params, w->m, w->v, w->gradient);
}

static void work_init(struct work *w, const struct net_spec *net, int T)
{
	struct tensor_table table;
	struct rng random;
	rng_init(&random, 7, RNG_TEST, 0);
	net_tensors(net, &table);
	*w = (struct work){ .net = *net, .T = T, .S = net_steps(net, T), .weights = table.count };
	w->loss = net->classes ? (struct loss){ .type = LOSS_CROSS_ENTROPY, .classes = net->classes }
	                       : (struct loss){ .type = LOSS_MSE, .levels = 1 };
	w->outputs = targets(w) * (size_t)net_outputs(net);
	w->params = floats(w->weights);
	w->m = floats(w->weights);
	w->v = floats(w->weights);
	w->gradient = floats(SHARDS * w->weights);
	w->x = floats(SHARDS * inputs(w));
	w->target = floats(SHARDS * targets(w));
	w->y = floats(w->outputs);
	w->dy = floats(w->outputs);
	w->ws = floats(network_scratch(net, T, TRAINER_SHARD_ROWS));
	for (int b = 0; b < TRAINER_SHARD_ROWS; b++)
		w->lengths[b] = T;
	for (size_t i = 0; i < SHARDS * inputs(w); i++)
		w->x[i] = net->vocabulary ? (float)(i % (size_t)net->vocabulary) : (float)rng_normal(&random);
	for (size_t i = 0; i < SHARDS * targets(w); i++)
		w->target[i] = net->classes ? (float)(i % (size_t)net->classes) : (float)rng_normal(&random);
	network_init(net, &(struct init_options){ 0 }, 1, w->params);
}

static void work_fini(struct work *w)
{
	free(w->params);
	free(w->m);
	free(w->v);
	free(w->gradient);
	free(w->x);
	free(w->target);
	free(w->y);
	free(w->dy);
	free(w->ws);
}

/* x and the targets as one batch of all rows, whose shards lie side by side: from [shards][steps][rows][n] to
 * [steps][BATCH][n]. */
static void write_batch(const float *from, int steps, int n, FILE *file)
{
	size_t row = TRAINER_SHARD_ROWS * (size_t)n;
	for (int t = 0; t < steps; t++)
		for (int i = 0; i < SHARDS; i++)
			fwrite(from + (size_t)(i * steps + t) * row, sizeof *from, row, file);
}

static void dump(struct work *w, FILE *file)
{
	gradients(w);
	fwrite(w->params, sizeof *w->params, w->weights, file);
	write_batch(w->x, w->T, w->net.inputs, file);
	write_batch(w->target, w->S, 1, file);
	fwrite(w->gradient, sizeof *w->gradient, w->weights, file);
}

static void measure(struct work *w, const char *name)
{
	double us[SAMPLES];
	int calls = 0;
	double begin = now_us();
	do
		step(w);
	while (++calls, now_us() - begin < SAMPLE_US);
	for (int i = 0; i < SAMPLES; i++) {
		begin = now_us();
		for (int c = 0; c < calls; c++)
			step(w);
		us[i] = (now_us() - begin) / calls;
	}
	qsort(us, SAMPLES, sizeof *us, by_value);
	printf("%-12s %9.0f %9.0f %9.0f us %10.0f sequences/s\n", name, us[SAMPLES / 2], us[0], us[SAMPLES - 1],
		BATCH * 1e6 / us[SAMPLES / 2]);
	fflush(stdout);
}

/* The price predictor: a GRU, Bahdanau's attention, 5 decode steps that read the context. */
static const struct net_spec price = {
	.encoder = ENCODER_GRU, .inputs = 8, .hidden = 64, .layers = 1, .bias = true, .reset_after = true, .attention = 64,
	.decoder_input = DECODER_CONTEXT, .targets = 1, .levels = 1, .horizon = 5,
};
/* The character model: an LSTM that tells the next of 65 characters at every step. */
static const struct net_spec characters = {
	.inputs = 1, .vocabulary = 65, .embedding = 65, .encoder = ENCODER_LSTM, .hidden = 256, .layers = 1, .bias = true,
	.decoder = DECODER_TOKEN, .classes = 65, .targets = 1, .levels = 1, .horizon = 1,
};

static const struct { const char *name; const struct net_spec *net; int T; } steps[] = {
	{ "price_30", &price, 30 }, { "price_96", &price, 96 }, { "characters", &characters, 100 },
};

int main(int argc, char **argv)
{
	bool dumps = argc > 2 && !strcmp(argv[1], "-d");
	const char *filter = argc > 1 + 2 * dumps ? argv[1 + 2 * dumps] : "";
	FILE *file = dumps ? fopen(argv[2], "wb") : NULL;
	if (dumps && !file) {
		perror(argv[2]);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct work w;
		if (!strstr(steps[i].name, filter))
			continue;
		work_init(&w, steps[i].net, steps[i].T);
		if (file)
			dump(&w, file);
		measure(&w, steps[i].name);
		work_fini(&w);
	}
	if (file)
		fclose(file);
	return EXIT_SUCCESS;
}
