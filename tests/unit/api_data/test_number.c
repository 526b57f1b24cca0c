/* test_number.c - reading against strtod bit for bit, JSON's grammar, and writing that reads back. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/number.h"
#include "model/base/rng.h"
#include "tests/unit/check.h"

static uint64_t bits_of(double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof u);
	return u;
}

static double double_of(uint64_t u)
{
	double v;

	memcpy(&v, &u, sizeof v);
	return v;
}

/* In exactly its own bytes, so that the sanitizer sees a read past the end. */
static const char *read_json(const char *text, double *out, size_t *used)
{
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	const char *after = number_json(copy, copy + len, out);
	*used = after ? (size_t)(after - copy) : 0;
	free(copy);
	return after;
}

static void expect_as_strtod(const char *text)
{
	double got = 0, want = strtod(text, NULL);
	size_t used;

	ck_assert_msg(read_json(text, &got, &used) != NULL, "%s refused", text);
	ck_assert_uint_eq(used, strlen(text));
	ck_assert_msg(bits_of(got) == bits_of(want), "%s: %a, strtod says %a", text, got, want);
}

static const struct { const char *text; int used; /* -1: refused */ } grammar_cases[] = {
	{ "0", 1 }, { "-0", 2 }, { "7", 1 }, { "-12", 3 }, { "10", 2 }, { "0.5", 3 }, { "-0.25", 5 }, { "1e5", 3 },
	{ "1E+5", 4 }, { "1e-05", 5 }, { "0e0", 3 }, { "0.0e-0", 6 }, { "12.50e+01", 9 },
	{ "1,2", 1 }, { "1]", 1 }, { "1 ", 1 }, { "01", 1 }, { "-01", 2 }, { "00", 1 }, { "1.5.5", 3 }, { "0x10", 1 }, { "1-2", 1 },
	{ "", -1 }, { "-", -1 }, { "+1", -1 }, { "--1", -1 }, { ".5", -1 }, { "-.5", -1 }, { "1.", -1 }, { "1.e5", -1 },
	{ "0.", -1 }, { "1e", -1 }, { "1e+", -1 }, { "1e-", -1 }, { "1e+-1", -1 }, { "1.5e", -1 }, { "NaN", -1 }, { "nan", -1 },
	{ "Infinity", -1 }, { "-Infinity", -1 }, { "inf", -1 }, { "e5", -1 }, { " 1", -1 }, { "\t1", -1 }, { "a", -1 }, { "-a", -1 },
	{ "1e309", -1 }, { "-1e309", -1 }, { "1e400", -1 }, { "1e99999999999999999999", -1 }, { "1.8e308", -1 },
	{ "1e-400", 6 }, { "0e999999999999999999999", 23 }, { "1e-99999999999999999999", 23 },
};

START_TEST(grammar)
{
	const char *text = grammar_cases[_i].text;
	double v = 0;
	size_t used;
	bool accepted = read_json(text, &v, &used) != NULL;

	ck_assert_msg(accepted == (grammar_cases[_i].used >= 0), "\"%s\"", text);
	if (accepted)
		ck_assert_uint_eq(used, (size_t)grammar_cases[_i].used);
}
END_TEST

static const char *const hard_cases[] = {
	"0", "-0", "1", "0.1", "0.3", "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740993.0000000001",
	"9007199254740995", "18014398509481985", "1e22", "1e23", "123456789012345678901234567890", "1.7976931348623157e308",
	"1.7976931348623158e308", "2.2250738585072014e-308", "2.2250738585072011e-308", "2.2250738585072012e-308", "4.9e-324",
	"5e-324", "2.5e-324", "2.4703282292062327208e-324", "2.4703282292062328e-324", "1e-323", "8.5e-323", "1e-400",
	"6.631236871469758276785396630275967e-4", "3.237883913302901289588352412501532174863037669423108059901297e-234",
	"0.500000000000000166533453693773481063544750213623046875", "3.518437208883201171875e13",
	"1.00000000000000011102230246251565404236316680908203125",
	"1.00000000000000011102230246251565404236316680908203124", "1.00000000000000011102230246251565404236316680908203126",
	"1000000000000000000000000000000000000000e-39", "0.00000000000000000000000000000000000001e38", "7.2057594037927933e16",
	"9223372036854775807", "18446744073709551615", "18446744073709551616", "9999999999999999999", "1234567890123456789",
	"12345678901234567890", "0.000000000000000000012345678901234567890", "9e-23", "8.988465674311579539e307",
};

START_TEST(hard)
{
	expect_as_strtod(hard_cases[_i]);
}
END_TEST

