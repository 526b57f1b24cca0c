/* test_flights.c - sequences that join and leave one by one: the same bits as infer_run() gives each alone, whoever flies
 * along, whenever they begin and whoever is dropped. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/infer/sequences.h"

#define MAX_T 90

/* What became of a sequence. */
struct roster {
	int of[INFER_FLIGHTS];   /* flight ─► sequence */
	bool over[2000];
	int next;
};

static struct infer_flights *hangar(const struct infer_model *m, int max_T)
{
	struct infer_flights *f = NULL;

	ck_assert_int_eq(infer_flights_new(&f, NULL), ERR_OK);
	ck_assert_int_eq(infer_flights_reserve(f, m, max_T, NULL), ERR_OK);
	return f;
}

static void begin_next(struct infer_flights *f, struct roster *to, const struct sequences *q)
{
	const int number = infer_flight_begin(f, &q->seq[to->next]);

	ck_assert(number >= 0 && number < INFER_FLIGHTS);
	to->of[number] = to->next++;
}

/* One tick; in how many landed nobody may be twice. */
static int tick(struct infer_flights *f, struct roster *to)
{
	int landed[INFER_FLIGHTS];
	const int before = infer_flights_count(f), n = infer_flights_tick(f, landed);

	for (int i = 0; i < n; i++) {
		ck_assert(!to->over[to->of[landed[i]]]);
		to->over[to->of[landed[i]]] = true;
	}
	ck_assert_int_eq(infer_flights_count(f), before - n);
	return n;
}

/* All of q, in drawn company: some begin before a tick, as many as there is room for or fewer. */
static void fly(struct infer_flights *f, const struct sequences *q, struct rng *r)
{
	struct roster to = { 0 };
	int landed = 0;

	ck_assert_int_le(q->n, 2000);
	while (landed < q->n) {
		int begin = draw_int(r, 0, INFER_FLIGHTS);
		for (; begin > 0 && to.next < q->n && infer_flights_count(f) < INFER_FLIGHTS; begin--)
			begin_next(f, &to, q);
		if (infer_flights_count(f))
			landed += tick(f, &to);
	}
	ck_assert_int_eq(infer_flights_count(f), 0);
}

/* A network drawn until it flies. */
static struct infer_model *draw_model(struct test_network *n, struct rng *r, bool int8)
{
	for (;;) {
		const struct net_spec s = draw_spec(r);
		test_network_init(n, &s, r);
		struct infer_model *m = int8 ? test_model_int8(n, level) : test_model(n, level);
		if (infer_flies(m))
			return m;
		infer_model_free(m);
		test_network_fini(n);
	}
}

static void check_flights(struct infer_flights *f, const struct infer_model *m, int count, struct rng *r)
{
	const struct net_spec *s = infer_model_spec(m);
	struct infer_ws *w = test_workspace(m, 1, MAX_T);
	struct sequences alone, flown;

	sequences_init(&alone, s, count, MAX_T, r);
	sequences_again(&flown, &alone);
	run_alone(m, w, &alone);
	sequences_clear(&flown);
	fly(f, &flown, r);
	check_same_bits(&alone, &flown);
	check_guards(s, &flown);
	sequences_fini(&flown);
	sequences_fini(&alone);
	infer_ws_free(w);
}

/* One hangar for all models, as a thread has. */
START_TEST(same_bits_as_alone)
{
	struct infer_flights *f = NULL;
	struct rng r;

	rng_init(&r, 71, RNG_TEST, (uint32_t)_i);
	ck_assert_int_eq(infer_flights_new(&f, NULL), ERR_OK);
	for (int i = 0; i < 40; i++) {
		struct test_network n;
		struct infer_model *m = draw_model(&n, &r, i % 4 == 3);
		ck_assert_int_eq(infer_flights_reserve(f, m, MAX_T, NULL), ERR_OK);
		check_flights(f, m, 60, &r);
		infer_model_free(m);
		test_network_fini(&n);
	}
	infer_flights_free(f);
}
END_TEST

