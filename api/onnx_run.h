/* onnx_run.h - computes a graph, operator by operator, in plain loops.
 *
 * Not for serving: it proves at import that the network which we took a graph for says the same. Memory is the arena's,
 * time is bounded by `work`, counted in multiplications and numbers moved. */
#ifndef GATECAST_API_ONNX_RUN_H
#define GATECAST_API_ONNX_RUN_H

#include "api/onnx.h"

#define ONNX_RUN_WORK ((uint64_t)4 << 30)

/**
 * value [n_values] in a: all that the graph computes from the inputs [n_inputs]; what no node makes has at = NULL.
 * ERR_INVALID: where is the node whose operator is not offered, or whose inputs do not fit it. ERR_TOO_LARGE: the arena's
 * cap, or more than `work` (which may be NULL; what is left is written back).
 */
enum err onnx_run(const struct onnx_graph *g, const struct onnx_array *input, struct arena *a, uint64_t *work,
                  struct onnx_array **value, struct error *e);

#endif
