/* group.c - the rows of a group and where their arrays lie in the workspace. */
#include "model/infer/group.h"

#include <assert.h>

/* Sizes are products of limits of spec.h and an int: they fit in 64 bits by far. */
_Static_assert(sizeof(size_t) >= 8, "sizes of a workspace are computed without overflow checks");

#define LINE 16   /* floats of a cache line */

/* The block as it is given out, line by line; with block NULL it is only measured. */
struct room {
	float *block;
	size_t used;
};

static float *take(struct room *room, size_t floats)
{
	float *at = room->block ? room->block + room->used : NULL;

	room->used += (floats + LINE - 1) / LINE * LINE;
	return at;
}

static void layout_front(struct group *g, const struct infer_model *m, size_t rows, size_t T, struct room *room)
{
	const bool cut = m->spec.decoder == DECODER_SEGMENT;
	const int in = net_encoder_inputs(&m->spec);
	const size_t instance = m->spec.instance_norm ? rows * (size_t)m->spec.inputs : 0;

	g->x_step = (size_t)(cut ? kernels_pad(in) : in);
	g->x_stride = T * g->x_step + LINE;
	g->x = take(room, rows * g->x_stride);
	g->mean = take(room, instance);
	g->deviation = take(room, instance);
	g->cut = take(room, cut ? T * (size_t)m->spec.segment : 0);
}

static void layout_transformer(struct group *g, const struct transformer *t, size_t T, struct room *room)
{
	const size_t part = (size_t)t->heads * t->head;

	g->scratch = (struct transformer_scratch){
		.qkv = take(room, T * 3 * part),
		.mixed = take(room, T * part),
		.narrow = take(room, T * (size_t)t->width),
		.wide = take(room, TRANSFORMER_STEPS * (size_t)t->feedforward),
		.weights = g->weights,
	};
}

static void layout_encoder(struct group *g, const struct infer_model *m, size_t rows, size_t T, struct room *room)
{
	const size_t width = (size_t)m->width;

	g->state_stride = (T + 2) * width + LINE;
	for (int i = 0; i < 2; i++)
		g->states[i] = take(room, i < m->spec.layers ? rows * g->state_stride : 0);
	g->c = take(room, rows * width);
	g->z = take(room, KERNEL_ROWS * width);
	g->rh = take(room, KERNEL_ROWS * width);
	g->weights = take(room, T + KERNEL_UNITS);
	if (m->spec.encoder == ENCODER_TRANSFORMER)
		layout_transformer(g, &m->transformer, T, room);
}

static void layout_decoder(struct group *g, const struct infer_model *m, size_t rows, size_t T, struct room *room)
{
	const size_t width = (size_t)m->width;
	const size_t previous = (size_t)(net_decoder_inputs(&m->spec) - net_width(&m->spec));

	g->key_stride = net_additive(&m->spec) ? T * (size_t)m->attention + LINE : 0;
	g->keys = take(room, rows * g->key_stride);
	g->query = take(room, KERNEL_ROWS * (size_t)m->attention);
	g->input_stride = width + previous + LINE;
	g->input = take(room, KERNEL_ROWS * g->input_stride);
	for (int i = 0; i < 2; i++)
		g->h[i] = take(room, GROUP_OUTPUTS * width);
	g->summary = take(room, KERNEL_ROWS * width);
	g->y = take(room, GROUP_OUTPUTS * (size_t)m->outputs);
}

size_t group_layout(struct group *g, const struct infer_model *m, size_t rows, int T, float *block)
{
	const size_t steps = (size_t)encoder_steps(m, T);
	struct room room = { .block = block };

	layout_front(g, m, rows, steps, &room);
	layout_encoder(g, m, rows, steps, &room);
	layout_decoder(g, m, rows, steps, &room);
	return room.used;
}

void group_row(struct group *g, const struct infer_model *m, int r, const struct infer_sequence *seq, int channel)
{
	/* A Transformer has no states to begin with; those of segments are each channel's own. */
	const bool states = m->spec.encoder != ENCODER_TRANSFORMER && m->spec.decoder != DECODER_SEGMENT;

	g->row[r] = (struct row){
		.seq = seq, .channel = channel, .T = encoder_steps(m, seq->T), .source = r, .said = NET_BOUNDARY,
		.start = states ? seq->start : NULL, .final = states ? seq->final : NULL, .attention = seq->attention,
	};
}

void group_encode(struct group *g, const struct infer_model *m, const struct infer_ws *w)
{
	const size_t floats = group_layout(g, m, KERNEL_ROWS, g->row[0].seq->T, w->block);

	assert(floats <= w->floats);
	(void)floats;
	front_load(g, m);
	encode(g, m);
}
