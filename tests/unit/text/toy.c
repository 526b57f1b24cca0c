#include "tests/unit/text/toy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/nn/network.h"
#include "tests/unit/check.h"

#define ATTENTION 6
#define SPREAD 0.6   /* of drawn weights: scores that lie well apart */

const char *const toy_corpus[2] = {
	"abcdefghij é→😀\n.,!", "one two three (four) five, six; don't stop: never! why? no. 7 8 9",
};

struct vocabulary *toy_vocabulary(enum token_unit unit, const char *corpus)
{
	struct vocabulary_builder *b = NULL;
	struct vocabulary *v = NULL;

	ck_assert_int_eq(vocabulary_builder_new(unit, &b, NULL), ERR_OK);
	ck_assert_int_eq(vocabulary_builder_add(b, corpus, strlen(corpus), NULL), ERR_OK);
	ck_assert_int_eq(vocabulary_builder_end(b, 1000, 1, &v, NULL), ERR_OK);
	vocabulary_builder_free(b);
	return v;
}

static struct vocabulary *toy_labels(void)
{
	static const char *const label[] = { "ham", "spam", "neither of the two" };
	struct vocabulary *v = NULL;

	ck_assert_int_eq(vocabulary_new(TOKEN_LABEL, label, 3, &v, NULL), ERR_OK);
	return v;
}

struct net_spec toy_net(enum text_task task, enum encoder_type encoder)
{
	static const enum decoder_type decoder[] = {
		[TEXT_GENERATE] = DECODER_TOKEN, [TEXT_CLASSIFY] = DECODER_POOL, [TEXT_TRANSLATE] = DECODER_ATTENTION,
	};

	return (struct net_spec){
		.inputs = 1, .embedding = 5, .encoder = encoder, .hidden = 12, .layers = 2, .bias = true, .reset_after = true,
		.heads = 3, .feedforward = 16, .decoder = decoder[task], .score = SCORE_ADDITIVE,
		.decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 1, .levels = 1,
		.horizon = task == TEXT_TRANSLATE ? 9 : 1,
	};
}

static float *draw_params(const struct net_spec *net, uint64_t seed)
{
	struct tensor_table table;
	struct rng r;

	net_tensors(net, &table);
	float *params = calloc(table.count, sizeof *params);
	ck_assert_ptr_nonnull(params);
	rng_init(&r, seed, RNG_TEST, 0);
	for (size_t i = 0; i < table.count; i++)
		params[i] = (float)(SPREAD * rng_normal(&r));
	return params;
}

static struct vocabulary *toy_target(const struct toy *t)
{
	enum text_task task = TEXT_GENERATE;

	ck_assert(text_task_of(&t->net, &task));
	if (task == TEXT_GENERATE)
		return NULL;
	return task == TEXT_CLASSIFY ? toy_labels() : toy_vocabulary(t->unit, "abcab 12");
}

void toy_load(struct toy *t)
{
	struct vocabulary *source = toy_vocabulary(t->unit, toy_corpus[t->unit]), *target = toy_target(t);
	struct error e = { 0 };

	text_model_free(t->model);
	enum err rc = text_model_new(&t->net, t->params, NULL, source, target, TOY_STEPS, &t->model, &e);
	ck_assert_msg(rc == ERR_OK, "%s", e.what);
}

void toy_init(struct toy *t, const struct net_spec *net, enum token_unit unit, uint64_t seed)
{
	struct vocabulary *source = toy_vocabulary(unit, toy_corpus[unit]), *target;

	*t = (struct toy){ .net = *net, .unit = unit };
	t->net.attention = net_additive(net) ? ATTENTION : 0;
	t->net.vocabulary = t->net.classes = vocabulary_size(source);
	target = toy_target(t);
	if (target)
		t->net.classes = vocabulary_size(target);
	vocabulary_free(source);
	vocabulary_free(target);
	t->params = draw_params(&t->net, seed);
	toy_load(t);
}

float *toy_tensor(struct toy *t, const char *name, size_t *count)
{
	struct tensor_table table;

	net_tensors(&t->net, &table);
	const struct tensor *tensor = tensor_find(&table, name);
	ck_assert_ptr_nonnull(tensor);
	*count = tensor->count;
	return t->params + tensor->offset;
}

void toy_fini(struct toy *t)
{
	text_model_free(t->model);
	free(t->params);
}

void toy_forward(const struct toy *t, const int32_t *token, int T, float *y, float *attention)
{
	size_t floats = (network_scratch(&t->net, T, 1) + 15) / 16 * 16;
	float *ws = aligned_alloc(64, floats * sizeof *ws), *x = calloc((size_t)T, sizeof *x);

	ck_assert(ws && x);
	for (int i = 0; i < T; i++)
		x[i] = (float)token[i];
	network_forward(&t->net, t->params, &(struct network_input){ .T = T, .B = 1, .lengths = &T, .x = x },
		&(struct network_output){ .y = y, .attention = attention }, ws);
	free(x);
	free(ws);
}

void toy_hidden(const struct toy *t, const int32_t *token, int T, float *hidden)
{
	struct tensor_table own, table;
	struct toy through = { .net = t->net };
	int width = net_width(&t->net);

	through.net.classes = width;
	net_tensors(&t->net, &own);
	net_tensors(&through.net, &table);
	through.params = calloc(table.count, sizeof *through.params);
	ck_assert_ptr_nonnull(through.params);
	for (int k = 0; k < table.n; k++) {
		const struct tensor *to = &table.tensor[k], *from = tensor_find(&own, to->name);
		if (strncmp(to->name, "output.", 7))
			memcpy(through.params + to->offset, t->params + from->offset, to->count * sizeof *t->params);
	}
	for (int k = 0; k < width; k++)
		through.params[tensor_find(&table, "output.weight")->offset + (size_t)(k * width + k)] = 1;
	toy_forward(&through, token, T, hidden, NULL);
	free(through.params);
}

double toy_log_probability(const float *score, int n, int class)
{
	double sum = 0;

	for (int k = 0; k < n; k++)
		sum += exp((double)score[k] - score[class]);
	return -log(sum);
}
