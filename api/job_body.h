/* job_body.h - the training-job body and the job's answers. */
#ifndef GATECAST_API_JOB_BODY_H
#define GATECAST_API_JOB_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/json_write.h"   /* list_*, json_write_string, json_time_us */
#include "model/base/strbuf.h"
#include "model/recipe.h"
#include "model/trainer.h"

/**
 * POST /v1/jobs. Defaults where absent, recipe_check() at the end; unknown members are errors that name the nearest known
 * one. model defaults to "{dataset}-{horizon}". *metadata (caller frees) is the member as JSON text or NULL
 * (an object of at most 16 string values, 64 / 512 bytes). A preset sets defaults of encoder and decoder, explicit
 * members win; preset, encoder.cell, decoder.type and the like are checked to be what this build offers: ERR_INVALID
 * names those. where = JSON pointer.
 */
enum err job_body_parse(const char *s, size_t len, struct recipe *out, char **metadata, struct error *e);
/** The complete spec, every default that means something written out; job_body_parse reads it back as the same. */
void recipe_render(const struct recipe *r, struct strbuf *out);

/** {"discard": true} or an empty body. */
enum err cancel_body_parse(const char *s, size_t len, bool *discard, struct error *e);
/** {"version": 2} */
enum err label_body_parse(const char *s, size_t len, int *version, struct error *e);

/* Documents of a job, written by the worker, kept as text by the store. */
struct progress { int epoch, epochs; long step, steps; double samples_per_second; double eta_s; /* < 0: unknown */ };
void progress_render(const struct progress *p, struct strbuf *out);
enum err progress_parse(const char *json, struct progress *out);
void metrics_render(const struct epoch_report *r, struct strbuf *out);
/** {"test":{mae,rmse,mase,smape,per_horizon:[…]},"naive":{…},"drift":{…},"seasonal_naive":{…},"skill":…,
 *   "coverage":{"0.8":…,"0.9":…},"origins":…,"season":…,"shrinkage":…,"task":…,"verdict":…,"p_value":…}; skill is against
 *  naive. A reconstruction has "mean" in place of the three baselines; of texts it is
 *  {"test":{accuracy,nats,perplexity | macro_f1 | exact},"bigram" | "majority" | "copy":{…,skill},"skill","texts","tokens",…} */
void evaluation_render(const struct evaluation *v, struct strbuf *out);
/** The score that decides, and the verdict, in a few words: "nats 1.52 (bigram 2.45), better". */
void evaluation_summary(const char *evaluation, struct strbuf *out);

/* Borrowed texts; JSON members are embedded as they are, NULL is null. Times in microseconds, 0 is null. */
struct job_view {
	const char *id, *status, *model, *dataset;
	int version;
	int64_t created_at_us, started_at_us, finished_at_us, estimated_finish_us;
	int attempts;
	const char *progress, *metrics, *result, *spec, *error, *metadata;
	uint64_t seed;
};
void job_render(const struct job_view *j, struct strbuf *out);
struct event_view { int64_t id; const char *job, *level, *type, *message, *data; int64_t created_at_us; };
void event_render(const struct event_view *v, struct strbuf *out);
struct checkpoint_view { int64_t id; const char *job, *metrics, *sha256; int epoch; int64_t created_at_us; };
void checkpoint_render(const struct checkpoint_view *v, struct strbuf *out);

#endif
