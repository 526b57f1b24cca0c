/* test_gradients_decoders.c - the options of single decoders, more densely than test_gradients.c draws them:
 * reconstruct, segment, and attention with classes or a teacher. */
#include "drawn.h"
#include "support.h"

#define DRAWN 96

START_TEST(reconstruct_gradients)
{
	struct rng r;
	rng_init(&r, 31, RNG_TEST, (uint32_t)_i);
	struct probe_case c = encoder_drawn(&r, (enum encoder_type)(_i % 4));
	decoder_drawn(&r, DECODER_RECONSTRUCT, &c);
	probe_check(&c);
}
END_TEST

START_TEST(segment_gradients)
{
	struct rng r;
	rng_init(&r, 32, RNG_TEST, (uint32_t)_i);
	struct probe_case c = encoder_drawn(&r, (enum encoder_type)(_i % 3));
	decoder_drawn(&r, DECODER_SEGMENT, &c);
	probe_check(&c);
}
END_TEST

/* Numbers and classes, both scores, no teacher and four ratios. */
START_TEST(feedback_gradients)
{
	static const double ratios[] = { 0, 0.3, 0.5, 1 };
	struct rng r;
	rng_init(&r, 33, RNG_TEST, (uint32_t)_i);
	struct probe_case c = encoder_drawn(&r, (enum encoder_type)(_i % 4));
	struct net_spec *s = &c.spec;
	s->decoder = DECODER_ATTENTION;
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
