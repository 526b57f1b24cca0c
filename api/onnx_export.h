/* onnx_export.h - a network as a graph of ONNX (docs/formats/onnx.md).
 *
 *     input [batch, time, columns] floats, or [batch, time] tokens ──► output [batch, steps, outputs]
 *                                                              └────► attention [batch, steps, time], where there is one
 *
 * The initialisers are the network's tensors under their own names, so the graph reads back to the same bits; what ONNX
 * wants in another order (gates) is put into it by nodes, which a runtime computes once when it loads the file. */
#ifndef GATECAST_API_ONNX_EXPORT_H
#define GATECAST_API_ONNX_EXPORT_H

#include "api/onnx.h"
#include "model/nn/spec.h"

/* An initialiser that no node reads. */
struct onnx_rider { const char *name; int ndim; const int *dim; const float *at; };

/**
 * The graph, in a; params (the flat block of s) and the rider (NULL: none) are borrowed as long as it lives. A Transformer's
 * graph takes sequences of up to `steps`: positions are a table. ERR_NOMEM.
 */
enum err onnx_export(const struct net_spec *s, const float *params, const struct onnx_rider *rider, int steps,
                     struct arena *a, struct onnx_graph *out, struct error *e);

#endif
