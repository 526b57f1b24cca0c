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
 * then, all rows together (each has its final states), either a decoder step
 * per horizon: query, attention over the row's own steps, cell, output; or one
 * product for all steps, of the final states or the mean.
 *
 * A row's states are slots of both directions' units side by side, a zero slot
 * wherever a direction begins. The forward direction runs first: its padding
 * lies where the backward units come.
 *
 *     slot      0        1                       T        T + 1 (bidirectional)
 *             | zero   | forward backward | … | … …    | zero   |
 *     forward   start ──► step 0 ──► …           step T - 1
 *     backward           step 0 …           ◄── step T - 1 ◄── start */
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
	float *states[2];    size_t state_stride;   /* [row][slot][width], layers take turns */
	float *c;                                   /* [row][width] an LSTM's: a layer's, then the decoder's */
	float *keys;         size_t key_stride;     /* [row][T][attention], additive score */
	float *query;                               /* [row][attention], additive score */
	float *input;        size_t input_stride;   /* [row][context, previous] */
	float *h[2];                                /* [row][width] the decoder's, steps take turns; or [0], a head's */
	float *z, *rh;                              /* [row][width] */
	float *y;                                   /* [row][outputs] */
	float *weights;                             /* [T] of one row */
	struct transformer_scratch scratch;         /* of one row; shares weights */
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

static void scratch_layout(struct transformer_scratch *s, const struct transformer *t, size_t T, float *weights,
                           float *block, size_t *used)
{
	const size_t part = (size_t)t->heads * t->head;

	s->qkv = carve(block, used, T * 3 * part);
	s->mixed = carve(block, used, T * part);
	s->narrow = carve(block, used, T * (size_t)t->width);
	s->wide = carve(block, used, TRANSFORMER_STEPS * (size_t)t->feedforward);
	s->weights = weights;
}

