/* cmd_predict.c - a forecast from the end of a CSV file, as a table or as the answer of POST /v1/forecast. */
#include <stdio.h>
#include <stdlib.h>

#include "api/forecast_body.h"
#include "server/commands.h"
#include "server/registry.h"
#include "server/series_file.h"
#include "storage/model_store.h"

static const double levels[] = { 0.1, 0.5, 0.9 };
#define LEVELS 3
#define JSON_MAX (64u << 20)

struct answer {
	struct model_version version;
	struct forecaster *forecaster;
	struct forecast forecast;
	double *rows;               /* [n][columns] */
	int64_t *dates;             /* [horizon], NULL: the series has none */
};

static enum err load_model(const struct options *o, struct answer *a, struct error *e)
{
	struct store *s = NULL;
	enum err rc = store_open(o->db, STORE_READER, &s, e);
	if (!rc)
		rc = model_get(s, o->argument[0], (int)o->version, NULL, true, &a->version, e);
	if (!rc)
		rc = model_build_forecaster(&a->version, NULL, &a->forecaster, e);
	store_close(s);
	return rc;
}

static enum err set_dates(struct answer *a, const struct frame *f, struct error *e)
{
	int H = a->forecaster->net.horizon;
	if (f->date_column < 0 || a->forecaster->frequency.unit == FREQ_NONE)
		return ERR_OK;
	a->dates = calloc((size_t)H, sizeof *a->dates);
	if (!a->dates)
		return fail_nomem(e);
	int64_t last = f->column[f->date_column].date[f->rows - 1];
	for (int h = 0; h < H; h++)
		a->dates[h] = frequency_advance(a->forecaster->frequency, last, h + 1);
	return ERR_OK;
}

/* The model's columns of the file; what it looks at is the end. */
static enum err set_context(struct answer *a, const struct frame *f, const char *path, struct error *e)
{
	const struct pipeline *l = &a->forecaster->pipeline;
	size_t context = (size_t)pipeline_context(l), first, filled;
	a->rows = calloc(f->rows + 1, (size_t)l->columns * sizeof *a->rows);
	if (!a->rows)
		return fail_nomem(e);
	enum err rc = pipeline_rows(l, f, a->rows, &first, &filled, e);
	if (rc)
		return rc;
	if (f->rows - first < context)
		return fail(e, ERR_INVALID, path, "%s needs at least %zu rows, the file has %zu usable ones", a->version.name,
		            context, f->rows - first);
	a->forecast.context = a->rows + (f->rows - context) * (size_t)l->columns;
	return ERR_OK;
}

static enum err run(struct answer *a, struct error *e)
{
	const struct net_spec *net = &a->forecaster->net;
	struct forecast_ws *ws = NULL;
	struct forecast *job = &a->forecast;
	size_t cells = (size_t)net->targets * (size_t)net->horizon;
	job->mean = calloc(cells, sizeof *job->mean);
	job->quantiles = LEVELS;
	job->quantile_level = levels;
	job->quantile = calloc(LEVELS * cells, sizeof *job->quantile);
	if (!job->mean || !job->quantile)
		return fail_nomem(e);
	enum err rc = forecast_ws_new(1, &ws, e);
	if (!rc)
		rc = forecast_ws_reserve(ws, a->forecaster, e);
	if (!rc)
		forecaster_run(a->forecaster, ws, &job, 1);
	if (!rc && !job->finite)
		rc = fail(e, ERR_INTERNAL, "", "the model's output is not finite for this series");
	forecast_ws_free(ws);
	return rc;
}

static void print_table(const struct answer *a)
{
	const struct net_spec *net = &a->forecaster->net;
	size_t H = (size_t)net->horizon, stride = (size_t)net->targets * H;
	for (int d = 0; d < net->targets; d++) {
		const char *target = a->forecaster->pipeline.column[a->forecaster->pipeline.target[d].column];
		printf("%-20s %14s %14s %14s\n", d ? "" : "date", target, "10 %", "90 %");
		for (size_t h = 0; h < H; h++) {
			char date[32];
			size_t at = (size_t)d * H + h;
			if (a->dates)
				date_format(a->dates[h], date);
			else
				snprintf(date, sizeof date, "+%zu", h + 1);
			printf("%-20s %14.6g %14.6g %14.6g\n", date, a->forecast.mean[at], a->forecast.quantile[at],
			       a->forecast.quantile[2 * stride + at]);
		}
	}
}

static enum err print_json(const struct answer *a, struct error *e)
{
	const struct net_spec *net = &a->forecaster->net;
	struct forecast_output out[PIPELINE_MAX_TARGETS];
	struct skill_view skill;
	struct strbuf text;
	size_t H = (size_t)net->horizon;
	strbuf_init(&text, JSON_MAX);
	for (int d = 0; d < net->targets; d++)
		out[d] = (struct forecast_output){
			.target = a->forecaster->pipeline.column[a->forecaster->pipeline.target[d].column], .steps = net->horizon,
			.timestamp = a->dates, .mean = a->forecast.mean + (size_t)d * H, .level = levels, .levels = LEVELS,
			.quantile = a->forecast.quantile + (size_t)d * H, .quantile_stride = (size_t)net->targets * H,
		};
	skill_parse(a->version.evaluation, &skill);
	forecast_render(a->version.name, a->version.version, out, net->targets, &skill, NULL, 0, &text);
	enum err rc = strbuf_ok(&text) ? ERR_OK : fail_nomem(e);
	if (!rc)
		puts(text.s);
	strbuf_fini(&text);
	return rc;
}

int command_predict(const struct options *o)
{
	struct answer a = { 0 };
	struct series_file file = { 0 };
	struct error e;
	enum err rc = load_model(o, &a, &e);
	if (!rc)
		rc = series_file_read(o->argument[1], &file, &e);
	if (!rc)
		rc = set_context(&a, file.frame, o->argument[1], &e);
	if (!rc)
		rc = set_dates(&a, file.frame, &e);
	if (!rc)
		rc = run(&a, &e);
	if (!rc && o->json)
		rc = print_json(&a, &e);
	else if (!rc)
		print_table(&a);
	free(a.dates);
	free(a.rows);
	free(a.forecast.mean);
	free(a.forecast.quantile);
	forecaster_free(a.forecaster);
	model_version_fini(&a.version);
	series_file_fini(&file);
	return rc ? command_failed(&e) : 0;
}
