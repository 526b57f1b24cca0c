/* trainer.c - the state machine of trainer.h: epochs, steps, shards, and the guard that watches them.
 *
 *     begin_epoch ─► TRAIN ──(windows used up, or rolled back)──► VALIDATION ──► OVER ─► end_epoch
 *
 *     end_step:  reduce ─► norm ─► guard ─┬─► clip ─► optimiser
 *                                         └─► skip ─► (3 of 100) roll back ─► (3rd) ERR_DIVERGED */
#include "model/trainer_state.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NORM_WARMUP  20      /* accepted steps before a large norm is suspicious */
#define NORM_LIMIT   10.0    /* times the moving average */
#define NORM_DECAY   0.05    /* weight of the newest norm */

struct trainer_ws {
	struct batch batch;
	float *y, *dy;                /* [S][B][outputs] */
	float *net;                   /* of network_forward and network_backward */
};

static bool moving_init(struct moving *s, size_t weights, bool averages)
{
	s->weights = floats_new(weights, 1);
	s->m = floats_new(weights, 1);
	s->v = floats_new(weights, 1);
	s->average = averages ? floats_new(weights, 1) : s->weights;
	return s->weights && s->m && s->v && s->average;
}

static void moving_fini(struct moving *s)
{
	if (moving_averages(s))
		free(s->average);
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
	const struct examples *x = t->examples;
	const size_t *count = x->count;

	net_tensors(&t->net, &t->table);
	t->statistics = net_statistics(&t->table);
	t->plan = (struct trainer_plan){
		.epochs = t->recipe.epochs,
		.steps = ceil_div(count[SHARE_TRAIN], batch) + ceil_div(count[SHARE_VALIDATION], batch),
		.train_examples = count[SHARE_TRAIN], .validation_examples = count[SHARE_VALIDATION],
		.test_examples = count[SHARE_TEST], .weights = t->table.count, .rows = x->rows, .filled_cells = x->filled,
	};
}

static void start_course(struct trainer *t)
{
	const struct recipe *r = &t->recipe;
	t->course = (struct course){ .rate = r->learning_rate };
	plateau_init(&t->course.plateau, r->scheduler_factor, r->scheduler_patience, r->scheduler_min_rate);
	early_stop_init(&t->course.early_stop, r->early_stopping_patience);
	network_init(&t->net, &r->init, r->seed, t->now.weights);
	if (moving_averages(&t->now))
		memcpy(t->now.average, t->now.weights, t->plan.weights * sizeof *t->now.average);
	trainer_mark_good(t);
}

static bool allocate(struct trainer *t)
{
	size_t train = t->plan.train_examples, validation = t->plan.validation_examples;
	size_t weights = t->plan.weights, shards = (size_t)ceil_div((size_t)t->recipe.batch_size, TRAINER_SHARD_ROWS);
	bool thins = t->recipe.weight_dropout > 0, averages = t->recipe.average_decay > 0;
	t->best = floats_new(weights, 1);
	if (t->examples->stateful)
		t->carried = floats_new(shards * TRAINER_SHARD_ROWS, (size_t)net_state_size(&t->net));
	t->thinned = thins ? floats_new(weights, 1) : NULL;
	t->gradient = floats_new(shards, weights);
	t->shard_loss = calloc(shards, sizeof *t->shard_loss);
	t->place = calloc(examples_places(t->examples) + 1, sizeof *t->place);
	t->order = calloc(train > validation ? train : validation, sizeof *t->order);
	return moving_init(&t->now, weights, averages) && moving_init(&t->good, weights, averages) && t->best && (t->thinned || !thins)
		&& (t->carried || !t->examples->stateful) && t->gradient && t->shard_loss && t->place && t->order;
}

enum err trainer_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e)
{
	return examples_check(r, f, rows, e);
}

enum err trainer_new(const struct recipe *r, const struct frame *f, struct trainer **out, struct error *e)
{
	enum err rc;
	struct trainer *t = calloc(1, sizeof *t);
	if (!t)
		return fail_nomem(e);
	t->recipe = *r;
	rc = examples_new(r, f, &t->examples, e);
	if (rc)
		goto done;
	t->net = t->examples->net;
	recipe_loss(r, &t->loss);
	t->loss.classes = t->net.classes;
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
	examples_free(t->examples);
	moving_fini(&t->now);
	moving_fini(&t->good);
	free(t->best);
	free(t->carried);
	free(t->thinned);
	free(t->order);
	free(t->place);
	free(t->gradient);
	free(t->shard_loss);
	free(t);
}

/* A decoder of answers takes no more steps than the longest answer of a batch has; horizon is the most. */
static struct net_spec net_of_steps(const struct trainer *t, int steps)
{
	struct net_spec net = t->net;
	if (!net_answers_steps(&net))
		net.horizon = steps;
	return net;
}

