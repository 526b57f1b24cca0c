#include "server/registry.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uthash.h>
#include <utlist.h>

#include "api/document.h"
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
	struct model *oldest;           /* of the list by use; utlist keeps the newest as its older */
	struct registry_usage usage;
	struct infer_options options;   /* of every model */
	uint64_t generation;            /* raised by registry_forget and registry_outdate: a load that began before is not kept */
};

/* ---- one model ---------------------------------------------------------- */

/* The calibration of a forecaster, or NULL where it has none. */
static enum err read_calibration(const struct model_version *v, const struct document *d, struct conformal **out,
                                 struct error *e)
{
	struct conformal *c = NULL;
	enum err rc = ERR_OK;
	if (d->calibration)
		rc = conformal_new(d->net.levels, d->net.targets, document_steps(d), d->calibration, &c, e);
	if (rc)
		return rc;
	if (v->n_calibration != (c ? conformal_count(c) : 0)) {
		conformal_free(c);
		return fail(e, ERR_STORAGE, v->name, "version %d: the calibration does not fit its document", v->version);
	}
	if (c)
		memcpy(c->score, v->calibration, v->n_calibration * sizeof *v->calibration);
	*out = c;
	return ERR_OK;
}

static enum err build_forecaster(const struct model_version *v, const struct document *d, const struct infer_options *o,
                                 struct trained *out, struct error *e)
{
	struct conformal *calibration = NULL;
	enum err rc = read_calibration(v, d, &calibration, e);
	if (rc)
		return rc;
	return forecaster_new(&d->pipeline, &d->net, d->level, d->frequency, v->weights, o, calibration, &out->forecaster,
	                      e);
}

static enum err build_text(const struct model_version *v, struct document *d, const struct infer_options *o,
                           struct trained *out, struct error *e)
{
	struct vocabulary *source = d->source, *target = d->target;
	d->source = d->target = NULL;   /* text_model_new takes them */
	enum err rc = text_model_new(&d->net, v->weights, o, source, target, d->max_steps, &out->text, e);
	return rc || !d->cache.size ? rc : text_model_set_cache(out->text, &d->cache, e);
}

enum err model_build(const struct model_version *v, const struct infer_options *o, struct trained *out, char preset[32],
                     struct error *e)
{
	struct document d = { 0 };
	struct tensor_table tensors;
	enum err rc = document_parse(v->document, strlen(v->document), &d, e);
	if (rc)
		return rc;
	net_tensors(&d.net, &tensors);
	if (tensors.count != v->n_weights)
		rc = fail(e, ERR_STORAGE, v->name, "version %d holds %zu weights, its document says %zu", v->version,
		          v->n_weights, tensors.count);
	else if (document_is_text(&d))
		rc = build_text(v, &d, o, out, e);
	else
		rc = build_forecaster(v, &d, o, out, e);
	if (preset)
		memcpy(preset, d.preset, sizeof d.preset);
	document_fini(&d);
	return rc;
}

static enum model_use use_of(const struct trained *t)
{
	if (!t->text)
		return t->forecaster->net.decoder == DECODER_RECONSTRUCT ? USE_RECONSTRUCT : USE_FORECAST;
	switch (t->text->task) {
	case TEXT_GENERATE: return USE_GENERATE;
	case TEXT_CLASSIFY: return USE_CLASSIFY;
	case TEXT_TRANSLATE: break;
	}
	return USE_TRANSLATE;
}

enum model_use model_use(const struct model *m)
{
	return use_of(&m->trained);
}

enum err model_build_forecaster(const struct model_version *v, const struct infer_options *o, struct forecaster **out,
                                struct error *e)
{
	struct trained t = { 0 };
	enum err rc = model_build(v, o, &t, NULL, e);
	if (!rc && use_of(&t) != USE_FORECAST)
		rc = fail(e, ERR_INVALID, v->name, "version %d does not forecast series; `gatecast serve` has a route for it", v->version);
	if (rc)
		trained_fini(&t);
	else
		*out = t.forecaster;
	return rc;
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
	trained_fini(&m->trained);
	free(m);
}

static enum err model_from_store(struct store *s, const struct infer_options *o, const char *name, int version,
                                 struct model **out, struct error *e)
{
	struct model_version v = { 0 };
	struct model *m = calloc(1, sizeof *m);
	if (!m)
		return fail_nomem(e);
	int64_t start = monotonic_ns();
	enum err rc = model_get(s, name, version, NULL, true, &v, e);
	if (!rc) {
		rc = model_build(&v, o, &m->trained, m->preset, e);
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
	m->bytes = sizeof *m + trained_bytes(&m->trained);
	for (int c = 0; c < BATCH_CLASSES; c++)
		m->line[c] = (struct model_line){ .model = m, .tail = &m->line[c].head };
	skill_parse(v.evaluation, &m->skill);
	*out = m;
done:
	model_version_fini(&v);
	return rc;
}

/* ---- the registry ------------------------------------------------------- */

enum err registry_new(size_t max_bytes, const struct infer_options *o, struct registry **out, struct error *e)
{
	struct registry *g = calloc(1, sizeof *g);
	if (!g)
		return fail_nomem(e);
	pthread_mutex_init(&g->lock, NULL);
	g->usage.max_bytes = max_bytes;
	if (o)
		g->options = *o;
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
	DL_DELETE2(g->oldest, m, older, newer);
	g->usage.bytes -= m->bytes;
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

/* A reference for someone who is about to use m, which is in the table. Under the lock. */
static struct model *use(struct registry *g, struct model *m)
{
	DL_DELETE2(g->oldest, m, older, newer);
	DL_APPEND2(g->oldest, m, older, newer);
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

static void evict(struct registry *g, const struct model *m)
{
	struct entry *n;
	HASH_FIND_STR(g->entries, m->name, n);
	struct model **at = &n->models;
	while (*at != m)
		at = &(*at)->next;
	remove_at(g, n, at);
	drop_empty(g, n);
	metrics.model_evictions++;
}

/* Let the least recently used go until the rest fits; the newest stays. */
static void make_room(struct registry *g)
{
	while (g->usage.bytes > g->usage.max_bytes && g->oldest->newer)
		evict(g, g->oldest);
}

static void add(struct registry *g, struct entry *n, struct model *m)
{
	m->next = n->models;
	n->models = m;
	m->last_used_s = time(NULL);
	DL_APPEND2(g->oldest, m, older, newer);
	g->usage.bytes += m->bytes;
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
	add(g, n, model_ref(*m));
	make_room(g);
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
		rc = model_from_store(s, &g->options, name, version, &m, e);
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

struct registry_usage registry_usage(struct registry *g)
{
	pthread_mutex_lock(&g->lock);
	struct registry_usage usage = g->usage;
	pthread_mutex_unlock(&g->lock);
	return usage;
}

void registry_each(struct registry *g, void (*visit)(const struct model *m, void *arg), void *arg)
{
	pthread_mutex_lock(&g->lock);
	for (struct entry *n = g->entries; n; n = n->hh.next)
		for (const struct model *m = n->models; m; m = m->next)
			visit(m, arg);
	pthread_mutex_unlock(&g->lock);
}
