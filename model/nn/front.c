/* front.c - see front.h. */
#include "model/nn/front.h"

#include <string.h>

static enum front_type type_of(const struct net_spec *s)
{
	return s->vocabulary ? FRONT_EMBEDDING : s->decoder == DECODER_SEGMENT ? FRONT_SEGMENTS : FRONT_NUMBERS;
}

void front_at(const struct net_spec *s, const struct tensor_table *t, struct front *f)
{
	*f = (struct front){ .type = type_of(s), .in = s->inputs, .out = net_encoder_inputs(s) };
	if (f->type == FRONT_EMBEDDING)
		f->embedding = embedding_at(t, "embedding.weight");
	else if (f->type == FRONT_SEGMENTS)
		f->segments = segments_at(s, t);
}

void front_tape_take(struct front_tape *t, const struct front *f, int T, int B, struct scratch *s)
{
	size_t rows = (size_t)T * (size_t)B;
	packing_take(&t->packing, T, B, s);
	t->x = scratch_take(s, rows * (size_t)f->in);
	t->dx = scratch_take(s, rows * (size_t)f->in);
	if (f->type == FRONT_EMBEDDING)
		embedding_tape_take(&t->embedding, &f->embedding, rows, s);
	else if (f->type == FRONT_SEGMENTS)
		segments_tape_take(&t->segments, &f->segments, T, B, s);
	const struct packing *behind = front_packing(f, t);
	t->dy = f->type == FRONT_NUMBERS ? t->dx
	                                 : scratch_take(s, (size_t)behind->T * (size_t)behind->B * (size_t)f->out);
}

void front_open(const struct front *f, const struct network_input *in, struct front_tape *tape)
{
	packing_fill(&tape->packing, in->lengths);
	if (f->type == FRONT_SEGMENTS)
		segments_open(&f->segments, &tape->packing, &tape->segments);
}

void front_forward(const struct front *f, const real *params, const struct network_input *in, struct front_tape *tape)
{
	packing_pack(&tape->packing, f->in, in->x, tape->x);
	if (f->type == FRONT_EMBEDDING)
		embedding_forward(&f->embedding, params, tape->packing.rows, tape->x, &tape->embedding);
	else if (f->type == FRONT_SEGMENTS)
		segments_forward(&f->segments, params, &tape->packing, tape->x, &tape->segments);
}

const struct packing *front_packing(const struct front *f, const struct front_tape *tape)
{
	return f->type == FRONT_SEGMENTS ? &tape->segments.packing : &tape->packing;
}

const real *front_outputs(const struct front *f, const struct front_tape *tape)
{
	return f->type == FRONT_EMBEDDING ? tape->embedding.y : f->type == FRONT_SEGMENTS ? tape->segments.y : tape->x;
}

const real *front_base(const struct front *f, const struct front_tape *tape)
{
	return f->type == FRONT_SEGMENTS ? tape->segments.last : NULL;
}

real *front_gradient(const struct front *f, const real *dx, const struct front_tape *tape)
{
	return dx || f->type != FRONT_NUMBERS ? tape->dy : NULL;
}

void front_backward(const struct front *f, const real *params, const struct network_input *in, real *dbase,
                    struct front_tape *tape, real *dparams, real *dx)
{
	if (f->type == FRONT_EMBEDDING)
		embedding_backward(&f->embedding, tape->packing.rows, tape->x, tape->dy, dparams);
	else if (f->type == FRONT_SEGMENTS)
		segments_backward(&f->segments, params, &tape->packing, tape->dy, dbase, &tape->segments, dparams,
		                  dx ? tape->dx : NULL);
	if (dx && f->type == FRONT_EMBEDDING)
		memset(dx, 0, (size_t)in->T * (size_t)in->B * (size_t)f->in * sizeof(real));
	else if (dx)
		packing_unpack(&tape->packing, f->in, tape->dx, dx);
}
