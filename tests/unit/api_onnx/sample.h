/* sample.h - a drawn network with drawn sequences and what the inference execution says to them, for comparisons with
 * what an ONNX graph of it computes. */
#ifndef GATECAST_TEST_API_ONNX_SAMPLE_H
#define GATECAST_TEST_API_ONNX_SAMPLE_H

#include "tests/unit/infer/support.h"

struct sample {
	struct test_network net;
	int B, T;
	float *x;            /* [B][T][inputs] */
	float *y;            /* [B][net_steps][outputs] */
	float *attention;    /* [B][horizon][T] */
	size_t n_x, n_y, n_attention;
};

/** Of that number always the same; every option of the spec is drawn. */
void sample_init(struct sample *s, int number);
void sample_fini(struct sample *s);

#endif
