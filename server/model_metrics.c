#include "server/model_metrics.h"

#include <stdio.h>

#include "server/metrics.h"
#include "server/registry.h"

/* One metric of a version, once or once a value of a further label. */
struct series {
	const char *name, *type, *help;
	double (*value)(const struct model *m, int i);
	const char *key;              /* of the further label, or NULL */
	const char *const *values;
	int n;
};

static double requests(const struct model *m, int i) { return (double)m->metrics.requests[i]; }
static double sequences(const struct model *m, int i) { return (double)m->metrics.sequences; }
static double decoder_steps(const struct model *m, int i) { return (double)m->metrics.decoder_steps; }
static double nonfinite(const struct model *m, int i) { return (double)m->metrics.nonfinite_outputs; }
static double bytes(const struct model *m, int i) { return (double)m->bytes; }
static double last_used(const struct model *m, int i) { return (double)m->last_used_s; }
static double loaded(const struct model *m, int i) { return 1; }
static double mase(const struct model *m, int i) { return m->skill.mase; }
static double skill(const struct model *m, int i) { return i ? m->skill.vs_seasonal_naive : m->skill.vs_naive; }

static double out_of_range(const struct model *m, int i)
{
	return m->metrics.inputs ? (double)m->metrics.out_of_range / (double)m->metrics.inputs : 0;
}

static const char *const baselines[] = { "naive", "seasonal_naive" };

static const struct series all[] = {
	{ "model_loaded", "gauge", "1 for each version in memory.", loaded, NULL, NULL, 1 },
	{ "model_memory_bytes", "gauge", "Memory of a loaded version.", bytes, NULL, NULL, 1 },
	{ "model_last_used_timestamp_seconds", "gauge", "When it last answered.", last_used, NULL, NULL, 1 },
	{ "inference_requests_total", "counter", "Predictions, by outcome.", requests, "outcome", outcome_names, OUTCOMES },
	{ "inference_sequences_total", "counter", "Sequences forecast.", sequences, NULL, NULL, 1 },
	{ "decoder_steps_total", "counter", "Steps of the decoder.", decoder_steps, NULL, NULL, 1 },
	{ "inference_nonfinite_outputs_total", "counter", "Forecasts that were not finite numbers.", nonfinite, NULL, NULL, 1 },
	{ "input_out_of_range_ratio", "gauge", "Share of inputs outside the range seen in training.", out_of_range, NULL, NULL, 1 },
	{ "forecast_mase", "gauge", "MASE of the backtest at training.", mase, NULL, NULL, 1 },
	{ "forecast_skill_ratio", "gauge", "1 - MAE / MAE of the baseline, in the backtest.", skill, "baseline", baselines, 2 },
};

/* What a visit of one version writes. */
struct page {
	struct strbuf *out, labels;
	const struct series *series;
	enum phase phase;
};

static void label_version(struct page *p, const struct model *m)
{
	char version[16];
	snprintf(version, sizeof version, "%d", m->version);
	strbuf_reset(&p->labels);
	metric_label(&p->labels, "model", m->name);
	metric_label(&p->labels, "version", version);
}

static void write_info(const struct model *m, void *arg)
{
	struct page *p = arg;
	label_version(p, m);
	metric_label(&p->labels, "architecture", m->preset);
	metric_label(&p->labels, "sha256", m->sha256);
	metric_value(p->out, "model_info", p->labels.s, 1);
}

static void write_series(const struct model *m, void *arg)
{
	struct page *p = arg;
	const struct series *s = p->series;
	for (int i = 0; i < s->n; i++) {
		label_version(p, m);
		if (s->key)
			metric_label(&p->labels, s->key, s->values[i]);
		metric_value(p->out, s->name, p->labels.s, s->value(m, i));
	}
}

static void write_batch_size(const struct model *m, void *arg)
{
	struct page *p = arg;
	label_version(p, m);
	metric_histogram(p->out, "inference_batch_size", p->labels.s, metric_rows, &m->metrics.batch_size);
}

static void write_duration(const struct model *m, void *arg)
{
	struct page *p = arg;
	label_version(p, m);
	metric_label(&p->labels, "phase", phase_names[p->phase]);
	metric_histogram(p->out, "inference_duration_seconds", p->labels.s, metric_seconds, &m->metrics.duration[p->phase]);
}

static void write_usage(struct registry_usage usage, struct strbuf *out)
{
	metric_head(out, "model_cache_bytes", "gauge", "Memory of all loaded versions.");
	metric_value(out, "model_cache_bytes", "", (double)usage.bytes);
	metric_head(out, "model_cache_limit_bytes", "gauge", "Memory that they may take.");
	metric_value(out, "model_cache_limit_bytes", "", (double)usage.max_bytes);
}

static void write_loads(struct page *p)
{
	static const char *const results[] = { "ok", "error" };
	metric_head(p->out, "model_loads_total", "counter", "Versions loaded from the store, by result.");
	for (int i = 0; i < 2; i++) {
		strbuf_reset(&p->labels);
		metric_label(&p->labels, "result", results[i]);
		metric_value(p->out, "model_loads_total", p->labels.s, (double)metrics.model_loads[i]);
	}
	metric_head(p->out, "model_evictions_total", "counter", "Versions that left memory to make room for others.");
	metric_value(p->out, "model_evictions_total", "", (double)metrics.model_evictions);
	metric_head(p->out, "model_load_duration_seconds", "histogram", "Time to load a version.");
	metric_histogram(p->out, "model_load_duration_seconds", "", metric_seconds, &metrics.model_load);
}

void model_metrics_write(struct registry *g, struct strbuf *out)
{
	struct page p = { .out = out };
	strbuf_init(&p.labels, 512);
	metric_head(out, "model_info", "gauge", "Always 1; what a loaded version is.");
	registry_each(g, write_info, &p);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		p.series = &all[i];
		metric_head(out, all[i].name, all[i].type, all[i].help);
		registry_each(g, write_series, &p);
	}
	metric_head(out, "inference_batch_size", "histogram", "Sequences computed together, or in the air at a tick.");
	registry_each(g, write_batch_size, &p);
	metric_head(out, "inference_duration_seconds", "histogram", "Time of a prediction in each phase.");
	for (p.phase = PHASE_PARSE; p.phase < PHASES; p.phase++)
		registry_each(g, write_duration, &p);
	write_usage(registry_usage(g), out);
	write_loads(&p);
	strbuf_fini(&p.labels);
}
