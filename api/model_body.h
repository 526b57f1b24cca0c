/* model_body.h - the registry's answers: versions, models, and the metadata of two dialects. */
#ifndef GATECAST_API_MODEL_BODY_H
#define GATECAST_API_MODEL_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/document.h"
#include "api/forecast_body.h"
#include "model/base/strbuf.h"

/** mase, skills and verdict out of evaluation_render()'s JSON; NULL json: all NaN, verdict NULL. verdict points to a constant. */
void skill_parse(const char *evaluation, struct skill_view *out);

struct version_view {
	const char *model; int version; const char *document, *evaluation /* or NULL */, *sha256, *job;
	int64_t created_at_us; size_t weights; bool loaded;
};
/** {model, version, created_at, preset, task, …, parameters, sha256, job, evaluation, spec}; of a forecaster with columns,
 *  targets, features, window, context, horizon, frequency; of a model of texts with unit, vocabulary, window, and labels or
 *  answer_vocabulary and horizon */
void version_render(const struct version_view *v, struct strbuf *out);
struct label_view { const char *label; int version; };
/** {name, object:"model", latest, versions:[1,2], labels:{…}, created_at} */
void model_render(const char *name, int latest, const int *versions, int n, const struct label_view *labels, int n_labels,
                  int64_t created_at_us, struct strbuf *out);

/** Metadata of the two dialects. TF: {model_spec, metadata:{signature_def…}}; v2: {name, versions, platform, inputs, outputs}.
 *  A model of texts takes and gives strings; it answers on routes of its own. */
void predict_status_render(const int *versions, int n, struct strbuf *out);       /* {"model_version_status":[…]} */
void predict_metadata_render(const char *model, int version, const struct trained *t, struct strbuf *out);
void infer_metadata_render(const char *model, const int *versions, int n, const struct trained *t, struct strbuf *out);
void infer_server_render(const char *version, struct strbuf *out);                 /* GET /v2 */

#endif