enum err trainer_ws_new(const struct trainer *t, struct trainer_ws **out, struct error *e)
{
	const struct extent *most = &t->examples->most;
	struct net_spec net = net_of_steps(t, most->steps);
	size_t answers = (size_t)most->steps * TRAINER_SHARD_ROWS;
	struct trainer_ws *w = calloc(1, sizeof *w);
	if (!w)
		return fail_nomem(e);
	enum err rc = batch_init(&w->batch, t->examples, TRAINER_SHARD_ROWS, e);
	w->y = floats_new(answers, (size_t)net_outputs(&net));
	w->dy = floats_new(answers, (size_t)net_outputs(&net));
	w->net = floats_new(network_scratch(&net, most->length, TRAINER_SHARD_ROWS), 1);
	if (rc || !w->y || !w->dy || !w->net) {
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
	batch_fini(&w->batch);
	free(w->y);
	free(w->dy);
	free(w->net);
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

/* The phase's share of the examples; of a training phase, in the running epoch. */
static enum share phase_share(const struct trainer *t)
{
	return t->pass.phase == PHASE_TRAIN ? SHARE_TRAIN : SHARE_VALIDATION;
}

static size_t phase_examples(const struct trainer *t)
{
	return t->examples->count[phase_share(t)];
}

static struct example example_at(const struct trainer *t, size_t row)
{
	bool train = t->pass.phase == PHASE_TRAIN;
	return (struct example){
		.share = phase_share(t), .index = t->order[t->pass.next + row], .epoch = train ? t->course.epoch + 1 : 0,
	};
}

static void begin_phase(struct trainer *t)
{
	if (t->pass.phase != PHASE_OVER)
		examples_order(t->examples, phase_share(t), t->course.epoch + 1, t->order, t->place);
}

void trainer_begin_epoch(struct trainer *t)
{
	t->pass = (struct pass){ .phase = PHASE_TRAIN };
	begin_phase(t);
}

/* What is drawn for a step, from row `row` of its minibatch on. */
static struct dropout_key step_key(const struct trainer *t, size_t row)
{
	return (struct dropout_key){ .seed = t->recipe.seed, .key = (uint32_t)t->course.step, .row_base = (uint32_t)row };
}

/* The running training step's masks of the weights, on them or on their gradient. */
static void drop_weights(const struct trainer *t, float *block)
{
	const struct dropout_key key = step_key(t, 0);
	if (t->thinned)
		weight_dropout(&t->table, &key, t->recipe.weight_dropout, block);
}

static void begin_training_step(struct trainer *t)
{
	t->course.step++;
	if (t->thinned)
		memcpy(t->thinned, t->now.weights, t->plan.weights * sizeof *t->thinned);
	drop_weights(t, t->thinned);
}

int trainer_begin_step(struct trainer *t)
{
	struct pass *p = &t->pass;
	while (p->phase != PHASE_OVER && p->next == phase_examples(t)) {
		p->phase++;
		p->next = 0;
		begin_phase(t);
	}
	if (p->phase == PHASE_OVER)
		return 0;
	size_t left = phase_examples(t) - p->next, batch = (size_t)t->recipe.batch_size;
	p->rows = left < batch ? left : batch;
	p->shards = ceil_div(p->rows, TRAINER_SHARD_ROWS);
	p->targets = 0;
	for (size_t i = 0; i < p->rows; i++) {
		struct example which = example_at(t, i);
		p->targets += examples_targets(t->examples, examples_extent(t->examples, &which));
	}
	if (p->phase == PHASE_TRAIN)
		begin_training_step(t);
	return p->shards;
}

/* Classes are told with the truth before them, as they were learnt; numbers are forecast on their own. */
static double teacher_ratio(const struct trainer *t, bool train)
{
	if (!net_feeds_back(&t->net))
		return 0;
	return train ? t->recipe.teacher_forcing : t->net.classes ? 1 : 0;
}

/* Where a shard of B rows leaves its states for the same rows of the next minibatch. */
static struct network_state carried_states(const struct trainer *t, int shard, int B)
{
	if (!t->carried)
		return (struct network_state){ 0 };
	size_t size = (size_t)net_state_size(&t->net), half = (size_t)(t->net.layers * net_width(&t->net)) * (size_t)B;
	float *h = t->carried + (size_t)shard * TRAINER_SHARD_ROWS * size;
	return (struct network_state){ .h = h, .c = net_has_memory(&t->net) ? h + half : NULL };
}

/* The rows go on where those of the minibatch before ended: not the first, and not what was left over. */
static bool goes_on(const struct trainer *t)
{
	return t->pass.next > 0 && t->pass.rows == (size_t)t->recipe.batch_size;
}

void trainer_shard(struct trainer *t, int shard, struct trainer_ws *w)
{
	const struct pass *pass = &t->pass;
	bool train = pass->phase == PHASE_TRAIN;
	size_t begin = (size_t)shard * TRAINER_SHARD_ROWS, left = pass->rows - begin;
	int B = left < TRAINER_SHARD_ROWS ? (int)left : TRAINER_SHARD_ROWS;
	double ratio = teacher_ratio(t, train), weight = 1 / (double)pass->targets;
	const float *weights = !train ? t->now.average : t->thinned ? t->thinned : t->now.weights;
	const struct dropout_key key = step_key(t, begin);
	struct example which[TRAINER_SHARD_ROWS];
	const struct batch *b = &w->batch;

	assert(shard < pass->shards);
	for (int i = 0; i < B; i++)
		which[i] = example_at(t, begin + (size_t)i);
	batch_fill(&w->batch, t->examples, which, B);
	const struct net_spec net = net_of_steps(t, b->S);
	const struct network_state states = carried_states(t, shard, B);
	const struct network_input in = {
		.T = b->T, .B = B, .lengths = b->lengths, .x = b->x, .dropout = train ? &key : NULL,
		.start = goes_on(t) ? states : (struct network_state){ 0 },
		.teacher = ratio > 0 ? b->target : NULL, .teacher_ratio = ratio,
	};
	network_forward(&net, weights, &in, &(struct network_output){ .y = w->y, .final = states }, w->net);
	size_t groups = (size_t)b->S * (size_t)B * (size_t)net.targets;
	t->shard_loss[shard] = loss_forward_backward(&t->loss, groups, w->y, b->target, weight, train ? w->dy : NULL);
	if (!train)
		return;
	float *gradient = t->gradient + (size_t)shard * t->plan.weights;
	memset(gradient, 0, t->plan.weights * sizeof *gradient);
	network_backward(&net, weights, &in, w->dy, gradient, NULL, w->net);
}

/* Add the shards pairwise, as gradient_reduce() does, whoever computed them. */
static double reduce(struct trainer *t, bool gradients)
{
	int shards = t->pass.shards;
	for (int reach = 1; reach < shards; reach *= 2)
		for (int s = 0; s + reach < shards; s += 2 * reach)
			t->shard_loss[s] += t->shard_loss[s + reach];
	if (gradients)
		gradient_reduce(t->gradient, shards, t->plan.weights);
	return t->shard_loss[0];
}

/* A norm that is not even clipped is no explosion, however small the usual one has become: what has been learnt moves
 * nothing, but for the example now and then that has not. */
static bool acceptable(const struct trainer *t, double loss, double norm)
{
	const struct guard *g = &t->course.guard;
	if (!isfinite(loss) || !isfinite(norm))
		return false;
	return g->accepted < NORM_WARMUP || norm <= fmax(NORM_LIMIT * g->average, t->recipe.clip_norm);
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
	t->pass.next = t->plan.train_examples;
	return roll_back(t, e);
}

/* What is learnt lies before and behind the statistics. */
enum { RUNS = 2 };
static void learnt_runs(const struct trainer *t, struct tensor_run run[RUNS])
{
	const struct tensor_run *s = &t->statistics;
	size_t behind = s->offset + s->count;
	run[0] = (struct tensor_run){ 0, s->offset };
	run[1] = (struct tensor_run){ behind, t->plan.weights - behind };
}

static double learnt_norm(const struct trainer *t)
{
	struct tensor_run run[RUNS];
	double norm = 0;
	learnt_runs(t, run);
	for (int i = 0; i < RUNS; i++)
		norm = hypot(norm, gradient_norm(t->gradient + run[i].offset, run[i].count));
	return norm;
}

static void take_step(struct trainer *t, double norm)
{
	struct course *c = &t->course;
	const struct tensor_run *measured = &t->statistics;
	struct tensor_run run[RUNS];
	const struct optimizer optimizer = {
		.type = t->recipe.optimizer, .learning_rate = rate_now(t), .momentum = t->recipe.momentum,
		.weight_decay = t->recipe.weight_decay,
	};
	c->optimizer_steps++;
	learnt_runs(t, run);
	for (int i = 0; i < RUNS; i++) {
		size_t at = run[i].offset, n = run[i].count;
		if (t->recipe.clip_norm > 0)
			gradient_clip(t->gradient + at, n, norm, t->recipe.clip_norm);
		optimizer_step(&optimizer, c->optimizer_steps, n, t->now.weights + at, t->now.m + at, t->now.v + at,
			t->gradient + at);
	}
	statistics_step(measured->count, t->pass.shards, t->now.weights + measured->offset, t->gradient + measured->offset);
	if (moving_averages(&t->now))
		average_step(t->recipe.average_decay, c->optimizer_steps, t->plan.weights, t->now.average, t->now.weights);
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
		p->validation_targets += p->targets;
		return ERR_OK;
	}
	drop_weights(t, t->gradient);
	double norm = learnt_norm(t);
	if (!acceptable(t, loss, norm))
		return skip_step(t, e);
	p->loss += loss;
	p->loss_targets += p->targets;
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
	c->guard.rollbacks = 0;
	trainer_mark_good(t);
	if (report->best)
		memcpy(t->best, t->now.average, t->plan.weights * sizeof *t->best);
}

enum err trainer_end_epoch(struct trainer *t, struct epoch_report *out, struct error *e)
{
	enum err rc = ERR_OK;
	struct pass *p = &t->pass;
	struct epoch_report report = {
		.epoch = t->course.epoch + 1,
		.train_loss = mean_of(p->loss, (double)p->loss_targets),
		.validation_loss = p->validation / (double)p->validation_targets,
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
