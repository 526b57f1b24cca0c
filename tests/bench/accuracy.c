/* accuracy.c - what the default recipe is worth on daily prices, against "tomorrow is as today".
 *
 *     accuracy --data DIR [--seeds N] [--threads N] [--only FILE]
 *
 * Prints a row for each file and seed; exits 1 when a row misses the goals: an error of at most 1.01 times
 * naive's on the test part, and 75 ... 85 % of the actual values inside the 80 % interval. */
#include "api/csv.h"
#include "model/trainer.h"

#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 64
#define RATIO_GOAL 1.01
#define COVERAGE_LOW 0.75
#define COVERAGE_HIGH 0.85

static const struct series { const char *file, *close, *volume; } all_series[] = {
	{ "sp500.csv", "close", "volume" },
	{ "aapl.csv",  "Close", "Volume" },
	{ "xom.csv",   "Close", "Volume" },
};

struct options { const char *data, *only; int seeds, threads; };

/* A pool that lives as long as one training: between the barriers every thread takes its share of the shards. */
struct pool {
	struct trainer *t;
	int threads, shards;             /* shards 0: go home */
	pthread_barrier_t begin, end;
	struct member { struct pool *pool; int index; struct trainer_ws *ws; pthread_t id; } member[THREADS_MAX];
};

static void run_share(struct member *m)
{
	for (int s = m->index; s < m->pool->shards; s += m->pool->threads)
		trainer_shard(m->pool->t, s, m->ws);
}

static void *member_main(void *arg)
{
	struct member *m = arg;
	for (;;) {
		pthread_barrier_wait(&m->pool->begin);
		if (!m->pool->shards)
			return NULL;
		run_share(m);
		pthread_barrier_wait(&m->pool->end);
	}
}

static void fail_now(const char *what, const struct error *e)
{
	fprintf(stderr, "accuracy: %s: %s %s\n", what, e->where, e->what);
	exit(EXIT_FAILURE);
}

/* The caller is member 0. */
static void pool_init(struct pool *p, struct trainer *t, int threads)
{
	struct error e = { 0 };
	p->t = t;
	p->threads = threads;
	pthread_barrier_init(&p->begin, NULL, (unsigned)threads);
	pthread_barrier_init(&p->end, NULL, (unsigned)threads);
	for (int i = 0; i < threads; i++) {
		struct member *m = &p->member[i];
		m->pool = p;
		m->index = i;
		if (trainer_ws_new(t, &m->ws, &e))
			fail_now("workspace", &e);
		if (i && pthread_create(&m->id, NULL, member_main, m))
			fail_now("thread", &e);
	}
}

static void pool_fini(struct pool *p)
{
	p->shards = 0;
	pthread_barrier_wait(&p->begin);
	for (int i = 0; i < p->threads; i++) {
		if (i)
			pthread_join(p->member[i].id, NULL);
		trainer_ws_free(p->member[i].ws);
	}
	pthread_barrier_destroy(&p->begin);
	pthread_barrier_destroy(&p->end);
}

static void run_step(struct pool *p, int shards)
{
	p->shards = shards;
	pthread_barrier_wait(&p->begin);
	run_share(&p->member[0]);
	pthread_barrier_wait(&p->end);
}

static void run_epoch(struct pool *p, struct epoch_report *report)
{
	struct error e = { 0 };
	int shards;
	trainer_begin_epoch(p->t);
	while ((shards = trainer_begin_step(p->t)) > 0) {
		run_step(p, shards);
		if (trainer_end_step(p->t, &e))
			fail_now("step", &e);
	}
	if (trainer_end_epoch(p->t, report, &e))
		fail_now("epoch", &e);
}

static void train(struct trainer *t, int threads)
{
	struct pool pool = { 0 };
	pool_init(&pool, t, threads);
	while (!trainer_done(t)) {
		struct epoch_report r;
		run_epoch(&pool, &r);
		if (getenv("ACCURACY_VERBOSE"))
			fprintf(stderr, "epoch %d train %.5f validation %.5f rate %g norm %.3f%s\n", r.epoch, r.train_loss,
				r.validation_loss, r.learning_rate, r.gradient_norm, r.best ? " best" : "");
	}
	pool_fini(&pool);
}

static struct frame *read_csv(const char *path)
{
	static char piece[1 << 16];
	struct csv_reader *reader = NULL;
	struct frame *f = NULL;
	struct error e = { 0 };
	size_t n;
	FILE *in = fopen(path, "rb");
	if (!in) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	if (csv_new(&csv_default_limits, NULL, &reader, &e))
		fail_now(path, &e);
	while ((n = fread(piece, 1, sizeof piece, in)) > 0)
		if (csv_push(reader, piece, n, &e))
			fail_now(path, &e);
	if (csv_finish(reader, &f, &e))
		fail_now(path, &e);
	csv_free(reader);
	fclose(in);
	return f;
}

