/* prediction.h - what the dialects of a forecast share between parsing and rendering: gaps filled, room for outputs,
 * words of warning, and the answer of /v1/forecast, which a session's step gives too. */
#ifndef GATECAST_SERVER_PREDICTION_H
#define GATECAST_SERVER_PREDICTION_H

#include "api/forecast_body.h"
#include "server/inference.h"
#include "server/sessions.h"

#define PREDICTION_WARNINGS 8

/* A step of a session: session_step.h. */
struct session_step {
	struct session *session;           /* claimed; NULL: the prediction stands alone */
	const char *key;                   /* of a v2 sequence */
	int64_t sequence;
	struct session_memory next;        /* what is remembered if the step succeeds */
	int left;                          /* rows that follow those in the batch, where a state is carried */
	bool begun, committed;             /* the session began with this step; the step was made */
};

struct prediction {
	struct inference in;               /* first */
	/* what was asked */
	struct forecast_body forecast;
	struct tensor_body tensor;
	/* on the way */
	const int64_t **timestamp;         /* [inputs] of [steps], NULL where no date is known */
	const char *warning[PREDICTION_WARNINGS];
	int warnings;
	struct strbuf *inside;             /* [inputs] of "return", else NULL */
	struct session_step step;
};

/** inference_new() for a model that forecasts. */
struct prediction *prediction_new(struct request *r);
static inline const struct forecaster *prediction_forecaster(const struct prediction *p)
{
	return p->in.m->trained.forecaster;
}
void prediction_warn(struct prediction *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Room for n items' outputs in the arena. */
enum err prediction_room(struct prediction *p, int n, struct error *e);
/** Fill what is missing in rows [n][columns] from the rows before, with a warning. where: the body's pointer. */
enum err prediction_fill(struct prediction *p, double *rows, size_t n, const char *where, struct error *e);
/** A word about n rows that the model has not seen the like of. */
void prediction_watch(struct prediction *p, const double *rows, size_t n);
/** prediction_fill(), and the end of the rows, which the model looks at, becomes an item's context. */
enum err prediction_context(struct prediction *p, int item, double *rows, size_t n, const char *where, struct error *e);

/** Check p->forecast's parameters against the model and make room for its inputs. */
enum err prediction_begin(struct prediction *p, struct error *e);
/** The dates of the steps behind `last`, or NULL: the model knows no frequency. */
const int64_t *prediction_dates(struct prediction *p, int64_t last);
/** What the kernels do not keep of the inputs, for "return"; prediction_fini() ends it. */
enum err prediction_look(struct prediction *p, struct store *s, struct error *e);
void prediction_fini(struct prediction *p);
/** The answer, an output for each input and target. */
void prediction_render(struct prediction *p);

#endif
