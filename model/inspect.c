/* inspect.c - see inspect.h. */
#include "model/inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOW  0.1
#define HIGH 0.9

/* ---- the pass ------------------------------------------------------------ */

static struct network_input input_of(const struct inspector *i)
{
	return (struct network_input){ .T = i->T, .B = 1, .lengths = &i->T, .x = i->x };
}

static bool has_heads(const struct net_spec *net)
{
	return net->encoder == ENCODER_TRANSFORMER;
}

static enum err allocate(struct inspector *i, size_t scratch, struct error *e)
{
	const struct net_spec *net = i->net;
	size_t T = (size_t)i->T, line = 64 / sizeof *i->ws;
	i->x = calloc(T, (size_t)net->inputs * sizeof *i->x);
	i->y = calloc((size_t)net_steps(net, i->T), (size_t)net_outputs(net) * sizeof *i->y);
	i->trace = calloc((size_t)i->traces, sizeof *i->trace);
	i->scratch = calloc(i->pipeline ? pipeline_scratch(i->pipeline) : 1, sizeof *i->scratch);
	i->course = calloc(T, sizeof *i->course);
	i->ws = aligned_alloc(64, (scratch + line) / line * 64);
	i->shares = has_heads(net) ? calloc(T, T * sizeof *i->shares) : NULL;
	if (!i->x || !i->y || !i->trace || !i->scratch || !i->course || !i->ws || (has_heads(net) && !i->shares))
		return fail_nomem(e);
	return ERR_OK;
}

static bool of_encoder(const struct trace_view *v)
{
	return strncmp(v->part, "encoder", 7) == 0;
}

static void keep_encoder(struct trace *t)
{
	int kept = 0;
	for (int k = 0; k < t->n; k++)
		if (of_encoder(&t->view[k]))
			t->view[kept++] = t->view[k];
	t->n = kept;
}

static enum err make(const struct pipeline *p, const struct net_spec *net, int T, struct inspector **out,
                     struct error *e)
{
	enum err rc = ERR_OK;
	size_t scratch = network_scratch(net, T, 1), squares = (size_t)T * (size_t)T;
	if (scratch + (has_heads(net) ? squares : 0) > INSPECT_MAX_SCRATCH)
		return fail(e, ERR_INVALID, "/parameters/return",
		            "to look inside of this model takes a scratch of more than %u numbers", INSPECT_MAX_SCRATCH);
	struct inspector *i = calloc(1, sizeof *i);
	if (!i)
		return fail_nomem(e);
	i->net = net;
	i->pipeline = p;
	i->T = T;
	i->traces = network_traces(net);
	rc = allocate(i, scratch, e);
	if (rc)
		goto done;
	struct network_input in = input_of(i);
	for (int k = 0; k < i->traces; k++)
		network_trace(net, &in, i->ws, k, &i->trace[k]);
	*out = i;
done:
	if (rc)
		inspector_free(i);
	return rc;
}

enum err inspector_new(const struct pipeline *p, const struct net_spec *net, struct inspector **out, struct error *e)
{
	return make(p, net, p->window, out, e);
}

enum err inspector_new_text(const struct net_spec *net, int T, struct inspector **out, struct error *e)
{
	enum err rc = make(NULL, net, T, out, e);
	for (int k = 0; !rc && k < (*out)->traces; k++)
		keep_encoder(&(*out)->trace[k]);
	return rc;
}

void inspector_free(struct inspector *i)
{
	if (!i)
		return;
	free(i->x);
	free(i->y);
	free(i->trace);
	free(i->shares);
	free(i->course);
	free(i->ws);
	free(i->scratch);
	free(i);
}

static void forward(struct inspector *i, const float *params)
{
	struct network_input in = input_of(i);
	network_forward(i->net, params, &in, &(struct network_output){ .y = i->y }, i->ws);
}

void inspect_run(struct inspector *i, const float *params, const double *context)
{
	struct anchor anchor;
	pipeline_window(i->pipeline, context, i->scratch, i->x, &anchor);
	forward(i, params);
}

void inspect_run_text(struct inspector *i, const float *params, const int32_t *token)
{
	for (int t = 0; t < i->T; t++)
		i->x[t] = (float)token[t];
	forward(i, params);
}

