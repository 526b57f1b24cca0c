/* test_arena.c - alignment, the cap, and sizes that would wrap. */
#include "model/base/arena.h"

#include "suite.h"

#include <stdint.h>
#include <string.h>

#include "tests/unit/check.h"

START_TEST(pieces_are_aligned_and_apart)
{
	enum { PIECES = 500 };
	unsigned char *piece[PIECES];
	struct arena a;
	arena_init(&a, 1 << 22);
	for (size_t i = 0; i < PIECES; i++) {
		piece[i] = arena_alloc(&a, i * 7);
		ck_assert_ptr_nonnull(piece[i]);
		ck_assert_uint_eq((uintptr_t)piece[i] % 16, 0);
		memset(piece[i], (int)i & 0xff, i * 7);
	}
	for (size_t i = 0; i < PIECES; i++)
		for (size_t k = 0; k < i * 7; k++)
			if (piece[i][k] != (i & 0xff))
				ck_abort_msg("byte %zu of piece %zu was overwritten", k, i);
	arena_fini(&a);
}
END_TEST

START_TEST(cap_is_kept)
{
	struct arena a;
	arena_init(&a, 64);
	ck_assert_ptr_null(arena_alloc(&a, 65));
	ck_assert_ptr_nonnull(arena_alloc(&a, 33));          /* counts as 48 */
	ck_assert_ptr_null(arena_alloc(&a, 17));
	ck_assert_ptr_nonnull(arena_alloc(&a, 16));
	ck_assert_ptr_null(arena_alloc(&a, 0));
	arena_fini(&a);
	ck_assert_ptr_nonnull(arena_alloc(&a, 64));          /* usable again */
	arena_fini(&a);
	arena_fini(&a);
}
END_TEST

static const size_t absurd[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 17, SIZE_MAX - 31 };

START_TEST(absurd_sizes_fail)
{
	struct arena a;
	arena_init(&a, SIZE_MAX);
	ck_assert_ptr_null(arena_alloc(&a, absurd[_i]));
	ck_assert_ptr_null(arena_calloc(&a, 1, absurd[_i]));
	ck_assert_ptr_null(arena_calloc(&a, absurd[_i], 2));
	ck_assert_ptr_null(arena_strndup(&a, "", absurd[_i] == SIZE_MAX ? SIZE_MAX : SIZE_MAX - 1));
	ck_assert_uint_eq(a.used, 0);
	arena_fini(&a);
}
END_TEST

START_TEST(calloc_clears)
{
	struct arena a;
	arena_init(&a, 10000);
	memset(arena_alloc(&a, 100), 0xff, 100);
	arena_fini(&a);
	const unsigned char *p = arena_calloc(&a, 50, 6);
	ck_assert_ptr_nonnull(p);
	for (int i = 0; i < 300; i++)
		ck_assert_uint_eq(p[i], 0);
	arena_fini(&a);
}
END_TEST

START_TEST(strndup_copies_and_ends)
{
	struct arena a;
	arena_init(&a, 1000);
	ck_assert_str_eq(arena_strndup(&a, "hello", 3), "hel");
	ck_assert_str_eq(arena_strndup(&a, "", 0), "");
	arena_fini(&a);
}
END_TEST

/* Whatever a request took, the next like it takes no memory but what is there. */
START_TEST(reset_keeps_one_block)
{
	struct arena a;
	arena_init(&a, 1 << 20);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 20; i++)
			ck_assert_ptr_nonnull(arena_alloc(&a, 1000));
		const struct arena_block *head = a.head;
		arena_reset(&a, 1 << 16);
		ck_assert_uint_eq(a.used, 0);
		if (round)
			ck_assert_ptr_eq(a.head, head);
	}
	ck_assert_ptr_nonnull(arena_alloc(&a, 1 << 17));
	arena_reset(&a, 1 << 16);
	ck_assert_ptr_null(a.head);                          /* too much to keep */
	memset(arena_alloc(&a, 100), 1, 100);
	arena_reset(&a, 1 << 16);
	arena_fini(&a);
	arena_reset(&a, 1 << 16);
	ck_assert_ptr_null(a.head);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("arena");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, pieces_are_aligned_and_apart);
	tcase_add_test(tc, cap_is_kept);
	tcase_add_loop_test(tc, absurd_sizes_fail, 0, (int)(sizeof absurd / sizeof *absurd));
	tcase_add_test(tc, calloc_clears);
	tcase_add_test(tc, reset_keeps_one_block);
	tcase_add_test(tc, strndup_copies_and_ends);
	return suite_run("arena", tc);
}
