/* version_tensors.h - the tensors that a version's file holds beside its document: the network's, and the scores of the
 * calibration where there is one. Private to the import and the export. */
#ifndef GATECAST_API_VERSION_TENSORS_H
#define GATECAST_API_VERSION_TENSORS_H

#include "api/document.h"

#define VERSION_TENSOR_DIMS 4

struct version_tensor {
	const char *name;
	int ndim, shape[VERSION_TENSOR_DIMS];
	size_t count, offset;       /* numbers, and where they begin in the weights or in the scores */
	bool score;
};

struct version_tensors {
	struct tensor_table table;  /* holds the names */
	struct version_tensor tensor[NET_MAX_TENSORS + 1];
	int n;
	size_t n_weights, n_scores;
};

void version_tensors_init(const struct document *d, struct version_tensors *out);

#endif
