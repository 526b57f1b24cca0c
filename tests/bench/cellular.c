/* cellular.c - the batcher against padded batching, on the same kernels and the same questions.
 *
 *     cellular [requests] [hidden] [threads] [rounds] [spread]
 *
 * Lengths are log-normal, 5 … WINDOW steps, the median 60, the logarithm's deviation `spread` hundredths (90; 0: all
 * equal). CLIENTS requests are always under way: who is answered asks again at once, so all are saturated.
 *
 *     gatecast   server/batcher.h: ticks, nobody is padded, who is done leaves
 *     whole      what waits, up to CLIENTS, is run to its end together: nothing padded, all leave with the longest
 *     padded     what came within DELAY_MS, up to CLIENTS, all as long as the longest of them
 *
 * Prints one JSON object, a member a way: medians of the rounds; ratios compare rounds of the same number. Pin it: as
 * many cores as threads. */
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/recipe.h"
#include "server/batcher.h"
#include "server/monotonic.h"

enum { WINDOW = 500, HORIZON = 24, CLIENTS = 64, FIT_ROWS = 700, ROUNDS_MAX = 15, THREADS_MAX = 16 };
#define MEDIAN_STEPS 60.0
#define DELAY_MS     5

struct bench;

struct client {
	struct batch batch;   /* first: the batcher gives it back */
	struct batch_item item;
	struct bench *bench;
	struct client *next;  /* in the padded batcher's line */
	int64_t asked_ns;
	double mean[HORIZON];
};

enum way { CELLULAR, WHOLE, PADDED, WAYS };
static const char *const way_names[WAYS] = { "gatecast", "whole", "padded" };

struct bench {
	struct model model;
	double context[FIT_ROWS];
	int requests, threads;
	int *steps;                          /* of each question */
	double *latency_ms;                  /* of each answer, in their order */
	/* of a round */
	enum way way;
	struct batcher *batcher;
	_Atomic int asked, answered;
	sem_t over;
	/* the other two batchers' line */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct client *head, **tail;
	int waiting;
	bool stopping;
};

static void check(enum err rc, const struct error *e)
{
	if (!rc)
		return;
	fprintf(stderr, "cellular: %s %s\n", e->where, e->what);
	exit(EXIT_FAILURE);
}

static void *must_alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);
	if (!p)
		exit(EXIT_FAILURE);
	return p;
}

/* ---- questions ----------------------------------------------------------- */

static void model_init(struct bench *b, int hidden)
{
	static const char *const target[] = { "y" };
	struct pipeline pipeline;
	struct recipe recipe;
	struct net_spec net;
	struct tensor_table tensors;
	struct rng rng;
	struct error e;
	struct frame *frame = frame_new();
	if (!frame)
		exit(EXIT_FAILURE);
	check(frame_add_column(frame, "y", COLUMN_NUMBER, &e), &e);
	check(pipeline_init(&pipeline, target, 1, NULL, 0, WINDOW, HORIZON, frame, &e), &e);
	frame_free(frame);
	for (int i = 0; i < FIT_ROWS; i++)
		b->context[i] = 10 + 3 * sin(i / 4.0);
	check(pipeline_fit(&pipeline, b->context, FIT_ROWS, &e), &e);
	recipe_default(&recipe);
	recipe.targets = 1;
	recipe.window = WINDOW;
	recipe.horizon = HORIZON;
	recipe.hidden = hidden;
	recipe_net(&recipe, pipeline.channels, &net);
	net_tensors(&net, &tensors);
	float *weights = must_alloc(tensors.count, sizeof *weights);
	rng_init(&rng, 1, RNG_TEST, 0);
	for (size_t i = 0; i < tensors.count; i++)
		weights[i] = (float)rng_normal(&rng) * 0.05f;
	check(forecaster_new(&pipeline, &net, NULL, (struct frequency){ 0 }, weights, NULL, NULL,
	                     &b->model.trained.forecaster, &e), &e);
	free(weights);
	b->model.refs = 1;
	for (int c = 0; c < BATCH_CLASSES; c++)
		b->model.line[c] = (struct model_line){ .model = &b->model, .tail = &b->model.line[c].head };
}

