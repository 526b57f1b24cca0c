/* cmd_quantise.c - what `serve --int8` saves and costs a stored model, as floats and quantised side by side: bytes
 * of its network, how far its outputs move, time of a sequence and, of a forecaster on the end of a series, the error
 * of its forecasts against what came. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/base/rng.h"
#include "server/commands.h"
#include "server/monotonic.h"
#include "server/registry.h"
#include "server/series_file.h"
#include "storage/model_store.h"

#define ORIGINS_MAX 2000          /* forecasts that are compared: of the newest origins */
#define ROWS 32                   /* sequences a call */
#define SAMPLES 40
#define SAMPLE_NS 2000000

enum side { FLOATS, INT8, SIDES };

/* ---- the network: drawn inputs ------------------------------------------ */

struct drawn {
	const struct infer_model *side[SIDES];
	struct infer_ws *ws;
	struct infer_sequence seq[ROWS];
	float *x, *y[SIDES];          /* [ROWS][T][inputs], [ROWS][outputs] */
	size_t outputs;               /* of a sequence */
};

static void drawn_fini(struct drawn *d)
{
	infer_ws_free(d->ws);
	free(d->x);
	for (int i = 0; i < SIDES; i++)
		free(d->y[i]);
}

static void draw(const struct net_spec *net, size_t n, float *x)
{
	struct rng r;
	rng_init(&r, 1, RNG_TEST, 0);
	for (size_t i = 0; i < n; i++)
		x[i] = net->vocabulary ? (float)rng_below(&r, (uint64_t)net->vocabulary) : (float)rng_normal(&r);
}

/* ROWS sequences of T steps. drawn_fini() frees them, also on failure. */
static enum err drawn_init(struct drawn *d, int T, struct error *e)
{
	const struct net_spec *net = infer_model_spec(d->side[FLOATS]);
	const size_t inputs = (size_t)T * (size_t)net->inputs;
	d->outputs = (size_t)net_steps(net, T) * (size_t)net_outputs(net);
	d->x = calloc(ROWS * inputs, sizeof *d->x);
	enum err rc = d->x ? infer_ws_new(ROWS, &d->ws, e) : fail_nomem(e);
	for (int i = 0; i < SIDES && !rc; i++) {
		d->y[i] = calloc(ROWS * d->outputs, sizeof *d->y[i]);
		rc = d->y[i] ? infer_ws_reserve(d->ws, d->side[i], T, e) : fail_nomem(e);
	}
	if (rc)
		return rc;
	draw(net, ROWS * inputs, d->x);
	for (size_t i = 0; i < ROWS; i++)
		d->seq[i] = (struct infer_sequence){ .x = d->x + i * inputs, .T = T };
	return ERR_OK;
}

static void run(struct drawn *d, enum side side, int rows)
{
	for (size_t i = 0; i < (size_t)rows; i++)
		d->seq[i].y = d->y[side] + i * d->outputs;
	infer_run(d->side[side], d->ws, d->seq, rows);
}

static void print_bytes(const struct drawn *d)
{
	const size_t whole = infer_model_bytes(d->side[FLOATS]), quantised = infer_model_bytes(d->side[INT8]);
	printf("%-32s %12zu %12zu %10.1f %%\n", "bytes of the network", whole, quantised,
	       100.0 * (double)quantised / (double)whole);
}

/* Roots of mean squares: of the outputs, and of their differences. */
static void print_difference(struct drawn *d)
{
	double size = 0, difference = 0;
	for (int i = 0; i < SIDES; i++)
		run(d, i, ROWS);
	for (size_t i = 0; i < ROWS * d->outputs; i++) {
		const double whole = (double)d->y[FLOATS][i], moved = (double)d->y[INT8][i] - whole;
		size += whole * whole;
		difference += moved * moved;
	}
	size = sqrt(size / (double)(ROWS * d->outputs));
	difference = sqrt(difference / (double)(ROWS * d->outputs));
	printf("%-32s %12.6g %12.6g %10.3f %%\n", "outputs, and how far they move", size, difference, 100 * difference / size);
}

