/* encoder.c - see encoder.h. */
#include "model/nn/encoder.h"

void encoder_at(const struct net_spec *s, const struct tensor_table *t, struct encoder *e)
{
	*e = (struct encoder){ .type = s->encoder, .in = s->inputs, .width = net_width(s), .dropout = s->dropout };
	stack_at(s, t, &e->stack);
}

void encoder_tape_take(struct encoder_tape *t, const struct encoder *e, size_t rows, int B, struct scratch *s)
{
	stack_tape_take(&t->stack, &e->stack, rows, B, s);
}

void encoder_forward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                     const struct dropout_key *dropout, struct encoder_tape *tape)
{
	stack_forward(&e->stack, params, p, x, dropout, &tape->stack);
}

const real *encoder_outputs(const struct encoder *e, const struct encoder_tape *tape)
{
	return stack_outputs(&e->stack, &tape->stack);
}

void encoder_final(const struct encoder *e, const struct packing *p, const struct encoder_tape *tape,
                   struct cell_state final)
{
	stack_final(&e->stack, p, &tape->stack, final);
}

void encoder_backward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                      bool dropped, real *doutputs, struct cell_state dfinal, struct encoder_tape *tape,
                      real *dparams, real *dx)
{
	stack_backward(&e->stack, params, p, x, dropped, doutputs, dfinal, &tape->stack, dparams, dx);
}