static void draw_steps(struct bench *b, double spread)
{
	struct rng rng;
	rng_init(&rng, 2, RNG_TEST, 0);
	b->steps = must_alloc((size_t)b->requests, sizeof *b->steps);
	b->latency_ms = must_alloc((size_t)b->requests, sizeof *b->latency_ms);
	for (int i = 0; i < b->requests; i++)
		b->steps[i] = (int)fmin(WINDOW, fmax(5, MEDIAN_STEPS * exp(spread * rng_normal(&rng))));
}

/* ---- clients ------------------------------------------------------------- */

static bool stays(const struct batch *batch)
{
	(void)batch;
	return false;
}

static void line_up(struct client *c)
{
	struct bench *b = c->bench;
	pthread_mutex_lock(&b->lock);
	c->next = NULL;
	*b->tail = c;
	b->tail = &c->next;
	b->waiting++;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
}

/* The next question, as long as there are any. */
static void ask(struct client *c)
{
	struct bench *b = c->bench;
	struct error e;
	int retry, number = b->asked++;
	if (number >= b->requests)
		return;
	c->item.forecast.window = b->steps[number];
	c->asked_ns = monotonic_ns();
	c->batch.deadline_ns = c->asked_ns + 600000000000LL;
	if (b->way == CELLULAR)
		check(batcher_submit(b->batcher, &c->batch, &retry, &e), &e);
	else
		line_up(c);
}

static void answered(struct batch *batch, enum err rc, const struct error *e)
{
	struct client *c = (struct client *)batch;
	struct bench *b = c->bench;
	check(rc, e);
	if (!c->item.forecast.finite)
		exit(EXIT_FAILURE);
	int number = b->answered++;
	b->latency_ms[number] = (double)(monotonic_ns() - c->asked_ns) / 1e6;
	if (number == b->requests - 1)
		sem_post(&b->over);
	ask(c);
}

/* ---- the batchers to compare with ---------------------------------------- */

/* Wait for company: until it is full, or the delay after the first has passed. */
static void gather_company(struct bench *b)
{
	struct timespec until;
	while (!b->waiting && !b->stopping)
		pthread_cond_wait(&b->wake, &b->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += DELAY_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (b->way == PADDED && b->waiting < CLIENTS && !b->stopping)
		if (pthread_cond_timedwait(&b->wake, &b->lock, &until))
			break;
}

static int take_company(struct bench *b, struct client *out[CLIENTS])
{
	int n = 0;
	pthread_mutex_lock(&b->lock);
	gather_company(b);
	for (; b->head && n < CLIENTS; n++) {
		out[n] = b->head;
		b->head = b->head->next;
		b->waiting--;
	}
	if (!b->head)
		b->tail = &b->head;
	pthread_mutex_unlock(&b->lock);
	return n;
}

static void *company_main(void *arg)
{
	struct bench *b = arg;
	struct forecaster *f = b->model.trained.forecaster;
	struct forecast_ws *ws;
	struct client *c[CLIENTS];
	struct error e;
	int n;
	check(forecast_ws_new(CLIENTS, &ws, &e), &e);
	check(forecast_ws_reserve(ws, f, &e), &e);
	while ((n = take_company(b, c))) {
		struct forecast *jobs[CLIENTS];
		int longest = 0;
		for (int i = 0; i < n; i++) {
			jobs[i] = &c[i]->item.forecast;
			longest = jobs[i]->window > longest ? jobs[i]->window : longest;
		}
		for (int i = 0; b->way == PADDED && i < n; i++)
			jobs[i]->window = longest;
		forecaster_run(f, ws, jobs, n);
		for (int i = 0; i < n; i++)
			answered(&c[i]->batch, ERR_OK, NULL);
	}
	forecast_ws_free(ws);
	return NULL;
}

/* ---- rounds -------------------------------------------------------------- */

struct figures { double per_s, p50_ms, p99_ms; };

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void start_threads(struct bench *b, pthread_t *thread)
{
	struct error e;
	if (b->way == CELLULAR)
		check(batcher_new(b->threads, CLIENTS, &b->batcher, &e), &e);
	else
		for (int i = 0; i < b->threads; i++)
			if (pthread_create(&thread[i], NULL, company_main, b))
				exit(EXIT_FAILURE);
}

static void stop_threads(struct bench *b, pthread_t *thread)
{
	if (b->way == CELLULAR) {
		batcher_free(b->batcher);
		return;
	}
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_cond_broadcast(&b->wake);
	pthread_mutex_unlock(&b->lock);
	for (int i = 0; i < b->threads; i++)
		pthread_join(thread[i], NULL);
	b->stopping = false;
}

static struct figures run_round(struct bench *b, enum way way, struct client *client)
{
	pthread_t thread[THREADS_MAX];
	b->way = way;
	b->asked = b->answered = 0;
	start_threads(b, thread);
	const int64_t start = monotonic_ns();
	for (int i = 0; i < CLIENTS; i++)
		ask(&client[i]);
	while (sem_wait(&b->over))
		;
	const double seconds = (double)(monotonic_ns() - start) / 1e9;
	stop_threads(b, thread);
	qsort(b->latency_ms, (size_t)b->requests, sizeof *b->latency_ms, by_value);
	return (struct figures){ b->requests / seconds, b->latency_ms[b->requests / 2], b->latency_ms[b->requests * 99 / 100] };
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, by_value);
	return v[n / 2];
}

