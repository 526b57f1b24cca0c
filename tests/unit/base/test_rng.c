/* test_rng.c - Philox against its authors' known answers (Random123's kat_vectors), and the numbers made of it. */
#include "model/base/rng.h"

#include "suite.h"

#include <math.h>
#include <stdbool.h>

#include "tests/unit/check.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static const struct { uint32_t counter[4], key[2], want[4]; } known[] = {
	{ { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
	{ { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
	  { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
	{ { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
	  { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
};

START_TEST(philox_known_answers)
{
	uint32_t out[4];
	rng_philox(known[_i].counter, known[_i].key, out);
	ck_assert_mem_eq(out, known[_i].want, sizeof out);
}
END_TEST

/* A number depends on (seed, stream, substream, counter) alone: words are the blocks' words in order. */
START_TEST(words_are_those_of_the_blocks)
{
	const uint64_t seed = 0x0123456789abcdef;
	struct rng r;
	rng_init(&r, seed, RNG_SHUFFLE, 77);
	for (uint32_t block = 0; block < 3; block++) {
		const uint32_t counter[4] = { block, 0, RNG_SHUFFLE, 77 }, key[2] = { 0x89abcdef, 0x01234567 };
		uint32_t want[4];
		rng_philox(counter, key, want);
		for (int i = 0; i < 4; i++)
			ck_assert_uint_eq(rng_u32(&r), want[i]);
	}
	ck_assert_uint_eq(r.counter, 12);
	r.counter = 5;
	uint32_t sixth = rng_u32(&r);
	rng_init(&r, seed, RNG_SHUFFLE, 77);
	for (int i = 0; i < 5; i++)
		rng_u32(&r);
	ck_assert_uint_eq(rng_u32(&r), sixth);
}
END_TEST

START_TEST(streams_differ)
{
	const struct { uint64_t seed; enum rng_stream stream; uint32_t sub; } start[] = {
		{ 1, RNG_INIT, 0 }, { 2, RNG_INIT, 0 }, { 1ull << 32 | 1, RNG_INIT, 0 },
		{ 1, RNG_DROPOUT, 0 }, { 1, RNG_INIT, 1 },
	};
	uint32_t word[sizeof start / sizeof *start];
	for (int i = 0; i < COUNT(start); i++) {
		struct rng r;
		rng_init(&r, start[i].seed, start[i].stream, start[i].sub);
		word[i] = rng_u32(&r);
		for (int k = 0; k < i; k++)
			ck_assert_uint_ne(word[i], word[k]);
	}
}
END_TEST

#define DRAWS 20000

START_TEST(uniform_has_its_moments)
{
	struct rng r;
	double sum = 0, squares = 0;
	rng_init(&r, 1, RNG_TEST, 0);
	for (int i = 0; i < DRAWS; i++) {
		double u = rng_uniform(&r);
		ck_assert(u >= 0 && u < 1);
		sum += u;
		squares += u * u;
	}
	ck_assert(fabs(sum / DRAWS - 0.5) <= 0.01);                   /* about 5 standard errors */
	ck_assert(fabs(squares / DRAWS - 1.0 / 3) <= 0.011);
}
END_TEST

START_TEST(normal_has_its_moments)
{
	struct rng r;
	double sum = 0, squares = 0;
	rng_init(&r, 2, RNG_TEST, 0);
	for (int i = 0; i < DRAWS; i++) {
		double x = rng_normal(&r);
		ck_assert(isfinite(x));
		sum += x;
		squares += x * x;
	}
	ck_assert(fabs(sum / DRAWS) <= 0.036);
	ck_assert(fabs(squares / DRAWS - 1) <= 0.05);
}
END_TEST

START_TEST(below_is_even)
{
	enum { SIDES = 7 };
	int seen[SIDES] = { 0 };
	struct rng r;
	rng_init(&r, 3, RNG_TEST, 0);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t v = rng_below(&r, SIDES);
		ck_assert_uint_lt(v, SIDES);
		seen[v]++;
	}
	for (int v = 0; v < SIDES; v++)
		ck_assert(fabs(seen[v] / (double)DRAWS - 1.0 / SIDES) <= 0.0125);
	ck_assert_uint_eq(rng_below(&r, 1), 0);
	ck_assert_uint_lt(rng_below(&r, UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(shuffle_keeps_every_item)
{
	enum { ITEMS = 100 };
	uint32_t item[ITEMS], again[ITEMS];
	bool seen[ITEMS] = { false };
	struct rng r;
	int moved = 0;
	for (uint32_t i = 0; i < ITEMS; i++)
		item[i] = again[i] = i;
	rng_init(&r, 4, RNG_SHUFFLE, 1);
	rng_shuffle(&r, item, ITEMS);
	rng_init(&r, 4, RNG_SHUFFLE, 1);
	rng_shuffle(&r, again, ITEMS);
	ck_assert_mem_eq(item, again, sizeof item);
	for (uint32_t i = 0; i < ITEMS; i++) {
		ck_assert_uint_lt(item[i], ITEMS);
		ck_assert(!seen[item[i]]);
		seen[item[i]] = true;
		moved += item[i] != i;
	}
	ck_assert_int_gt(moved, ITEMS / 2);
	rng_shuffle(&r, item, 0);
	rng_shuffle(&r, item, 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("rng");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, philox_known_answers, 0, COUNT(known));
	tcase_add_test(tc, words_are_those_of_the_blocks);
	tcase_add_test(tc, streams_differ);
	tcase_add_test(tc, uniform_has_its_moments);
	tcase_add_test(tc, normal_has_its_moments);
	tcase_add_test(tc, below_is_even);
	tcase_add_test(tc, shuffle_keeps_every_item);
	return suite_run("rng", tc);
}
