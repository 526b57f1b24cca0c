/* fuzz_job.c - libFuzzer: any bytes as a training job, a small body and a model's document. An accepted recipe must
 * render to a body that reads back to the same rendering. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_body.h"
#include "api/model_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void render(const struct recipe *r, struct strbuf *out)
{
	strbuf_init(out, 1 << 20);
	recipe_render(r, out);
	if (!strbuf_ok(out))
		abort();
}

static void check_round_trip(const struct recipe *r)
{
	struct strbuf first, second;
	struct recipe back;
	char *metadata = NULL;
	render(r, &first);
	if (job_body_parse(first.s, first.len, &back, &metadata, NULL))
		abort();
	render(&back, &second);
	if (strcmp(first.s, second.s))
		abort();
	free(metadata);
	strbuf_fini(&first);
	strbuf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	struct recipe r;
	struct document d;
	struct error e = { 0 };
	char *metadata = NULL;
	bool discard;
	int version;
	if (job_body_parse(s, size, &r, &metadata, &e) == ERR_OK)
		check_round_trip(&r);
	free(metadata);
	cancel_body_parse(s, size, &discard, &e);
	label_body_parse(s, size, &version, &e);
	if (document_parse(s, size, &d, &e) == ERR_OK)
		document_fini(&d);
	return 0;
}
