/* encoder.c - see encoder.h. */
#include "model/nn/encoder.h"

#include "model/nn/dropout.h"
#include "model/nn/vector.h"

#include <string.h>

void encoder_at(const struct net_spec *s, const struct tensor_table *t, struct encoder *e)
{
	*e = (struct encoder){ .type = s->encoder, .in = net_encoder_inputs(s), .width = net_width(s),
	                       .dropout = s->dropout };
	if (e->type == ENCODER_TRANSFORMER)
		transformer_at(s, t, &e->transformer);
	else
		stack_at(s, t, &e->stack);
}

bool encoder_has_memory(const struct encoder *e)
{
	return e->type != ENCODER_TRANSFORMER && cell_has_memory(&e->stack.cell[0][0]);
}

void encoder_tape_take(struct encoder_tape *t, const struct encoder *e, int T, int B, struct scratch *s)
{
	if (e->type == ENCODER_TRANSFORMER)
		transformer_tape_take(&t->transformer, &e->transformer, T, B, s);
	else
		stack_tape_take(&t->stack, &e->stack, (size_t)T * (size_t)B, B, s);
}

void encoder_forward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                     struct network_state start, const struct dropout_key *dropout, struct encoder_tape *tape)
{
	const struct dropout_key *key = dropout_in_force(e->dropout, dropout);
	if (e->type == ENCODER_TRANSFORMER)
		transformer_forward(&e->transformer, params, p, x, key, &tape->transformer);
	else
		stack_forward(&e->stack, params, p, x, start, key, &tape->stack);
}

const real *encoder_outputs(const struct encoder *e, const struct encoder_tape *tape)
{
	return e->type == ENCODER_TRANSFORMER ? tape->transformer.y : stack_outputs(&e->stack, &tape->stack);
}

static int directions(const struct encoder *e)
{
	return e->type == ENCODER_TRANSFORMER ? 1 : e->stack.directions;
}

/* Where the columns of direction d end in the outputs of sequence b: one that reads from the end, at the first step. */
static size_t final_at(const struct encoder *e, const struct packing *p, int d, int b)
{
	bool backwards = e->type != ENCODER_TRANSFORMER && stack_reads_backwards(&e->stack, d);
	size_t row = backwards ? packing_row(p, 0, b) : packing_last(p, b);
	return row * (size_t)e->width + (size_t)(d * (e->width / directions(e)));
}

void encoder_final(const struct encoder *e, const struct packing *p, const struct encoder_tape *tape,
                   const real *outputs, struct cell_state final)
{
	int hid = e->width / directions(e);
	for (int b = 0; b < p->B; b++)
		for (int d = 0; d < directions(e); d++)
			memcpy(final.h + (size_t)b * (size_t)e->width + d * hid, outputs + final_at(e, p, d, b),
			       (size_t)hid * sizeof(real));
	if (final.c)
		stack_memory(&e->stack, p, &tape->stack, final.c);
}

void encoder_final_backward(const struct encoder *e, const struct packing *p, const real *dh, real *doutputs)
{
	int hid = e->width / directions(e);
	for (int b = 0; b < p->B; b++)
		for (int d = 0; d < directions(e); d++)
			vector_add_scaled(hid, 1, dh + (size_t)b * (size_t)e->width + d * hid,
			                  doutputs + final_at(e, p, d, b));
}

void encoder_states(const struct encoder *e, const struct packing *p, const struct encoder_tape *tape,
                    struct network_state final)
{
	if (e->type != ENCODER_TRANSFORMER)
		stack_states(&e->stack, p, &tape->stack, final);
}

void encoder_backward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                      const struct dropout_key *dropout, real *doutputs, const real *dmemory,
                      struct encoder_tape *tape, real *dparams, real *dx)
{
	bool dropped = dropout_in_force(e->dropout, dropout) != NULL;
	if (e->type == ENCODER_TRANSFORMER)
		transformer_backward(&e->transformer, params, p, x, dropped, &tape->transformer, dparams, doutputs, dx);
	else
		stack_backward(&e->stack, params, p, x, dropped, doutputs, dmemory, &tape->stack, dparams, dx);
}