const float *inspect_head(struct inspector *i, int layer, int head)
{
	struct network_input in = input_of(i);
	network_head(i->net, &in, i->ws, layer, head, i->shares);
	return i->shares;
}

/* ---- what there is -------------------------------------------------------- */

static unsigned kind_of(enum trace_kind kind)
{
	switch (kind) {
	case TRACE_GATE:
	case TRACE_CANDIDATE:
		return INSPECT_GATES;
	case TRACE_STATE:
	case TRACE_MEMORY:
		return INSPECT_STATES;
	case TRACE_ATTENTION:
		break;
	}
	return INSPECT_ATTENTION;
}

bool inspect_wants(const struct trace_view *v, unsigned what)
{
	return kind_of(v->kind) & what;
}

unsigned inspect_offers(const struct inspector *i, unsigned what)
{
	unsigned found = has_heads(i->net) ? INSPECT_ATTENTION : 0;
	for (int k = 0; k < i->trace[0].n; k++)     /* every channel's trace is like the first's */
		found |= kind_of(i->trace[0].view[k].kind);
	return found & what;
}

size_t inspect_numbers(const struct inspector *i, unsigned what)
{
	size_t n = 0, T = (size_t)i->T;
	for (int k = 0; k < i->trace[0].n; k++) {
		const struct trace_view *v = &i->trace[0].view[k];
		if (inspect_wants(v, what))
			n += (size_t)v->steps * (size_t)v->units;
	}
	n *= (size_t)i->traces;
	if (has_heads(i->net) && what & INSPECT_ATTENTION)
		n += (size_t)i->net->layers * (size_t)i->net->heads * T * T;
	return n;
}

/* A segment is not a step: its channels were cut up. */
bool inspect_follows_input(const struct inspector *i, const struct trace_view *v)
{
	return !i->net->vocabulary && i->traces == 1 && v->steps == i->T && of_encoder(v);
}

/* ---- health --------------------------------------------------------------- */

/* Mean and deviation of one unit over the steps; its range goes into *range. */
static double unit_deviation(const struct trace_view *v, int unit, double *range)
{
	double sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
	for (int t = 0; t < v->steps; t++) {
		double value = (double)trace_row(v, t)[unit];
		sum += value;
		least = fmin(least, value);
		most = fmax(most, value);
	}
	for (int t = 0; t < v->steps; t++) {
		double d = (double)trace_row(v, t)[unit] - sum / v->steps;
		squares += d * d;
	}
	*range = most - least;
	return sqrt(squares / v->steps);
}

void gate_health(const struct trace_view *v, struct gate_health *out)
{
	struct gate_health h = { 0 };
	double n = (double)v->steps * v->units;
	for (int t = 0; t < v->steps; t++) {
		const real *row = trace_row(v, t);
		for (int u = 0; u < v->units; u++) {
			double value = (double)row[u], size = fabs(value);
			h.mean += value / n;
			h.low += size < LOW;
			h.high += size > HIGH;
		}
	}
	h.low /= n;
	h.high /= n;
	for (int u = 0; u < v->units; u++) {
		double range;
		h.variation += unit_deviation(v, u, &range) / v->units;
		h.still += range < INSPECT_STILL;
	}
	*out = h;
}

void inspect_course(struct inspector *i, const struct trace_view *v)
{
	for (int t = 0; t < v->steps; t++) {
		double sum = 0;
		for (int u = 0; u < v->units; u++)
			sum += (double)trace_row(v, t)[u];
		i->course[t] = sum / v->units;
	}
}

double correlation(int n, const double *course, const float *x, int stride)
{
	double mean_c = 0, mean_x = 0, products = 0, squares_c = 0, squares_x = 0;
	bool moves_c = false, moves_x = false;
	for (int t = 0; t < n; t++) {
		mean_c += course[t] / n;
		mean_x += (double)x[(size_t)t * (size_t)stride] / n;
		moves_c |= course[t] != course[0];
		moves_x |= x[(size_t)t * (size_t)stride] != x[0];
	}
	if (!moves_c || !moves_x)
		return NAN;
	for (int t = 0; t < n; t++) {
		double c = course[t] - mean_c, d = (double)x[(size_t)t * (size_t)stride] - mean_x;
		products += c * d;
		squares_c += c * c;
		squares_x += d * d;
	}
	return products / sqrt(squares_c * squares_x);
}