/* Medians of a way's rounds, and of their ratios to the padded ones. */
static void print_way(enum way way, struct figures of[WAYS][ROUNDS_MAX], int rounds)
{
	double v[5][ROUNDS_MAX];
	for (int i = 0; i < rounds; i++) {
		const struct figures *f = &of[way][i], *padded = &of[PADDED][i];
		v[0][i] = f->per_s;
		v[1][i] = f->p50_ms;
		v[2][i] = f->p99_ms;
		v[3][i] = f->per_s / padded->per_s;
		v[4][i] = f->p99_ms / padded->p99_ms;
	}
	printf("%s\"%s\": {\"per_s\": %.1f, \"p50_ms\": %.1f, \"p99_ms\": %.1f, \"throughput_ratio\": %.3f, \"p99_ratio\": %.3f}",
	       way ? ", " : "{", way_names[way], median(v[0], rounds), median(v[1], rounds), median(v[2], rounds),
	       median(v[3], rounds), median(v[4], rounds));
}

static int argument(int argc, char **argv, int at, int low, int high, int otherwise)
{
	int v = at < argc ? atoi(argv[at]) : otherwise;
	return v < low ? low : v > high ? high : v;
}

int main(int argc, char **argv)
{
	static struct bench b;
	static struct figures of[WAYS][ROUNDS_MAX];
	struct client *client = must_alloc(CLIENTS, sizeof *client);
	const int rounds = argument(argc, argv, 4, 1, ROUNDS_MAX, 3);
	b.requests = argument(argc, argv, 1, CLIENTS, 1000000, 1000);
	b.threads = argument(argc, argv, 3, 1, THREADS_MAX, 1);
	b.tail = &b.head;
	pthread_mutex_init(&b.lock, NULL);
	pthread_cond_init(&b.wake, NULL);
	sem_init(&b.over, 0, 0);
	model_init(&b, argument(argc, argv, 2, 1, 1024, 256));
	draw_steps(&b, argument(argc, argv, 5, 0, 300, 90) / 100.0);
	for (int i = 0; i < CLIENTS; i++) {
		client[i].bench = &b;
		client[i].item.forecast = (struct forecast){ .context = b.context, .mean = client[i].mean };
		client[i].batch = (struct batch){ .model = &b.model, .item = &client[i].item, .n = 1, .abandoned = stays,
			.done = answered };
	}
	for (int i = 0; i < rounds; i++)
		for (int way = 0; way < WAYS; way++)
			of[way][i] = run_round(&b, (enum way)way, client);
	for (int way = 0; way < WAYS; way++)
		print_way((enum way)way, of, rounds);
	puts("}");
	forecaster_free(b.model.trained.forecaster);
	free(b.latency_ms);
	free(b.steps);
	free(client);
	return EXIT_SUCCESS;
}
