/* text_body.c - questions to models of texts, in, and their answers, out. */
#include "api/text_body.h"

#include <stdlib.h>
#include <string.h>

#include "api/inspect_body.h"
#include "api/json_write.h"
#include "api/number.h"
#include "api/priority.h"
#include "model/text/token.h"

#define NAME_MAX_BYTES 64
#define TIMEOUT_MAX_MS 3600000
#define COUNT(table)   (sizeof(table) / sizeof *(table))
#define KNOWN(s, name, table) scan_known(s, name, table, COUNT(table))

/* --- what the three have in common -------------------------------------------------------------------------------- */

/* The first members of each table of known names; a body reads its own from QUESTION_OWN on. */
#define QUESTION_MEMBERS "model", "version", "parameters"
enum { QUESTION_MODEL, QUESTION_VERSION, QUESTION_PARAMETERS, QUESTION_OWN };

static bool read_parameters(struct scan *s, struct text_question *q)
{
	static const char *const known[] = { "timeout_ms", "priority" };
	struct text name;
	scan_object(s);
	while (scan_member(s, &name)) {
		switch (KNOWN(s, name, known)) {
		case 0: scan_integer(s, 1, TIMEOUT_MAX_MS, &q->timeout_ms); break;
		case 1: priority_read(s, &q->bulk); break;
		}
	}
	return !s->rc;
}

static bool read_inputs(struct scan *s, struct text_question *q)
{
	struct text input[TEXT_MAX_INPUTS];
	int n = 0;
	scan_array(s);
	while (scan_element(s)) {
		if (n == TEXT_MAX_INPUTS)
			return scan_fail(s, ERR_INVALID, "more than %d texts", TEXT_MAX_INPUTS);
		if (!scan_string(s, &input[n]))
			return false;
		if (input[n++].len == 0)
			return scan_fail(s, ERR_INVALID, "is empty");
	}
	if (s->rc)
		return false;
	if (n == 0)
		return scan_fail(s, ERR_INVALID, "has no texts");
	struct text *kept = arena_alloc(s->arena, (size_t)n * sizeof *kept);
	if (!kept) {
		s->rc = fail_nomem(s->error);
		return false;
	}
	memcpy(kept, input, (size_t)n * sizeof *kept);
	q->input = kept;
	q->inputs = n;
	return true;
}

/* A member that all bodies have; `which` is its place in QUESTION_MEMBERS. */
static void read_common(struct scan *s, int which, struct text_question *q)
{
	switch (which) {
	case QUESTION_MODEL: scan_copy(s, NAME_MAX_BYTES, &q->model); break;
	case QUESTION_VERSION: scan_int(s, 1, INT32_MAX, &q->version); break;
	case QUESTION_PARAMETERS: read_parameters(s, q); break;
	}
}

static enum err finish(struct scan *s, const struct text_question *q, bool needs_inputs)
{
	scan_end(s);
	if (!q->model)
		scan_missing(s, "model");
	if (needs_inputs && !q->input)
		scan_missing(s, "inputs");
	return s->rc;
}

/* --- the three bodies --------------------------------------------------------------------------------------------- */

static bool read_seed(struct scan *s, struct generate_body *b)
{
	int64_t seed;
	if (!scan_integer(s, 0, TEXT_MAX_SEED, &seed))
		return false;
	b->has_seed = true;
	b->seed = (uint64_t)seed;
	return true;
}

enum err generate_body_parse(const char *text, size_t len, struct arena *a, struct generate_body *out, struct error *e)
{
	static const char *const known[] = {
		QUESTION_MEMBERS, "prompt", "max_tokens", "temperature", "top_k", "seed", "stream",
	};
	struct generate_body b = { .prompt = { "", 0 }, .max_tokens = 200, .temperature = 1 };
	struct scan s;
	struct text name;

	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		int which = KNOWN(&s, name, known);
		switch (which) {
		case QUESTION_OWN: scan_string(&s, &b.prompt); break;
		case QUESTION_OWN + 1: scan_int(&s, 1, TEXT_MAX_TOKENS, &b.max_tokens); break;
		case QUESTION_OWN + 2: scan_real(&s, 0, TEXT_MAX_TEMPERATURE, &b.temperature); break;
		case QUESTION_OWN + 3: scan_int(&s, 0, NET_MAX_VOCABULARY, &b.top_k); break;
		case QUESTION_OWN + 4: read_seed(&s, &b); break;
		case QUESTION_OWN + 5: scan_bool(&s, &b.stream); break;
		default: read_common(&s, which, &b.q);
		}
	}
	enum err rc = finish(&s, &b.q, false);
	if (!rc)
		*out = b;
	return rc;
}

