/* fuzz_forecast.c - libFuzzer: any bytes as a /v1/forecast body. What is accepted must keep the header's promises, and
 * memory must stay bounded by the body. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/forecast_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct forecast_body *b)
{
	if (!b->model || !b->model[0] || b->inputs < 1 || b->inputs > FORECAST_MAX_INPUTS ||
		b->levels > FORECAST_MAX_LEVELS)
		abort();
	for (int i = 1; i < b->levels; i++)
		if (!(b->level[i] > b->level[i - 1]))
			abort();
	for (int i = 0; i < b->inputs; i++) {
		const struct series_input *in = &b->input[i];
		if ((in->columns > 0) == (in->dataset != NULL))
			abort();
		for (int c = 0; c < in->columns; c++)
			for (size_t k = 0; k < in->column[c].n; k++)
				if (isinf(in->column[c].value[k]) || strlen(in->column[c].name) > 64)
					abort();
	}
}

/* The same bytes as a session's step. */
static void parse_step(const uint8_t *data, size_t size)
{
	struct forecast_body b;
	struct arena a;
	struct error e = { 0 };
	int64_t sequence = 0;
	arena_init(&a, 6 * size + 4096);
	enum err rc = step_body_parse((const char *)data, size, &a, &b, &sequence, &e);
	if (rc == ERR_NOMEM || (rc != ERR_OK && (rc != e.code || !e.what[0])))
		abort();
	if (rc == ERR_OK && (sequence < 1 || b.inputs != 1 || b.input->columns < 1 || b.input->column[0].n < 1))
		abort();
	arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct forecast_body b;
	struct arena a;
	struct error e = { 0 };
	arena_init(&a, 6 * size + 4096);
	enum err rc = forecast_body_parse((const char *)data, size, &a, &b, &e);
	if (rc == ERR_NOMEM)
		abort();
	if (rc == ERR_OK)
		check(&b);
	else if (rc != e.code || !e.what[0])
		abort();
	arena_fini(&a);
	parse_step(data, size);
	return 0;
}
