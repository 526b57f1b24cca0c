/* test_transformer.c - the Transformer's encoder by itself: each gradient against central differences (in double),
 * and what holds whatever its numbers: sequences do not see each other, a causal step does not see what is to come,
 * shards draw what the whole draws. */
#include "model/nn/transformer.h"

#include "model/base/rng.h"
#include "model/nn/network.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define STEP      1e-5
#define TOLERANCE 1e-7    /* times 1 + |gradient| */
#define MAX_BATCH 4

/* One encoder, its minibatch and all that a call writes. */
struct call {
	struct net_spec spec;
	struct tensor_table table;
	struct transformer f;
	struct packing packing;
	struct transformer_tape tape;
	struct dropout_key key;
	int B, lengths[MAX_BATCH];
	size_t n_x, n_y;
	real *params, *x, *dy, *dparams, *dx, *ws;
};

static void call_take(struct call *c, struct scratch *s)
{
	packing_take(&c->packing, c->lengths[0], c->B, s);
	transformer_tape_take(&c->tape, &c->f, c->lengths[0], c->B, s);
}

static void call_init(struct call *c, const struct net_spec *s, int B, const int *lengths)
{
	*c = (struct call){ .spec = *s, .B = B };
	memcpy(c->lengths, lengths, (size_t)B * sizeof *lengths);
	net_tensors(s, &c->table);
	transformer_at(s, &c->table, &c->f);
	struct scratch measure = { 0 };
	call_take(c, &measure);
	c->ws = reals(measure.used);
	for (size_t i = 0; i < measure.used; i++)
		c->ws[i] = NAN;    /* nothing left over from before may matter */
	call_take(c, &(struct scratch){ .base = c->ws });
	packing_fill(&c->packing, c->lengths);
	c->n_x = (size_t)(c->packing.rows * s->inputs);
	c->n_y = (size_t)(c->packing.rows * s->hidden);
	c->params = random_reals(c->table.count, 1);
	c->x = random_reals(c->n_x, 2);
	c->dy = random_reals(c->n_y, 3);
	c->dparams = reals(c->table.count);
	c->dx = reals(c->n_x);
}