static void make_recipe(struct recipe *r, const struct series *s, uint64_t seed)
{
	const char *feature[] = { s->close, s->volume, "sma_10", "rsi_14", "macd_12_26_9" };
	recipe_default(r);
	snprintf(r->dataset, sizeof r->dataset, "%s", s->file);
	snprintf(r->model, sizeof r->model, "%s", s->file);
	snprintf(r->target[0], sizeof r->target[0], "%s", s->close);
	r->targets = 1;
	r->features = sizeof feature / sizeof *feature;
	for (int i = 0; i < r->features; i++)
		snprintf(r->feature[i], sizeof r->feature[i], "%s", feature[i]);
	r->seed = seed;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool meets_goals(const struct evaluation *v)
{
	return v->model.mae <= RATIO_GOAL * v->baseline[BASELINE_NAIVE].mae && v->coverage[0] >= COVERAGE_LOW
		&& v->coverage[0] <= COVERAGE_HIGH;
}

static void print_row(const struct series *s, uint64_t seed, const struct evaluation *v, int epochs, double seconds)
{
	double naive = v->baseline[BASELINE_NAIVE].mae;
	printf("%-10s %4llu %7zu %9.4f %9.4f %7.4f %9.4f %9.4f %6.3f %5.1f %5.1f  %-9s %6.3f %6.1f %6d %7.1f%s\n", s->file,
		(unsigned long long)seed, v->origins, v->model.mae, naive, v->model.mae / naive,
		v->baseline[BASELINE_DRIFT].mae, v->baseline[BASELINE_SEASONAL_NAIVE].mae, v->model.mase,
		100 * v->coverage[0], 100 * v->coverage[1], verdict_name(v->verdict), v->p_value, v->shrinkage, epochs,
		seconds, meets_goals(v) ? "" : "  MISSED");
	fflush(stdout);
}

static bool run_series(const struct options *o, const struct series *s, uint64_t seed)
{
	char path[4096];
	struct recipe recipe;
	struct trainer *t = NULL;
	struct trained trained = { 0 };
	struct evaluation v;
	struct error e = { 0 };

	snprintf(path, sizeof path, "%s/%s", o->data, s->file);
	struct frame *f = read_csv(path);
	make_recipe(&recipe, s, seed);
	double start = now();
	if (trainer_new(&recipe, f, &t, &e))
		fail_now(s->file, &e);
	train(t, o->threads);
	float *params = calloc(trainer_plan(t)->weights, sizeof *params);
	if (!params || trainer_finish(t, &trained, params, &v, &e))
		fail_now(s->file, &e);
	print_row(s, seed, &v, trainer_epoch(t), now() - start);
	bool met = meets_goals(&v);
	evaluation_fini(&v);
	trained_fini(&trained);
	free(params);
	trainer_free(t);
	frame_free(f);
	return met;
}

static void usage(void)
{
	fprintf(stderr, "usage: accuracy --data DIR [--seeds N] [--threads N] [--only FILE]\n");
	exit(2);
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "data", required_argument, NULL, 'd' },    { "seeds", required_argument, NULL, 's' },
		{ "threads", required_argument, NULL, 't' }, { "only", required_argument, NULL, 'o' }, { 0 },
	};
	struct options o = { .seeds = 1, .threads = 1 };
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
		switch (c) {
		case 'd': o.data = optarg; break;
		case 's': o.seeds = atoi(optarg); break;
		case 't': o.threads = atoi(optarg); break;
		case 'o': o.only = optarg; break;
		default: usage();
		}
	if (!o.data || o.seeds < 1 || o.threads < 1 || o.threads > THREADS_MAX)
		usage();
	return o;
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	bool met = true;
	printf("%-10s %4s %7s %9s %9s %7s %9s %9s %6s %5s %5s  %-9s %6s %6s %6s %7s\n", "file", "seed", "origins", "MAE",
		"naive", "ratio", "drift", "seasonal", "MASE", "80%", "90%", "verdict", "p", "shrink", "epochs", "seconds");
	for (size_t i = 0; i < sizeof all_series / sizeof *all_series; i++)
		for (int seed = 1; seed <= o.seeds; seed++)
			if (!o.only || !strcmp(o.only, all_series[i].file))
				met = run_series(&o, &all_series[i], (uint64_t)seed) && met;
	return met ? EXIT_SUCCESS : EXIT_FAILURE;
}
