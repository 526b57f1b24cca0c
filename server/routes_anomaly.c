/* routes_anomaly.c - POST /v1/anomalies: how strange each row of a series is to a model, and which stretches stand out.
 *
 *   rows ─► windows, a slice at a time through the batcher ─► anomaly_add ─► after the last: scores, threshold, flags
 *
 * The windows' contexts point into the rows; a slice's answers are written over by the next one's, so memory does not
 * grow with the series but by its rows. Between slices other requests have their turns. */
#include <math.h>
#include <string.h>

#include "api/anomaly_body.h"
#include "server/app.h"
#include "server/handlers.h"
#include "server/inference.h"
#include "server/series_input.h"

#define SLICE_WINDOWS 512
#define SLICE_BYTES   (16u << 20)      /* of answers */
#define MEMORY_MAX    (64u << 20)
#define SMOOTHINGS_A_SEASON 4          /* the smoothing, where none is asked for: six hours of a day */
#define GAP_SMOOTHINGS      4

struct search {
	struct inference in;               /* first */
	struct anomaly_body body;
	struct series_rows rows;
	struct anomaly_windows windows;
	size_t window;                     /* the first of the slice that is computed now */
	struct anomaly_errors errors;
	double *score, *scratch;           /* [rows] */
	struct anomaly_flag *flag;         /* [(rows + 1) / 2] */
	int64_t *start, *end;              /* of the flags, where dates are known */
};

static const struct forecaster *forecaster_of(const struct search *a)
{
	return a->in.m->trained.forecaster;
}

/* ---- the rows ------------------------------------------------------------ */

static size_t most_rows(const struct search *a)
{
	size_t fit = ANOMALY_MAX_NUMBERS / (size_t)forecaster_of(a)->pipeline.columns;
	return fit < ANOMALY_MAX_ROWS ? fit : ANOMALY_MAX_ROWS;
}

static enum err check_rows(struct search *a, const char *where, struct error *e)
{
	const struct pipeline *l = &forecaster_of(a)->pipeline;
	size_t least = anomaly_least(forecaster_of(a)), row;
	int column;
	if (a->rows.n > most_rows(a))
		return fail(e, ERR_INVALID, where, "the series has more than %zu rows of %d columns", most_rows(a), l->columns);
	if (a->rows.n < least)
		return fail(e, ERR_INVALID, where, "%s needs at least %zu rows to judge one, got %zu", a->in.m->name, least, a->rows.n);
	if (fill_forward(a->rows.value, a->rows.n, l->columns, &column, &row) < 0)
		return fail(e, ERR_INVALID, where, "the value of %s at step %zu is missing and none comes before it",
		            l->column[column], row);
	return ERR_OK;
}

static enum err read_rows(struct search *a, struct store *s, struct error *e)
{
	const struct series_input *in = &a->body.series;
	const char *where = in->dataset ? "/dataset" : "/columns";
	enum err rc = in->dataset
		? series_from_dataset(a->in.m, s, in->dataset, most_rows(a) + 1, &a->in.arena, where, &a->rows, e)
		: series_from_columns(a->in.m, in, &a->in.arena, where, &a->rows, e);
	return rc ? rc : check_rows(a, where, e);
}

/* ---- slices of windows --------------------------------------------------- */

/* Windows of a slice: never more than a part of the queue, nor of memory. */
static size_t slice_windows(const struct search *a)
{
	const struct forecaster *f = forecaster_of(a);
	size_t answer = (size_t)f->net.targets * anomaly_steps(f) * sizeof(double);
	size_t queue = (size_t)a->in.request->app->options->queue_capacity / 2 + 1, n = SLICE_WINDOWS;
	n = n < queue ? n : queue;
	n = n < SLICE_BYTES / answer ? n : SLICE_BYTES / answer;
	n = n < a->windows.n ? n : a->windows.n;
	return n ? n : 1;
}

static enum err make_room(struct search *a, struct error *e)
{
	const struct forecaster *f = forecaster_of(a);
	struct arena *m = &a->in.arena;
	size_t rows = a->rows.n, targets = (size_t)f->net.targets, windows = slice_windows(a), answer = targets * anomaly_steps(f);
	double *mean = arena_calloc(m, windows * answer, sizeof *mean);
	a->in.batch.item = arena_calloc(m, windows, sizeof *a->in.batch.item);
	a->errors = (struct anomaly_errors){ .rows = rows, .targets = f->net.targets,
		.sum = arena_calloc(m, targets * rows, sizeof(double)), .count = arena_calloc(m, rows, sizeof(unsigned)) };
	a->score = arena_calloc(m, rows, sizeof *a->score);
	a->scratch = arena_calloc(m, rows, sizeof *a->scratch);
	a->flag = arena_calloc(m, (rows + 1) / 2, sizeof *a->flag);
	if (!mean || !a->in.batch.item || !a->errors.sum || !a->errors.count || !a->score || !a->scratch || !a->flag)
		return fail_nomem(e);
	for (size_t i = 0; i < windows; i++)
		a->in.batch.item[i].forecast.mean = mean + i * answer;
	a->in.batch.n = (int)windows;
	a->in.batch.class = CLASS_BULK;   /* a whole series is judged: who asks for one forecast goes first */
	return ERR_OK;
}

