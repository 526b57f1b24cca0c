/* encoder.c - see encoder.h. */
#include "model/nn/encoder.h"

#include "model/nn/vector.h"

#include <string.h>

void encoder_at(const struct net_spec *s, const struct tensor_table *t, struct encoder *e)
{
	*e = (struct encoder){ .type = s->encoder, .in = s->inputs, .width = net_width(s), .dropout = s->dropout };
	if (e->type == ENCODER_TRANSFORMER)
		transformer_at(s, t, &e->transformer);
	else
		stack_at(s, t, &e->stack);
}

void encoder_tape_take(struct encoder_tape *t, const struct encoder *e, int T, int B, struct scratch *s)
{
	if (e->type == ENCODER_TRANSFORMER)
		transformer_tape_take(&t->transformer, &e->transformer, T, B, s);
	else
		stack_tape_take(&t->stack, &e->stack, (size_t)T * (size_t)B, B, s);
}

void encoder_forward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                     const struct dropout_key *dropout, struct encoder_tape *tape)
{
	if (e->type == ENCODER_TRANSFORMER)
		transformer_forward(&e->transformer, params, p, x, dropout, &tape->transformer);
	else
		stack_forward(&e->stack, params, p, x, dropout, &tape->stack);
}

const real *encoder_outputs(const struct encoder *e, const struct encoder_tape *tape)
{
	return e->type == ENCODER_TRANSFORMER ? tape->transformer.y : stack_outputs(&e->stack, &tape->stack);
}

/* A Transformer has no state of its own: its output at the last step stands for one. */
static void last_outputs(const struct packing *p, int width, const real *outputs, real *final)
{
	for (int b = 0; b < p->B; b++)
		memcpy(final + (size_t)b * (size_t)width, outputs + packing_last(p, b) * (size_t)width,
		       (size_t)width * sizeof(real));
}

static void last_outputs_backward(const struct packing *p, int width, const real *dfinal, real *doutputs)
{
	for (int b = 0; b < p->B; b++)
		vector_add_scaled(width, 1, dfinal + (size_t)b * (size_t)width,
		                  doutputs + packing_last(p, b) * (size_t)width);
}

void encoder_final(const struct encoder *e, const struct packing *p, const struct encoder_tape *tape,
                   struct cell_state final)
{
	if (e->type == ENCODER_TRANSFORMER)
		last_outputs(p, e->width, tape->transformer.y, final.h);
	else
		stack_final(&e->stack, p, &tape->stack, final);
}

void encoder_backward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                      bool dropped, real *doutputs, struct cell_state dfinal, struct encoder_tape *tape,
                      real *dparams, real *dx)
{
	if (e->type == ENCODER_TRANSFORMER) {
		if (dfinal.h)
			last_outputs_backward(p, e->width, dfinal.h, doutputs);
		transformer_backward(&e->transformer, params, p, x, dropped, &tape->transformer, dparams, doutputs,
		                     dx);
		return;
	}
	stack_backward(&e->stack, params, p, x, dropped, doutputs, dfinal, &tape->stack, dparams, dx);
}
