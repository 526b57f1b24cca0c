/* attention_decoder.c - see attention_decoder.h. */
#include "model/nn/attention_decoder.h"

#include <string.h>

struct attention_decoder attention_decoder_at(const struct net_spec *s, const struct tensor_table *t)
{
	return (struct attention_decoder){
		.attention = attention_at(s, t),
		.cell = cell_at(s, t, net_decoder_cell(s), "decoder.cell", ""),
		.feedback = feedback_at(s, t),
		.output = linear_at(t, "output.weight", "output.bias"),
		.horizon = s->horizon,
	};
}

void attention_decoder_tape_take(struct attention_decoder_tape *t, const struct attention_decoder *d, size_t rows,
                                 int T, int B, struct scratch *s)
{
	size_t b = (size_t)B, steps = (size_t)d->horizon * b, din = (size_t)d->cell.in;
	attention_tape_take(&t->attention, &d->attention, rows, T, B, d->horizon, s);
	cell_tape_take(&t->cell, &d->cell, steps, B, s);
	feedback_tape_take(&t->feedback, &d->feedback, d->horizon, B, s);
	t->wt_output = scratch_take(s, (size_t)d->output.in * (size_t)d->output.out);
	t->input = scratch_take(s, steps * din);
	t->dinput = scratch_take(s, b * din);
	t->dy = scratch_take(s, steps * (size_t)d->output.out);
}

/* What a step reads and writes: row step * B of an array with n numbers a row. */
static inline size_t step_row(const struct packing *p, int step, int n)
{
	return (size_t)step * (size_t)p->B * (size_t)n;
}

void attention_decoder_forward(const struct attention_decoder *d, const real *params, const struct packing *p,
                               const real *keys, struct cell_state first, const struct network_input *in,
                               struct attention_decoder_tape *tape, real *y)
{
	int din = d->cell.in, hid = d->cell.hid, B = p->B;
	struct cell_state state = first;
	const real *before = NULL;

	attention_prepare(&d->attention, params, p, keys, &tape->attention);
	cell_prepare(&d->cell, params, &tape->cell);
	linear_transpose(&d->output, params, tape->wt_output);
	for (int t = 0; t < d->horizon; t++) {
		real *input = tape->input + step_row(p, t, din), *answer = y + step_row(p, t, d->output.out);

		attention_forward(&d->attention, params, p, t, keys, state.h, input, din, &tape->attention);
		if (d->feedback.n)
			feedback_forward(&d->feedback, params, in, t, before, &tape->feedback, input + hid, din);
		cell_input_forward(&d->cell, params, t * B, B, input, &tape->cell);
		cell_step_forward(&d->cell, params, t * B, B, state, &tape->cell);
		state = cell_states(&d->cell, &tape->cell, t * B);
		linear_forward(&d->output, params, tape->wt_output, B, state.h, answer);
		before = answer;
	}
}

void attention_decoder_backward(const struct attention_decoder *d, const real *params, const struct packing *p,
                                const real *keys, const struct network_input *in, const real *dy,
                                struct attention_decoder_tape *tape, real *dparams, real *dkeys,
                                struct cell_state dfirst, real *dteacher)
{
	int din = d->cell.in, out = d->output.out, hid = d->cell.hid, B = p->B;
	int rows = d->horizon * B;
	struct cell_state dstate = dfirst;      /* the running gradient, at last that of the first */

	attention_clear(&d->attention, p, &tape->attention);
	memcpy(tape->dy, dy, step_row(p, d->horizon, out) * sizeof(real));
	cell_state_clear(&d->cell, B, dstate);
	for (int t = d->horizon - 1; t >= 0; t--) {
		linear_backward_input(&d->output, params, B, tape->dy + step_row(p, t, out), 1, dstate.h);
		cell_step_backward(&d->cell, params, t * B, B, &tape->cell, dstate);
		cell_input_backward(&d->cell, params, t * B, B, &tape->cell, tape->dinput);
		if (d->feedback.n)
			feedback_backward(&d->feedback, in, t, tape->dinput + hid, din, &tape->feedback, dparams,
			                  t ? tape->dy + step_row(p, t - 1, out) : NULL, dteacher);
		attention_backward(&d->attention, params, p, t, keys, tape->dinput, din, &tape->attention, dkeys,
		                   dparams, dstate.h);
	}
	linear_backward_weights(&d->output, rows, tape->cell.h, tape->dy, dparams);
	cell_weights_backward(&d->cell, rows, tape->input, &tape->cell, dparams);
	attention_weights_backward(&d->attention, params, p, d->horizon, keys, tape->cell.before, &tape->attention,
	                           dkeys, dparams);
}