START_TEST(thousands)
{
	struct test_network n;
	struct rng r;

	rng_init(&r, 72, RNG_TEST, (uint32_t)_i);
	struct infer_model *m = draw_model(&n, &r, false);
	struct infer_flights *f = hangar(m, MAX_T);
	check_flights(f, m, 2000, &r);
	infer_flights_free(f);
	infer_model_free(m);
	test_network_fini(&n);
}
END_TEST

/* Every third is dropped on its way: the others do not notice, and its slot serves again. */
START_TEST(dropped)
{
	enum { MANY = 300 };
	struct test_network n;
	struct sequences alone, flown;
	struct rng r;

	rng_init(&r, 73, RNG_TEST, (uint32_t)_i);
	struct infer_model *m = draw_model(&n, &r, false);
	struct infer_ws *w = test_workspace(m, 1, MAX_T);
	struct infer_flights *f = hangar(m, MAX_T);
	struct roster to = { 0 };
	sequences_init(&alone, &n.spec, MANY, MAX_T, &r);
	sequences_again(&flown, &alone);
	run_alone(m, w, &alone);
	while (to.next < MANY || infer_flights_count(f)) {
		while (to.next < MANY && infer_flights_count(f) < INFER_FLIGHTS)
			begin_next(f, &to, &flown);
		tick(f, &to);
		for (int slot = 0; slot < INFER_FLIGHTS; slot++) {
			const int i = to.of[slot];
			if (i % 3 == 2 && !to.over[i]) {
				infer_flight_drop(f, slot);
				to.over[i] = true;
				flown.seq[i].T = 0;
			}
		}
	}
	for (int i = 0; i < MANY; i++) {
		const size_t size = (size_t)net_steps(&n.spec, alone.seq[i].T) * net_outputs(&n.spec);
		ck_assert(to.over[i]);
		if (flown.seq[i].T)
			ck_assert_int_eq(memcmp(flown.seq[i].y, alone.seq[i].y, size * sizeof(float)), 0);
	}
	sequences_fini(&flown);
	sequences_fini(&alone);
	infer_flights_free(f);
	infer_ws_free(w);
	infer_model_free(m);
	test_network_fini(&n);
}
END_TEST

/* A tick is a few steps: who is short does not wait for who is long. */
START_TEST(short_ones_leave_first)
{
	const struct net_spec s = { .inputs = 2, .encoder = ENCODER_GRU, .hidden = 20, .layers = 1, .bias = true,
		.reset_after = true, .decoder = DECODER_LAST, .targets = 1, .levels = 1, .horizon = 2 };
	struct test_network n;
	struct sequences q;
	struct roster to = { 0 };
	struct rng r;

	rng_init(&r, 74, RNG_TEST, 0);
	test_network_init(&n, &s, &r);
	struct infer_model *m = test_model(&n, level);
	struct infer_flights *f = hangar(m, MAX_T);
	sequences_init(&q, &s, 3, MAX_T, &r);
	q.seq[0].T = MAX_T;
	q.seq[1].T = q.seq[2].T = 3;
	begin_next(f, &to, &q);
	begin_next(f, &to, &q);
	ck_assert_int_eq(tick(f, &to), 1);
	ck_assert(to.over[1] && !to.over[0]);
	begin_next(f, &to, &q);   /* joins in the middle of the long one */
	ck_assert_int_eq(tick(f, &to), 1);
	ck_assert(to.over[2] && !to.over[0]);
	while (!to.over[0])
		tick(f, &to);
	sequences_fini(&q);
	infer_flights_free(f);
	infer_model_free(m);
	test_network_fini(&n);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("flights");
	TCase *c = tcase_create("flights");

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, same_bits_as_alone, 0, 5);
	tcase_add_loop_test(c, thousands, 0, 8);
	tcase_add_loop_test(c, dropped, 0, 8);
	tcase_add_test(c, short_ones_leave_first);
	suite_add_tcase(suite, c);
	return run_level_suite(argc, argv, suite);
}
