#include "server/registry.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uthash.h>

#include "server/log.h"
#include "server/monotonic.h"

struct entry {
	char name[STORE_NAME_MAX + 1];
	int latest;                /* 0: not known */
	struct model *models;
	UT_hash_handle hh;
};

struct registry {
	pthread_mutex_t lock;
	struct entry *entries;
	size_t bytes, max_bytes;
	uint64_t uses;             /* a clock that never stands still: who was used last */
	uint64_t generation;       /* raised by registry_forget and _outdate: a load that began before is not kept */
};

/* ---- one model ---------------------------------------------------------- */

enum err model_build(const struct model_version *v, struct forecaster **out, char preset[32], struct error *e)
{
	struct document d;
	struct tensor_table tensors;
	struct conformal *calibration = NULL;
	enum err rc = document_parse(v->document, strlen(v->document), &d, e);
	if (rc)
		return rc;
	net_tensors(&d.net, &tensors);
	if (tensors.count != v->n_weights)
		return fail(e, ERR_STORAGE, v->name, "version %d holds %zu weights, its document says %zu", v->version,
		            v->n_weights, tensors.count);
	if (d.calibration) {
		rc = conformal_new(d.net.levels, d.net.targets, d.net.horizon, d.calibration, &calibration, e);
		if (rc)
			return rc;
		if (conformal_count(calibration) != v->n_calibration) {
			conformal_free(calibration);
			return fail(e, ERR_STORAGE, v->name, "version %d: the calibration does not fit its document", v->version);
		}
		memcpy(calibration->score, v->calibration, v->n_calibration * sizeof *v->calibration);
	}
	if (preset)
		memcpy(preset, d.preset, sizeof d.preset);
	return forecaster_new(&d.pipeline, &d.net, d.level, d.frequency, v->weights, calibration, out, e);
}

struct model *model_ref(struct model *m)
{
	m->refs++;
	return m;
}

void model_unref(struct model *m)
{
	if (!m || --m->refs)
		return;
	forecaster_free(m->forecaster);
	free(m);
}

static enum err model_from_store(struct store *s, const char *name, int version, struct model **out, struct error *e)
{
	struct model_version v = { 0 };
	struct model *m = calloc(1, sizeof *m);
	if (!m)
		return fail_nomem(e);
	int64_t start = monotonic_ns();
	enum err rc = model_get(s, name, version, NULL, true, &v, e);
	if (!rc) {
		rc = model_build(&v, &m->forecaster, m->preset, e);
		metrics.model_loads[rc ? 1 : 0]++;
	}
	if (rc) {
		free(m);
		goto done;
	}
	histogram_add(&metrics.model_load, metric_seconds, (double)(monotonic_ns() - start) / 1e9);
	memcpy(m->name, v.name, sizeof m->name);
	memcpy(m->sha256, v.sha256, sizeof m->sha256);
	m->version = v.version;
	m->refs = 1;
	m->bytes = sizeof *m + forecaster_bytes(m->forecaster);
	m->queue.tail = &m->queue.head;
	skill_parse(v.evaluation, &m->skill);
	*out = m;
done:
	model_version_fini(&v);
	return rc;
}

/* ---- the registry ------------------------------------------------------- */

enum err registry_new(size_t max_bytes, struct registry **out, struct error *e)
{
	struct registry *g = calloc(1, sizeof *g);
	if (!g)
		return fail_nomem(e);
	pthread_mutex_init(&g->lock, NULL);
	g->max_bytes = max_bytes;
	*out = g;
	return ERR_OK;
}

/* Take *at out of its entry and drop the registry's reference. */
static void remove_at(struct registry *g, struct entry *n, struct model **at)
{
	struct model *m = *at;
	*at = m->next;
	if (n->latest == m->version)
		n->latest = 0;
	g->bytes -= m->bytes;
	model_unref(m);
}

static void drop_empty(struct registry *g, struct entry *n)
{
	if (n->models)
		return;
	HASH_DEL(g->entries, n);
	free(n);
}

