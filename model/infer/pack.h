/* pack.h - named tensors into the panels of kernels.h. */
#ifndef GATECAST_INFER_PACK_H
#define GATECAST_INFER_PACK_H

#include "model/infer/kernels.h"
#include "model/nn/spec.h"

/* The flat block by the names of its tensors, and the level's width. */
struct packer {
	int lanes;
	const float *params;
	struct tensor_table table;
};

/* A part of a matrix: units x inputs numbers of rows `stride` apart. */
struct piece {
	const float *src;
	int units, inputs, stride;
	double scale;
};

struct pack pack_shape(int lanes, int k, int units, int gates, int sums);
/** Floats of its weights and biases: a multiple of KERNEL_UNITS. */
size_t pack_size(const struct pack *p, int lanes);
/** Point it at pack_size() zeroed floats. */
void pack_place(struct pack *p, int lanes, float *at);

/** The tensor of that name, or NULL. */
const float *packer_tensor(const struct packer *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The piece becomes gate `gate`, units unit …, inputs input … of the pack. */
void pack_weights(const struct packer *k, struct pack *p, int gate, int unit, int input, const struct piece *piece);
/** src [units] is added to where sum `sum` of units unit … starts. */
void pack_bias(const struct packer *k, struct pack *p, int sum, int unit, int units, const float *src, double scale);
/** A whole linear: weight [units][p->k]; bias may be NULL. */
void pack_linear(const struct packer *k, struct pack *p, int units, const float *weight, const float *bias,
                 double scale);

#endif