enum err classify_body_parse(const char *text, size_t len, struct arena *a, struct classify_body *out, struct error *e)
{
	static const char *const known[] = { QUESTION_MEMBERS, "inputs", "top", "return" };
	struct classify_body b = { .top = 5 };
	struct scan s;
	struct text name;

	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		int which = KNOWN(&s, name, known);
		switch (which) {
		case QUESTION_OWN: read_inputs(&s, &b.q); break;
		case QUESTION_OWN + 1: scan_int(&s, 1, TEXT_MAX_TOP, &b.top); break;
		case QUESTION_OWN + 2: inspect_names_read(&s, INSPECT_GATES | INSPECT_STATES, &b.inside); break;
		default: read_common(&s, which, &b.q);
		}
	}
	enum err rc = finish(&s, &b.q, true);
	if (!rc)
		*out = b;
	return rc;
}

enum err translate_body_parse(const char *text, size_t len, struct arena *a, struct translate_body *out, struct error *e)
{
	static const char *const known[] = {
		QUESTION_MEMBERS, "inputs", "beam_width", "max_length", "length_penalty", "return",
	};
	struct translate_body b = { .beam_width = 1, .length_penalty = 1 };
	struct scan s;
	struct text name;

	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		int which = KNOWN(&s, name, known);
		switch (which) {
		case QUESTION_OWN: read_inputs(&s, &b.q); break;
		case QUESTION_OWN + 1: scan_int(&s, 1, INFER_MAX_BEAM, &b.beam_width); break;
		case QUESTION_OWN + 2: scan_int(&s, 1, NET_MAX_HORIZON, &b.max_length); break;
		case QUESTION_OWN + 3: scan_real(&s, 0, TEXT_MAX_PENALTY, &b.length_penalty); break;
		case QUESTION_OWN + 4: inspect_names_read(&s, INSPECT_ALL, &b.inside); break;
		default: read_common(&s, which, &b.q);
		}
	}
	enum err rc = finish(&s, &b.q, true);
	if (!rc)
		*out = b;
	return rc;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static const struct text_job *job_at(const struct text_answer *a, int i)
{
	return (const struct text_job *)((const char *)a->job + (size_t)i * a->stride);
}

static void write_head(const struct text_answer *a, struct strbuf *out)
{
	strbuf_adds(out, "{\"model\":");
	json_write_string(out, a->model);
	json_member_int(out, "version", a->version);
}

static void write_text(const struct strbuf *text, struct strbuf *out)
{
	json_write_string_n(out, text->s, text->len);
}

static void write_finish_reason(const struct text_job *j, struct strbuf *out)
{
	json_member_text(out, "finish_reason", j->ended ? "stop" : "length");
}

void generate_render(const struct text_answer *a, bool with_text, struct strbuf *out)
{
	const struct text_job *j = a->job;
	write_head(a, out);
	if (with_text) {
		json_member(out, "text");
		write_text(j->out, out);
	}
	json_member_int(out, "tokens_in", j->tokens_in);
	json_member_int(out, "tokens_out", j->tokens_out);
	write_finish_reason(j, out);
	json_member_int(out, "seed", (int64_t)j->sampling.seed);
	json_member_number(out, "log_probability", j->log_probability);
	strbuf_addc(out, '}');
}

void piece_render(const char *text, size_t len, struct strbuf *out)
{
	strbuf_adds(out, "{\"text\":");
	json_write_string_n(out, text, len);
	strbuf_addc(out, '}');
}

/* The likeliest label behind `after` in falling order, of equals by number; after -1: of all. */
static int next_label(const float *p, int labels, int after)
{
	int best = -1;
	for (int k = 0; k < labels; k++) {
		bool told = after >= 0 && (p[k] > p[after] || (p[k] == p[after] && k <= after));
		if (!told && (best < 0 || p[k] > p[best]))
			best = k;
	}
	return best;
}

