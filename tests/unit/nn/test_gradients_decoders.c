/* test_gradients_decoders.c - gradients of the decoders that do not stand in test_gradients.c: reconstruct, segment, and
 * attention with classes or a teacher. Compositions are drawn; what shapes a network goes round with their number. */
#include "model/base/rng.h"
#include "probe.h"
#include "support.h"

#include <stdio.h>

#define DRAWN 96

static int draw(struct rng *r, int low, int high)
{
	return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

static const char *const encoders[] = { "gru", "lstm", "rnn", "transformer" };

/* An encoder of small sizes with its front and norm, and sequences for it. */
static struct probe_case encoder_drawn(struct rng *r, const char *decoder, int i, enum encoder_type encoder)
{
	struct probe_case c = { .key = (uint32_t)draw(r, 0, 9), .B = draw(r, 1, PROBE_MAX_BATCH) };
	int heads = encoder == ENCODER_TRANSFORMER ? draw(r, 1, 2) : 1;
	c.spec = (struct net_spec){
		.encoder = encoder, .inputs = draw(r, 1, 3), .heads = heads, .hidden = heads * draw(r, 2, 4),
		.layers = draw(r, 1, 2), .bias = draw(r, 0, 1), .reset_after = draw(r, 0, 1), .relu = draw(r, 0, 1),
		.feedforward = draw(r, 1, 4), .dropout = draw(r, 0, 1) ? 0.4 : 0, .targets = 1, .levels = 1,
		.horizon = 1, .batch_norm = draw(r, 0, 3) == 0,
	};
	if (encoder != ENCODER_TRANSFORMER) {
		c.spec.bidirectional = draw(r, 0, 1);
		c.spec.reverse = !c.spec.bidirectional && draw(r, 0, 1);
	}
	for (int b = 0; b < c.B; b++)
		c.lengths[b] = draw(r, 1, b ? c.lengths[b - 1] : 7);
	snprintf(c.name, sizeof c.name, "%s %d behind %s", decoder, i, encoders[encoder]);
	return c;
}

START_TEST(reconstruct_gradients)
{
	struct rng r;
	rng_init(&r, 31, RNG_TEST, (uint32_t)_i);
	struct probe_case c = encoder_drawn(&r, "reconstruct", _i, (enum encoder_type)(_i % 4));
	c.spec.decoder = DECODER_RECONSTRUCT;
	c.spec.targets = c.spec.inputs;
	probe_check(&c);
}
END_TEST

START_TEST(segment_gradients)
{
	struct rng r;
	rng_init(&r, 32, RNG_TEST, (uint32_t)_i);
	struct probe_case c = encoder_drawn(&r, "segment", _i, (enum encoder_type)(_i % 3));
	struct net_spec *s = &c.spec;
	s->decoder = DECODER_SEGMENT;
	s->layers = 1;
	s->bidirectional = s->reverse = s->batch_norm = false;
	s->dropout = _i / 3 % 2 ? 0.4 : 0;
	s->targets = s->inputs;
	s->levels = draw(&r, 1, 3);
	s->segment = draw(&r, 1, 4);
	s->horizon = s->segment * draw(&r, 1, 3);
	probe_check(&c);
}
END_TEST

/* Numbers and classes, both scores, no teacher and four ratios. */
START_TEST(feedback_gradients)
{
	static const double ratios[] = { 0, 0.3, 0.5, 1 };
	struct rng r;
	rng_init(&r, 33, RNG_TEST, (uint32_t)_i);
	struct probe_case c = encoder_drawn(&r, "feedback", _i, (enum encoder_type)(_i % 4));
	struct net_spec *s = &c.spec;
	s->decoder_input = DECODER_CONTEXT_PREVIOUS;
	s->score = (enum score_type)(_i / 4 % 2);
	s->attention = s->score == SCORE_ADDITIVE ? draw(&r, 1, 4) : 0;
	s->horizon = draw(&r, 1, 6);
	c.teacher = draw(&r, 0, 5) > 0;
	c.teacher_ratio = ratios[_i / 16 % 4];
	if (_i / 8 % 2) {
		s->classes = draw(&r, 2, 5);
		s->embedding = draw(&r, 1, 3);
		s->vocabulary = draw(&r, 0, 1) ? draw(&r, 2, 6) : 0;
		s->inputs = s->vocabulary ? 1 : s->inputs;
	} else {
		s->targets = draw(&r, 1, 2);
		s->levels = draw(&r, 1, 3);
		s->median_level = draw(&r, 0, s->levels - 1);
	}
	probe_check(&c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gradients of decoders");
	TCase *tc = tcase_create("drawn");
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, reconstruct_gradients, 0, DRAWN);
	tcase_add_loop_test(tc, segment_gradients, 0, DRAWN);
	tcase_add_loop_test(tc, feedback_gradients, 0, 2 * DRAWN);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
