/* fuzz_weights.c - libFuzzer: any bytes as a safetensors file. The first byte chooses what is said about it; behind it either
 * a whole file, or a header whose length is right and numbers that are zero. What is accepted leaves and comes back as it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/model_import.h"

#define ZEROS 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct imported *m)
{
	const struct model_numbers n = { m->weights, m->n_weights, m->calibration, m->n_calibration };
	const struct import_options nothing = { 0 };
	struct imported again;
	struct strbuf out;
	strbuf_init(&out, 64u << 20);
	if (model_export(WEIGHTS_SAFETENSORS, m->document, &n, &out, NULL) || model_import(WEIGHTS_SAFETENSORS, out.s, out.len, &nothing, &again, NULL))
		abort();
	if (strcmp(m->document, again.document) || m->n_weights != again.n_weights || m->n_calibration != again.n_calibration
	    || memcmp(m->weights, again.weights, m->n_weights * sizeof *m->weights))
		abort();
	imported_fini(&again);
	strbuf_fini(&out);
}

static void run(const void *bytes, size_t len, const struct import_options *o)
{
	struct imported m;
	struct error e = { 0 };
	enum err rc = model_import(WEIGHTS_SAFETENSORS, bytes, len, o, &m, &e);
	if (rc == ERR_NOMEM || (rc && (rc != e.code || !e.what[0])))
		abort();
	if (rc)
		return;
	check_round_trip(&m);
	imported_fini(&m);
}

/* The bytes as a header, with its length before it and zeros behind it. */
static void run_header(const uint8_t *header, size_t len, const struct import_options *o)
{
	uint8_t *file = calloc(1, 8 + len + ZEROS);
	if (!file)
		return;
	for (int i = 0; i < 8; i++)
		file[i] = (uint8_t)(len >> (8 * i));
	memcpy(file + 8, header, len);
	run(file, 8 + len + ZEROS, o);
	free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct import_options said[] = {
		{ 0 }, { .horizon = 2 }, { .targets = 2, .window = 3 }, { .columns = "a,b", .decoder = "mean" }, { .nonlinearity = "relu" },
	};
	if (!size)
		return 0;
	const struct import_options *o = &said[data[0] % (sizeof said / sizeof *said)];
	run(data + 1, size - 1, o);
	run_header(data + 1, size - 1, o);
	return 0;
}
