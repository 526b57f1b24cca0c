/* cmd_predict.c - a forecast from the end of a CSV file, as a table or as the answer of POST /v1/forecast. */
#include <stdio.h>
#include <stdlib.h>

#include "api/forecast_body.h"
#include "api/model_body.h"
#include "server/commands.h"
#include "server/series_model.h"

static const double levels[] = { 0.1, 0.5, 0.9 };
#define LEVELS 3
#define JSON_MAX (64u << 20)

struct answer {
	struct series_model model;
	struct forecast forecast;
	int64_t *dates;             /* [horizon], NULL: the series has none */
};

static enum err set_dates(struct answer *a, const struct frame *f, struct error *e)
{
	int H = a->model.forecaster->net.horizon;
	if (f->date_column < 0 || a->model.forecaster->frequency.unit == FREQ_NONE)
		return ERR_OK;
	a->dates = calloc((size_t)H, sizeof *a->dates);
	if (!a->dates)
		return fail_nomem(e);
	int64_t last = f->column[f->date_column].date[f->rows - 1];
	for (int h = 0; h < H; h++)
		a->dates[h] = frequency_advance(a->model.forecaster->frequency, last, h + 1);
	return ERR_OK;
}

static enum err run(struct answer *a, struct error *e)
{
	const struct net_spec *net = &a->model.forecaster->net;
	struct forecast_ws *ws = NULL;
	struct forecast *job = &a->forecast;
	size_t cells = (size_t)net->targets * (size_t)net->horizon;
	job->context = a->model.context;
	job->mean = calloc(cells, sizeof *job->mean);
	job->quantiles = LEVELS;
	job->quantile_level = levels;
	job->quantile = calloc(LEVELS * cells, sizeof *job->quantile);
	if (!job->mean || !job->quantile)
		return fail_nomem(e);
	enum err rc = forecast_ws_new(1, &ws, e);
	if (!rc)
		rc = forecast_ws_reserve(ws, a->model.forecaster, e);
	if (!rc)
		forecaster_run(a->model.forecaster, ws, &job, 1);
	if (!rc && !job->finite)
		rc = fail(e, ERR_INTERNAL, "", "the model's output is not finite for this series");
	forecast_ws_free(ws);
	return rc;
}

static void print_table(const struct answer *a)
{
	const struct net_spec *net = &a->model.forecaster->net;
	size_t H = (size_t)net->horizon, stride = (size_t)net->targets * H;
	for (int d = 0; d < net->targets; d++) {
		const char *target = a->model.forecaster->pipeline.column[a->model.forecaster->pipeline.target[d].column];
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
	const struct net_spec *net = &a->model.forecaster->net;
	struct forecast_output out[PIPELINE_MAX_TARGETS];
	struct skill_view skill;
	struct strbuf text;
	size_t H = (size_t)net->horizon;
	strbuf_init(&text, JSON_MAX);
	for (int d = 0; d < net->targets; d++)
		out[d] = (struct forecast_output){
			.target = a->model.forecaster->pipeline.column[a->model.forecaster->pipeline.target[d].column], .steps = net->horizon,
			.timestamp = a->dates, .mean = a->forecast.mean + (size_t)d * H, .level = levels, .levels = LEVELS,
			.quantile = a->forecast.quantile + (size_t)d * H, .quantile_stride = (size_t)net->targets * H,
		};
	skill_parse(a->model.version.evaluation, &skill);
	forecast_render(a->model.version.name, a->model.version.version, out, net->targets, &skill, NULL, 0, &text);
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
	enum err rc = series_model_load(&a.model, o->db, o->argument[0], (int)o->version, &e);
	if (!rc)
		rc = series_file_read(o->argument[1], NULL, &file, &e);
	if (!rc)
		rc = series_model_context(&a.model, file.frame, o->argument[1], &e);
	if (!rc)
		rc = set_dates(&a, file.frame, &e);
	if (!rc)
		rc = run(&a, &e);
	if (!rc && o->json)
		rc = print_json(&a, &e);
	else if (!rc)
		print_table(&a);
	free(a.dates);
	free(a.forecast.mean);
	free(a.forecast.quantile);
	series_model_fini(&a.model);
	series_file_fini(&file);
	return rc ? command_failed(&e) : 0;
}
