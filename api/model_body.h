/* model_body.h - a model version's document (what the store keeps beside the weights) and the registry's answers. */
#ifndef GATECAST_API_MODEL_BODY_H
#define GATECAST_API_MODEL_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/forecast_body.h"
#include "model/base/strbuf.h"
#include "model/forecaster.h"
#include "model/recipe.h"

/** Everything forecaster_new needs but the blobs, as JSON that reads back to the same bits; recipe is embedded as "spec".
 *  r = NULL, of an imported model: the spec is null and the preset is the network's. */
void document_render(const struct forecaster *f, const struct recipe *r, struct strbuf *out);
struct document {
	struct pipeline pipeline; struct net_spec net; double level[NET_MAX_LEVELS]; struct frequency frequency;
	int calibration;   /* origins n; 0: none */
	char preset[32];
};
/** Untrusted: every size is checked (net_spec_check, limits of pipeline.h), numbers finite. */
enum err document_parse(const char *json, size_t len, struct document *out, struct error *e);
/** mase, skills and verdict out of evaluation_render()'s JSON; NULL json: all NaN, verdict NULL. verdict points to a constant. */
void skill_parse(const char *evaluation, struct skill_view *out);

struct version_view {
	const char *model; int version; const char *document, *evaluation /* or NULL */, *sha256, *job;
	int64_t created_at_us; size_t weights; bool loaded;
};
/** {model, version, created_at, columns, targets, features, window, context, horizon, preset, frequency, parameters, sha256, job, evaluation, spec} */
void version_render(const struct version_view *v, struct strbuf *out);
struct label_view { const char *label; int version; };
/** {name, object:"model", latest, versions:[1,2], labels:{…}, created_at} */
void model_render(const char *name, int latest, const int *versions, int n, const struct label_view *labels, int n_labels,
                  int64_t created_at_us, struct strbuf *out);

/** Metadata of the two dialects. TF: {model_spec, metadata:{signature_def…}}; v2: {name, versions, platform, inputs, outputs}. */
void predict_status_render(const int *versions, int n, struct strbuf *out);       /* {"model_version_status":[…]} */
void predict_metadata_render(const char *model, int version, const struct pipeline *p, struct strbuf *out);
void infer_metadata_render(const char *model, const int *versions, int n, const struct pipeline *p, struct strbuf *out);
void infer_server_render(const char *version, struct strbuf *out);                 /* GET /v2 */

#endif
