/* stack.c - see stack.h. */
#include "model/nn/stack.h"

#include "model/nn/dropout.h"
#include "model/nn/vector.h"

#include <string.h>

void stack_at(const struct net_spec *s, const struct tensor_table *t, struct stack *stack)
{
	*stack = (struct stack){ .layers = s->layers, .directions = net_directions(s), .width = net_width(s),
	                         .dropout = s->dropout };
	for (int k = 0; k < s->layers; k++) {
		for (int d = 0; d < stack->directions; d++) {
			char suffix[CELL_SUFFIX];
			net_cell_suffix(k, d, suffix);
			stack->cell[k][d] = cell_at(s, t, net_encoder_cell(s), "encoder", suffix);
		}
	}
}

void stack_tape_take(struct stack_tape *t, const struct stack *stack, size_t rows, int B, struct scratch *s)
{
	const struct cell *first = &stack->cell[0][0];
	size_t outputs = rows * (size_t)stack->width;
	*t = (struct stack_tape){ 0 };
	for (int k = 0; k < stack->layers; k++) {
		bool masked = k > 0 && stack->dropout > 0;
		for (int d = 0; d < stack->directions; d++)
			cell_tape_take(&t->cell[k][d], &stack->cell[k][d], rows, B, s);
		t->outputs[k] = stack->directions == 2 ? scratch_take(s, outputs) : t->cell[k][0].h;
		t->mask[k] = masked ? scratch_take(s, outputs) : NULL;
		t->masked[k] = masked ? scratch_take(s, outputs) : NULL;
	}
	t->dbelow = scratch_take(s, outputs);
	cell_state_take(&t->d, cell_has_memory(first), (size_t)B, first->hid, s);
	if (stack->directions == 2) {
		size_t in = rows * (size_t)(first->in > stack->width ? first->in : stack->width);
		t->reversed = scratch_take(s, in);
		t->dreversed = scratch_take(s, in);
		t->dstates = scratch_take(s, rows * (size_t)first->hid);
	}
}

/* What layer k > 0 reads: the outputs below, masked when `dropped`. */
static const real *layer_input(const struct stack_tape *tape, int k, bool dropped)
{
	return dropped ? tape->masked[k] : tape->outputs[k - 1];
}

static void layer_mask(const struct stack *stack, int k, const struct packing *p, const struct dropout_key *dropout,
                       struct stack_tape *tape)
{
	dropout_mask(dropout, stack->dropout, k, p, stack->width, tape->mask[k]);
	dropout_apply((size_t)p->rows * (size_t)stack->width, tape->outputs[k - 1], tape->mask[k], tape->masked[k]);
}

/* Copy n numbers of each row, the rows ld_from and ld_to apart. */
static void rows_copy(int rows, int n, const real *from, int ld_from, real *to, int ld_to)
{
	for (size_t i = 0; i < (size_t)rows; i++)
		memcpy(to + i * (size_t)ld_to, from + i * (size_t)ld_from, (size_t)n * sizeof(real));
}

/* What direction d of a layer reads: x [rows][n], reversed in the tape for the second. */
static const real *direction_input(const struct packing *p, int d, int n, const real *x, struct stack_tape *tape)
{
	if (d == 0)
		return x;
	packing_reverse(p, n, x, n, tape->reversed, n);
	return tape->reversed;
}

/* The two directions' states side by side, in the order of the sequence. */
static void layer_join(const struct stack *stack, int k, const struct packing *p, struct stack_tape *tape)
{
	int hid = stack->cell[k][0].hid, width = stack->width;
	rows_copy(p->rows, hid, tape->cell[k][0].h, hid, tape->outputs[k], width);
	packing_reverse(p, hid, tape->cell[k][1].h, hid, tape->outputs[k] + hid, width);
}

static void layer_forward(const struct stack *stack, int k, const real *params, const struct packing *p,
                          const real *x, struct stack_tape *tape)
{
	for (int d = 0; d < stack->directions; d++) {
		const struct cell *c = &stack->cell[k][d];
		const real *input = direction_input(p, d, c->in, x, tape);
		cell_forward(c, params, p, input, (struct cell_state){ 0 }, &tape->cell[k][d]);
	}
	if (stack->directions == 2)
		layer_join(stack, k, p, tape);
}

