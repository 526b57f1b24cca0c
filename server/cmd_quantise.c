/* cmd_quantise.c - what `serve --int8` saves and costs a stored model, on the end of a series: bytes of the network,
 * error of its forecasts against what came, time of a sequence; as floats and quantised, side by side. */
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
#define ROWS 32                   /* forecasts a call */
#define SAMPLES 15
#define SAMPLE_NS 2000000

enum side { FLOATS, INT8, SIDES };

struct comparison {
	struct model_version version;
	struct forecaster *side[SIDES];
	struct forecast_ws *ws;
	double *rows;                 /* [n][columns] of the model */
	size_t n, origins;
	double *mean;                 /* [ROWS][targets][horizon] */
};

static enum err build_sides(const struct options *o, struct comparison *c, struct error *e)
{
	struct store *s = NULL;
	enum err rc = store_open(o->db, STORE_READER, &s, e);
	if (!rc)
		rc = model_get(s, o->argument[0], (int)o->version, NULL, true, &c->version, e);
	for (int i = 0; i < SIDES && !rc; i++)
		rc = model_build_forecaster(&c->version, &(struct infer_options){ .int8 = i == INT8 }, &c->side[i], e);
	store_close(s);
	return rc;
}

/* The model's columns of the usable rows, and how many origins they have whose future is known. */
static enum err set_rows(struct comparison *c, const struct frame *f, const char *path, struct error *e)
{
	const struct pipeline *l = &c->side[FLOATS]->pipeline;
	size_t needed = (size_t)pipeline_context(l) + (size_t)l->horizon, first, filled;
	c->rows = calloc(f->rows + 1, (size_t)l->columns * sizeof *c->rows);
	if (!c->rows)
		return fail_nomem(e);
	enum err rc = pipeline_rows(l, f, c->rows, &first, &filled, e);
	if (rc)
		return rc;
	if (f->rows - first < needed)
		return fail(e, ERR_INVALID, path, "%s needs at least %zu rows, the file has %zu usable ones", c->version.name,
		            needed, f->rows - first);
	c->n = f->rows;
	c->origins = f->rows - first - needed + 1;
	if (c->origins > ORIGINS_MAX)
		c->origins = ORIGINS_MAX;
	return ERR_OK;
}

static enum err make_room(struct comparison *c, struct error *e)
{
	const struct net_spec *net = &c->side[FLOATS]->net;
	c->mean = calloc((size_t)net->targets * (size_t)net->horizon, ROWS * sizeof *c->mean);
	if (!c->mean)
		return fail_nomem(e);
	enum err rc = forecast_ws_new(ROWS, &c->ws, e);
	for (int i = 0; i < SIDES && !rc; i++)
		rc = forecast_ws_reserve(c->ws, c->side[i], e);
	return rc;
}

/* Absolute error of a forecast from the row `origin`, over all its cells. */
static double forecast_error(const struct comparison *c, const double *mean, size_t origin)
{
	const struct pipeline *l = &c->side[FLOATS]->pipeline;
	double sum = 0;
	for (int d = 0; d < l->targets; d++)
		for (int h = 0; h < l->horizon; h++)
			sum += fabs(mean[d * l->horizon + h] -
			            c->rows[(origin + 1 + (size_t)h) * (size_t)l->columns + (size_t)l->target[d].column]);
	return sum;
}

/* Mean absolute error over the origins, the oldest first; NaN when a forecast is not finite. */
static double mean_error(const struct comparison *c, const struct forecaster *f)
{
	const struct pipeline *l = &f->pipeline;
	const size_t cells = (size_t)l->targets * (size_t)l->horizon;
	const size_t first = c->n - (size_t)l->horizon - c->origins, context = (size_t)pipeline_context(l);
	struct forecast job[ROWS], *jobs[ROWS];
	double sum = 0;
	for (size_t done = 0, n; done < c->origins; done += n) {
		n = c->origins - done < ROWS ? c->origins - done : ROWS;
		for (size_t i = 0; i < n; i++) {
			job[i] = (struct forecast){ .context = c->rows + (first + done + i + 1 - context) * (size_t)l->columns,
				.mean = c->mean + i * cells };
			jobs[i] = &job[i];
		}
		forecaster_run(f, c->ws, jobs, (int)n);
		for (size_t i = 0; i < n; i++)
			sum += job[i].finite ? forecast_error(c, job[i].mean, first + done + i) : NAN;
	}
	return sum / (double)(c->origins * cells);
}

static void print_error(const char *what, const double error[SIDES])
{
	printf("%-32s %12.6g %12.6g %+10.3f %%\n", what, error[FLOATS], error[INT8], 100 * (error[INT8] / error[FLOATS] - 1));
}

