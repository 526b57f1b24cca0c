/* document.h - a version's document: what the store keeps beside the weights, and a safetensors file carries along.
 *
 * Everything that a forecaster or a model of texts is made of but its blobs of numbers, as JSON that reads back to
 * the same bits. */
#ifndef GATECAST_API_DOCUMENT_H
#define GATECAST_API_DOCUMENT_H

#include "model/base/strbuf.h"
#include "model/recipe.h"
#include "model/trained.h"

#define DOCUMENT_BYTES_MAX (32u << 20)   /* bytes: a vocabulary at its limits, and room */

/** The recipe is embedded as "spec". r = NULL, of an imported model: the spec is null, the preset the network's. */
void document_render(const struct trained *t, const struct recipe *r, struct strbuf *out);

struct document {
	char preset[32];
	struct net_spec net;
	/* a forecaster's */
	struct pipeline pipeline;
	double level[NET_MAX_LEVELS];
	struct frequency frequency;
	int calibration;                         /* origins n; 0: none */
	/* a model of texts' */
	enum text_task task;
	int max_steps;
	struct cache_options cache;              /* size 0: none */
	struct vocabulary *source, *target;      /* NULL both: a forecaster; who takes one leaves NULL behind */
};
/** Untrusted: every size is checked (net_spec_check, limits of pipeline.h and vocabulary.h), numbers finite. */
enum err document_parse(const char *json, size_t len, struct document *out, struct error *e);
void document_fini(struct document *d);
/** Whether it is a model of texts. */
static inline bool document_is_text(const struct document *d) { return d->source != NULL; }
/** Steps that a forecaster gives: the horizon, or of an autoencoder the window. Of its calibration, too. */
static inline int document_steps(const struct document *d) { return net_steps(&d->net, d->pipeline.window); }

extern const char *const text_task_names[];   /* "generate", "classify", "translate", NULL */

#endif