/* Halfway between two doubles but for a digit far behind the 768 that the slow path keeps. */
START_TEST(sticky_digit)
{
	char text[4096];
	int n = snprintf(text, sizeof text, "9007199254740993.");

	memset(text + n, '0', 3000);
	text[n + 3000] = '\0';
	expect_as_strtod(text);
	text[n + 2999] = '1';
	expect_as_strtod(text);
	double v = 0;
	size_t used;
	read_json(text, &v, &used);
	ck_assert(v == 9007199254740994.0);
}
END_TEST

START_TEST(zeros_and_exponent_cancel)
{
	char text[4096] = "0.";
	double v = 0;
	size_t used;

	memset(text + 2, '0', 2000);
	strcpy(text + 2002, "25e2001");
	ck_assert_ptr_nonnull(read_json(text, &v, &used));
	ck_assert(v == 2.5);
}
END_TEST

START_TEST(random_as_strtod)
{
	struct rng r;
	char text[64];

	rng_init(&r, 7, RNG_TEST, 0);
	for (int i = 0; i < 100000; i++) {
		double v = double_of((uint64_t)rng_u32(&r) << 32 | rng_u32(&r));
		if (!isfinite(v))
			continue;
		snprintf(text, sizeof text, "%.*g", 1 + (int)rng_below(&r, 20), v);
		if (isfinite(strtod(text, NULL)))
			expect_as_strtod(text);
		snprintf(text, sizeof text, "%.*f", (int)rng_below(&r, 9), rng_normal(&r) * 1000);
		expect_as_strtod(text);
	}
}
END_TEST

static const struct { const char *text; bool ok; double want; } cell_cases[] = {
	{ "1.5", true, 1.5 }, { " 1.5\t", true, 1.5 }, { "+3", true, 3 }, { "-3", true, -3 }, { ".5", true, 0.5 }, { "5.", true, 5 },
	{ "007", true, 7 }, { "1e3", true, 1000 }, { "+.5e1", true, 5 }, { "-0", true, 0 },
	{ "", false, 0 }, { " ", false, 0 }, { "+", false, 0 }, { ".", false, 0 }, { "1 2", false, 0 }, { "1,5", false, 0 },
	{ "+-1", false, 0 }, { "- 1", false, 0 }, { "nan", false, 0 }, { "NaN", false, 0 }, { "inf", false, 0 }, { "-Infinity", false, 0 },
	{ "0x1p3", false, 0 }, { "1e999", false, 0 }, { "1.5abc", false, 0 }, { "1\n", false, 0 }, { "$5", false, 0 }, { "1e", false, 0 },
};

START_TEST(cell)
{
	double v = 99;
	bool ok = number_cell(cell_cases[_i].text, strlen(cell_cases[_i].text), &v);

	ck_assert_msg(ok == cell_cases[_i].ok, "\"%s\"", cell_cases[_i].text);
	ck_assert(v == (ok ? cell_cases[_i].want : 99));
}
END_TEST

static const struct { double v; const char *want; } write_cases[] = {
	{ 0.0, "0" }, { -0.0, "-0" }, { 1, "1" }, { -1, "-1" }, { 172.3, "172.3" }, { 0.1, "0.1" }, { -0.05, "-0.05" }, { 100, "100" },
	{ 1234567.875, "1234567.875" }, { 999999999999999, "999999999999999" }, { 1e15, "1000000000000000" }, { 1e16, "10000000000000000" },
	{ 1e17, "1e17" }, { 1e22, "1e22" }, { 1.5e22, "1.5e22" },
	{ 0.30000000000000004, "0.30000000000000004" }, { 1.0 / 3, "0.3333333333333333" }, { 1e-5, "0.00001" }, { 1.25e-6, "1.25e-6" }, { 1e-6, "1e-6" },
	{ 5e-324, "5e-324" }, { 2.2250738585072014e-308, "2.2250738585072014e-308" },
	{ 1.7976931348623157e308, "1.7976931348623157e308" }, { 9.5367431640625e-7, "9.5367431640625e-7" }, { 2e-323, "2e-323" }, { 9007199254740993.0, "9007199254740992" },
	{ INFINITY, "null" }, { -INFINITY, "null" }, { NAN, "null" },
};

START_TEST(write_known)
{
	struct strbuf b;

	strbuf_init(&b, 64);
	number_write(&b, write_cases[_i].v);
	ck_assert_str_eq(b.s, write_cases[_i].want);
	strbuf_fini(&b);
}
END_TEST

static const struct { float v; const char *want; } write_float_cases[] = {
	{ 0.0f, "0" }, { -0.0f, "-0" }, { 0.1f, "0.1" }, { 1.5f, "1.5" }, { 16777216.0f, "16777216" }, { 0.33333334f, "0.33333334" },
	{ 1e10f, "10000000000" }, { -2.5f, "-2.5" }, { 3.4028235e38f, "3.4028235e38" }, { 1e-7f, "1e-7" }, { 1e-45f, "1e-45" }, { 9.5367432e-7f, "9.536743e-7" }, { INFINITY, "null" }, { NAN, "null" },
};

