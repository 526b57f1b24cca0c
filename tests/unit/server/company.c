/* company.c - see company.h. */
#include "tests/unit/server/company.h"

#include <math.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/recipe.h"
#include "server/batcher.h"
#include "server/monotonic.h"

enum { QUESTIONS = 300, CLIENTS = 48, ITEMS = 4, HORIZON = 4, SERIES = 1000 };
#define DEADLINE_NS 600000000000LL

/* `share` is of the requests, in proportion. The last is heavy: it alone takes more than BATCH_LIGHT_NS. */
static const struct kind {
	const char *name;
	enum preset preset;
	int window, hidden, layers;
	bool bidirectional, int8;
	int share;
} kinds[] = {
	{ "attention GRU",        PRESET_ATTENTION_GRU,  40, 16,  1, false, false, 10 },
	{ "attention GRU, int8",  PRESET_ATTENTION_GRU,  40, 20,  1, false, true,  10 },
	{ "LSTM",                 PRESET_LSTM,           48, 24,  1, false, false, 10 },
	{ "GRU both ways",        PRESET_GRU,            32, 12,  2, true,  false, 10 },
	{ "RNN",                  PRESET_RNN,            64, 40,  1, false, false, 10 },
	{ "Transformer",          PRESET_TRANSFORMER,    24, 16,  1, false, false, 10 },
	{ "segments",             PRESET_SEGMENT_GRU,    40, 16,  1, false, false, 10 },
	{ "attention GRU, heavy", PRESET_ATTENTION_GRU,  96, 192, 1, false, false, 1 },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct question {
	const double *context;
	int window;                /* steps of it that are read */
	double answer[HORIZON];    /* alone */
};

struct cast {
	struct model model;
	struct question question[QUESTIONS];
};

/* One at a time asks a request; its draws are its own. */
struct client {
	struct batch batch;        /* first: the batcher gives it back */
	struct batch_item item[ITEMS];
	const struct question *question[ITEMS];
	double mean[ITEMS][HORIZON];
	struct company *company;
	struct rng rng;
};

struct company {
	double series[SERIES];
	struct cast cast[KINDS];
	struct client client[CLIENTS];
	/* of a run */
	struct batcher *batcher;
	uint64_t requests;
	_Atomic uint64_t asked, sequences, bits;
	_Atomic int busy, failed;  /* clients; enum err */
	sem_t over;
};

/* ---- models and questions ------------------------------------------------ */

static enum err fit(const struct recipe *r, const double *series, struct pipeline *p, struct error *e)
{
	static const char *const target[] = { "y" };
	struct frame *frame = frame_new();
	enum err rc = frame ? frame_add_column(frame, "y", COLUMN_NUMBER, e) : fail_nomem(e);

	if (!rc)
		rc = pipeline_init(p, target, 1, NULL, 0, r->window, r->horizon, frame, e);
	if (!rc)
		rc = pipeline_fit(p, series, SERIES, e);
	frame_free(frame);
	return rc;
}

static struct recipe recipe_of(const struct kind *k)
{
	struct recipe r;

	recipe_default(&r);
	recipe_preset(&r, k->preset);
	r.targets = 1;
	r.window = k->window;
	r.horizon = HORIZON;
	r.hidden = k->hidden;
	r.layers = k->layers;
	r.bidirectional = k->bidirectional;
	if (r.encoder == ENCODER_TRANSFORMER)
		r.feedforward = 2 * r.hidden;
	recipe_settle(&r);
	return r;
}

static enum err model_init(struct model *m, const struct kind *k, const double *series, struct error *e)
{
	const struct infer_options o = { .int8 = k->int8 };
	const struct recipe recipe = recipe_of(k);
	struct pipeline pipeline;
	struct net_spec net;
	struct tensor_table tensors;
	struct rng rng;
	enum err rc = fit(&recipe, series, &pipeline, e);

	if (rc)
		return rc;
	recipe_net(&recipe, pipeline.channels, &net);
	net_tensors(&net, &tensors);
	float *weights = malloc(tensors.count * sizeof *weights);
	if (!weights)
		return fail_nomem(e);
	rng_init(&rng, 71, RNG_TEST, (uint32_t)(k - kinds));
	for (size_t i = 0; i < tensors.count; i++)
		weights[i] = (float)(rng_normal(&rng) / sqrt(k->hidden));
	rc = forecaster_new(&pipeline, &net, NULL, (struct frequency){ 0 }, weights, &o, NULL, &m->trained.forecaster, e);
	free(weights);
	m->refs = 1;
	for (int c = 0; c < BATCH_CLASSES; c++)
		m->line[c] = (struct model_line){ .model = m, .tail = &m->line[c].head };
	return rc;
}

static enum err answer_alone(const struct forecaster *f, struct forecast_ws *ws, struct question *q, struct error *e)
{
	struct forecast job = { .context = q->context, .window = q->window, .mean = q->answer };
	struct forecast *jobs[] = { &job };

	forecaster_run(f, ws, jobs, 1);
	return job.finite ? ERR_OK : fail(e, ERR_INVALID, "", "an answer alone is not finite");
}

static enum err draw_questions(struct company *c, struct cast *cast, struct forecast_ws *ws, struct error *e)
{
	const struct forecaster *f = cast->model.trained.forecaster;
	const int context = pipeline_context(&f->pipeline);
	struct rng rng;
	enum err rc = forecast_ws_reserve(ws, f, e);

	rng_init(&rng, 72, RNG_TEST, (uint32_t)(cast - c->cast));
	for (int i = 0; !rc && i < QUESTIONS; i++) {
		struct question *q = &cast->question[i];
		q->context = c->series + rng_below(&rng, (uint64_t)(SERIES - context + 1));
		q->window = 1 + (int)rng_below(&rng, (uint64_t)f->pipeline.window);
		rc = answer_alone(f, ws, q, e);
	}
	return rc;
}

static void draw_series(struct company *c)
{
	struct rng rng;

	rng_init(&rng, 73, RNG_TEST, 0);
	for (int i = 0; i < SERIES; i++)
		c->series[i] = 10 + 3 * sin(i / 7.0) + rng_uniform(&rng);
}

enum err company_new(struct company **out, struct error *e)
{
	struct company *c = calloc(1, sizeof *c);
	struct forecast_ws *ws = NULL;
	enum err rc = c ? forecast_ws_new(1, &ws, e) : fail_nomem(e);

	if (c)
		draw_series(c);
	for (int k = 0; !rc && k < KINDS; k++) {
		rc = model_init(&c->cast[k].model, &kinds[k], c->series, e);
		if (!rc)
			rc = draw_questions(c, &c->cast[k], ws, e);
	}
	forecast_ws_free(ws);
	if (rc)
		company_free(c);
	else
		*out = c;
	return rc;
}

void company_free(struct company *c)
{
	for (int k = 0; c && k < KINDS; k++)
		forecaster_free(c->cast[k].model.trained.forecaster);
	free(c);
}

/* ---- clients ------------------------------------------------------------- */

static int draw_kind(struct rng *rng)
{
	int all = 0, kind = 0;

	for (int k = 0; k < KINDS; k++)
		all += kinds[k].share;
	int at = (int)rng_below(rng, (uint64_t)all);
	while (at >= kinds[kind].share)
		at -= kinds[kind++].share;
	return kind;
}

static bool stays(const struct batch *batch)
{
	(void)batch;
	return false;
}

/* A client goes home; the last one says so. */
static void leave(struct company *c)
{
	if (--c->busy == 0)
		sem_post(&c->over);
}

static void answered(struct batch *batch, enum err rc, const struct error *e);

static void draw_request(struct client *to)
{
	struct cast *cast = &to->company->cast[draw_kind(&to->rng)];

	to->batch = (struct batch){ .model = &cast->model, .item = to->item, .n = 1 + (int)rng_below(&to->rng, ITEMS),
		.deadline_ns = monotonic_ns() + DEADLINE_NS, .abandoned = stays, .done = answered };
	for (int i = 0; i < to->batch.n; i++) {
		const struct question *q = to->question[i] = &cast->question[rng_below(&to->rng, QUESTIONS)];
		to->item[i].forecast = (struct forecast){ .context = q->context, .window = q->window, .mean = to->mean[i] };
	}
}

static void ask(struct client *to)
{
	struct company *c = to->company;
	int retry;

	if (c->failed || c->asked++ >= c->requests) {
		leave(c);
		return;
	}
	draw_request(to);
	enum err rc = batcher_submit(c->batcher, &to->batch, &retry, NULL);
	if (rc) {
		c->failed = (int)rc;
		leave(c);
	}
}

static uint64_t bits_of_difference(const double *a, const double *b, int n)
{
	uint64_t bits = 0;

	for (int i = 0; i < n; i++) {
		uint64_t left, right;
		memcpy(&left, &a[i], sizeof left);
		memcpy(&right, &b[i], sizeof right);
		bits += (uint64_t)__builtin_popcountll(left ^ right);
	}
	return bits;
}

static void answered(struct batch *batch, enum err rc, const struct error *e)
{
	struct client *to = (struct client *)batch;
	struct company *c = to->company;

	(void)e;
	for (int i = 0; !rc && i < batch->n; i++) {
		if (!to->item[i].forecast.finite)
			rc = ERR_INVALID;
		c->bits += bits_of_difference(to->mean[i], to->question[i]->answer, HORIZON);
	}
	c->sequences += (uint64_t)batch->n;
	if (rc)
		c->failed = (int)rc;
	ask(to);
}

/* ---- a run --------------------------------------------------------------- */

/* Of all models so far: batches and ticks, and the sequences in them. */
static void count_runs(const struct company *c, double *runs, double *rows)
{
	*runs = *rows = 0;
	for (int k = 0; k < KINDS; k++) {
		const struct histogram *h = &c->cast[k].model.metrics.batch_size;
		for (int i = 0; i <= METRIC_BUCKETS; i++)
			*runs += (double)h->bucket[i];
		*rows += (double)h->sum / 1e6;
	}
}

static void begin(struct company *c, uint64_t requests)
{
	c->requests = requests;
	c->asked = c->sequences = c->bits = 0;
	c->failed = ERR_OK;
	c->busy = CLIENTS;
	for (int i = 0; i < CLIENTS; i++) {
		c->client[i].company = c;
		rng_init(&c->client[i].rng, 74, RNG_TEST, (uint32_t)i);
	}
	for (int i = 0; i < CLIENTS; i++)
		ask(&c->client[i]);
}

enum err company_run(struct company *c, int threads, uint64_t requests, struct company_result *out, struct error *e)
{
	const uint64_t ticks = metrics.ticks;
	double runs_before, rows_before, runs, rows;
	enum err rc = batcher_new(threads, CLIENTS * ITEMS, &c->batcher, e);

	if (rc)
		return rc;
	count_runs(c, &runs_before, &rows_before);
	sem_init(&c->over, 0, 0);
	begin(c, requests);
	while (sem_wait(&c->over))
		;
	batcher_free(c->batcher);
	sem_destroy(&c->over);
	if (c->failed)
		return fail(e, (enum err)c->failed, "", "a request was not answered, or not with numbers");
	count_runs(c, &runs, &rows);
	*out = (struct company_result){ .requests = requests, .sequences = c->sequences, .bits = c->bits,
		.together = (rows - rows_before) / (runs - runs_before), .ticks = metrics.ticks - ticks };
	return ERR_OK;
}
