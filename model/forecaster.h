/* forecaster.h - a trained model of numbers ready to answer: pipeline, packed network, calibration.
 *
 *     context rows ─► pipeline_window ─► infer_run ─► decode, intervals ─► own units
 *
 * An autoencoder is one whose steps are the window's own: what it gives is the window as it knows it, and its
 * calibration the errors of that in units of the training part's deviation, so the same error means the same
 * everywhere.
 *
 * Immutable after creation; the owner counts references (server/registry). */
#ifndef GATECAST_MODEL_FORECASTER_H
#define GATECAST_MODEL_FORECASTER_H

#include "model/infer/infer.h"
#include "model/series/calendar.h"
#include "model/series/conformal.h"
#include "model/series/pipeline.h"

struct forecaster {
	struct pipeline pipeline;
	struct net_spec net;
	struct frequency frequency;
	double level[NET_MAX_LEVELS];     /* of a quantile network; a point has none */
	struct infer_model *infer;
	struct conformal *conformal;      /* may be NULL: no intervals */
};

/** Takes conformal (also on failure); copies the rest. params: flat block of net; o: of infer_model_new. */
enum err forecaster_new(const struct pipeline *p, const struct net_spec *net, const double *levels,
                        struct frequency frequency, const float *params, const struct infer_options *o,
                        struct conformal *conformal, struct forecaster **out, struct error *e);
void forecaster_free(struct forecaster *f);
size_t forecaster_bytes(const struct forecaster *f);
/** Steps of an answer: the horizon, or of an autoencoder the window. */
static inline int forecaster_steps(const struct forecaster *f) { return net_steps(&f->net, f->pipeline.window); }

/** Whether it can read a series piece by piece, each going on from the state behind the one before, so that a forecast
 *  has seen all of it: a recurrent encoder of one direction whose last state alone is read, behind a pointwise
 *  pipeline. Else ERR_INVALID says what is in the way, where = "". */
enum err forecaster_carries(const struct forecaster *f, struct error *e);

/* One series to forecast. Pointers are borrowed. */
struct forecast {
	const double *context;   /* [pipeline_context][columns], NaN filled already; with a state [window][columns] */
	float *state;            /* where forecaster_carries(): net_state_size() numbers, behind the rows before, zeros at
	                          * first; becomes that behind these. NULL: a context is read from its beginning */
	int window;              /* the network reads the last so many steps of the window: 1 …; 0: all, an autoencoder's
	                          * only choice */
	float *attention;        /* [horizon][steps read] or NULL */
	double *mean;            /* [targets][steps], own units; steps: forecaster_steps() */
	int quantiles;           /* 0 … */
	const double *quantile_level;   /* each in (0, 1) */
	double *quantile;        /* [quantiles][targets][steps]; +-INFINITY where the calibration is too small */
	bool finite;             /* written: false when the network's output was not finite */
};

struct forecast_ws;   /* one thread's workspace */
enum err forecast_ws_new(int max_rows, struct forecast_ws **out, struct error *e);
void forecast_ws_free(struct forecast_ws *w);
/** Grow for this model; rarely. */
enum err forecast_ws_reserve(struct forecast_ws *w, const struct forecaster *f, struct error *e);
/** n <= max_rows forecasts of one model after a reserve. Allocates nothing, cannot fail. */
void forecaster_run(const struct forecaster *f, struct forecast_ws *w, struct forecast *const *jobs, int n);

/** Steps that the network reads for a job. */
static inline int forecast_window(const struct forecaster *f, const struct forecast *job)
{
	return job->window ? job->window : f->pipeline.window;
}

/* Forecasts that come and go one by one, up to INFER_FLIGHTS at a time; the same bits. For models that fly. */
static inline bool forecaster_flies(const struct forecaster *f) { return infer_flies(f->infer); }
/** Make room for flights; none may be in the air. max_rows of w: at least INFER_FLIGHTS. */
enum err forecast_ws_reserve_flights(struct forecast_ws *w, const struct forecaster *f, struct error *e);
/** Begin a forecast; returns its number, its own until it landed. Reads the job now and again as it lands. */
int forecaster_begin(const struct forecaster *f, struct forecast_ws *w, const struct forecast *job);
/** Forget it. */
void forecaster_drop(struct forecast_ws *w, int number);
/** Some steps of some forecasts, at least one is in the air. The numbers of those that landed are written, how many
 *  they are is returned; forecaster_decode() with the number as row gives the answer, before the next begins. */
int forecaster_tick(struct forecast_ws *w, int landed[INFER_FLIGHTS]);

/* The halves of forecaster_run, for calibration: the network on the jobs' contexts, then what it said. A row is the job's
 * place in the call. */
void forecaster_network(const struct forecaster *f, struct forecast_ws *w, struct forecast *const *jobs, int n);
const struct anchor *forecaster_anchor(const struct forecast_ws *w, int row);
/** Levels [net.levels] of a step in network units: rising, the middle one shrunk by target[].shrink, the others with it. */
void forecaster_levels(const struct forecaster *f, const struct forecast_ws *w, int row, int target, int h, double *out);
void forecaster_decode(const struct forecaster *f, const struct forecast_ws *w, int row, struct forecast *job);

#endif