void stack_forward(const struct stack *stack, const real *params, const struct packing *p, const real *x,
                   const struct dropout_key *dropout, struct stack_tape *tape)
{
	layer_forward(stack, 0, params, p, x, tape);
	for (int k = 1; k < stack->layers; k++) {
		if (dropout)
			layer_mask(stack, k, p, dropout, tape);
		layer_forward(stack, k, params, p, layer_input(tape, k, dropout != NULL), tape);
	}
}

const real *stack_outputs(const struct stack *stack, const struct stack_tape *tape)
{
	return tape->outputs[stack->layers - 1];
}

/* Both directions end at the row of a sequence's last step, each in its own order. */
static void direction_final(const struct packing *p, int hid, const real *states, real *final, int ld)
{
	for (int b = 0; b < p->B; b++)
		memcpy(final + (size_t)b * (size_t)ld, states + packing_last(p, b) * (size_t)hid,
		       (size_t)hid * sizeof(real));
}

void stack_final(const struct stack *stack, const struct packing *p, const struct stack_tape *tape,
                 struct cell_state final)
{
	for (int d = 0; d < stack->directions; d++) {
		const struct cell *c = &stack->cell[stack->layers - 1][d];
		const struct cell_tape *top = &tape->cell[stack->layers - 1][d];
		direction_final(p, c->hid, top->h, final.h + d * c->hid, stack->width);
		if (cell_has_memory(c))
			direction_final(p, c->hid, top->c, final.c + d * c->hid, stack->width);
	}
}

/* Direction d's columns of dfinal, or zeros where that is NULL. */
static void direction_dfinal(const struct stack *stack, int d, int B, const real *dfinal, real *own)
{
	int hid = stack->cell[0][d].hid;
	if (dfinal)
		rows_copy(B, hid, dfinal + d * hid, stack->width, own, hid);
	else
		memset(own, 0, (size_t)B * (size_t)hid * sizeof(real));
}

/* The gradient of direction d's states in its own order, from the layer's. */
static const real *direction_gradient(const struct stack *stack, int d, int hid, const struct packing *p,
                                      const real *doutputs, struct stack_tape *tape)
{
	if (stack->directions == 1)
		return doutputs;
	if (d == 0)
		rows_copy(p->rows, hid, doutputs, stack->width, tape->dstates, hid);
	else
		packing_reverse(p, hid, doutputs + hid, stack->width, tape->dstates, hid);
	return tape->dstates;
}

/* dx += the reverse direction's gradient of its input. */
static void add_reversed(const struct packing *p, int n, const real *dreversed, real *dx)
{
	for (int t = 0; t < p->T; t++)
		for (int b = 0; b < p->active[t]; b++)
			vector_add_scaled(n, 1, dreversed + packing_mirror(p, t, b) * (size_t)n,
			                  dx + packing_row(p, t, b) * (size_t)n);
}

static void layer_backward(const struct stack *stack, int k, const real *params, const struct packing *p,
                           const real *x, const real *doutputs, struct cell_state dfinal, struct stack_tape *tape,
                           real *dparams, real *dx)
{
	for (int d = 0; d < stack->directions; d++) {
		const struct cell *c = &stack->cell[k][d];
		const real *input = direction_input(p, d, c->in, x, tape);
		const real *dstates = direction_gradient(stack, d, c->hid, p, doutputs, tape);
		direction_dfinal(stack, d, p->B, dfinal.h, tape->d.h);
		if (cell_has_memory(c))
			direction_dfinal(stack, d, p->B, dfinal.c, tape->d.c);
		cell_backward(c, params, p, input, dstates, tape->d, &tape->cell[k][d], dparams,
		              dx && d ? tape->dreversed : dx);
		if (dx && d)
			add_reversed(p, c->in, tape->dreversed, dx);
	}
}

void stack_backward(const struct stack *stack, const real *params, const struct packing *p, const real *x,
                    bool dropped, real *doutputs, struct cell_state dfinal, struct stack_tape *tape, real *dparams,
                    real *dx)
{
	const struct cell_state none = { 0 };
	size_t n = (size_t)p->rows * (size_t)stack->width;
	int top = stack->layers - 1;
	for (int k = top; k > 0; k--) {
		layer_backward(stack, k, params, p, layer_input(tape, k, dropped), doutputs, k == top ? dfinal : none,
		               tape, dparams, tape->dbelow);
		if (dropped)
			dropout_apply(n, tape->dbelow, tape->mask[k], doutputs);
		else
			memcpy(doutputs, tape->dbelow, n * sizeof(real));
	}
	layer_backward(stack, 0, params, p, x, doutputs, top == 0 ? dfinal : none, tape, dparams, dx);
}
