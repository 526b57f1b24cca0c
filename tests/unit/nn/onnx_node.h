/* onnx_node.h - reading ONNX's own node tests, where Debian's libonnx-testdata puts them or in $ONNX_NODE_DIR.
 * A folder holds model.onnx, a graph of one node, and its inputs and outputs. What is absent fails the test. */
#ifndef GATECAST_TESTS_NN_ONNX_NODE_H
#define GATECAST_TESTS_NN_ONNX_NODE_H

#include "model/nn/real.h"

#include "onnx.pb-c.h"

struct onnx_tensor {
	int ndim;
	size_t dim[4], n;
	real *at;           /* free() */
};

/** Free with onnx__model_proto__free_unpacked(). */
Onnx__ModelProto *onnx_model_read(const char *test);
int64_t onnx_attribute(const Onnx__NodeProto *node, const char *name, int64_t otherwise);
double onnx_attribute_float(const Onnx__NodeProto *node, const char *name, double otherwise);
/** kind: "input" or "output". */
void onnx_tensor_read(const char *test, const char *kind, int i, struct onnx_tensor *t);

#endif