static void call_fini(struct call *c)
{
	real *all[] = { c->params, c->x, c->dy, c->dparams, c->dx, c->ws };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

static const struct dropout_key *key_of(const struct call *c)
{
	return c->key.key ? &c->key : NULL;
}

static void call_forward(struct call *c)
{
	transformer_forward(&c->f, c->params, &c->packing, c->x, key_of(c), &c->tape);
}

static void call_run(struct call *c)
{
	real *d = reals(c->n_y);
	call_forward(c);
	memcpy(d, c->dy, c->n_y * sizeof(real));
	transformer_backward(&c->f, c->params, &c->packing, c->x, key_of(c) != NULL, &c->tape, c->dparams, d, c->dx);
	free(d);
}

static const struct net_spec plain = {
	.encoder = ENCODER_TRANSFORMER, .decoder = DECODER_LAST, .inputs = 3, .hidden = 6, .layers = 2, .heads = 2,
	.feedforward = 7, .targets = 1, .levels = 1, .horizon = 1,
};

#ifdef GATECAST_DOUBLE

/* loss = sum of dy * y */
static double loss(struct call *c)
{
	double sum = 0;
	call_forward(c);
	for (size_t i = 0; i < c->n_y; i++)
		sum += c->dy[i] * c->tape.y[i];
	return sum;
}

static double quotient(struct call *c, real *number)
{
	real kept = *number;
	*number = kept + STEP;
	double above = loss(c);
	*number = kept - STEP;
	double below = loss(c);
	*number = kept;
	return (above - below) / (2 * STEP);
}

/* Every stride-th number. */
static void check_gradients(struct call *c, const char *what, size_t n, real *numbers, const real *got, size_t stride)
{
	for (size_t i = 0; i < n; i += stride) {
		double want = quotient(c, &numbers[i]);
		ck_assert_msg(fabs(got[i] - want) <= TOLERANCE * (1 + fabs(want)),
		              "d%s[%zu] is %.12g, differences give %.12g", what, i, (double)got[i], want);
	}
}

static void check_call(struct call *c, size_t stride)
{
	call_run(c);
	for (int k = 0; k < c->table.n; k++) {
		const struct tensor *t = &c->table.tensor[k];
		if (!strncmp(t->name, "encoder.", 8))
			check_gradients(c, t->name, t->count, c->params + t->offset, c->dparams + t->offset, stride);
	}
	check_gradients(c, "x", c->n_x, c->x, c->dx, stride);
}

static int drawn(struct rng *r, int low, int high)
{
	return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

#define DRAWS 48

/* The low bits of the draw's number go through all choices of norm, activation, mask and dropout. */
START_TEST(gradients_match_differences)
{
	struct rng r;
	struct call c;
	struct net_spec s = plain;
	int B, lengths[MAX_BATCH];

	rng_init(&r, 21, RNG_TEST, (uint32_t)_i);
	s.norm_first = _i & 1;
	s.gelu = _i & 2;
	s.causal = _i & 4;
	s.dropout = _i & 8 ? 0.3 : 0;
	s.inputs = drawn(&r, 1, 4);
	s.heads = drawn(&r, 1, 3);
	s.hidden = s.heads * drawn(&r, 1, 3);
	s.feedforward = drawn(&r, 1, 7);
	s.layers = drawn(&r, 1, 2);
	B = drawn(&r, 1, MAX_BATCH);
	lengths[0] = drawn(&r, 1, 6);
	for (int b = 1; b < B; b++)
		lengths[b] = drawn(&r, 1, lengths[b - 1]);
	call_init(&c, &s, B, lengths);
	if (s.dropout > 0)
		c.key = (struct dropout_key){ .seed = 5, .key = 7, .row_base = 3 };
	check_call(&c, 1);
	call_fini(&c);
}
END_TEST

/* Longer than the block of steps whose scores exist at once: every block's edge is crossed. */
START_TEST(gradients_match_over_blocks)
{
	struct net_spec s = plain;
	struct call c;
	s.causal = _i;
	s.layers = 1;
	call_init(&c, &s, 2, (int[]){ 131, 64 });
	check_call(&c, 5);
	call_fini(&c);
}
END_TEST

#endif

/* The rows of sequence b. */
static void sequence_copy(const struct call *c, int b, int n, const real *packed, real *rows)
{
	for (int t = 0; t < c->lengths[b]; t++)
		memcpy(rows + t * n, packed + packing_row(&c->packing, t, b) * (size_t)n, (size_t)n * sizeof(real));
}

static const int ragged[] = { 70, 5, 5, 1 };

static struct net_spec drawn_options(int draw)
{
	struct net_spec s = plain;
	s.norm_first = draw & 1;
	s.gelu = draw & 2;
	s.causal = draw & 4;
	s.dropout = draw & 8 ? 0.4 : 0;
	return s;
}

START_TEST(each_sequence_is_as_if_alone)
{
	struct net_spec s = drawn_options(_i);
	struct call whole;
	call_init(&whole, &s, MAX_BATCH, ragged);
	real *sum = reals(whole.table.count), *want = reals(whole.n_x + whole.n_y);
	whole.key = (struct dropout_key){ .seed = 3, .key = s.dropout > 0, .row_base = 16 };
	call_run(&whole);
	for (int b = 0; b < MAX_BATCH; b++) {
		struct call alone;
		call_init(&alone, &s, 1, &ragged[b]);
		alone.key = whole.key;
		alone.key.row_base += (uint32_t)b;
		sequence_copy(&whole, b, s.inputs, whole.x, alone.x);
		sequence_copy(&whole, b, s.hidden, whole.dy, alone.dy);
		call_run(&alone);
		sequence_copy(&whole, b, s.hidden, whole.tape.y, want);
		check_close("y", alone.n_y, alone.tape.y, want, TOLERANCE_SAME, TOLERANCE_SAME);
		sequence_copy(&whole, b, s.inputs, whole.dx, want);
		check_close("dx", alone.n_x, alone.dx, want, 10 * TOLERANCE_SAME, 10 * TOLERANCE_SAME);
		for (size_t i = 0; i < alone.table.count; i++)
			sum[i] += alone.dparams[i];
		call_fini(&alone);
	}
	check_close("dparams", whole.table.count, sum, whole.dparams, 50 * TOLERANCE_SAME, 50 * TOLERANCE_SAME);
	free(sum);
	free(want);
	call_fini(&whole);
}
END_TEST

/* Move x at one step: with `causal` the steps before it stay, without they all move. */
START_TEST(causal_steps_see_no_future)
{
	struct net_spec s = plain;
	struct call c;
	const int moved = 66;
	s.causal = _i;
	call_init(&c, &s, 1, (int[]){ 70 });
	real *before = reals(c.n_y);
	call_forward(&c);
	memcpy(before, c.tape.y, c.n_y * sizeof(real));
	c.x[moved * s.inputs] += 1;
	call_forward(&c);
	for (int t = 0; t < 70; t++) {
		real most = 0;
		for (int j = 0; j < s.hidden; j++)
			most = REAL(fmax)(most, REAL(fabs)(c.tape.y[t * s.hidden + j] - before[t * s.hidden + j]));
		ck_assert_msg(s.causal && t < moved ? most <= TOLERANCE_SAME : most > 10 * TOLERANCE_SAME,
		              "step %d moved by %g", t, (double)most);
	}
	free(before);
	call_fini(&c);
}
END_TEST

/* The plain formula, head by head and step by step. */
static void multihead_plainly(const struct multihead *m, const real *params, int T, const real *x, double *y)
{
	enum { MAX_STEPS = 70, MAX_HID = 6 };
	double qkv[MAX_STEPS][3 * MAX_HID], o[MAX_STEPS][MAX_HID] = { 0 }, e[MAX_STEPS];
	int hid = m->hid, d = hid / m->heads;
	ck_assert(T <= MAX_STEPS && hid <= MAX_HID);
	for (int t = 0; t < T; t++)
		for (int i = 0; i < 3 * hid; i++) {
			qkv[t][i] = (double)params[m->in.b + (size_t)i];
			for (int j = 0; j < hid; j++)
				qkv[t][i] += (double)params[m->in.w + (size_t)(i * hid + j)] * (double)x[t * hid + j];
		}
	for (int t = 0; t < T; t++)
		for (int h = 0; h < m->heads; h++) {
			int sees = m->causal ? t + 1 : T;
			double sum = 0;
			for (int s = 0; s < sees; s++) {
				e[s] = 0;
				for (int j = h * d; j < (h + 1) * d; j++)
					e[s] += qkv[t][j] * qkv[s][hid + j];
				e[s] = exp(e[s] / sqrt(d));
				sum += e[s];
			}
			for (int s = 0; s < sees; s++)
				for (int j = h * d; j < (h + 1) * d; j++)
					o[t][j] += e[s] / sum * qkv[s][2 * hid + j];
		}
	for (int t = 0; t < T; t++)
		for (int i = 0; i < hid; i++) {
			y[t * hid + i] = (double)params[m->out.b + (size_t)i];
			for (int j = 0; j < hid; j++)
				y[t * hid + i] += (double)params[m->out.w + (size_t)(i * hid + j)] * o[t][j];
		}
}

START_TEST(multihead_is_the_formula)
{
	struct net_spec s = plain;
	struct call c;
	double want[70 * 6];
	s.causal = _i & 1;
	s.heads = _i & 2 ? 3 : 1;
	call_init(&c, &s, 1, (int[]){ 70 });
	const struct multihead *m = &c.f.sublayer[0].attention;
	real *x = random_reals(c.n_y, 4), *y = reals(c.n_y);
	multihead_forward(m, c.params, &c.packing, x, &c.tape.sublayer[0].attention, y);
	multihead_plainly(m, c.params, 70, x, want);
	for (size_t i = 0; i < c.n_y; i++)
		ck_assert(fabs((double)y[i] - want[i]) <= TOLERANCE_SAME * (1 + fabs(want[i])));
	free(x);
	free(y);
	call_fini(&c);
}
END_TEST

START_TEST(positions_are_sines_and_cosines)
{
	const struct { int t, j; double want; } cases[] = {
		{ 0, 0, 0 }, { 0, 1, 1 }, { 0, 4, 0 },
		{ 1, 0, sin(1) }, { 1, 1, cos(1) }, { 1, 2, sin(pow(10000, -0.4)) }, { 1, 3, cos(pow(10000, -0.4)) },
		{ 99, 0, sin(99) }, { 99, 3, cos(99 * pow(10000, -0.4)) }, { 99, 4, sin(99 * pow(10000, -0.8)) },
	};
	real positions[100 * 5];
	transformer_positions(0, 100, 5, positions);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert(fabs((double)positions[cases[i].t * 5 + cases[i].j] - cases[i].want) <= 1e-7);
	real later[3 * 5];
	transformer_positions(97, 3, 5, later);
	ck_assert_mem_eq(later, positions + 97 * 5, sizeof later);
}
END_TEST

/* Each sublayer has a mask of its own, also beyond the eight that layers have. */
START_TEST(masks_differ)
{
	struct net_spec s = plain;
	struct call c;
	s.dropout = 0.5;
	s.layers = NET_MAX_LAYERS;
	call_init(&c, &s, 1, (int[]){ 40 });
	c.key = (struct dropout_key){ .seed = 1, .key = 2 };
	call_forward(&c);
	for (int a = 0; a <= c.f.sublayers; a++)
		for (int b = 0; b < a; b++)
			ck_assert_mem_ne(c.tape.mask[a], c.tape.mask[b], c.n_y * sizeof(real));
	call_fini(&c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transformer, " BUILD);
	TCase *tc = tcase_create("transformer");
	tcase_set_timeout(tc, 300);
#ifdef GATECAST_DOUBLE
	tcase_add_loop_test(tc, gradients_match_differences, 0, DRAWS);
	tcase_add_loop_test(tc, gradients_match_over_blocks, 0, 2);
#endif
	tcase_add_loop_test(tc, each_sequence_is_as_if_alone, 0, 16);
	tcase_add_loop_test(tc, causal_steps_see_no_future, 0, 2);
	tcase_add_loop_test(tc, multihead_is_the_formula, 0, 4);
	tcase_add_test(tc, positions_are_sines_and_cosines);
	tcase_add_test(tc, masks_differ);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