static size_t begin_of(const struct search *a, size_t window)
{
	return a->windows.begin + window * a->windows.stride;
}

/* The windows from a->window on, as many as there is room for. */
static void set_slice(struct search *a)
{
	size_t left = a->windows.n - a->window, columns = (size_t)forecaster_of(a)->pipeline.columns;
	if ((size_t)a->in.batch.n > left)
		a->in.batch.n = (int)left;
	for (int i = 0; i < a->in.batch.n; i++)
		a->in.batch.item[i].forecast.context = a->rows.value + begin_of(a, a->window + (size_t)i) * columns;
	a->in.batch.later = (long)left - a->in.batch.n;
}

static enum err prepare(struct inference *p, struct store *s, struct error *e)
{
	struct search *a = (struct search *)p;
	enum err rc = read_rows(a, s, e);
	if (rc)
		return rc;
	a->windows = anomaly_windows(forecaster_of(a), a->rows.n);
	rc = make_room(a, e);
	if (!rc)
		set_slice(a);
	return rc;
}

static bool next(struct inference *p)
{
	struct search *a = (struct search *)p;
	for (int i = 0; i < p->batch.n; i++)
		anomaly_add(&a->errors, forecaster_of(a), begin_of(a, a->window + (size_t)i), p->batch.item[i].forecast.mean,
		            a->rows.value);
	a->window += (size_t)p->batch.n;
	if (a->window == a->windows.n)
		return false;
	set_slice(a);
	return true;
}

/* ---- the answer ---------------------------------------------------------- */

static int64_t date_of(const struct search *a, size_t row)
{
	const struct series_input *in = &a->body.series;
	if (a->rows.date)
		return a->rows.date[row];
	return row ? frequency_advance(forecaster_of(a)->frequency, in->start, (int)row) : in->start;
}

static bool set_dates(struct search *a, size_t flags)
{
	if (!a->rows.date && !(a->body.series.has_start && forecaster_of(a)->frequency.unit != FREQ_NONE))
		return true;
	a->start = arena_calloc(&a->in.arena, flags, sizeof *a->start);
	a->end = arena_calloc(&a->in.arena, flags, sizeof *a->end);
	for (size_t i = 0; a->start && a->end && i < flags; i++) {
		a->start[i] = date_of(a, a->flag[i].from);
		a->end[i] = date_of(a, a->flag[i].to);
	}
	return a->start && a->end;
}

static int smoothing_of(const struct search *a)
{
	int span = frequency_season(forecaster_of(a)->frequency) / SMOOTHINGS_A_SEASON;
	return a->body.smoothing ? a->body.smoothing : span > 1 ? span : 1;
}

static void render(struct inference *p)
{
	struct search *a = (struct search *)p;
	const struct anomaly_body *b = &a->body;
	struct anomaly_answer out = { .model = p->m->name, .version = p->m->version, .skipped = a->rows.skipped,
		.rows = a->rows.n, .score = a->score, .flag = a->flag, .smoothing = smoothing_of(a) };
	double share = ANOMALY_PROBATION * (double)a->rows.n;
	out.gap = b->gap >= 0 ? b->gap : GAP_SMOOTHINGS * out.smoothing;
	out.first = anomaly_scores(&a->errors, out.smoothing, a->scratch, a->score);
	out.probation = share < ANOMALY_PROBATION_MOST ? (size_t)share : ANOMALY_PROBATION_MOST;
	if (out.probation < out.first)
		out.probation = out.first;
	out.threshold = isnan(b->threshold) ? anomaly_threshold(a->score + out.probation, a->rows.n - out.probation,
	                                                        b->deviations, a->scratch) : b->threshold;
	out.flags = anomaly_flags(a->score, a->rows.n, out.probation, out.threshold, (size_t)out.gap, a->flag);
	p->request->reply.body.failed |= !set_dates(a, out.flags);
	out.start = a->start;
	out.end = a->end;
	anomaly_render(&out, &p->request->reply.body);
}

HANDLER(post_anomalies)
{
	struct search *a = (struct search *)inference_new(r, sizeof *a, inference_memory(r) + MEMORY_MAX);
	if (!a)
		return fail_nomem(e);
	enum err rc = anomaly_body_parse(r->body.s, r->body.len, &a->in.arena, &a->body, e);
	if (rc) {
		inference_free(&a->in);
		return rc;
	}
	a->in.model = a->body.model;
	a->in.version = a->body.version;
	a->in.timeout_ms = a->body.timeout_ms;
	a->in.uses = 1u << USE_FORECAST | 1u << USE_RECONSTRUCT;
	a->in.reads_store = a->body.series.dataset != NULL;
	a->in.prepare = prepare;
	a->in.next = next;
	a->in.render = render;
	inference_go(&a->in);
	return ERR_OK;
}
