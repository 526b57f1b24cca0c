/* onnx_import.h - a stranger's graph understood as one of our networks, and proven to be it.
 *
 *     graph ──run──► all its values ──► recurrent nodes, Linear ──► spec, weights ──► our network
 *       │              (drawn input)                                                     │
 *       └──────────────────────────► output ◄──────── the same? ────────► output ◄───────┘
 *
 * How a graph moves numbers between its parts (Transpose, Squeeze, Slice, Concat …) is not interpreted: the graph is run,
 * and what arrives at a part is compared with what left the one before. A graph that says anything else than the network
 * that it was taken for is refused, and the node where they part is named.
 *
 * Understood: GRU, LSTM, RNN of one direction or both, up to NET_MAX_LAYERS of them, each reading the one before, and
 *     a Linear (MatMul, Gemm, Add) over the final states or the mean of the last one's outputs, or
 *     our attention decoder or pool, whose initialisers keep our names (spec.h);
 * in front of them numbers, or tokens that choose the rows of a matrix (Gather): then classes come out, of all steps or of each. */
#ifndef GATECAST_API_ONNX_IMPORT_H
#define GATECAST_API_ONNX_IMPORT_H

#include "api/import_options.h"
#include "api/onnx.h"

/**
 * o is completed by what the graph says: horizon, targets, window. weights: of malloc, the caller frees (on failure as well;
 * may be NULL then). Works in a.
 */
enum err onnx_import(const struct onnx_graph *g, struct arena *a, struct import_options *o, struct net_spec *out,
                     float **weights, size_t *n_weights, struct error *e);

#endif
