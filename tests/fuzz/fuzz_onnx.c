/* fuzz_onnx.c - libFuzzer: any bytes as an ONNX file. What is accepted leaves as ONNX and comes back as it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/model_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct imported *m)
{
	const struct model_numbers n = { m->weights, m->n_weights, m->calibration, m->n_calibration };
	const struct import_options nothing = { 0 };
	struct imported again;
	struct strbuf out;
	strbuf_init(&out, 64u << 20);
	if (model_export(WEIGHTS_ONNX, m->document, &n, &out, NULL)
	    || model_import(WEIGHTS_ONNX, out.s, out.len, &nothing, &again, NULL))
		abort();
	if (strcmp(m->document, again.document) || m->n_weights != again.n_weights
	    || memcmp(m->weights, again.weights, m->n_weights * sizeof *m->weights))
		abort();
	imported_fini(&again);
	strbuf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct import_options said[] = { { 0 }, { .horizon = 2 }, { .targets = 2, .window = 3 } };
	struct imported m;
	struct error e = { 0 };
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		enum err rc = model_import(WEIGHTS_ONNX, data, size, &said[i], &m, &e);
		if (rc == ERR_NOMEM || (rc && (rc != e.code || !e.what[0])))
			abort();
		if (rc)
			continue;
		check_round_trip(&m);
		imported_fini(&m);
	}
	return 0;
}
