#include "drawn.h"

#include <stdio.h>

#define NAME(ID, NAME, ...) #NAME,
static const char *const encoders[] = { CELLS(NAME) "transformer" };
#undef NAME

int draw(struct rng *r, int low, int high)
{
	return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

static void transformer_drawn(struct rng *r, struct net_spec *s)
{
	s->heads = draw(r, 1, 2);
	s->hidden = s->heads * draw(r, 1, 3);
	s->feedforward = draw(r, 1, 6);
	s->norm_first = draw(r, 0, 1);
	s->gelu = draw(r, 0, 1);
	s->causal = draw(r, 0, 1);
}

static void recurrent_drawn(struct rng *r, struct probe_case *c)
{
	struct net_spec *s = &c->spec;
	s->hidden = draw(r, 1, 4);
	s->bidirectional = draw(r, 0, 1);
	s->reverse = !s->bidirectional && draw(r, 0, 1);
	c->start = draw(r, 0, 1);
}

struct probe_case encoder_drawn(struct rng *r, enum encoder_type encoder)
{
	struct probe_case c = { .key = (uint32_t)draw(r, 0, 9), .B = draw(r, 1, PROBE_MAX_BATCH) };
	c.spec = (struct net_spec){
		.encoder = encoder, .inputs = draw(r, 1, 3), .layers = draw(r, 1, 2), .bias = draw(r, 0, 1),
		.reset_after = draw(r, 0, 1), .relu = draw(r, 0, 1), .dropout = draw(r, 0, 1) ? 0.4 : 0,
		.batch_norm = draw(r, 0, 3) == 0, .decoder = DECODER_LAST, .targets = 1, .levels = 1, .horizon = 1,
	};
	if (encoder == ENCODER_TRANSFORMER)
		transformer_drawn(r, &c.spec);
	else
		recurrent_drawn(r, &c);
	for (int b = 0; b < c.B; b++)
		c.lengths[b] = draw(r, 1, b ? c.lengths[b - 1] : 7);
	snprintf(c.name, sizeof c.name, "%s%s%s", c.spec.bidirectional ? "bidirectional " : "",
	         c.spec.reverse ? "reverse " : "", encoders[encoder]);
	return c;
}

static void numbers_drawn(struct rng *r, struct net_spec *s)
{
	s->targets = draw(r, 1, 2);
	s->levels = s->decoder == DECODER_TOKEN ? 1 : draw(r, 1, 3);
	s->median_level = draw(r, 0, s->levels - 1);
}

/* Tokens in front, or classes at the end, or both, or neither. */
static void texts_drawn(struct rng *r, struct net_spec *s)
{
	s->vocabulary = draw(r, 0, 2) ? 0 : draw(r, 2, 6);
	s->inputs = s->vocabulary ? 1 : s->inputs;
	if (draw(r, 0, 2))
		numbers_drawn(r, s);
	else
		s->classes = draw(r, 2, 5);
	s->embedding = s->vocabulary || (s->classes && net_feeds_back(s)) ? draw(r, 1, 3) : 0;
}

static void attention_drawn(struct rng *r, struct probe_case *c)
{
	static const double ratios[] = { 0, 0.5, 1 };
	c->spec.score = (enum score_type)draw(r, 0, 1);
	c->spec.decoder_input = (enum decoder_input)draw(r, 0, 1);
	c->teacher = draw(r, 0, 1);
	c->teacher_ratio = ratios[draw(r, 0, 2)];
}

/* It goes on with its encoder's only cell. */
static void segment_drawn(struct rng *r, struct probe_case *c)
{
	struct net_spec *s = &c->spec;
	s->layers = 1;
	s->bidirectional = s->reverse = s->batch_norm = c->start = false;
	s->hidden++;
	s->targets = s->inputs;
	s->levels = draw(r, 1, 3);
	s->segment = draw(r, 1, 4);
	s->horizon = s->segment * draw(r, 1, 3);
}

void decoder_drawn(struct rng *r, enum decoder_type decoder, struct probe_case *c)
{
	struct net_spec *s = &c->spec;
	s->decoder = decoder;
	s->horizon = net_answers_steps(s) ? 1 : draw(r, 1, 3);
	if (decoder == DECODER_ATTENTION)
		attention_drawn(r, c);
	if (decoder == DECODER_SEGMENT)
		segment_drawn(r, c);
	else if (decoder == DECODER_RECONSTRUCT)
		s->targets = s->inputs;
	else
		texts_drawn(r, s);
	s->attention = net_additive(s) ? draw(r, 1, 4) : 0;
}

struct probe_case case_drawn(int i)
{
	enum decoder_type decoder = (enum decoder_type)(i / DRAWN_ENCODERS % (DECODER_SEGMENT + 1));
	enum encoder_type encoder = (enum encoder_type)(i % (decoder == DECODER_SEGMENT ? CELL_COUNT : DRAWN_ENCODERS));
	struct rng r;
	rng_init(&r, 17, RNG_TEST, (uint32_t)i);
	struct probe_case c = encoder_drawn(&r, encoder);
	decoder_drawn(&r, decoder, &c);
	return c;
}