void registry_free(struct registry *g)
{
	if (!g)
		return;
	struct entry *n, *next;
	HASH_ITER(hh, g->entries, n, next) {
		while (n->models)
			remove_at(g, n, &n->models);
		drop_empty(g, n);
	}
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static struct model *find(struct registry *g, const char *name, int version)
{
	struct entry *n;
	HASH_FIND_STR(g->entries, name, n);
	if (!n)
		return NULL;
	if (!version)
		version = n->latest;
	for (struct model *m = n->models; m; m = m->next)
		if (m->version == version)
			return m;
	return NULL;
}

/* A reference for someone who is about to use m. Under the lock. */
static struct model *use(struct registry *g, struct model *m)
{
	m->used = ++g->uses;
	m->last_used_s = time(NULL);
	return model_ref(m);
}

struct model *registry_get(struct registry *g, const char *name, int version)
{
	pthread_mutex_lock(&g->lock);
	struct model *m = find(g, name, version);
	if (m)
		use(g, m);
	pthread_mutex_unlock(&g->lock);
	return m;
}

bool registry_has(struct registry *g, const char *name, int version)
{
	pthread_mutex_lock(&g->lock);
	bool has = find(g, name, version) != NULL;
	pthread_mutex_unlock(&g->lock);
	return has;
}

/* Let the least recently used go until the rest fits; keep stays. */
static void make_room(struct registry *g, const struct model *keep)
{
	while (g->bytes > g->max_bytes) {
		struct entry *oldest_entry = NULL;
		struct model **oldest = NULL;
		for (struct entry *n = g->entries; n; n = n->hh.next) {
			for (struct model **at = &n->models; *at; at = &(*at)->next) {
				if (*at != keep && (!oldest || (*at)->used < (*oldest)->used)) {
					oldest = at;
					oldest_entry = n;
				}
			}
		}
		if (!oldest)
			return;
		remove_at(g, oldest_entry, oldest);
		drop_empty(g, oldest_entry);
	}
}

/* Under the lock. Takes a reference of *m for the table; another thread may have been faster, then *m becomes its model. */
static enum err insert(struct registry *g, struct model **m, bool is_latest, struct error *e)
{
	struct entry *n;
	HASH_FIND_STR(g->entries, (*m)->name, n);
	if (!n) {
		n = calloc(1, sizeof *n);
		if (!n)
			return fail_nomem(e);
		memcpy(n->name, (*m)->name, sizeof n->name);
		HASH_ADD_STR(g->entries, name, n);
	}
	if (is_latest && (*m)->version > n->latest)
		n->latest = (*m)->version;
	struct model *known = find(g, (*m)->name, (*m)->version);
	if (known == *m)
		return ERR_OK;
	if (known) {
		model_unref(*m);
		*m = use(g, known);
		return ERR_OK;
	}
	(*m)->next = n->models;
	n->models = use(g, *m);
	g->bytes += (*m)->bytes;
	make_room(g, *m);
	return ERR_OK;
}

/* The number that a label stands for now. */
static enum err resolve(struct store *s, const char *name, const char *label, int *version, struct error *e)
{
	struct model_version v = { 0 };
	enum err rc = model_get(s, name, 0, label, false, &v, e);
	if (!rc)
		*version = v.version;
	model_version_fini(&v);
	return rc;
}

enum err registry_load(struct registry *g, struct store *s, const char *name, int version, const char *label,
                       struct model **out, struct error *e)
{
	bool is_latest = !version && (!label || !strcmp(label, "latest"));
	pthread_mutex_lock(&g->lock);
	uint64_t generation = g->generation;
	pthread_mutex_unlock(&g->lock);

	enum err rc = version ? ERR_OK : resolve(s, name, label, &version, e);
	if (rc)
		return rc;
	struct model *m = registry_get(g, name, version);
	if (!m)
		rc = model_from_store(s, name, version, &m, e);
	if (rc)
		return rc;

	pthread_mutex_lock(&g->lock);
	if (generation == g->generation)
		rc = insert(g, &m, is_latest, e);
	pthread_mutex_unlock(&g->lock);
	if (rc) {
		model_unref(m);
		return rc;
	}
	*out = m;
	return ERR_OK;
}

void registry_forget(struct registry *g, const char *name, int version)
{
	pthread_mutex_lock(&g->lock);
	g->generation++;
	struct entry *n;
	HASH_FIND_STR(g->entries, name, n);
	if (n) {
		for (struct model **at = &n->models; *at;) {
			if (!version || (*at)->version == version)
				remove_at(g, n, at);
			else
				at = &(*at)->next;
		}
		drop_empty(g, n);
	}
	pthread_mutex_unlock(&g->lock);
}

void registry_outdate(struct registry *g, const char *name)
{
	struct entry *n;
	pthread_mutex_lock(&g->lock);
	g->generation++;
	HASH_FIND_STR(g->entries, name, n);
	if (n)
		n->latest = 0;
	pthread_mutex_unlock(&g->lock);
}

/* ---- metrics ------------------------------------------------------------ */

/* A head, then one value of every loaded version. */
static void each_value(struct registry *g, struct strbuf *out, const char *name, const char *type, const char *help,
                       double (*value)(const struct model *m, int sub), const char *sub_key,
                       const char *const *sub_names, int subs)
{
	struct strbuf l;
	strbuf_init(&l, 512);
	metric_head(out, name, type, help);
	for (struct entry *n = g->entries; n; n = n->hh.next) {
		for (struct model *m = n->models; m; m = m->next) {
			for (int i = 0; i < subs; i++) {
				char version[16];
				snprintf(version, sizeof version, "%d", m->version);
				strbuf_reset(&l);
				metric_label(&l, "model", m->name);
				metric_label(&l, "version", version);
				if (sub_key)
					metric_label(&l, sub_key, sub_names[i]);
				metric_value(out, name, l.s, value(m, i));
			}
		}
	}
	strbuf_fini(&l);
}

static double get_requests(const struct model *m, int i) { return (double)m->metrics.requests[i]; }
static double get_sequences(const struct model *m, int i) { return (double)m->metrics.sequences; }
static double get_decoder_steps(const struct model *m, int i) { return (double)m->metrics.decoder_steps; }
static double get_nonfinite(const struct model *m, int i) { return (double)m->metrics.nonfinite_outputs; }
static double get_bytes(const struct model *m, int i) { return (double)m->bytes; }
static double get_last_used(const struct model *m, int i) { return (double)m->last_used_s; }
static double get_loaded(const struct model *m, int i) { return 1; }
static double get_mase(const struct model *m, int i) { return m->skill.mase; }

static double get_out_of_range(const struct model *m, int i)
{
	return m->metrics.inputs ? (double)m->metrics.out_of_range / (double)m->metrics.inputs : 0;
}

static double get_skill(const struct model *m, int i)
{
	return i == 0 ? m->skill.vs_naive : m->skill.vs_seasonal_naive;
}

static void model_histograms(struct registry *g, struct strbuf *out)
{
	struct strbuf l;
	strbuf_init(&l, 512);
	for (int which = -1; which < PHASES; which++) {
		if (which == -1)
			metric_head(out, "inference_batch_size", "histogram", "Sequences computed together.");
		else if (which == 0)
			metric_head(out, "inference_duration_seconds", "histogram", "Time of a prediction in each phase.");
		for (struct entry *n = g->entries; n; n = n->hh.next) {
			for (struct model *m = n->models; m; m = m->next) {
				char version[16];
				snprintf(version, sizeof version, "%d", m->version);
				strbuf_reset(&l);
				metric_label(&l, "model", m->name);
				metric_label(&l, "version", version);
				if (which == -1) {
					metric_histogram(out, "inference_batch_size", l.s, metric_rows, &m->metrics.batch_size);
				} else {
					metric_label(&l, "phase", phase_names[which]);
					metric_histogram(out, "inference_duration_seconds", l.s, metric_seconds, &m->metrics.duration[which]);
				}
			}
		}
	}
	strbuf_fini(&l);
}

static void model_info(struct registry *g, struct strbuf *out)
{
	struct strbuf l;
	strbuf_init(&l, 512);
	metric_head(out, "model_info", "gauge", "Always 1; what a loaded version is.");
	for (struct entry *n = g->entries; n; n = n->hh.next) {
		for (struct model *m = n->models; m; m = m->next) {
			char version[16];
			snprintf(version, sizeof version, "%d", m->version);
			strbuf_reset(&l);
			metric_label(&l, "model", m->name);
			metric_label(&l, "version", version);
			metric_label(&l, "architecture", m->preset);
			metric_label(&l, "sha256", m->sha256);
			metric_value(out, "model_info", l.s, 1);
		}
	}
	strbuf_fini(&l);
}

void registry_metrics(struct registry *g, struct strbuf *out)
{
	static const char *const baselines[] = { "naive", "seasonal_naive" };
	static const char *const none[] = { "" };
	static const char *const results[] = { "ok", "error" };
	pthread_mutex_lock(&g->lock);
	model_info(g, out);
	each_value(g, out, "model_loaded", "gauge", "1 for each version in memory.", get_loaded, NULL, none, 1);
	each_value(g, out, "model_memory_bytes", "gauge", "Memory of a loaded version.", get_bytes, NULL, none, 1);
	each_value(g, out, "model_last_used_timestamp_seconds", "gauge", "When it last answered.", get_last_used, NULL, none, 1);
	each_value(g, out, "inference_requests_total", "counter", "Predictions, by outcome.", get_requests, "outcome", outcome_names, OUTCOMES);
	each_value(g, out, "inference_sequences_total", "counter", "Sequences forecast.", get_sequences, NULL, none, 1);
	each_value(g, out, "decoder_steps_total", "counter", "Steps of the decoder.", get_decoder_steps, NULL, none, 1);
	each_value(g, out, "inference_nonfinite_outputs_total", "counter", "Forecasts that were not finite numbers.", get_nonfinite, NULL, none, 1);
	each_value(g, out, "input_out_of_range_ratio", "gauge", "Share of input values outside the range seen in training.", get_out_of_range, NULL, none, 1);
	each_value(g, out, "forecast_mase", "gauge", "MASE of the backtest at training.", get_mase, NULL, none, 1);
	each_value(g, out, "forecast_skill_ratio", "gauge", "1 - MAE / MAE of the baseline, in the backtest.", get_skill, "baseline", baselines, 2);
	model_histograms(g, out);
	pthread_mutex_unlock(&g->lock);

	metric_head(out, "model_loads_total", "counter", "Versions loaded from the store, by result.");
	for (int i = 0; i < 2; i++) {
		struct strbuf l;
		strbuf_init(&l, 64);
		metric_label(&l, "result", results[i]);
		metric_value(out, "model_loads_total", l.s, (double)metrics.model_loads[i]);
		strbuf_fini(&l);
	}
	metric_head(out, "model_load_duration_seconds", "histogram", "Time to load a version.");
	metric_histogram(out, "model_load_duration_seconds", "", metric_seconds, &metrics.model_load);
}
