/* stack.c - see stack.h. */
#include "model/nn/stack.h"

#include "model/nn/dropout.h"
#include "model/nn/network.h"
#include "model/nn/vector.h"

#include <string.h>

void stack_at(const struct net_spec *s, const struct tensor_table *t, struct stack *stack)
{
	*stack = (struct stack){ .layers = s->layers, .directions = net_directions(s), .width = net_width(s),
	                         .reverse = s->reverse, .dropout = s->dropout };
	for (int k = 0; k < s->layers; k++) {
		for (int d = 0; d < stack->directions; d++) {
			char suffix[CELL_SUFFIX];
			net_cell_suffix(k, d, suffix);
			stack->cell[k][d] = cell_at(s, t, net_encoder_cell(s), "encoder", suffix);
		}
	}
}

bool stack_reads_backwards(const struct stack *stack, int d)
{
	return d == 1 || stack->reverse;
}

/* Whether a layer's outputs are other rows than its cell's states. */
static bool joins(const struct stack *stack)
{
	return stack->directions == 2 || stack->reverse;
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
		t->outputs[k] = joins(stack) ? scratch_take(s, outputs) : t->cell[k][0].h;
		t->mask[k] = masked ? scratch_take(s, outputs) : NULL;
		t->masked[k] = masked ? scratch_take(s, outputs) : NULL;
	}
	t->dbelow = scratch_take(s, outputs);
	cell_state_take(&t->d, cell_has_memory(first), (size_t)B, first->hid, s);
	if (joins(stack)) {
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

/* What direction d of a layer reads: x [rows][n], reversed in the tape where it reads backwards. */
static const real *direction_input(const struct stack *stack, const struct packing *p, int d, int n, const real *x,
                                   struct stack_tape *tape)
{
	if (!stack_reads_backwards(stack, d))
		return x;
	packing_reverse(p, n, x, n, tape->reversed, n);
	return tape->reversed;
}

/* The directions' states side by side, in the order of the sequence. */
static void layer_join(const struct stack *stack, int k, const struct packing *p, struct stack_tape *tape)
{
	int hid = stack->cell[k][0].hid, width = stack->width;
	for (int d = 0; d < stack->directions; d++) {
		const real *states = tape->cell[k][d].h;
		real *columns = tape->outputs[k] + d * hid;
		if (stack_reads_backwards(stack, d))
			packing_reverse(p, hid, states, hid, columns, width);
		else
			rows_copy(p->rows, hid, states, hid, columns, width);
	}
}

/* What network.h's states have of one direction of a layer. */
static struct cell_state direction_state(const struct stack *stack, int k, int d, int B, struct network_state all)
{
	size_t at = (size_t)(k * stack->directions + d) * (size_t)B * (size_t)stack->cell[k][d].hid;
	return (struct cell_state){ .h = all.h ? all.h + at : NULL, .c = all.c ? all.c + at : NULL };
}

static void layer_forward(const struct stack *stack, int k, const real *params, const struct packing *p,
                          const real *x, struct network_state start, struct stack_tape *tape)
{
	for (int d = 0; d < stack->directions; d++) {
		const struct cell *c = &stack->cell[k][d];
		const real *input = direction_input(stack, p, d, c->in, x, tape);
		cell_forward(c, params, p, input, direction_state(stack, k, d, p->B, start), &tape->cell[k][d]);
	}
	if (joins(stack))
		layer_join(stack, k, p, tape);
}

void stack_forward(const struct stack *stack, const real *params, const struct packing *p, const real *x,
                   struct network_state start, const struct dropout_key *dropout, struct stack_tape *tape)
{
	layer_forward(stack, 0, params, p, x, start, tape);
	for (int k = 1; k < stack->layers; k++) {
		if (dropout)
			layer_mask(stack, k, p, dropout, tape);
		layer_forward(stack, k, params, p, layer_input(tape, k, dropout != NULL), start, tape);
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

void stack_memory(const struct stack *stack, const struct packing *p, const struct stack_tape *tape, real *memory)
{
	for (int d = 0; d < stack->directions; d++) {
		int hid = stack->cell[stack->layers - 1][d].hid;
		direction_final(p, hid, tape->cell[stack->layers - 1][d].c, memory + d * hid, stack->width);
	}
}

void stack_states(const struct stack *stack, const struct packing *p, const struct stack_tape *tape,
                  struct network_state final)
{
	for (int k = 0; k < stack->layers; k++) {
		for (int d = 0; d < stack->directions; d++) {
			int hid = stack->cell[k][d].hid;
			struct cell_state own = direction_state(stack, k, d, p->B, final);
			if (own.h)
				direction_final(p, hid, tape->cell[k][d].h, own.h, hid);
			if (own.c && cell_has_memory(&stack->cell[k][d]))
				direction_final(p, hid, tape->cell[k][d].c, own.c, hid);
		}
	}
}

/* The gradient of direction d's last states: nothing but what is known of their memory. */
static void direction_dfinal(const struct stack *stack, int d, int B, const real *dmemory, struct cell_state own)
{
	const struct cell *c = &stack->cell[0][d];
	cell_state_clear(c, B, own);
	if (dmemory)
		rows_copy(B, c->hid, dmemory + d * c->hid, stack->width, own.c, c->hid);
}

/* The gradient of direction d's states in its own order, from the layer's. */
static const real *direction_gradient(const struct stack *stack, int d, int hid, const struct packing *p,
                                      const real *doutputs, struct stack_tape *tape)
{
	if (!joins(stack))
		return doutputs;
	if (stack_reads_backwards(stack, d))
		packing_reverse(p, hid, doutputs + d * hid, stack->width, tape->dstates, hid);
	else
		rows_copy(p->rows, hid, doutputs + d * hid, stack->width, tape->dstates, hid);
	return tape->dstates;
}

/* The gradient of a layer's input from a direction that reads backwards: the first one's is written, the second's
 * added. */
static void give_reversed(const struct packing *p, int d, int n, const real *dreversed, real *dx)
{
	if (d == 0) {
		packing_reverse(p, n, dreversed, n, dx, n);
		return;
	}
	for (int t = 0; t < p->T; t++)
		for (int b = 0; b < p->active[t]; b++)
			vector_add_scaled(n, 1, dreversed + packing_mirror(p, t, b) * (size_t)n,
			                  dx + packing_row(p, t, b) * (size_t)n);
}

static void layer_backward(const struct stack *stack, int k, const real *params, const struct packing *p,
                           const real *x, const real *doutputs, const real *dmemory, struct stack_tape *tape,
                           real *dparams, real *dx)
{
	for (int d = 0; d < stack->directions; d++) {
		const struct cell *c = &stack->cell[k][d];
		const real *input = direction_input(stack, p, d, c->in, x, tape);
		const real *dstates = direction_gradient(stack, d, c->hid, p, doutputs, tape);
		bool reversed = dx && stack_reads_backwards(stack, d);
		direction_dfinal(stack, d, p->B, dmemory, tape->d);
		cell_backward(c, params, p, input, dstates, tape->d, &tape->cell[k][d], dparams,
		              reversed ? tape->dreversed : dx);
		if (reversed)
			give_reversed(p, d, c->in, tape->dreversed, dx);
	}
}

void stack_backward(const struct stack *stack, const real *params, const struct packing *p, const real *x,
                    bool dropped, real *doutputs, const real *dmemory, struct stack_tape *tape, real *dparams,
                    real *dx)
{
	size_t n = (size_t)p->rows * (size_t)stack->width;
	int top = stack->layers - 1;
	for (int k = top; k > 0; k--) {
		layer_backward(stack, k, params, p, layer_input(tape, k, dropped), doutputs, k == top ? dmemory : NULL,
		               tape, dparams, tape->dbelow);
		if (dropped)
			dropout_apply(n, tape->dbelow, tape->mask[k], doutputs);
		else
			memcpy(doutputs, tape->dbelow, n * sizeof(real));
	}
	layer_backward(stack, 0, params, p, x, doutputs, top == 0 ? dmemory : NULL, tape, dparams, dx);
}
