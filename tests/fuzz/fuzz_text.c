/* fuzz_text.c - libFuzzer: any bytes as the body of a route of texts, the first of which says which. What is accepted
 * must keep the header's promises, and memory must stay bounded by the body. */
#include <stdint.h>
#include <stdlib.h>

#include "api/text_body.h"
#include "model/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct text_question *q, bool has_inputs)
{
	if (!q->model || !q->model[0] || q->version < 0 || (q->inputs > 0) != has_inputs || q->inputs > TEXT_MAX_INPUTS)
		abort();
	for (int i = 0; i < q->inputs; i++)
		if (!q->input[i].len || !utf8_valid(q->input[i].s, q->input[i].len))
			abort();
}

static enum err generate(const char *s, size_t len, struct arena *a, struct error *e)
{
	struct generate_body b;
	enum err rc = generate_body_parse(s, len, a, &b, e);
	if (rc)
		return rc;
	check(&b.q, false);
	if (!(b.temperature >= 0 && b.temperature <= TEXT_MAX_TEMPERATURE) || b.max_tokens < 1 || b.max_tokens > TEXT_MAX_TOKENS ||
		b.top_k < 0 || !utf8_valid(b.prompt.s, b.prompt.len))
		abort();
	return rc;
}

static enum err classify(const char *s, size_t len, struct arena *a, struct error *e)
{
	struct classify_body b;
	enum err rc = classify_body_parse(s, len, a, &b, e);
	if (rc)
		return rc;
	check(&b.q, true);
	if (b.top < 1 || b.top > TEXT_MAX_TOP)
		abort();
	return rc;
}

static enum err translate(const char *s, size_t len, struct arena *a, struct error *e)
{
	struct translate_body b;
	enum err rc = translate_body_parse(s, len, a, &b, e);
	if (rc)
		return rc;
	check(&b.q, true);
	if (b.beam_width < 1 || b.beam_width > INFER_MAX_BEAM || b.max_length < 0 || b.max_length > NET_MAX_HORIZON ||
		!(b.length_penalty >= 0 && b.length_penalty <= TEXT_MAX_PENALTY))
		abort();
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static enum err (*const route[])(const char *, size_t, struct arena *, struct error *) = { generate, classify, translate };
	struct arena a;
	struct error e = { 0 };
	if (!size)
		return 0;
	arena_init(&a, 6 * size + 4096);
	enum err rc = route[data[0] % 3]((const char *)data + 1, size - 1, &a, &e);
	if (rc == ERR_NOMEM || (rc && (rc != e.code || !e.what[0])))
		abort();
	arena_fini(&a);
	return 0;
}