/* Microseconds a sequence of a sample: as many calls as SAMPLE_NS take. */
static double sample_us(struct drawn *d, enum side side, int rows)
{
	const int64_t start = monotonic_ns();
	int64_t ns = 0;
	int calls = 0;
	for (; ns < SAMPLE_NS; calls++, ns = monotonic_ns() - start)
		run(d, side, rows);
	return (double)ns / 1e3 / calls / rows;
}

/* The least of the samples, the sides taking turns: what else the machine does can only add. */
static void print_times(struct drawn *d)
{
	static const int batches[] = { 1, 8, ROWS };
	for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
		double us[SIDES] = { INFINITY, INFINITY };
		char what[40];
		for (int i = 0; i < SIDES * SAMPLES; i++)
			us[i % SIDES] = fmin(us[i % SIDES], sample_us(d, i % SIDES, batches[b]));
		snprintf(what, sizeof what, "us a sequence, %d at a time", batches[b]);
		printf("%-32s %12.1f %12.1f %10.2f x\n", what, us[FLOATS], us[INT8], us[FLOATS] / us[INT8]);
	}
}

static enum err compare_networks(const struct trained side[SIDES], struct error *e)
{
	struct drawn d = { 0 };
	for (int i = 0; i < SIDES; i++)
		d.side[i] = side[i].forecaster ? side[i].forecaster->infer : side[i].text->infer;
	enum err rc = drawn_init(&d, side->forecaster ? side->forecaster->pipeline.window : side->text->max_steps, e);
	if (!rc) {
		print_bytes(&d);
		print_difference(&d);
		print_times(&d);
	}
	drawn_fini(&d);
	return rc;
}

/* ---- the forecasts: a series -------------------------------------------- */

struct walk {
	struct forecaster *side[SIDES];
	struct forecast_ws *ws;
	double *rows;                 /* [n][columns] of the model */
	size_t n, origins;
	double *mean;                 /* [ROWS][targets][horizon] */
};

static void walk_fini(struct walk *w)
{
	free(w->mean);
	free(w->rows);
	forecast_ws_free(w->ws);
}

/* The model's columns of the usable rows, and how many origins they have whose future is known. */
static enum err set_rows(struct walk *w, const struct frame *f, const char *path, struct error *e)
{
	const struct pipeline *l = &w->side[FLOATS]->pipeline;
	size_t needed = (size_t)pipeline_context(l) + (size_t)l->horizon, first, filled;
	w->rows = calloc(f->rows + 1, (size_t)l->columns * sizeof *w->rows);
	if (!w->rows)
		return fail_nomem(e);
	enum err rc = pipeline_rows(l, f, w->rows, &first, &filled, e);
	if (rc)
		return rc;
	if (f->rows - first < needed)
		return fail(e, ERR_INVALID, path, "the model needs at least %zu rows, the file has %zu usable ones", needed,
		            f->rows - first);
	w->n = f->rows;
	w->origins = f->rows - first - needed + 1;
	if (w->origins > ORIGINS_MAX)
		w->origins = ORIGINS_MAX;
	return ERR_OK;
}

static enum err make_room(struct walk *w, struct error *e)
{
	const struct net_spec *net = &w->side[FLOATS]->net;
	w->mean = calloc((size_t)net->targets * (size_t)net->horizon, ROWS * sizeof *w->mean);
	if (!w->mean)
		return fail_nomem(e);
	enum err rc = forecast_ws_new(ROWS, &w->ws, e);
	for (int i = 0; i < SIDES && !rc; i++)
		rc = forecast_ws_reserve(w->ws, w->side[i], e);
	return rc;
}

/* Absolute error of a forecast from the row `origin`, over all its cells. */
static double forecast_error(const struct walk *w, const double *mean, size_t origin)
{
	const struct pipeline *l = &w->side[FLOATS]->pipeline;
	double sum = 0;
	for (int d = 0; d < l->targets; d++)
		for (int h = 0; h < l->horizon; h++)
			sum += fabs(mean[d * l->horizon + h] -
			            w->rows[(origin + 1 + (size_t)h) * (size_t)l->columns + (size_t)l->target[d].column]);
	return sum;
}

