/* run.c - a network over the sequences of one call.
 *
 * Sequences are ordered by falling length and carried through the whole
 * network in groups of KERNEL_ROWS, so that a group's states stay near:
 *
 *     step      0  1  2  3  4  5  6
 *     row 0     ■  ■  ■  ■  ■  ■  ■       a step's active rows are a prefix:
 *     row 1     ■  ■  ■  ■  ■             7 rows at step 0, 1 row at step 6,
 *     row 2     ■  ■                      nothing is padded
 *
 * then, all rows together (each has a last state), a decoder step per horizon:
 * query, attention over the row's own steps, cell, output. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/infer/model.h"

/* Sizes below are products of limits of spec.h and an int: they fit in 64 bits by far. */
_Static_assert(sizeof(size_t) >= 8, "sizes of a workspace are computed without overflow checks");

#define ALIGNMENT  64
#define LINE       (ALIGNMENT / sizeof(float))

struct infer_ws {
	int max_rows;
	int *order;          /* [max_rows] of the call's sequences, by falling length */
	float *block;        /* a group's arrays */
	size_t floats;
};

/* A group of rows and its arrays in the workspace. A row's stride is given
 * one line more than it needs: rows at multiples of 4 KiB would meet in the same cache sets. */
struct group {
	const struct infer_sequence *seq[KERNEL_ROWS];
	int rows;
	float *x;            size_t x_stride;       /* [row][T][inputs] */
	float *states[2];    size_t state_stride;   /* [row][T + 1][hidden], layers take turns */
	float *keys;         size_t key_stride;     /* [row][T][attention] */
	float *query;                               /* [row][attention] */
	float *input;        size_t input_stride;   /* [row][context, previous] */
	float *h[2];                                /* [row][hidden] the decoder's, steps take turns */
	float *z, *rh;                              /* [row][hidden] */
	float *y;                                   /* [row][outputs] */
	float *weights;                             /* [T] of one row */
};

enum err infer_ws_new(int max_rows, struct infer_ws **out, struct error *e)
{
	assert(max_rows > 0);
	struct infer_ws *w = calloc(1, sizeof *w);

	if (!w)
		return fail_nomem(e);
	w->max_rows = max_rows;
	w->order = calloc((size_t)max_rows, sizeof *w->order);
	if (!w->order) {
		infer_ws_free(w);
		return fail_nomem(e);
	}
	*out = w;
	return ERR_OK;
}

void infer_ws_free(struct infer_ws *w)
{
	if (!w)
		return;
	free(w->block);
	free(w->order);
	free(w);
}

/* The next n floats of the block, on a line of their own; NULL while the block is only being measured. */
static float *carve(float *block, size_t *used, size_t n)
{
	float *at = block ? block + *used : NULL;

	*used += (n + LINE - 1) / LINE * LINE;
	return at;
}

/* Lay out the arrays of a group whose longest row has T steps; returns the floats they take. */
static size_t group_layout(struct group *g, const struct infer_model *m, size_t T, float *block)
{
	const size_t hidden = (size_t)m->hidden, rows = KERNEL_ROWS;
	size_t used = 0;

	g->x_stride = T * (size_t)m->spec.inputs + LINE;
	g->state_stride = (T + 1) * hidden + LINE;
	g->key_stride = T * (size_t)m->attention + LINE;
	g->input_stride = hidden + (size_t)kernels_pad(m->spec.targets) + LINE;
	g->x = carve(block, &used, rows * g->x_stride);
	for (int i = 0; i < 2; i++)
		g->states[i] = carve(block, &used, i < m->spec.layers ? rows * g->state_stride : 0);
	g->keys = carve(block, &used, rows * g->key_stride);
	g->query = carve(block, &used, rows * (size_t)m->attention);
	g->input = carve(block, &used, rows * g->input_stride);
	for (int i = 0; i < 2; i++)
		g->h[i] = carve(block, &used, rows * hidden);
	g->z = carve(block, &used, rows * hidden);
	g->rh = carve(block, &used, rows * hidden);
	g->y = carve(block, &used, rows * (size_t)m->outputs);
	g->weights = carve(block, &used, T + KERNEL_UNITS);
	return used;
}

enum err infer_ws_reserve(struct infer_ws *w, const struct infer_model *m, int max_T, struct error *e)
{
	struct group g;
	const size_t floats = group_layout(&g, m, (size_t)max_T, NULL);

	if (floats <= w->floats)
		return ERR_OK;
	float *block = aligned_alloc(ALIGNMENT, floats * sizeof *block);
	if (!block)
		return fail_nomem(e);
	free(w->block);
	w->block = block;
	w->floats = floats;
	return ERR_OK;
}

