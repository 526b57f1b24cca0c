/* support.h - what the tests of inference share: drawn networks, and the whole
 * network once more in double, as obvious loops over the unpacked tensors. */
#ifndef GATECAST_TEST_INFER_SUPPORT_H
#define GATECAST_TEST_INFER_SUPPORT_H

#include "model/base/rng.h"
#include "model/infer/model.h"
#include "tests/unit/check.h"

/* What stands past the end of every output; a finite number that no kernel makes. */
#define GUARD (-12345.75f)

/* The level that this run tests, from the command line. */
extern const struct kernels *level;

/* A network with drawn weights; test_network_fini() frees them. */
struct test_network {
	struct net_spec spec;
	struct tensor_table table;
	float *params;
};
void test_network_init(struct test_network *n, const struct net_spec *s, struct rng *r);
void test_network_fini(struct test_network *n);
const float *test_tensor(const struct test_network *n, const char *name);

struct infer_model *test_model(const struct test_network *n, const struct kernels *k);
struct infer_model *test_model_int8(const struct test_network *n, const struct kernels *k);
struct infer_ws *test_workspace(const struct infer_model *m, int rows, int max_T);

/* A spec with every part and option drawn. */
struct net_spec draw_spec(struct rng *r);
int draw_int(struct rng *r, int low, int high);
void draw_floats(struct rng *r, float *p, size_t n, double scale);
/* size bytes, aligned, or the test fails. */
void *must_alloc(size_t size);

/* bias[row] + w[row] . x, n numbers; bias may be NULL. */
double reference_affine(const float *w, const float *bias, int row, int n, const double *x);
/* One cell, one row. Tensors as in spec.h; biases may be NULL. */
struct reference_cell {
	enum cell_type type;
	bool reset_after, relu;
	int in, hid;
	const float *wi, *wh, *bi, *bh;
};
/* The cell whose tensors stand under the part's name: "encoder", "_l0_reverse". */
struct reference_cell reference_cell_of(const struct test_network *n, enum cell_type type, const char *part,
                                        const char *suffix, int in, int hid);
/* h' of a step from x and h; c is the LSTM's, read and written. */
void reference_step(const struct reference_cell *g, const double *x, const double *h, double *c, double *out);
/* Softmax over t of v . tanh(q + k_t), or, v being NULL, of q . k_t over the root of att;
 * and the sum of states so weighted. */
void reference_attend(int T, int att, int hid, const double *q, const double *k, const double *v,
                      const double *states, double *weights, double *context);
/* Layer normalisation of n numbers; y may be x. */
void reference_norm(int n, const float *w, const float *b, const double *x, double *y);
double reference_gelu(double x);
/* states [T][hidden] of x [T][net_encoder_inputs()] */
void reference_transformer(const struct test_network *n, int T, const double *x, double *states);
/* Arrays as those of struct infer_sequence. */
struct reference_answer {
	double *y, *attention, *final;
	const int32_t *said;   /* of an attention decoder with classes: what it said by step; NULL: the likeliest */
};
/* The whole network over one sequence. */
/** Whether it is written out here; of other cells the two executions are held against each other alone. */
bool reference_knows(const struct net_spec *s);
void reference_network(const struct test_network *n, const struct infer_sequence *seq, struct reference_answer *to);

/* main() of a test: argv[1] names the level; 77 (skipped) where this CPU lacks it. */
int run_level_suite(int argc, char **argv, Suite *s);

#endif
