/* inspect.h - looking inside of one forecast: a second, plain execution of the network, whose gates and states stay.
 *
 *     context rows ─► pipeline_window ─┬─► network_forward ─► views of its scratch (nn/trace.h) ─► health, correlation
 *                 tokens of a text ────┘
 *
 * The answers themselves come from the inference execution, which keeps none of this; the two agree within 1e-5. This
 * one needs the flat block of weights, and a scratch: what is asked for by name costs that. */
#ifndef GATECAST_MODEL_INSPECT_H
#define GATECAST_MODEL_INSPECT_H

#include "model/nn/trace.h"
#include "model/series/pipeline.h"

/* What may be asked for, as bits. */
enum inspect_what { INSPECT_ATTENTION = 1, INSPECT_GATES = 2, INSPECT_STATES = 4, INSPECT_ALL = 7 };

#define INSPECT_MAX_NUMBERS 500000          /* of one answer */
#define INSPECT_MAX_SCRATCH (64u << 20)     /* numbers that a pass may need */

/* One network over windows of one length, one at a time. */
struct inspector {
	const struct net_spec *net;             /* borrowed, as the next */
	const struct pipeline *pipeline;        /* NULL: texts */
	int T;
	float *x, *y;                           /* [T][inputs], [steps][outputs]: in the network's units */
	struct trace *trace; int traces;        /* views into ws: there before the first pass, of the last one after it */
	float *shares;                          /* [T][T]: where inspect_head() writes; NULL but of a Transformer */
	double *course;                         /* [T]: where inspect_course() writes */
	float *ws;
	double *scratch;
};

/** ERR_INVALID: the pass would need more than INSPECT_MAX_SCRATCH. Free with inspector_free (NULL is fine). */
enum err inspector_new(const struct pipeline *p, const struct net_spec *net, struct inspector **out, struct error *e);
/** Of a network that reads T tokens: the views are the encoder's, for what a decoder does with a text it decides as it
 *  goes on, and not in this pass. */
enum err inspector_new_text(const struct net_spec *net, int T, struct inspector **out, struct error *e);
void inspector_free(struct inspector *i);
/** Which of `what` the network has, as bits. */
unsigned inspect_offers(const struct inspector *i, unsigned what);
/** Numbers that views of `what` hold, the heads of a Transformer with INSPECT_ATTENTION too. */
size_t inspect_numbers(const struct inspector *i, unsigned what);
/** Whether a view is among what is asked for. */
bool inspect_wants(const struct trace_view *v, unsigned what);
/** The pass: params is the flat block, context [pipeline_context][columns] without NaN. Cannot fail. */
void inspect_run(struct inspector *i, const float *params, const double *context);
/** The same of a text: token [T]. */
void inspect_run_text(struct inspector *i, const float *params, const int32_t *token);
/** After it, of a Transformer: shares [T][T] of one head, until the next call. */
const float *inspect_head(struct inspector *i, int layer, int head);

/* How a gate fares over the steps of one sequence. A candidate is judged by its size, a gate by its value. */
struct gate_health {
	double mean;
	double low, high;                       /* shares below 0.1 and above 0.9: nearly shut, nearly open */
	double variation;                       /* deviation over time, the mean of all units */
	int still;                              /* units that move by less than INSPECT_STILL from first to last step */
};
#define INSPECT_STILL 1e-3

void gate_health(const struct trace_view *v, struct gate_health *out);
/** Whether rows of the view are the window's steps, so that they can be held against its channels. */
bool inspect_follows_input(const struct inspector *i, const struct trace_view *v);
/** The mean of the units at each step, into i->course. */
void inspect_course(struct inspector *i, const struct trace_view *v);
/** Pearson's correlation of n numbers with n others that lie `stride` apart: NaN where some never change. */
double correlation(int n, const double *course, const float *x, int stride);

#endif