/* The pieces of a text that are its tokens, from the first-th on. */
static void write_tokens(enum token_unit unit, const char *s, size_t len, size_t first, struct strbuf *out)
{
	size_t skip, size;
	strbuf_addc(out, '[');
	for (size_t n = 0; (size = token_next(unit, s, len, &skip)) > 0; n++) {
		if (n > first)
			strbuf_addc(out, ',');
		if (n >= first)
			json_write_string_n(out, s + skip, size);
		s += skip + size;
		len -= skip + size;
	}
	strbuf_addc(out, ']');
}

/* Steps of the network: of a text without tokens it reads a boundary. */
static int tokens_read(const struct text_answer *a, const struct text_job *j)
{
	int read = j->tokens_in < a->of->max_steps ? j->tokens_in : a->of->max_steps;
	return read ? read : 1;
}

/* A boundary is "". */
static void write_input_tokens(const struct text_answer *a, const struct text_job *j, struct strbuf *out)
{
	json_member(out, "input_tokens");
	if (j->tokens_in)
		write_tokens(vocabulary_unit(a->of->source), j->text, j->len, (size_t)(j->tokens_in - tokens_read(a, j)), out);
	else
		strbuf_adds(out, "[\"\"]");
}

/* Of the i-th job, if asked for. */
static void write_inside(const struct text_answer *a, int i, struct strbuf *out)
{
	if (a->inside)
		strbuf_add(out, a->inside[i].s, a->inside[i].len);
}

static void write_classified(const struct text_answer *a, int i, int top, struct strbuf *out)
{
	const struct text_job *j = job_at(a, i);
	const struct vocabulary *labels = a->of->target;
	int n = vocabulary_size(labels), k = -1;
	strbuf_adds(out, "{\"label\":");
	json_write_string(out, vocabulary_token(labels, j->label));
	json_member(out, "probability");
	number_write_float(out, j->probability[j->label]);
	strbuf_adds(out, ",\"probabilities\":{");
	for (int rank = 0; rank < top && rank < n; rank++) {
		k = next_label(j->probability, n, k);
		json_comma(out, rank);
		json_write_string(out, vocabulary_token(labels, k));
		strbuf_addc(out, ':');
		number_write_float(out, j->probability[k]);
	}
	strbuf_addc(out, '}');
	if (j->truncated)
		json_member_flag(out, "truncated", true);
	if (a->inside)
		write_input_tokens(a, j, out);
	write_inside(a, i, out);
	strbuf_addc(out, '}');
}

void classify_render(const struct text_answer *a, int top, struct strbuf *out)
{
	write_head(a, out);
	strbuf_adds(out, ",\"outputs\":[");
	for (int i = 0; i < a->jobs; i++) {
		json_comma(out, i);
		write_classified(a, i, top, out);
	}
	strbuf_adds(out, "]}");
}

/* A row an output token, a column an input token. */
static void write_attention(const struct text_answer *a, const struct text_job *j, struct strbuf *out)
{
	int window = tokens_read(a, j);
	json_member(out, "output_tokens");
	write_tokens(vocabulary_unit(a->of->target), j->out->s, j->out->len, 0, out);
	strbuf_adds(out, ",\"attention\":[");
	for (int h = 0; h < j->tokens_out; h++) {
		strbuf_adds(out, h ? ",[" : "[");
		for (int t = 0; t < window; t++) {
			json_comma(out, t);
			number_write_float(out, j->attention[(size_t)h * (size_t)window + (size_t)t]);
		}
		strbuf_addc(out, ']');
	}
	strbuf_addc(out, ']');
}

static void write_translated(const struct text_answer *a, int i, struct strbuf *out)
{
	const struct text_job *j = job_at(a, i);
	strbuf_adds(out, "{\"text\":");
	write_text(j->out, out);
	json_member_number(out, "log_probability", j->log_probability);
	write_finish_reason(j, out);
	if (j->truncated)
		json_member_flag(out, "truncated", true);
	if (j->want_attention || a->inside)
		write_input_tokens(a, j, out);
	if (j->want_attention)
		write_attention(a, j, out);
	write_inside(a, i, out);
	strbuf_addc(out, '}');
}

void translate_render(const struct text_answer *a, struct strbuf *out)
{
	write_head(a, out);
	strbuf_adds(out, ",\"outputs\":[");
	for (int i = 0; i < a->jobs; i++) {
		json_comma(out, i);
		write_translated(a, i, out);
	}
	strbuf_adds(out, "]}");
}
