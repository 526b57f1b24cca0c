/* text_body.h - bodies of requests to models of texts, and their answers.
 *
 *   /v1/generate    {"model", "version"?, "prompt"?, "max_tokens"?, "temperature"?, "top_k"?, "seed"?, "stream"?, "parameters"?}
 *   /v1/classify    {"model", "version"?, "inputs": ["…"], "top"?, "return"?, "parameters"?}
 *   /v1/translate   {"model", "version"?, "inputs": ["…"], "beam_width"?, "max_length"?, "length_penalty"?, "return"?, "parameters"?}
 *
 * Parsed without a JSON tree; texts stay where they are in the body (or in the arena, where they held escapes). Errors
 * carry a JSON pointer; unknown and duplicate members are errors. */
#ifndef GATECAST_API_TEXT_BODY_H
#define GATECAST_API_TEXT_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/scan.h"
#include "model/base/strbuf.h"
#include "model/text_model.h"

#define TEXT_MAX_INPUTS      256       /* texts of one body */
#define TEXT_MAX_PROBABILITIES 2000000 /* texts times the model's labels */
#define TEXT_MAX_TOP         100
#define TEXT_MAX_TOKENS      10000     /* "max_tokens" */
#define TEXT_MAX_TEMPERATURE 100
#define TEXT_MAX_PENALTY     10
#define TEXT_MAX_SEED        (INT64_C(1) << 53)   /* beyond it a JSON number need not be exact */

struct text_question {
	const char *model;                 /* never NULL */
	int version;                       /* 0: latest */
	const struct text *input; int inputs;   /* classify, translate */
	int64_t timeout_ms;                /* 0: the server's */
	bool bulk;                         /* of "priority" */
};

struct generate_body {
	struct text_question q;
	struct text prompt;
	int max_tokens;
	double temperature;
	int top_k;                         /* 0: all */
	bool has_seed; uint64_t seed;
	bool stream;
};

struct classify_body {
	struct text_question q;
	int top;
	unsigned inside;                   /* of "return": bits of enum inspect_what */
};

struct translate_body {
	struct text_question q;
	int beam_width;
	int max_length;                    /* 0: the model's */
	double length_penalty;
	unsigned inside;                   /* the same */
};

enum err generate_body_parse(const char *s, size_t len, struct arena *a, struct generate_body *out, struct error *e);
enum err classify_body_parse(const char *s, size_t len, struct arena *a, struct classify_body *out, struct error *e);
enum err translate_body_parse(const char *s, size_t len, struct arena *a, struct translate_body *out, struct error *e);

/* What answers are made of: a finished job and the model that did it. */
struct text_answer {
	const char *model; int version;
	const struct text_model *of;
	const struct text_job *job; size_t stride;   /* the n-th job stands `stride` bytes behind the first */
	int jobs;
	const struct strbuf *inside;       /* [jobs] members of inspect_body.h, or NULL */
};

/** with_text = false: the last event of a stream, which had the text piece by piece. */
void generate_render(const struct text_answer *a, bool with_text, struct strbuf *out);
/** {"text": "…"} */
void piece_render(const char *text, size_t len, struct strbuf *out);
void classify_render(const struct text_answer *a, int top, struct strbuf *out);
/** Jobs with attention or something of their inside also say their tokens, which its rows and columns stand for. */
void translate_render(const struct text_answer *a, struct strbuf *out);

#endif
