/* stack.h - recurrent layers, one above the other, in one direction or in two:
 *
 *     x ──┬──► cell ──────────────────┬─► [h, h'] ─mask─► layer 1 ─► … ─► outputs [rows][width]
 *         └──► reverse ► cell ► reverse ┘
 *
 * The reverse direction is the same cell over rows in reverse order, each
 * sequence from its own end, so packing.h's row order serves both. Final
 * states are those after each direction's own last step: the reverse one's is
 * at the sequence's first. An only direction may be a reverse one. Outputs stand
 * in the sequence's order always. Dropout falls on the inputs of layers 1…. */
#ifndef GATECAST_NN_STACK_H
#define GATECAST_NN_STACK_H

#include "model/nn/cell.h"

struct dropout_key;
struct network_state;

struct stack {
	int layers, directions, width;    /* width = directions hid */
	bool reverse;                     /* of one direction: it reads from the end */
	double dropout;
	struct cell cell[NET_MAX_LAYERS][2];
};

struct stack_tape {
	struct cell_tape cell[NET_MAX_LAYERS][2];
	real *outputs[NET_MAX_LAYERS];    /* [rows][width]; of one direction forwards, the cell's own h */
	real *mask[NET_MAX_LAYERS];       /* [rows][width] with dropout, from layer 1 on */
	real *masked[NET_MAX_LAYERS];     /* what layer k reads then */
	real *dbelow;                     /* [rows][width]: gradient of what a layer reads */
	struct cell_state d;              /* [B][hid]: the running gradient of a direction */
	/* With a reverse direction: */
	real *reversed, *dreversed;       /* [rows][in_k]: input, and its gradient */
	real *dstates;                    /* [rows][hid]: gradient of one direction's states */
};

/** The encoder that a spec of a recurrent one says. */
void stack_at(const struct net_spec *s, const struct tensor_table *t, struct stack *stack);
void stack_tape_take(struct stack_tape *t, const struct stack *stack, size_t rows, int B, struct scratch *s);

/** Whether direction d reads sequences from their ends. */
bool stack_reads_backwards(const struct stack *stack, int d);

/** x [rows][in]; start as network.h has it, h NULL for zeros; dropout NULL for none. stack_outputs() are written. */
void stack_forward(const struct stack *stack, const real *params, const struct packing *p, const real *x,
                   struct network_state start, const struct dropout_key *dropout, struct stack_tape *tape);
/** Where the tape keeps the outputs [rows][width]. */
const real *stack_outputs(const struct stack *stack, const struct stack_tape *tape);
/** Of an LSTM: the top layer's final c [B][width], the directions side by side. */
void stack_memory(const struct stack *stack, const struct packing *p, const struct stack_tape *tape, real *memory);
/** The final states of all layers and directions, as network.h has them; NULL where not wanted. */
void stack_states(const struct stack *stack, const struct packing *p, const struct stack_tape *tape,
                  struct network_state final);
/**
 *   dropped    whether stack_forward() had a key
 *   doutputs   [rows][width], overwritten
 *   dmemory    [B][width]: the gradient of stack_memory(); NULL for zeros
 *   dx         [rows][in], written, or NULL
 * dparams is added to.
 */
void stack_backward(const struct stack *stack, const real *params, const struct packing *p, const real *x,
                    bool dropped, real *doutputs, const real *dmemory, struct stack_tape *tape, real *dparams,
                    real *dx);

#endif
