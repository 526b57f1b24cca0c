#include "api/series_body.h"

#include <string.h>

#include "model/series/calendar.h"
#include "model/series/frame.h"

#define NAME_MAX_BYTES 64

/* Eight bytes at a time: where a comma is, v's byte is 0, and its top bit alone stays clear when 0x7F is added to each. */
static size_t count_commas(const char *p, const char *end)
{
	const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F), ones = UINT64_C(0x0101010101010101);
	size_t n = 0;
	for (; end - p >= 8; p += 8) {
		uint64_t v;
		memcpy(&v, p, sizeof v);
		v ^= ones * ',';
		uint64_t others = ((v & low) + low) | v;
		n += ((~others >> 7 & ones) * ones) >> 56;
	}
	for (; p < end; p++)
		n += *p == ',';
	return n;
}

bool pool_open(struct scan *s, struct number_pool *pool)
{
	if (s->rc || pool->next)
		return !s->rc;
	size_t most = (size_t)(s->end - s->p) / 2 + 1, commas = count_commas(s->p, s->end);
	if (most > commas + 1)
		most = commas + 1;
	if (most > SERIES_MAX_NUMBERS)
		most = SERIES_MAX_NUMBERS;
	pool->next = arena_alloc(s->arena, most * sizeof *pool->next);
	if (!pool->next) {
		s->rc = fail_nomem(s->error);
		return false;
	}
	pool->left = most;
	return true;
}

bool pool_numbers(struct scan *s, struct number_pool *pool, const double **value, size_t *n)
{
	if (!pool_open(s, pool) || !scan_numbers(s, pool->next, pool->left, n))
		return false;
	*value = pool->next;
	pool->next += *n;
	pool->left -= *n;
	return true;
}

static bool read_column(struct scan *s, struct text name, struct number_pool *pool, struct series_column *out)
{
	if (name.len == 0 || name.len > FRAME_NAME_MAX)
		return scan_fail(s, ERR_INVALID, "a column's name has 1 to %d bytes", FRAME_NAME_MAX);
	if (!pool_numbers(s, pool, &out->value, &out->n))
		return false;
	if (out->n == 0)
		return scan_fail(s, ERR_INVALID, "has no values");
	out->name = name.s;   /* terminated by keep_columns() */
	return true;
}

/* Into the arena at their final size, with the names in one piece behind. */
static bool keep_columns(struct scan *s, const struct series_column *column, const struct text *name, int n,
                         struct series_input *out)
{
	size_t bytes = (size_t)n * sizeof *column;
	for (int i = 0; i < n; i++)
		bytes += name[i].len + 1;
	out->column = arena_alloc(s->arena, bytes);
	if (!out->column) {
		s->rc = fail_nomem(s->error);
		return false;
	}
	memcpy(out->column, column, (size_t)n * sizeof *column);
	char *p = (char *)(out->column + n);
	for (int i = 0; i < n; i++) {
		out->column[i].name = p;
		memcpy(p, name[i].s, name[i].len);
		p[name[i].len] = '\0';
		p += name[i].len + 1;
	}
	out->columns = n;
	return true;
}

static bool read_columns(struct scan *s, struct number_pool *pool, struct series_input *out)
{
	struct series_column column[FRAME_MAX_COLUMNS];
	struct text name[FRAME_MAX_COLUMNS], each;
	int n = 0;
	scan_object(s);
	while (scan_member(s, &each)) {
		if (n == FRAME_MAX_COLUMNS)
			return scan_fail(s, ERR_INVALID, "more than %d columns", FRAME_MAX_COLUMNS);
		if (!read_column(s, each, pool, &column[n]))
			return false;
		if (column[n].n != column[0].n)
			return scan_fail(s, ERR_INVALID, "has %zu values, expected %zu as in the first column",
				column[n].n, column[0].n);
		name[n++] = each;
	}
	if (s->rc)
		return false;
	if (n == 0)
		return scan_fail(s, ERR_INVALID, "has no columns");
	return keep_columns(s, column, name, n, out);
}

static bool read_date(struct scan *s, int64_t *out)
{
	struct text t;
	if (!scan_string(s, &t))
		return false;
	return date_parse(t.s, t.len, out) || scan_fail(s, ERR_INVALID, "not a date such as \"2017-11-15\"");
}

bool series_member(struct scan *s, int which, struct number_pool *pool, struct series_input *out)
{
	switch (which) {
	case SERIES_COLUMNS: return read_columns(s, pool, out);
	case SERIES_DATASET: return scan_copy(s, NAME_MAX_BYTES, &out->dataset);
	case SERIES_START: return out->has_start = read_date(s, &out->start);
	default: return !s->rc;
	}
}

bool series_check(struct scan *s, const struct series_input *in)
{
	if (!s->rc && !in->column == !in->dataset)
		return scan_fail(s, ERR_INVALID, "expected either \"columns\" or \"dataset\"");
	if (!s->rc && in->has_start && in->dataset)
		return scan_fail(s, ERR_INVALID, "\"start\" goes with \"columns\"; a dataset has dates of its own");
	return !s->rc;
}
