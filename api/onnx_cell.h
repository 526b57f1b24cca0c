/* onnx_cell.h - ONNX's recurrent operators and the order of their gates. Private to the import and the export. */
#ifndef GATECAST_API_ONNX_CELL_H
#define GATECAST_API_ONNX_CELL_H

#include "model/nn/spec.h"

struct onnx_cell {
	const char *op;
	int gate[CELL_MAX_GATES];   /* of ONNX's i-th gate, which of ours it is */
};

/* A cell without an operator is not exported. */
static const struct onnx_cell onnx_cells[CELL_COUNT] = {
	[CELL_GRU] = { "GRU", { 1, 0, 2 } },        /* z r h of r z n */
	[CELL_LSTM] = { "LSTM", { 0, 3, 1, 2 } },   /* i o f c of i f g o */
	[CELL_RNN] = { "RNN", { 0 } },
};

#endif
