/* fuzz_predict.c - libFuzzer: any bytes as a tensor body of both dialects. Every number of an accepted one is read. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/forecast_body.h"
#include "api/infer_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum err parser(const char *, size_t, struct arena *, struct tensor_body *, struct error *);

static void run(parser *parse, const uint8_t *data, size_t size)
{
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	arena_init(&a, 6 * size + 4096);
	enum err rc = parse((const char *)data, size, &a, &b, &e);
	if (rc == ERR_NOMEM)
		abort();
	if (rc == ERR_OK) {
		if (b.rows * b.steps * b.columns == 0 || b.rows > FORECAST_MAX_ROWS)
			abort();
		for (size_t i = 0; i < b.rows * b.steps * b.columns; i++)
			if (isinf(b.value[i]))
				abort();
	} else if (rc != e.code || !e.what[0]) {
		abort();
	}
	arena_fini(&a);
}

/* The last byte says how many before it are a binary tensor. */
static enum err parse_infer(const char *s, size_t len, struct arena *a, struct tensor_body *out, struct error *e)
{
	size_t tail = len ? (unsigned char)s[--len] : 0;
	return infer_body_parse(s, len, tail < len ? len - tail : len, a, out, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(predict_body_parse, data, size);
	run(parse_infer, data, size);
	return 0;
}
