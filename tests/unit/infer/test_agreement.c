/* test_agreement.c - the two executions of one network, infer_run() and network_forward(), agree on drawn specs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/nn/network.h"
#include "tests/unit/infer/sequences.h"

#define MAX_T   40
#define MAX_B   12
#define SPECS   1200
#define PARTS   6       /* of the drawn specs, each a test */

static int by_falling_length(const void *a, const void *b)
{
	return ((const struct infer_sequence *)b)->T - ((const struct infer_sequence *)a)->T;
}

/* What the training execution wants side by side, and what it gives: see network.h. */
struct training {
	int T, B, S, *lengths;
	float *x, *start, *y, *attention, *final, *ws;   /* states: h, then c */
	size_t memory;                                   /* numbers of h */
};

/* Number `unit` of row b in [layers * directions][B][hid]: number i of a sequence's states, h or c. */
static size_t state_at(const struct training *t, const struct net_spec *s, size_t i, int b)
{
	const size_t hid = (size_t)s->hidden;

	return (i / hid * t->B + b) * hid + i % hid;
}

static void training_init(struct training *t, const struct net_spec *s, const struct sequences *q)
{
	const int B = q->n, T = q->seq[0].T, in = s->inputs;
	const size_t states = q->state_size - 1;

	*t = (struct training){ .T = T, .B = B, .S = net_steps(s, T) };
	t->lengths = must_alloc((size_t)B * sizeof *t->lengths);
	t->x = must_alloc((size_t)T * B * in * sizeof *t->x);
	t->start = must_alloc((states * B + 1) * sizeof *t->start);
	t->final = must_alloc((states * B + 1) * sizeof *t->final);
	t->y = must_alloc((size_t)t->S * B * net_outputs(s) * sizeof *t->y);
	t->attention = must_alloc((size_t)s->horizon * B * T * sizeof *t->attention);
	t->ws = must_alloc(network_scratch(s, T, B) * sizeof *t->ws);
	t->memory = (size_t)s->layers * net_width(s) * B;
	for (int b = 0; b < B; b++) {
		const struct infer_sequence *seq = &q->seq[b];
		t->lengths[b] = seq->T;
		for (int k = 0; k < T; k++)
			for (int i = 0; i < in; i++)
				t->x[(k * B + b) * in + i] = k < seq->T ? seq->x[k * in + i] : NAN;
		for (size_t i = 0; i < states; i++)
			t->start[state_at(t, s, i, b)] = seq->start ? seq->start[i] : 0;
	}
}

static void training_fini(struct training *t)
{
	free(t->ws);
	free(t->attention);
	free(t->y);
	free(t->final);
	free(t->start);
	free(t->x);
	free(t->lengths);
}

static void training_run(struct training *t, const struct test_network *n, bool states)
{
	const bool lstm = n->spec.encoder == ENCODER_LSTM;
	const struct network_input in = {
		.T = t->T, .B = t->B, .lengths = t->lengths, .x = t->x,
		.start = { states ? t->start : NULL, states && lstm ? t->start + t->memory : NULL },
	};
	const struct network_output out = {
		.y = t->y, .attention = t->attention,
		.final = { states ? t->final : NULL, states && lstm ? t->final + t->memory : NULL },
	};

	network_forward(&n->spec, n->params, &in, &out, t->ws);
}

/* 1e-5 relative, 1e-6 absolute of a step's greatest number. Four times that for a plain RNN, whose weights drawn here
 * let a rounding grow from step to step, and for a layer norm of few units, which divides by what may be almost nothing. */
static float tolerance(const struct net_spec *s, float want, float scale)
{
	const bool looser = s->encoder == ENCODER_RNN || (s->encoder == ENCODER_TRANSFORMER && s->hidden < 8);

	return (looser ? 4 : 1) * (1e-5f * fabsf(want) + 1e-6f * scale);
}

static float greatest(const float *p, size_t n)
{
	float max = 1;

	for (size_t i = 0; i < n; i++)
		max = fmaxf(max, fabsf(p[i]));
	return max;
}

static void check_near(const struct net_spec *s, float got, float want, float scale)
{
	ck_assert(fabsf(got - want) <= tolerance(s, want, scale));
}

/* Whether both executions must have said the same class: not if its score is near another's. */
static bool same_class(const float *score, int classes)
{
	float first = -INFINITY, second = -INFINITY;

	for (int c = 0; c < classes; c++)
		if (score[c] > first) {
			second = first;
			first = score[c];
		} else if (score[c] > second) {
			second = score[c];
		}
	return first - second > 1e-5f * fmaxf(1, fabsf(first));
}

static void check_row(const struct net_spec *s, const struct training *t, const struct infer_sequence *seq, int b)
{
	const int outputs = net_outputs(s);

	for (int step = 0; step < net_steps(s, seq->T); step++) {
		const float *want = t->y + ((size_t)step * t->B + b) * outputs, *got = seq->y + (size_t)step * outputs;
		const float scale = greatest(want, (size_t)outputs);
		for (int o = 0; o < outputs; o++)
			check_near(s, got[o], want[o], scale);
		for (int k = 0; step < s->horizon && k < seq->T; k++)
			check_near(s, seq->attention[step * seq->T + k],
			           t->attention[(step * t->B + b) * t->T + k], 1);
		if (s->classes && net_feeds_back(s) && !same_class(want, s->classes))
			return;      /* the chains may part here */
	}
}

static void check_agreement(const struct test_network *n, const struct sequences *q)
{
	struct training t;
	const size_t states = q->state_size - 1;

	training_init(&t, &n->spec, q);
	training_run(&t, n, states > 0);
	for (int b = 0; b < q->n; b++) {
		check_row(&n->spec, &t, &q->seq[b], b);
		for (size_t i = 0; i < states; i++)
			check_near(&n->spec, q->seq[b].final[i], t.final[state_at(&t, &n->spec, i, b)], 1);
	}
	check_guards(&n->spec, q);
	training_fini(&t);
}

START_TEST(both_executions_agree)
{
	struct rng r;

	rng_init(&r, 26, RNG_TEST, (uint32_t)_i);
	for (int i = 0; i < SPECS / PARTS; i++) {
		const struct net_spec s = draw_spec(&r);
		struct test_network n;
		struct sequences q;

		test_network_init(&n, &s, &r);
		struct infer_model *m = test_model(&n, level);
		struct infer_ws *w = test_workspace(m, MAX_ROWS, MAX_T);
		sequences_init(&q, &s, draw_int(&r, 1, MAX_B), MAX_T, &r);
		qsort(q.seq, (size_t)q.n, sizeof *q.seq, by_falling_length);
		run_mixed(m, w, &q, &r);
		check_agreement(&n, &q);
		sequences_fini(&q);
		infer_ws_free(w);
		infer_model_free(m);
		test_network_fini(&n);
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("agreement");
	TCase *t = tcase_create("one level");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, both_executions_agree, 0, PARTS);
	suite_add_tcase(s, t);
	return run_level_suite(argc, argv, s);
}
