/* encode.c - the encoder and the batch norm behind it, and what decoders ask of their states. */
#include <string.h>

#include "model/infer/group.h"

/* Where the h or, with `memory`, the c of a direction lies in a sequence's start and final states. */
static size_t state_at(const struct net_spec *s, int layer, int direction, bool memory)
{
	return ((size_t)(memory ? s->layers : 0) + layer) * net_width(s) + (size_t)direction * s->hidden;
}

struct pass pass_of(const struct group *g, const struct infer_model *m, int number)
{
	const int layer = number / net_directions(&m->spec), direction = number % net_directions(&m->spec);
	const size_t unit = direction ? (size_t)m->spec.hidden : 0, width = (size_t)m->width;

	return (struct pass){
		.layer = layer, .direction = direction, .from_end = direction || m->spec.reverse, .unit = unit,
		.states = g->states[layer % 2] + unit, .c = g->c + unit,
		.x = layer ? g->states[(layer - 1) % 2] + width : g->x,
		.x_stride = layer ? g->state_stride : g->x_stride, .x_step = layer ? width : g->x_step,
	};
}

/* The states before the first step: zeros, or the caller's with zeros behind them. */
void pass_begin(const struct group *g, const struct infer_model *m, const struct pass *p)
{
	const size_t width = (size_t)m->width, units = (size_t)m->spec.hidden;

	for (int r = 0; r < g->rows; r++) {
		const struct row *row = &g->row[r];
		const size_t slot = p->from_end ? (size_t)row->T + 1 : 0;
		float *h = p->states + r * g->state_stride + slot * width, *c = p->c + r * width;

		memset(h, 0, (width - p->unit) * sizeof *h);
		memset(c, 0, (width - p->unit) * sizeof *c);
		if (!row->start)
			continue;
		memcpy(h, row->start + state_at(&m->spec, p->layer, p->direction, false), units * sizeof *h);
		if (net_has_memory(&m->spec))
			memcpy(c, row->start + state_at(&m->spec, p->layer, p->direction, true), units * sizeof *c);
	}
}

/* All steps: the output of step t goes to slot t + 1. */
static void pass_run(const struct group *g, const struct infer_model *m, const struct pass *p)
{
	const size_t width = (size_t)m->width;
	const int T = g->row[0].T;
	struct cell_step s = {
		.x_stride = p->x_stride, .h_stride = g->state_stride,
		.out_stride = g->state_stride, .c = p->c, .c_stride = width, .z = g->z, .rh = g->rh,
	};

	for (int i = 0; i < T; i++) {
		const int t = p->from_end ? T - 1 - i : i;
		s.rows = active_rows(g, t);
		s.x = p->x + (size_t)t * p->x_step;
		s.h = p->states + (size_t)(p->from_end ? t + 2 : t) * width;
		s.out = p->states + (size_t)(t + 1) * width;
		s.backward = i % 2;
		kernels_step(m->kernels, &m->encoder[p->layer][p->direction], &s);
	}
}

/* Give the states behind the last step to those who want them. */
void pass_end(const struct group *g, const struct infer_model *m, const struct pass *p)
{
	const size_t width = (size_t)m->width, units = (size_t)m->spec.hidden;

	for (int r = 0; r < g->rows; r++) {
		const struct row *row = &g->row[r];
		const size_t slot = p->from_end ? 1 : (size_t)row->T;

		if (!row->final)
			continue;
		memcpy(row->final + state_at(&m->spec, p->layer, p->direction, false),
		       p->states + r * g->state_stride + slot * width, units * sizeof *p->states);
		if (net_has_memory(&m->spec))
			memcpy(row->final + state_at(&m->spec, p->layer, p->direction, true), p->c + r * width,
			       units * sizeof *p->c);
	}
}

/* The slots of two directions are cleared first: the dot score reads lanes behind the backward units that nobody
 * writes. */
void recurrent_begin(const struct group *g, const struct infer_model *m)
{
	if (!m->spec.bidirectional)
		return;
	for (int i = 0; i < 2 && i < m->spec.layers; i++)
		for (int r = 0; r < g->rows; r++)
			memset(g->states[i] + r * g->state_stride, 0,
			       ((size_t)g->row[r].T + 2) * m->width * sizeof *g->states[i]);
}

static void encode_recurrent(const struct group *g, const struct infer_model *m)
{
	recurrent_begin(g, m);
	for (int number = 0; number < net_passes(&m->spec); number++) {
		const struct pass p = pass_of(g, m, number);
		pass_begin(g, m, &p);
		pass_run(g, m, &p);
		pass_end(g, m, &p);
	}
}

static void encode_transformer(const struct group *g, const struct infer_model *m)
{
	for (int r = 0; r < g->rows; r++)
		transformer_run(&m->transformer, m->kernels, g->row[r].T, g->x + r * g->x_stride, top_states(g, m, r),
		                &g->scratch);
}

/* Batch norm with the statistics of training is a multiply-add a unit. */
void normalise(const struct group *g, const struct infer_model *m)
{
	const size_t width = (size_t)m->width;

	for (int r = 0; m->spec.batch_norm && r < g->rows; r++) {
		float *states = top_states(g, m, r);
		for (int t = 0; t < g->row[r].T; t++, states += width)
			for (size_t u = 0; u < width; u++)
				states[u] = states[u] * m->norm_scale[u] + m->norm_shift[u];
	}
}

void encode(const struct group *g, const struct infer_model *m)
{
	if (m->spec.encoder == ENCODER_TRANSFORMER)
		encode_transformer(g, m);
	else
		encode_recurrent(g, m);
	normalise(g, m);
}

void final_states(const struct group *g, const struct infer_model *m, float *h)
{
	const size_t width = (size_t)m->width, units = (size_t)m->spec.hidden;

	for (int r = 0; r < g->rows; r++, h += width) {
		const float *first = top_states(g, m, r), *last = first + (size_t)(g->row[r].T - 1) * width;
		memcpy(h, m->spec.reverse ? first : last, width * sizeof *h);
		if (m->spec.bidirectional)
			memcpy(h + units, first + units, units * sizeof *h);
	}
}

void mean_states(const struct group *g, const struct infer_model *m, float *h)
{
	const size_t width = (size_t)m->width;

	for (int r = 0; r < g->rows; r++, h += width) {
		const float *states = top_states(g, m, r);
		const int T = g->row[r].T;
		memcpy(h, states, width * sizeof *h);
		for (int t = 1; t < T; t++)
			for (size_t u = 0; u < width; u++)
				h[u] += states[t * width + u];
		for (size_t u = 0; u < width; u++)
			h[u] /= (float)T;
	}
}

void state_keys(const struct group *g, const struct infer_model *m)
{
	for (int r = 0; r < g->rows; r++)
		m->kernels->linear(&m->key, g->row[r].T, top_states(g, m, r), (size_t)m->width,
		                   g->keys + r * g->key_stride, (size_t)m->attention);
}

void attend_states(const struct group *g, const struct infer_model *m, const struct row *row, const float *query,
                   float *context)
{
	const float *states = top_states(g, m, row->source);

	m->kernels->attend(&(struct attend){
		.T = row->T, .attention = m->attention, .hidden = m->width, .query = query,
		.keys = net_additive(&m->spec) ? g->keys + row->source * g->key_stride : states,
		.key_stride = (size_t)m->attention, .v = m->v, .scale = m->dot_scale,
		.states = states, .state_stride = (size_t)m->width, .weights = g->weights, .context = context,
	});
}