START_TEST(write_float_known)
{
	struct strbuf b;

	strbuf_init(&b, 64);
	number_write_float(&b, write_float_cases[_i].v);
	ck_assert_str_eq(b.s, write_float_cases[_i].want);
	strbuf_fini(&b);
}
END_TEST

/* What %.15g … %.17g would need: the digits that count, without point, sign, exponent and outer zeros. */
static size_t significant(const char *text)
{
	size_t n = 0, zeros = 0;

	for (; *text && *text != 'e'; text++) {
		if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
			continue;
		zeros = *text == '0' ? zeros + 1 : 0;
		n++;
	}
	return n - zeros;
}

static size_t shortest_significant(double v)
{
	char text[40];

	for (int digits = 1; digits < 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			return significant(text);
	}
	return 17;
}

static void expect_round_trip(double v, bool shortest)
{
	struct strbuf b;
	double back = 0;

	strbuf_init(&b, 64);
	number_write(&b, v);
	ck_assert(number_json(b.s, b.s + b.len, &back) == b.s + b.len);
	ck_assert_msg(bits_of(back) == bits_of(v), "%a written as %s", v, b.s);
	if (shortest)
		ck_assert_msg(significant(b.s) <= shortest_significant(v), "%s is not the shortest of %a", b.s, v);
	strbuf_fini(&b);
}

START_TEST(write_round_trip)
{
	struct rng r;

	rng_init(&r, 11, RNG_TEST, 1);
	for (int i = 0; i < 20000; i++) {
		double v = double_of((uint64_t)rng_u32(&r) << 32 | rng_u32(&r));
		if (isfinite(v))
			expect_round_trip(v, i < 2000);
		expect_round_trip(rng_normal(&r) * 100, i < 2000);
		expect_round_trip((double)rng_below(&r, 10000000) / 1000, i < 2000);
	}
}
END_TEST

/* Of all decimals with so few digits that read back, it is the nearest: what %e rounds to. */
START_TEST(write_nearest)
{
	struct rng r;
	struct strbuf b;
	char text[40];

	rng_init(&r, 17, RNG_TEST, 3);
	strbuf_init(&b, 64);
	for (int i = 0; i < 20000; i++) {
		double v = i & 1 ? exp(rng_normal(&r) * 20) : double_of((uint64_t)rng_u32(&r) << 32 | rng_u32(&r));
		if (!isfinite(v) || v == 0)
			continue;
		strbuf_reset(&b);
		number_write(&b, v);
		snprintf(text, sizeof text, "%.*e", (int)significant(b.s) - 1, v);
		long double ours = fabsl(strtold(b.s, NULL) - (long double)v), theirs = fabsl(strtold(text, NULL) - (long double)v);
		ck_assert_msg(ours <= theirs * 1.0001L, "%s, but %s is nearer to %a", b.s, text, v);
	}
	strbuf_fini(&b);
}
END_TEST

START_TEST(write_float_round_trip)
{
	struct rng r;
	struct strbuf b;

	rng_init(&r, 13, RNG_TEST, 2);
	strbuf_init(&b, 64);
	for (int i = 0; i < 100000; i++) {
		uint32_t u = rng_u32(&r);
		float v, back;
		double wide;

		memcpy(&v, &u, sizeof v);
		if (i & 1)
			v = (float)rng_uniform(&r);
		if (!isfinite(v))
			continue;
		strbuf_reset(&b);
		number_write_float(&b, v);
		back = strtof(b.s, NULL);
		ck_assert_msg(memcmp(&back, &v, sizeof v) == 0, "%a written as %s", (double)v, b.s);
		ck_assert(number_json(b.s, b.s + b.len, &wide) == b.s + b.len);
		ck_assert_msg((float)wide == v, "%a as %s differs when read as a double", (double)v, b.s);
		ck_assert_uint_le(significant(b.s), 9);
	}
	strbuf_fini(&b);
}
END_TEST

#define COUNT(table) ((int)(sizeof table / sizeof table[0]))

int main(void)
{
	Suite *s = suite_create("number");
	TCase *t = tcase_create("number");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, grammar, 0, COUNT(grammar_cases));
	tcase_add_loop_test(t, hard, 0, COUNT(hard_cases));
	tcase_add_test(t, sticky_digit);
	tcase_add_test(t, zeros_and_exponent_cancel);
	tcase_add_test(t, random_as_strtod);
	tcase_add_loop_test(t, cell, 0, COUNT(cell_cases));
	tcase_add_loop_test(t, write_known, 0, COUNT(write_cases));
	tcase_add_loop_test(t, write_float_known, 0, COUNT(write_float_cases));
	tcase_add_test(t, write_round_trip);
	tcase_add_test(t, write_nearest);
	tcase_add_test(t, write_float_round_trip);
	suite_add_tcase(s, t);

	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
