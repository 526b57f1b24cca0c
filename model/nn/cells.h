/* cells.h - the recurrent cells that there are, a row each: all about them but their arithmetic. Enumerations, names in
 * JSON, tables of the training and the inference execution follow from here. docs/adding-a-part.md walks through a new one.
 *
 *     ID, name     CELL_ID, ENCODER_ID; "name" in JSON; name.c with name_step_forward() and name_step_backward()
 *     gates        matrices stacked in its weights
 *     memory       whether the state has a c beside h
 *     aux          whether backward needs one more number a unit: see the cell's file
 *     weights      the function that adds the gradients of the recurrent weights: recurrent_weights() serves a cell
 *                  that applies all of them to the state before
 *     decoder      the cell that a decoder has behind an encoder of this one
 *     form         of CELL_FORMS: the first that inference knows it by
 *
 * and last its gates, struct cell_gate, in the order in which their weights lie: PyTorch's where it has the cell. */
#ifndef GATECAST_NN_CELLS_H
#define GATECAST_NN_CELLS_H

#include <stdbool.h>
#include <stddef.h>

/*   ID    name  gates memory aux    weights                decoder  form */
#define CELLS(CELL) \
	CELL(GRU,  gru,  3, false, true,  gru_recurrent_weights, GRU,  GRU_RESET_AFTER, \
	     { "reset", false }, { "update", false }, { "candidate", true }) \
	CELL(LSTM, lstm, 4, true,  true,  recurrent_weights,     LSTM, LSTM, \
	     { "input", false }, { "forget", false }, { "cell", true }, { "output", false }) \
	CELL(RNN,  rnn,  1, false, false, recurrent_weights,     GRU,  RNN_TANH, \
	     { NULL, true })

/* What a gate is called. */
struct cell_gate {
	const char *name;       /* NULL: not a gate, but the argument of the state */
	bool candidate;         /* a value that is proposed, -1 … 1; else a share that passes, 0 … 1 */
};

/* What a cell's products are in inference. Gates that share a product are one pack, whose sums start at biases of their
 * own; weights meet the input first, then the state.
 *
 *     gates        in the first product
 *     sums         of it: one more than gates where the last gate keeps its state's part apart from its input's
 *     candidate    gates of a second product, whose state is what the first one made of it */
/*           ID                function          gates sums candidate */
#define CELL_FORMS(FORM) \
	FORM(GRU_RESET_AFTER,  gru_reset_after,  3,    4,   0)   /* r, z, n */ \
	FORM(GRU_RESET_BEFORE, gru_reset_before, 2,    2,   1)   /* r, z; n reads r * h */ \
	FORM(LSTM,             lstm,             4,    4,   0)   /* i, f, g, o */ \
	FORM(RNN_TANH,         rnn_tanh,         1,    1,   0) \
	FORM(RNN_RELU,         rnn_relu,         1,    1,   0)

#define CELL_MAX_GATES 4

#define CELL_ID(ID, ...) CELL_##ID,
enum cell_type { CELLS(CELL_ID) CELL_COUNT };
#undef CELL_ID

#endif
