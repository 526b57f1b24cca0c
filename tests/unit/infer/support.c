/* support.c - see support.h. */
#include "tests/unit/infer/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED 77

const struct kernels *level;

void *must_alloc(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) / 64 * 64);

	ck_assert_ptr_nonnull(p);
	return p;
}

int draw_int(struct rng *r, int low, int high)
{
	return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

void draw_floats(struct rng *r, float *p, size_t n, double scale)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (float)(scale * (2 * rng_uniform(r) - 1));
}

static void draw_transformer(struct net_spec *s, struct rng *r)
{
	s->bidirectional = s->reverse = false;
	s->heads = draw_int(r, 1, 5);
	s->hidden = s->heads * draw_int(r, 1, 20);
	s->feedforward = draw_int(r, 1, 80);
	s->norm_first = draw_int(r, 0, 1);
	s->gelu = draw_int(r, 0, 1);
	s->causal = draw_int(r, 0, 1);
}

static void draw_encoder(struct net_spec *s, struct rng *r)
{
	s->encoder = (enum encoder_type)draw_int(r, ENCODER_GRU, ENCODER_TRANSFORMER);
	s->layers = draw_int(r, 1, 3);
	s->bidirectional = draw_int(r, 0, 1);
	s->reverse = !s->bidirectional && draw_int(r, 0, 1);
	s->hidden = draw_int(r, 1, s->bidirectional ? 50 : 70);
	s->batch_norm = draw_int(r, 0, 1);
	if (s->encoder == ENCODER_TRANSFORMER)
		draw_transformer(s, r);
}

/* What goes in and comes out is the same, and no class. */
static void draw_channels(struct net_spec *s, struct rng *r)
{
	s->inputs = s->targets = draw_int(r, 1, 20);
	if (s->decoder == DECODER_RECONSTRUCT)
		return;
	s->encoder = (enum encoder_type)draw_int(r, 0, CELL_COUNT - 1);
	s->layers = 1;
	s->bidirectional = s->reverse = s->batch_norm = false;
	s->hidden = draw_int(r, 2, 70);
	s->levels = draw_int(r, 1, 5);
	s->segment = draw_int(r, 1, 8);
	s->horizon = s->segment * draw_int(r, 1, 4);
}

static void draw_meaning(struct net_spec *s, struct rng *r)
{
	s->vocabulary = draw_int(r, 0, 2) ? 0 : draw_int(r, 1, 40);
	s->inputs = s->vocabulary ? 1 : draw_int(r, 1, 20);
	s->classes = draw_int(r, 0, 2) ? 0 : draw_int(r, 1, 40);
	s->targets = s->classes ? 1 : draw_int(r, 1, 20);
	s->levels = s->classes || net_answers_steps(s) ? 1 : draw_int(r, 1, 5);
}

struct net_spec draw_spec(struct rng *r)
{
	struct net_spec s = {
		.decoder = (enum decoder_type)draw_int(r, DECODER_ATTENTION, DECODER_SEGMENT),
		.bias = draw_int(r, 0, 1),
		.reset_after = draw_int(r, 0, 1),
		.relu = draw_int(r, 0, 1),
		.score = (enum score_type)draw_int(r, SCORE_ADDITIVE, SCORE_DOT),
		.decoder_input = (enum decoder_input)draw_int(r, DECODER_CONTEXT, DECODER_CONTEXT_PREVIOUS),
		.levels = 1,
	};

	s.horizon = net_answers_steps(&s) ? 1 : draw_int(r, 1, 6);
	draw_encoder(&s, r);
	if (s.decoder == DECODER_RECONSTRUCT || s.decoder == DECODER_SEGMENT)
		draw_channels(&s, r);
	else
		draw_meaning(&s, r);
	if (s.vocabulary || (s.classes && net_feeds_back(&s)))
		s.embedding = draw_int(r, 1, 40);
	if (net_additive(&s))
		s.attention = draw_int(r, 1, 50);
	s.median_level = draw_int(r, 0, s.levels - 1);
	return s;
}

void test_network_init(struct test_network *n, const struct net_spec *s, struct rng *r)
{
	const double scale = s->encoder == ENCODER_RNN && s->relu ? 0.9 : 1.5;   /* relu states must not grow */

	n->spec = *s;
	ck_assert_int_eq(net_spec_check(s, NULL), ERR_OK);
	net_tensors(s, &n->table);
	n->params = must_alloc(n->table.count * sizeof *n->params);
	for (int i = 0; i < n->table.n; i++) {
		const struct tensor *t = &n->table.tensor[i];
		const double fan = t->ndim == 2 ? (double)t->shape[1] : 4;
		draw_floats(r, n->params + t->offset, t->count, scale / sqrt(fan));
		if (!strcmp(t->name, "norm.running_var"))
			for (size_t k = 0; k < t->count; k++)
				n->params[t->offset + k] = (float)(0.3 + 2 * rng_uniform(r));
	}
}

void test_network_fini(struct test_network *n)
{
	free(n->params);
}

const float *test_tensor(const struct test_network *n, const char *name)
{
	const struct tensor *t = tensor_find(&n->table, name);

	return t ? n->params + t->offset : NULL;
}

static struct infer_model *model_with(const struct test_network *n, const struct kernels *k,
                                      const struct infer_options *o)
{
	struct infer_model *m = NULL;

	ck_assert_int_eq(infer_model_new_for(k, &n->spec, n->params, o, &m, NULL), ERR_OK);
	return m;
}

struct infer_model *test_model(const struct test_network *n, const struct kernels *k)
{
	return model_with(n, k, NULL);
}

struct infer_model *test_model_int8(const struct test_network *n, const struct kernels *k)
{
	return model_with(n, k, &(struct infer_options){ .int8 = true });
}

struct infer_ws *test_workspace(const struct infer_model *m, int rows, int max_T)
{
	struct infer_ws *w = NULL;

	ck_assert_int_eq(infer_ws_new(rows, &w, NULL), ERR_OK);
	ck_assert_int_eq(infer_ws_reserve(w, m, max_T, NULL), ERR_OK);
	return w;
}

int run_level_suite(int argc, char **argv, Suite *s)
{
	level = argc > 1 ? kernels_find(argv[1]) : kernels_best();
	if (!level) {
		fprintf(stderr, "this CPU does not run %s\n", argv[1]);
		return SKIPPED;
	}
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