/* Mean absolute error over the origins, the oldest first; NaN when a forecast is not finite. */
static double mean_error(const struct walk *w, const struct forecaster *f)
{
	const struct pipeline *l = &f->pipeline;
	const size_t cells = (size_t)l->targets * (size_t)l->horizon;
	const size_t first = w->n - (size_t)l->horizon - w->origins, context = (size_t)pipeline_context(l);
	struct forecast job[ROWS], *jobs[ROWS];
	double sum = 0;
	for (size_t done = 0, n; done < w->origins; done += n) {
		n = w->origins - done < ROWS ? w->origins - done : ROWS;
		for (size_t i = 0; i < n; i++) {
			job[i] = (struct forecast){ .context = w->rows + (first + done + i + 1 - context) * (size_t)l->columns,
				.mean = w->mean + i * cells };
			jobs[i] = &job[i];
		}
		forecaster_run(f, w->ws, jobs, (int)n);
		for (size_t i = 0; i < n; i++)
			sum += job[i].finite ? forecast_error(w, job[i].mean, first + done + i) : NAN;
	}
	return sum / (double)(w->origins * cells);
}

static void print_error(const char *what, const double error[SIDES])
{
	printf("%-32s %12.6g %12.6g %+10.3f %%\n", what, error[FLOATS], error[INT8], 100 * (error[INT8] / error[FLOATS] - 1));
}

/* The model shrinks what its network says towards the last value; what the network loses shows without that. */
static void print_errors(struct walk *w)
{
	printf("of %zu forecasts:\n", w->origins);
	double served[SIDES], network[SIDES];
	for (int i = 0; i < SIDES; i++) {
		served[i] = mean_error(w, w->side[i]);
		for (int d = 0; d < w->side[i]->pipeline.targets; d++)
			w->side[i]->pipeline.target[d].shrink = 1;
		network[i] = mean_error(w, w->side[i]);
	}
	print_error("mean absolute error", served);
	print_error("  before it is shrunk", network);
}

static enum err compare_forecasts(const struct trained side[SIDES], const char *path, struct error *e)
{
	struct walk w = { 0 };
	struct series_file file = { 0 };
	if (!side->forecaster || net_answers_steps(trained_net(side)))
		return fail(e, ERR_INVALID, path, "the model does not forecast series; leave the file out");
	for (int i = 0; i < SIDES; i++)
		w.side[i] = side[i].forecaster;
	enum err rc = series_file_read(path, NULL, &file, e);
	if (!rc)
		rc = set_rows(&w, file.frame, path, e);
	if (!rc)
		rc = make_room(&w, e);
	if (!rc)
		print_errors(&w);
	walk_fini(&w);
	series_file_fini(&file);
	return rc;
}

/* ---- the command -------------------------------------------------------- */

static enum err build_sides(const struct options *o, struct trained side[SIDES], struct error *e)
{
	struct model_version v = { 0 };
	struct store *s = NULL;
	enum err rc = store_open(o->db, STORE_READER, &s, e);
	if (!rc)
		rc = model_get(s, o->argument[0], (int)o->version, NULL, true, &v, e);
	for (int i = 0; i < SIDES && !rc; i++)
		rc = model_build(&v, &(struct infer_options){ .int8 = i == INT8 }, &side[i], NULL, e);
	if (!rc)
		printf("%s, version %d, %s kernels\n%-32s %12s %12s\n", v.name, v.version, infer_kernels_name(), "", "float",
		       "int8");
	store_close(s);
	model_version_fini(&v);
	return rc;
}

int command_quantise(const struct options *o)
{
	struct trained side[SIDES] = { 0 };
	struct error e;
	enum err rc = build_sides(o, side, &e);
	if (!rc)
		rc = compare_networks(side, &e);
	if (!rc && o->arguments > 1)
		rc = compare_forecasts(side, o->argument[1], &e);
	for (int i = 0; i < SIDES; i++)
		trained_fini(&side[i]);
	return rc ? command_failed(&e) : 0;
}
