/* toy.h - small models of texts with drawn weights, and what the training execution says of them. */
#ifndef GATECAST_TESTS_TEXT_TOY_H
#define GATECAST_TESTS_TEXT_TOY_H

#include "model/text_model.h"

#define TOY_STEPS 7   /* the window: shorter than most inputs */

struct toy {
	struct net_spec net;
	enum token_unit unit;
	float *params;              /* [net_tensors().count] normal numbers */
	struct text_model *model;
};

/* What the toys speak: characters of one to four bytes, or words and signs. */
extern const char *const toy_corpus[2];   /* by enum token_unit */

struct vocabulary *toy_vocabulary(enum token_unit unit, const char *corpus);
/** A spec of one of the three tasks, complete but for the sizes of the vocabularies. */
struct net_spec toy_net(enum text_task task, enum encoder_type encoder);
/** net with vocabularies of that unit, of labels where the task wants them, and weights of that seed. */
void toy_init(struct toy *t, const struct net_spec *net, enum token_unit unit, uint64_t seed);
void toy_fini(struct toy *t);
/** The weights of that name, to be changed; then toy_load() makes the model again. */
float *toy_tensor(struct toy *t, const char *name, size_t *count);
void toy_load(struct toy *t);

/** The network over T tokens by network_forward(): y [net_steps(T)][classes]; attention [horizon][T] or NULL. */
void toy_forward(const struct toy *t, const int32_t *token, int T, float *y, float *attention);
/** What the output of a token decoder reads behind each of T tokens, [T][width]: the answer of the same network with an
 *  output that gives out its input. */
void toy_hidden(const struct toy *t, const int32_t *token, int T, float *hidden);
/** log of a class's probability among n scores, in the obvious way. */
double toy_log_probability(const float *score, int n, int class);

#endif
