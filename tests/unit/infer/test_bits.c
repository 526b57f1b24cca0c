/* test_bits.c - the bits of answers, against those that other machines gave.
 *
 *     test_infer_bits LEVEL          the level's column of tests/golden/infer_bits.txt
 *     test_infer_bits LEVEL FILE     writes FILE, as that should be, when the order of an arithmetic has changed
 *
 * A line of it is a network of networks.h, whether it is quantised, and the FNV-1a hash of all that it answers to drawn
 * sequences: at the levels that fuse multiply and add, whatever the CPU, and at the portable one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/infer/networks.h"
#include "tests/unit/infer/sequences.h"

#define MAX_T     40
#define SEQUENCES 24
#define LINE_SIZE 80

enum { FUSED, PORTABLE, COLUMNS };
enum { FLOAT, INT8, PACKINGS };
static const char *const packings[PACKINGS] = { "float", "int8" };

static const char *to_write;   /* FILE */

static uint64_t hash_floats(uint64_t hash, const float *p, size_t n)
{
	const unsigned char *byte = (const unsigned char *)p;

	for (size_t i = 0; i < n * sizeof *p; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3;
	return hash;
}

static uint64_t answers_hash(const struct kernels *k, int network, int packing)
{
	const struct net_spec *s = &networks[network];
	struct test_network n;
	struct sequences q;
	struct rng r;
	uint64_t hash = 0xcbf29ce484222325;

	rng_init(&r, 51, RNG_TEST, (uint32_t)network);
	test_network_init(&n, s, &r);
	struct infer_model *m = packing == INT8 ? test_model_int8(&n, k) : test_model(&n, k);
	struct infer_ws *w = test_workspace(m, MAX_ROWS, MAX_T);
	sequences_init(&q, s, SEQUENCES, MAX_T, &r);
	run_mixed(m, w, &q, &r);
	hash = hash_floats(hash, q.y, q.n * q.y_size);
	hash = hash_floats(hash, q.attention, q.n * q.attention_size);
	hash = hash_floats(hash, q.final, q.n * q.state_size);
	sequences_fini(&q);
	infer_ws_free(w);
	infer_model_free(m);
	test_network_fini(&n);
	return hash;
}

static int line_print(char *to, size_t size, int network, int packing, const uint64_t hash[COLUMNS])
{
	return snprintf(to, size, "%2d %-5s %016llx %016llx\n", network, packings[packing],
	                (unsigned long long)hash[FUSED], (unsigned long long)hash[PORTABLE]);
}

/* The line of a network and packing: the file is NETWORKS * PACKINGS of them. */
static void golden_line(int number, char *line, size_t size)
{
	char path[4096];
	const char *folder = getenv("GOLDEN_DIR");

	ck_assert_ptr_nonnull(folder);
	snprintf(path, sizeof path, "%s/infer_bits.txt", folder);
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	for (int i = 0; i <= number; i++)
		ck_assert_ptr_nonnull(fgets(line, (int)size, f));
	fclose(f);
}

START_TEST(answers_have_the_bits_of_every_machine)
{
	const int network = _i / PACKINGS, packing = _i % PACKINGS;
	const int own = strcmp(level->name, "c") ? FUSED : PORTABLE;
	char golden[LINE_SIZE], here[LINE_SIZE];
	unsigned long long column[COLUMNS];
	uint64_t hash[COLUMNS];

	golden_line(_i, golden, sizeof golden);
	ck_assert_int_eq(sscanf(golden, "%*d %*s %llx %llx", &column[FUSED], &column[PORTABLE]), COLUMNS);
	hash[FUSED] = column[FUSED];
	hash[PORTABLE] = column[PORTABLE];
	hash[own] = answers_hash(level, network, packing);
	line_print(here, sizeof here, network, packing, hash);
	ck_assert_str_eq(here, golden);
}
END_TEST

/* The answers of a machine that has both kinds of levels. */
START_TEST(write_them)
{
	const struct kernels *const columns[COLUMNS] = { level, kernels_find("c") };
	FILE *f = fopen(to_write, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_ne(columns[FUSED], columns[PORTABLE]);
	for (int i = 0; i < NETWORKS * PACKINGS; i++) {
		uint64_t hash[COLUMNS];
		char line[LINE_SIZE];
		for (int c = 0; c < COLUMNS; c++)
			hash[c] = answers_hash(columns[c], i / PACKINGS, i % PACKINGS);
		line_print(line, sizeof line, i / PACKINGS, i % PACKINGS, hash);
		fputs(line, f);
	}
	ck_assert_int_eq(fclose(f), 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("bits");
	TCase *t = tcase_create("one level");

	tcase_set_timeout(t, 300);
	to_write = argc > 2 ? argv[2] : NULL;
	if (to_write)
		tcase_add_test(t, write_them);
	else
		tcase_add_loop_test(t, answers_have_the_bits_of_every_machine, 0, NETWORKS * PACKINGS);
	suite_add_tcase(s, t);
	return run_level_suite(argc, argv, s);
}