/* Lay out the arrays of a group whose longest row has T steps; returns the floats they take. */
static size_t group_layout(struct group *g, const struct infer_model *m, size_t T, float *block)
{
	const size_t width = (size_t)m->width, rows = KERNEL_ROWS;
	const size_t slots = T + (size_t)net_directions(&m->spec);
	size_t used = 0;

	g->x_stride = T * (size_t)m->spec.inputs + LINE;
	g->state_stride = slots * width + LINE;
	g->key_stride = net_additive(&m->spec) ? T * (size_t)m->attention + LINE : 0;
	g->input_stride = width + (size_t)kernels_pad(m->spec.targets) + LINE;
	g->x = carve(block, &used, rows * g->x_stride);
	for (int i = 0; i < 2; i++)
		g->states[i] = carve(block, &used, i < m->spec.layers ? rows * g->state_stride : 0);
	g->c = carve(block, &used, rows * width);
	g->keys = carve(block, &used, rows * g->key_stride);
	g->query = carve(block, &used, rows * (size_t)m->attention);
	g->input = carve(block, &used, rows * g->input_stride);
	for (int i = 0; i < 2; i++)
		g->h[i] = carve(block, &used, rows * width);
	g->z = carve(block, &used, rows * width);
	g->rh = carve(block, &used, rows * width);
	g->y = carve(block, &used, rows * (size_t)m->outputs);
	g->weights = carve(block, &used, T + KERNEL_UNITS);
	if (m->spec.encoder == ENCODER_TRANSFORMER)
		scratch_layout(&g->scratch, &m->transformer, T, g->weights, block, &used);
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

/* The input rows side by side at one stride, and the zero states that every layer starts from. Slots of two
 * directions are cleared whole: the dot score reads lanes behind the backward units that nobody writes. */
static void group_load(struct group *g, const struct infer_model *m)
{
	for (int r = 0; r < g->rows; r++) {
		const size_t T = (size_t)g->seq[r]->T, cleared = m->spec.bidirectional ? T + 2 : 1;

		memcpy(g->x + r * g->x_stride, g->seq[r]->x, T * m->spec.inputs * sizeof *g->x);
		for (int i = 0; i < 2 && i < m->spec.layers; i++)
			memset(g->states[i] + r * g->state_stride, 0, cleared * m->width * sizeof *g->x);
	}
}

/* Rows that have a step t. */
static int active_rows(const struct group *g, int t)
{
	int rows = g->rows;

	while (g->seq[rows - 1]->T <= t)
		rows--;
	return rows;
}

/* One direction of a layer over all steps: the output of step t goes to slot t + 1. */
static void encode_direction(const struct group *g, const struct infer_model *m, int layer, bool reverse)
{
	const size_t width = (size_t)m->width, in = layer ? width : (size_t)m->spec.inputs;
	const size_t unit = reverse ? (size_t)m->spec.hidden : 0;
	const float *x = layer ? g->states[(layer - 1) % 2] + width : g->x;
	float *states = g->states[layer % 2] + unit;
	const int T = g->seq[0]->T;
	struct cell_step s = {
		.x_stride = layer ? g->state_stride : g->x_stride, .h_stride = g->state_stride,
		.out_stride = g->state_stride, .c = g->c + unit, .c_stride = width, .z = g->z, .rh = g->rh,
	};

	for (int r = 0; r < g->rows; r++)
		memset(s.c + r * width, 0, (width - unit) * sizeof *s.c);
	for (int i = 0; i < T; i++) {
		const int t = reverse ? T - 1 - i : i;
		s.rows = active_rows(g, t);
		s.x = x + (size_t)t * in;
		s.h = states + (size_t)(reverse ? t + 2 : t) * width;
		s.out = states + (size_t)(t + 1) * width;
		s.backward = i % 2;
		kernels_step(m->kernels, &m->encoder[layer][reverse], &s);
	}
}

static void encode_recurrent(const struct group *g, const struct infer_model *m)
{
	for (int layer = 0; layer < m->spec.layers; layer++)
		for (int d = 0; d < net_directions(&m->spec); d++)
			encode_direction(g, m, layer, d);
}

/* What the top layer yields for the row, from step 0 on. */
static float *top_states(const struct group *g, const struct infer_model *m, int row)
{
	return g->states[(m->spec.layers - 1) % 2] + row * g->state_stride + m->width;
}

static void encode(const struct group *g, const struct infer_model *m)
{
	if (m->spec.encoder != ENCODER_TRANSFORMER) {
		encode_recurrent(g, m);
		return;
	}
	for (int r = 0; r < g->rows; r++)
		transformer_run(&m->transformer, m->kernels, g->seq[r]->T, g->x + r * g->x_stride, top_states(g, m, r),
		                &g->scratch);
}

/* h[0] of the row: the forward units of its last step, the backward units of its first. */
static void final_states(const struct group *g, const struct infer_model *m, int row)
{
	const float *states = top_states(g, m, row);
	float *h = g->h[0] + row * (size_t)m->width;

	memcpy(h, states + (size_t)(g->seq[row]->T - 1) * m->width, (size_t)m->width * sizeof *h);
	if (m->spec.bidirectional)
		memcpy(h + m->spec.hidden, states + m->spec.hidden, (size_t)m->spec.hidden * sizeof *h);
}

/* h[0] of the row: the mean over its steps. */
static void mean_states(const struct group *g, const struct infer_model *m, int row)
{
	const size_t width = (size_t)m->width;
	const float *states = top_states(g, m, row);
	const int T = g->seq[row]->T;
	float *h = g->h[0] + row * width;

	memcpy(h, states, width * sizeof *h);
	for (int t = 1; t < T; t++)
		for (size_t u = 0; u < width; u++)
			h[u] += states[t * width + u];
	for (size_t u = 0; u < width; u++)
		h[u] /= (float)T;
}

/* h[0] of the row, where the decoder begins. */
static void first_state(const struct group *g, const struct infer_model *m, int row)
{
	if (m->spec.encoder == ENCODER_TRANSFORMER)
		mean_states(g, m, row);
	else
		final_states(g, m, row);
}

/* The first n outputs of every row into its answer, from number `at` on. */
static void answer(const struct group *g, const struct infer_model *m, size_t at)
{
	const size_t n = (size_t)net_head_rows(&m->spec);

	for (int r = 0; r < g->rows; r++)
		memcpy(g->seq[r]->y + at, g->y + (size_t)r * m->outputs, n * sizeof *g->y);
}

/* Keys of every state (the dot score's are the states), the decoder's first state, and no value before the first.
 * The dot score reads lanes of a decoder's state behind those that its cell writes: they are cleared. */
static void decode_begin(const struct group *g, const struct infer_model *m)
{
	memset(g->y, 0, (size_t)g->rows * m->outputs * sizeof *g->y);
	memset(g->h[1], 0, (size_t)g->rows * m->width * sizeof *g->y);
	for (int r = 0; r < g->rows; r++) {
		first_state(g, m, r);
		if (net_additive(&m->spec))
			m->kernels->linear(&m->key, g->seq[r]->T, top_states(g, m, r), (size_t)m->width,
			                   g->keys + r * g->key_stride, (size_t)m->attention);
	}
}

/* The rows' queries [row][attention] of the decoder's states h. */
static const float *decode_query(const struct group *g, const struct infer_model *m, const float *h)
{
	if (!net_additive(&m->spec))
		return h;
	m->kernels->linear(&m->query, g->rows, h, (size_t)m->width, g->query, (size_t)m->attention);
	return g->query;
}

/* Attention's weights and context of a row, and what the cell reads: the context and the values of the step before. */
static void decode_attend(const struct group *g, const struct infer_model *m, const float *query, int row, int step)
{
	const struct infer_sequence *seq = g->seq[row];
	const float *states = top_states(g, m, row);
	float *input = g->input + row * g->input_stride;
	const struct attend a = {
		.T = seq->T, .attention = m->attention, .hidden = m->width,
		.query = query + (size_t)row * m->attention,
		.keys = net_additive(&m->spec) ? g->keys + row * g->key_stride : states,
		.key_stride = (size_t)m->attention, .v = m->v, .scale = m->dot_scale,
		.states = states, .state_stride = (size_t)m->width, .weights = g->weights, .context = input,
	};

	m->kernels->attend(&a);
	if (seq->attention)
		memcpy(seq->attention + (size_t)step * seq->T, g->weights, (size_t)seq->T * sizeof *g->weights);
	if (m->spec.decoder_input != DECODER_CONTEXT_PREVIOUS)
		return;
	const float *y = g->y + (size_t)row * m->outputs + m->spec.median_level;
	float *previous = input + net_width(&m->spec);   /* over the context's padding */
	for (int target = 0; target < m->spec.targets; target++)
		previous[target] = y[(size_t)target * m->spec.levels];
}

static void decode_attention(const struct group *g, const struct infer_model *m)
{
	const struct kernels *k = m->kernels;
	const size_t width = (size_t)m->width;

	decode_begin(g, m);
	for (int step = 0; step < m->spec.horizon; step++) {
		const float *h = g->h[step % 2], *query = decode_query(g, m, h);
		float *next = g->h[(step + 1) % 2];

		for (int r = 0; r < g->rows; r++)
			decode_attend(g, m, query, r, step);
		kernels_step(k, &m->cell, &(struct cell_step){
			.rows = g->rows, .x = g->input, .x_stride = g->input_stride, .h = h, .h_stride = width,
			.out = next, .out_stride = width, .c = g->c, .c_stride = width, .z = g->z, .rh = g->rh,
			.backward = step % 2,
		});
		k->linear(&m->output, g->rows, next, width, g->y, (size_t)m->outputs);
		answer(g, m, (size_t)step * net_outputs(&m->spec));
	}
}

/* Every step of the forecast in one product. */
static void decode_head(const struct group *g, const struct infer_model *m)
{
	for (int r = 0; r < g->rows; r++) {
		const struct infer_sequence *seq = g->seq[r];

		if (seq->attention)
			memset(seq->attention, 0, (size_t)m->spec.horizon * seq->T * sizeof *seq->attention);
		if (m->spec.decoder == DECODER_MEAN)
			mean_states(g, m, r);
		else
			final_states(g, m, r);
	}
	m->kernels->linear(&m->output, g->rows, g->h[0], (size_t)m->width, g->y, (size_t)m->outputs);
	answer(g, m, 0);
}

static void decode(const struct group *g, const struct infer_model *m)
{
	if (m->spec.decoder == DECODER_ATTENTION)
		decode_attention(g, m);
	else
		decode_head(g, m);
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
		encode(&g, m);
		decode(&g, m);
	}
}