/* Insertion sort: n is small, and callers that batch by length give it sorted. */
static void order_by_length(int *order, const struct infer_sequence *seq, int n)
{
	for (int i = 0; i < n; i++) {
		int at = i;
		for (; at > 0 && seq[order[at - 1]].T < seq[i].T; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

/* The input rows side by side at one stride, and the zero states that every layer starts from. */
static void group_load(struct group *g, const struct infer_model *m)
{
	for (int r = 0; r < g->rows; r++) {
		memcpy(g->x + r * g->x_stride, g->seq[r]->x,
		       (size_t)g->seq[r]->T * m->spec.inputs * sizeof *g->x);
		for (int i = 0; i < 2 && i < m->spec.layers; i++)
			memset(g->states[i] + r * g->state_stride, 0, (size_t)m->hidden * sizeof *g->x);
	}
}

/* One layer over all steps. state t + 1 is the output of step t; state 0 is zero. */
static void encode_layer(const struct group *g, const struct infer_model *m, int layer)
{
	const size_t hidden = (size_t)m->hidden, in = layer ? hidden : (size_t)m->spec.inputs;
	float *states = g->states[layer % 2];
	const float *x = layer ? g->states[(layer - 1) % 2] + hidden : g->x;
	struct gru_step s = {
		.rows = g->rows, .x_stride = layer ? g->state_stride : g->x_stride, .h_stride = g->state_stride,
		.out_stride = g->state_stride, .z = g->z, .rh = g->rh,
	};

	for (int t = 0; t < g->seq[0]->T; t++) {
		while (g->seq[s.rows - 1]->T <= t)
			s.rows--;
		s.x = x + (size_t)t * in;
		s.h = states + (size_t)t * hidden;
		s.out = states + (size_t)(t + 1) * hidden;
		s.backward = t % 2;
		m->kernels->gru(&m->encoder[layer], &s);
	}
}

static const float *top_states(const struct group *g, const struct infer_model *m, int row)
{
	return g->states[(m->spec.layers - 1) % 2] + row * g->state_stride + m->hidden;
}

/* Keys of every state, the decoder's first state (each row's last), and no value before the first. */
static void decode_begin(const struct group *g, const struct infer_model *m)
{
	const size_t hidden = (size_t)m->hidden, attention = (size_t)m->attention;

	memset(g->y, 0, (size_t)g->rows * m->outputs * sizeof *g->y);
	for (int r = 0; r < g->rows; r++) {
		const float *states = top_states(g, m, r);
		const int T = g->seq[r]->T;
		m->kernels->linear(&m->key, T, states, hidden, g->keys + r * g->key_stride, attention);
		memcpy(g->h[0] + r * hidden, states + (T - 1) * hidden, hidden * sizeof *states);
	}
}

/* Attention's weights and context of a row, and what the cell reads: the context and the values of the step before. */
static void decode_attend(const struct group *g, const struct infer_model *m, int row, int step)
{
	const struct infer_sequence *seq = g->seq[row];
	float *input = g->input + row * g->input_stride;
	const struct attend a = {
		.T = seq->T, .attention = m->attention, .hidden = m->hidden,
		.query = g->query + (size_t)row * m->attention, .keys = g->keys + row * g->key_stride, .v = m->v,
		.states = top_states(g, m, row), .weights = g->weights, .context = input,
	};

	m->kernels->attend(&a);
	if (seq->attention)
		memcpy(seq->attention + (size_t)step * seq->T, g->weights, (size_t)seq->T * sizeof *g->weights);
	if (m->spec.decoder_input != DECODER_CONTEXT_PREVIOUS)
		return;
	const float *y = g->y + (size_t)row * m->outputs + m->spec.median_level;
	float *previous = input + m->spec.hidden;   /* over the context's padding */
	for (int target = 0; target < m->spec.targets; target++)
		previous[target] = y[(size_t)target * m->spec.levels];
}

static void decode(const struct group *g, const struct infer_model *m)
{
	const struct kernels *k = m->kernels;
	const size_t hidden = (size_t)m->hidden, outputs = (size_t)net_outputs(&m->spec);

	decode_begin(g, m);
	for (int step = 0; step < m->spec.horizon; step++) {
		float *h = g->h[step % 2], *next = g->h[(step + 1) % 2];

		k->linear(&m->query, g->rows, h, hidden, g->query, (size_t)m->attention);
		for (int r = 0; r < g->rows; r++)
			decode_attend(g, m, r, step);
		k->gru(&m->cell, &(struct gru_step){
			.rows = g->rows, .x = g->input, .x_stride = g->input_stride, .h = h, .h_stride = hidden,
			.out = next, .out_stride = hidden, .z = g->z, .rh = g->rh, .backward = step % 2,
		});
		k->linear(&m->output, g->rows, next, hidden, g->y, (size_t)m->outputs);
		for (int r = 0; r < g->rows; r++)
			memcpy(g->seq[r]->y + (size_t)step * outputs, g->y + (size_t)r * m->outputs,
			       outputs * sizeof *g->y);
	}
}

void infer_run(const struct infer_model *m, struct infer_ws *w, const struct infer_sequence *seq, int n)
{
	assert(n <= w->max_rows);
	order_by_length(w->order, seq, n);
	for (int first = 0; first < n; first += KERNEL_ROWS) {
		struct group g = { .rows = n - first < KERNEL_ROWS ? n - first : KERNEL_ROWS };
		for (int r = 0; r < g.rows; r++)
			g.seq[r] = &seq[w->order[first + r]];
		const size_t floats = group_layout(&g, m, (size_t)g.seq[0]->T, w->block);
		assert(floats <= w->floats);
		(void)floats;
		group_load(&g, m);
		for (int layer = 0; layer < m->spec.layers; layer++)
			encode_layer(&g, m, layer);
		decode(&g, m);
	}
}
