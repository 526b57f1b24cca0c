/* session_step.h - a prediction that goes on with a session's series.
 *
 *   rows:   remembered [context - 1 …] + sent ─► the last `context` of them ─► as any forecast
 *   state:  remembered state, sent rows ─► a window of them at a time ─► the state behind them, the forecast from it
 *
 *   claim or begin ─► prepare ─► batcher (next piece …) ─► render ─► commit ─► release
 *
 * What is remembered is written at the end, at once: a step that was refused, timed out or was left alone may be sent
 * again. Neither way do the bits depend on where the series was cut into steps. */
#ifndef GATECAST_SERVER_SESSION_STEP_H
#define GATECAST_SERVER_SESSION_STEP_H

#include "api/session_body.h"
#include "server/prediction.h"

/** What a session of that model is made of; its key and owner are the caller's. ERR_INVALID, where = "/keep": the model
 *  cannot carry a state. */
enum err session_plan_for(const struct model *m, enum session_keep keep, struct session_plan *out, struct error *e);

/** Before inference_go(): claim the session, whose model and version become the inference's. */
enum err session_step_claim(struct prediction *p, const char *key, struct error *e);
/** In prepare(): begin one with this key. If the step fails it has not begun. */
enum err session_step_begin(struct prediction *p, const char *key, struct error *e);
/** In prepare(): n > 0 rows [n][columns], NaN missing, become the batch's only item, for which there is room; or the
 *  batch is empty, as rows are still too few. */
enum err session_step_rows(struct prediction *p, const double *rows, size_t n, const char *where, struct error *e);
/** The date of the last row; false: none is known. in: what the step said itself. */
bool session_step_date(struct prediction *p, const struct series_input *in, int64_t *last);
/** next() of an inference that is a step. */
bool session_step_next(struct inference *in);
/** At the end of render(): the step was made. Its answer is kept for a repeated step, if it shall be; on failure the
 *  reply fails. */
void session_step_commit(struct prediction *p, int64_t sequence, bool keep_answer);
/** fini() of an inference that is a step: the claim is given back. */
void session_step_fini(struct inference *in);

#endif
