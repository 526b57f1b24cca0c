/* fuzz_anomaly.c - libFuzzer: any bytes as a /v1/anomalies body. What is accepted must keep the header's promises, and
 * memory must stay bounded by the body. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/anomaly_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct anomaly_body *b)
{
	const struct series_input *in = &b->series;
	if (!b->model || !b->model[0] || (in->columns > 0) == (in->dataset != NULL) || (in->has_start && in->dataset))
		abort();
	for (int c = 0; c < in->columns; c++)
		if (in->column[c].n != in->column[0].n || in->column[c].n < 1 || in->column[c].n > ANOMALY_MAX_ROWS)
			abort();
	if (b->threshold < 0 || !(b->deviations >= 0) || b->smoothing < 0 || b->smoothing > ANOMALY_MAX_ROWS || b->gap < -1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct anomaly_body b;
	struct arena a;
	struct error e = { 0 };
	arena_init(&a, 6 * size + 4096);
	enum err rc = anomaly_body_parse((const char *)data, size, &a, &b, &e);
	if (rc == ERR_NOMEM)
		abort();
	if (rc == ERR_OK)
		check(&b);
	else if (rc != e.code || !e.what[0])
		abort();
	arena_fini(&a);
	return 0;
}
