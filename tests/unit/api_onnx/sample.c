/* sample.c - see sample.h. */
#include "tests/unit/api_onnx/sample.h"

#include <stdlib.h>

#define SEED 2026

static void draw_sequences(struct sample *s, struct rng *r)
{
	if (!s->net.spec.vocabulary)
		draw_floats(r, s->x, s->n_x, 1.5);
	for (size_t i = 0; s->net.spec.vocabulary && i < s->n_x; i++)
		s->x[i] = (float)draw_int(r, 0, s->net.spec.vocabulary - 1);
}

static void answer_sequences(struct sample *s)
{
	struct infer_model *m = NULL;
	ck_assert_int_eq(infer_model_new(&s->net.spec, s->net.params, NULL, &m, NULL), ERR_OK);
	struct infer_ws *w = test_workspace(m, s->B, s->T);
	for (int b = 0; b < s->B; b++) {
		const size_t k = (size_t)b, B = (size_t)s->B;
		const struct infer_sequence seq = { .x = s->x + k * s->n_x / B, .T = s->T, .y = s->y + k * s->n_y / B,
		                                    .attention = s->attention + k * s->n_attention / B };
		infer_run(m, w, &seq, 1);
	}
	infer_ws_free(w);
	infer_model_free(m);
}

void sample_init(struct sample *s, int number)
{
	struct rng r;
	rng_init(&r, SEED, RNG_TEST, (uint32_t)number);
	const struct net_spec spec = draw_spec(&r);
	*s = (struct sample){ .B = draw_int(&r, 1, 3), .T = draw_int(&r, 1, 9) };
	test_network_init(&s->net, &spec, &r);
	const size_t rows = (size_t)s->B;
	s->n_x = rows * (size_t)s->T * (size_t)spec.inputs;
	s->n_y = rows * (size_t)net_steps(&spec, s->T) * (size_t)net_outputs(&spec);
	s->n_attention = rows * (size_t)spec.horizon * (size_t)s->T;
	s->x = must_alloc(s->n_x * sizeof *s->x);
	s->y = must_alloc(s->n_y * sizeof *s->y);
	s->attention = must_alloc(s->n_attention * sizeof *s->attention);
	draw_sequences(s, &r);
	answer_sequences(s);
}

void sample_fini(struct sample *s)
{
	test_network_fini(&s->net);
	free(s->x);
	free(s->y);
	free(s->attention);
}
