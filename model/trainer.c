/* trainer.c - the state machine of trainer.h: epochs, steps, shards, and the guard that watches them.
 *
 *     begin_epoch ─► TRAIN ──(windows used up, or rolled back)──► VALIDATION ──► OVER ─► end_epoch
 *
 *     end_step:  reduce ─► norm ─► guard ─┬─► clip ─► optimiser
 *                                         └─► skip ─► (3 of 100) roll back ─► (3rd) ERR_DIVERGED */
#include "model/trainer_state.h"

#include "model/base/rng.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NORM_WARMUP  20      /* accepted steps before a large norm is suspicious */
#define NORM_LIMIT   10.0    /* times the moving average */
#define NORM_DECAY   0.05    /* weight of the newest norm */

struct trainer_ws {
	float *x, *y, *dy, *target;   /* [T][B][in], [horizon][B][outputs] twice, [horizon][B][targets] */
	float *window;                /* [T][in]: one sample before it is laid out by steps */
	float *net;                   /* of network_forward and network_backward */
	double *scratch;              /* of pipeline_window */
	int lengths[TRAINER_SHARD_ROWS];
};

/* Numbers for BLAS: aligned to a cache line. NULL on overflow or lack of memory. */
static float *floats_new(size_t a, size_t b)
{
	size_t bytes;
	if (__builtin_mul_overflow(a, b, &bytes) || __builtin_mul_overflow(bytes, sizeof(float), &bytes)
			|| bytes > SIZE_MAX - 64)
		return NULL;
	bytes = (bytes + 64) / 64 * 64;
	float *p = aligned_alloc(64, bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

static bool moving_init(struct moving *s, size_t weights)
{
	s->weights = floats_new(weights, 1);
	s->m = floats_new(weights, 1);
	s->v = floats_new(weights, 1);
	return s->weights && s->m && s->v;
}

static void moving_fini(struct moving *s)
{
	free(s->weights);
	free(s->m);
	free(s->v);
}

static int ceil_div(size_t n, size_t by)
{
	return (int)((n + by - 1) / by);
}

static void make_plan(struct trainer *t)
{
	size_t batch = (size_t)t->recipe.batch_size;
	const struct samples *s = &t->samples;
	struct tensor_table table;

	net_tensors(&t->net, &table);
	t->plan = (struct trainer_plan){
		.epochs = t->recipe.epochs,
		.steps = ceil_div(s->train.windows, batch) + ceil_div(s->validation.windows, batch),
		.train_windows = s->train.windows, .validation_windows = s->validation.windows,
		.test_windows = s->test.windows, .weights = table.count, .rows = s->n, .filled_cells = s->filled,
	};
}

static void start_course(struct trainer *t)
{
	const struct recipe *r = &t->recipe;
	t->course = (struct course){ .rate = r->learning_rate };
	plateau_init(&t->course.plateau, r->scheduler_factor, r->scheduler_patience, r->scheduler_min_rate);
	early_stop_init(&t->course.early_stop, r->early_stopping_patience);
	network_init(&t->net, &(struct init_options){ 0 }, r->seed, t->now.weights);
	trainer_mark_good(t);
}

static bool allocate(struct trainer *t)
{
	size_t weights = t->plan.weights, shards = (size_t)ceil_div((size_t)t->recipe.batch_size, TRAINER_SHARD_ROWS);
	t->best = floats_new(weights, 1);
	t->gradient = floats_new(shards, weights);
	t->shard_loss = calloc(shards, sizeof *t->shard_loss);
	t->order = calloc(t->plan.train_windows, sizeof *t->order);
	return moving_init(&t->now, weights) && moving_init(&t->good, weights) && t->best && t->gradient
		&& t->shard_loss && t->order;
}

enum err trainer_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e)
{
	return samples_check(r, f, rows, e);
}

enum err trainer_new(const struct recipe *r, const struct frame *f, struct trainer **out, struct error *e)
{
	enum err rc;
	struct trainer *t = calloc(1, sizeof *t);
	if (!t)
		return fail_nomem(e);
	t->recipe = *r;
	rc = samples_init(&t->samples, r, f, e);
	if (rc)
		goto done;
	if (t->samples.n > UINT32_MAX) {   /* order[] is 32 bits wide */
		rc = fail(e, ERR_INVALID, "/dataset", "more than %u rows cannot be trained on", UINT32_MAX);
		goto done;
	}
	recipe_net(r, t->samples.pipeline.channels, &t->net);
	rc = net_spec_check(&t->net, e);
	if (rc)
		goto done;
	recipe_loss(r, &t->loss);
	make_plan(t);
	if (!allocate(t)) {
		rc = fail_nomem(e);
		goto done;
	}
	start_course(t);
	t->fingerprint = trainer_fingerprint(t);
	t->pass.phase = PHASE_OVER;
	*out = t;
done:
	if (rc)
		trainer_free(t);
	return rc;
}

void trainer_free(struct trainer *t)
{
	if (!t)
		return;
	samples_fini(&t->samples);
	moving_fini(&t->now);
	moving_fini(&t->good);
	free(t->best);
	free(t->order);
	free(t->gradient);
	free(t->shard_loss);
	free(t);
}

enum err trainer_ws_new(const struct trainer *t, struct trainer_ws **out, struct error *e)
{
	const struct net_spec *net = &t->net;
	size_t window = (size_t)t->recipe.window, horizon = (size_t)net->horizon * TRAINER_SHARD_ROWS;
	struct trainer_ws *w = calloc(1, sizeof *w);
	if (!w)
		return fail_nomem(e);
	w->x = floats_new(window * TRAINER_SHARD_ROWS, (size_t)net->inputs);
	w->window = floats_new(window, (size_t)net->inputs);
	w->y = floats_new(horizon, (size_t)net_outputs(net));
	w->dy = floats_new(horizon, (size_t)net_outputs(net));
	w->target = floats_new(horizon, (size_t)net->targets);
	w->net = floats_new(network_scratch(net, t->recipe.window, TRAINER_SHARD_ROWS), 1);
	w->scratch = calloc(pipeline_scratch(&t->samples.pipeline), sizeof *w->scratch);
	for (int b = 0; b < TRAINER_SHARD_ROWS; b++)
		w->lengths[b] = t->recipe.window;
	if (!w->x || !w->window || !w->y || !w->dy || !w->target || !w->net || !w->scratch) {
		trainer_ws_free(w);
		return fail_nomem(e);
	}
	*out = w;
	return ERR_OK;
}

void trainer_ws_free(struct trainer_ws *w)
{
	if (!w)
		return;
	free(w->x);
	free(w->window);
	free(w->y);
	free(w->dy);
	free(w->target);
	free(w->net);
	free(w->scratch);
	free(w);
}

const struct trainer_plan *trainer_plan(const struct trainer *t)
{
	return &t->plan;
}

int trainer_epoch(const struct trainer *t)
{
	return t->course.epoch;
}

bool trainer_done(const struct trainer *t)
{
	return t->course.stopped || t->course.epoch >= t->recipe.epochs;
}

void trainer_begin_epoch(struct trainer *t)
{
	struct rng rng;
	for (size_t i = 0; i < t->plan.train_windows; i++)
		t->order[i] = (uint32_t)i;
	rng_init(&rng, t->recipe.seed, RNG_SHUFFLE, (uint32_t)t->course.epoch + 1);
	rng_shuffle(&rng, t->order, t->plan.train_windows);
	t->pass = (struct pass){ .phase = PHASE_TRAIN };
}

static size_t phase_windows(const struct trainer *t)
{
	return t->pass.phase == PHASE_TRAIN ? t->plan.train_windows : t->plan.validation_windows;
}

int trainer_begin_step(struct trainer *t)
{
	struct pass *p = &t->pass;
	while (p->phase != PHASE_OVER && p->next == phase_windows(t)) {
		p->phase++;
		p->next = 0;
	}
	if (p->phase == PHASE_OVER)
		return 0;
	size_t left = phase_windows(t) - p->next, batch = (size_t)t->recipe.batch_size;
	p->rows = left < batch ? left : batch;
	p->shards = ceil_div(p->rows, TRAINER_SHARD_ROWS);
	t->course.step += p->phase == PHASE_TRAIN;
	return p->shards;
}

/* The origin of a row of the running step. */
static size_t origin_of(const struct trainer *t, size_t row)
{
	if (t->pass.phase == PHASE_TRAIN)
		return t->samples.train.first + t->order[t->pass.next + row];
	return t->samples.validation.first + t->pass.next + row;
}

/* Lay one window out as column b of x [T][B][in] and target [horizon][B][targets]. */
static void load_window(const struct trainer *t, struct trainer_ws *w, size_t origin, int b, int B)
{
	const struct pipeline *p = &t->samples.pipeline;
	size_t in = (size_t)p->channels, stride = (size_t)B, at = (size_t)b;
	struct anchor anchor;

	pipeline_window(p, samples_context(&t->samples, origin), w->scratch, w->window, &anchor);
	for (size_t i = 0; i < (size_t)p->window; i++)
		memcpy(w->x + (i * stride + at) * in, w->window + i * in, in * sizeof *w->x);
	for (int k = 0; k < p->targets; k++) {
		const double *future = samples_series(&t->samples, k) + origin + 1;
		for (size_t h = 0; h < (size_t)p->horizon; h++)
			w->target[(h * stride + at) * (size_t)p->targets + (size_t)k] =
				(float)pipeline_encode(p, k, &anchor, future[h]);
	}
}

/* Of one row: what the loss is a mean over. */
static double numbers_per_row(const struct net_spec *net)
{
	return (double)net->horizon * net_outputs(net);
}

void trainer_shard(struct trainer *t, int shard, struct trainer_ws *w)
{
	const struct net_spec *net = &t->net;
	const struct pass *pass = &t->pass;
	const float *weights = t->now.weights;
	bool train = pass->phase == PHASE_TRAIN;
	size_t begin = (size_t)shard * TRAINER_SHARD_ROWS, left = pass->rows - begin;
	int T = t->recipe.window, B = left < TRAINER_SHARD_ROWS ? (int)left : TRAINER_SHARD_ROWS;
	size_t groups = (size_t)net->horizon * (size_t)B * (size_t)net->targets;
	double weight = 1 / ((double)pass->rows * numbers_per_row(net));
	struct dropout_key key = { .seed = t->recipe.seed, .key = (uint32_t)t->course.step, .row_base = (uint32_t)begin };
	const struct dropout_key *dropout = train && net->dropout > 0 ? &key : NULL;

	assert(shard < pass->shards);
	for (int b = 0; b < B; b++)
		load_window(t, w, origin_of(t, begin + (size_t)b), b, B);
	network_forward(net, weights, &(struct network_input){ .T = T, .B = B, .lengths = w->lengths, .x = w->x, .dropout = dropout },
	                &(struct network_output){ .y = w->y }, w->net);
	t->shard_loss[shard] = loss_forward_backward(&t->loss, groups, w->y, w->target, weight, train ? w->dy : NULL);
	if (!train)
		return;
	float *gradient = t->gradient + (size_t)shard * t->plan.weights;
	memset(gradient, 0, t->plan.weights * sizeof *gradient);
	network_backward(net, weights, &(struct network_input){ .T = T, .B = B, .lengths = w->lengths, .x = w->x, .dropout = dropout },
	                 w->dy, gradient, NULL, w->net);
}

static void add(float *to, const float *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

/* Add the shards pairwise, (0+1)+(2+3) …, whoever computed them. */
static double reduce(struct trainer *t, bool gradients)
{
	size_t weights = t->plan.weights;
	int shards = t->pass.shards;
	for (int reach = 1; reach < shards; reach *= 2)
		for (int s = 0; s + reach < shards; s += 2 * reach) {
			t->shard_loss[s] += t->shard_loss[s + reach];
			if (gradients)
				add(t->gradient + (size_t)s * weights, t->gradient + (size_t)(s + reach) * weights, weights);
		}
	return t->shard_loss[0];
}

static bool acceptable(const struct guard *g, double loss, double norm)
{
	if (!isfinite(loss) || !isfinite(norm))
		return false;
	return g->accepted < NORM_WARMUP || norm <= NORM_LIMIT * g->average;
}

/* A plain mean at first, an exponential one once it is long enough. */
static void guard_accept(struct guard *g, double norm)
{
	double weight = fmax(NORM_DECAY, 1 / ((double)g->accepted + 1));
	g->average += weight * (norm - g->average);
	g->accepted++;
}

/* Records a skip; true when the last GUARD_SKIPS lie within GUARD_STEPS steps. */
static bool guard_skip(struct guard *g, uint64_t step)
{
	g->skipped_at[g->skips++ % GUARD_SKIPS] = step;
	uint64_t oldest = g->skipped_at[g->skips % GUARD_SKIPS];
	return g->skips >= GUARD_SKIPS && step - oldest < GUARD_STEPS;
}

/* Of the running epoch. */
static double rate_now(const struct trainer *t)
{
	const struct recipe *r = &t->recipe;
	const struct schedule schedule = {
		.type = r->scheduler, .epochs = r->epochs, .warmup_epochs = r->warmup_epochs,
		.step_size = r->scheduler_step_size, .gamma = r->scheduler_gamma, .min_rate = r->scheduler_min_rate,
	};
	return schedule_rate(&schedule, t->course.rate, t->course.epoch);
}

static enum err roll_back(struct trainer *t, struct error *e)
{
	struct course *c = &t->course;
	double rate = rate_now(t);
	moving_copy(&t->now, &t->good, t->plan.weights);
	c->optimizer_steps = t->good_optimizer_steps;
	c->rate /= 2;
	t->pass.rolled_back = true;
	c->guard.skips = 0;
	if (++c->guard.rollbacks < GUARD_ROLLBACKS)
		return ERR_OK;
	c->stopped = true;
	return fail(e, ERR_DIVERGED, "/training/learning_rate", "losses or gradients left the usual range %d times, the last "
		"at step %llu with a learning rate of %g", GUARD_ROLLBACKS, (unsigned long long)c->step, rate);
}

/* A rolled-back epoch goes on with its validation: the weights are good ones. */
static enum err skip_step(struct trainer *t, struct error *e)
{
	t->pass.skipped++;
	if (!guard_skip(&t->course.guard, t->course.step))
		return ERR_OK;
	t->pass.next = t->plan.train_windows;
	return roll_back(t, e);
}

static void take_step(struct trainer *t, double norm)
{
	struct course *c = &t->course;
	const struct optimizer optimizer = {
		.type = t->recipe.optimizer, .learning_rate = rate_now(t), .momentum = t->recipe.momentum,
		.weight_decay = t->recipe.weight_decay,
	};
	if (t->recipe.clip_norm > 0)
		gradient_clip(t->gradient, t->plan.weights, norm, t->recipe.clip_norm);
	optimizer_step(&optimizer, ++c->optimizer_steps, t->plan.weights, t->now.weights, t->now.m, t->now.v, t->gradient);
	guard_accept(&c->guard, norm);
	t->pass.norm += norm;
	t->pass.norm_steps++;
}

enum err trainer_end_step(struct trainer *t, struct error *e)
{
	struct pass *p = &t->pass;
	bool train = p->phase == PHASE_TRAIN;
	double loss = reduce(t, train);

	p->next += p->rows;
	if (!train) {
		p->validation += loss;
		return ERR_OK;
	}
	double norm = gradient_norm(t->gradient, t->plan.weights);
	if (!acceptable(&t->course.guard, loss, norm))
		return skip_step(t, e);
	p->loss += loss;
	p->loss_rows += p->rows;
	take_step(t, norm);
	return ERR_OK;
}

static double mean_of(double sum, double n)
{
	return n > 0 ? sum / n : 0;
}

/* Scheduler and early stopping look at an epoch that went well; its weights become the good ones. */
static void judge(struct trainer *t, double validation, struct epoch_report *report)
{
	struct course *c = &t->course;
	c->stopped = early_stop_step(&c->early_stop, c->epoch, validation, &report->best);
	if (t->recipe.scheduler == SCHEDULER_REDUCE_ON_PLATEAU)
		c->rate = plateau_step(&c->plateau, validation, c->rate);
	trainer_mark_good(t);
	if (report->best)
		memcpy(t->best, t->now.weights, t->plan.weights * sizeof *t->best);
}

enum err trainer_end_epoch(struct trainer *t, struct epoch_report *out, struct error *e)
{
	enum err rc = ERR_OK;
	struct pass *p = &t->pass;
	double per_row = numbers_per_row(&t->net);
	struct epoch_report report = {
		.epoch = t->course.epoch + 1,
		.train_loss = mean_of(p->loss, (double)p->loss_rows * per_row),
		.validation_loss = p->validation / ((double)t->plan.validation_windows * per_row),
		.learning_rate = rate_now(t),
		.gradient_norm = mean_of(p->norm, (double)p->norm_steps),
		.skipped_steps = p->skipped,
	};

	assert(p->phase == PHASE_OVER);
	t->course.epoch++;
	if (!p->rolled_back && !isfinite(report.validation_loss))
		rc = roll_back(t, e);
	else if (!p->rolled_back)   /* restored weights were judged when they were new */
		judge(t, report.validation_loss, &report);
	report.rolled_back = p->rolled_back;
	report.stop = trainer_done(t);
	if (!rc)
		*out = report;
	return rc;
}