/* The model shrinks what its network says towards the last value; what the network loses shows without that. */
static void print_errors(struct comparison *c)
{
	double served[SIDES], network[SIDES];
	for (int i = 0; i < SIDES; i++) {
		served[i] = mean_error(c, c->side[i]);
		for (int d = 0; d < c->side[i]->pipeline.targets; d++)
			c->side[i]->pipeline.target[d].shrink = 1;
		network[i] = mean_error(c, c->side[i]);
	}
	print_error("mean absolute error", served);
	print_error("  before it is shrunk", network);
}

static void print_bytes(const struct comparison *c)
{
	size_t bytes[SIDES];
	for (int i = 0; i < SIDES; i++)
		bytes[i] = infer_model_bytes(c->side[i]->infer);
	printf("%-32s %12zu %12zu %10.1f %%\n", "bytes of the network", bytes[FLOATS], bytes[INT8],
	       100.0 * (double)bytes[INT8] / (double)bytes[FLOATS]);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Microseconds a sequence: the median sample. */
static double sequence_us(const struct infer_model *m, struct infer_ws *ws, const struct infer_sequence *seq, int rows)
{
	double sample[SAMPLES];
	for (int i = 0; i < SAMPLES; i++) {
		const int64_t start = monotonic_ns();
		int64_t ns = 0;
		int calls = 0;
		for (; ns < SAMPLE_NS; calls++, ns = monotonic_ns() - start)
			infer_run(m, ws, seq, rows);
		sample[i] = (double)ns / 1e3 / calls / rows;
	}
	qsort(sample, SAMPLES, sizeof *sample, by_value);
	return sample[SAMPLES / 2];
}

/* What a network reads does not matter to its time: drawn windows. */
static enum err print_times(const struct comparison *c, struct error *e)
{
	static const int batches[] = { 1, 8, ROWS };
	const struct pipeline *l = &c->side[FLOATS]->pipeline;
	const struct net_spec *net = &c->side[FLOATS]->net;
	const size_t inputs = (size_t)l->window * (size_t)l->channels;
	const size_t outputs = (size_t)net_steps(net, l->window) * (size_t)net_outputs(net);
	struct infer_sequence seq[ROWS];
	struct infer_ws *ws = NULL;
	struct rng r;
	float *x = calloc(ROWS * inputs, sizeof *x), *y = calloc(ROWS * outputs, sizeof *y);
	enum err rc = x && y ? infer_ws_new(ROWS, &ws, e) : fail_nomem(e);
	for (int i = 0; i < SIDES && !rc; i++)
		rc = infer_ws_reserve(ws, c->side[i]->infer, l->window, e);
	if (rc)
		goto done;
	rng_init(&r, 1, RNG_TEST, 0);
	for (size_t i = 0; i < ROWS * inputs; i++)
		x[i] = (float)rng_normal(&r);
	for (int i = 0; i < ROWS; i++)
		seq[i] = (struct infer_sequence){ .x = x + (size_t)i * inputs, .T = l->window, .y = y + (size_t)i * outputs };
	for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
		char what[40];
		double us[SIDES];
		for (int i = 0; i < SIDES; i++)
			us[i] = sequence_us(c->side[i]->infer, ws, seq, batches[b]);
		snprintf(what, sizeof what, "us a sequence, %d at a time", batches[b]);
		printf("%-32s %12.1f %12.1f %10.2f x\n", what, us[FLOATS], us[INT8], us[FLOATS] / us[INT8]);
	}
done:
	infer_ws_free(ws);
	free(y);
	free(x);
	return rc;
}

int command_quantise(const struct options *o)
{
	struct comparison c = { 0 };
	struct series_file file = { 0 };
	struct error e;
	enum err rc = build_sides(o, &c, &e);
	if (!rc)
		rc = series_file_read(o->argument[1], &file, &e);
	if (!rc)
		rc = set_rows(&c, file.frame, o->argument[1], &e);
	if (!rc)
		rc = make_room(&c, &e);
	if (!rc) {
		printf("%s, version %d, %s kernels, %zu forecasts\n%-32s %12s %12s\n", c.version.name, c.version.version,
		       infer_kernels_name(), c.origins, "", "float", "int8");
		print_bytes(&c);
		print_errors(&c);
		rc = print_times(&c, &e);
	}
	free(c.mean);
	free(c.rows);
	forecast_ws_free(c.ws);
	for (int i = 0; i < SIDES; i++)
		forecaster_free(c.side[i]);
	model_version_fini(&c.version);
	series_file_fini(&file);
	return rc ? command_failed(&e) : 0;
}
