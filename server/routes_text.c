/* routes_text.c - models of texts: generate, classify, translate.
 *
 * A streamed text, with "stream": true or Accept: text/event-stream:
 *
 *     event: token          a piece of text as soon as it is whole, any number of times
 *     data: {"text": "…"}
 *
 *     event: done           the answer without its text; or event: error with a problem
 *     data: {…}
 *
 * and a comment line now and then while nothing comes. A client that leaves ends its text. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/text_body.h"
#include "server/app.h"
#include "server/events.h"
#include "server/handlers.h"
#include "server/inference.h"
#include "server/inside.h"

#define ANSWER_MAX (4u << 20)   /* bytes of one text: more than any limit of tokens can fill */
#define STREAM_MAX (1u << 20)

struct text_request {
	struct inference in;               /* first */
	union {
		struct generate_body generate;
		struct classify_body classify;
		struct translate_body translate;
	};
	struct strbuf *inside;             /* [inputs] of "return", else NULL */
};

/* ---- the jobs ----------------------------------------------------------- */

static const struct text_model *model_of(const struct text_request *t)
{
	return t->in.m->trained.text;
}

static void release_jobs(struct inference *p)
{
	struct strbuf *inside = ((struct text_request *)p)->inside;
	for (int i = 0; p->batch.item && i < p->batch.n; i++) {
		struct text_job *j = &p->batch.item[i].text;
		text_job_fini(j);
		free(j->attention);
		if (j->out)
			strbuf_fini(j->out);
		if (inside)
			strbuf_fini(&inside[i]);
	}
}

/* n jobs, each with a text of its own to write into. */
static enum err room_for_jobs(struct inference *p, int n, struct error *e)
{
	struct strbuf *out = arena_calloc(&p->arena, (size_t)n, sizeof *out);
	struct batch_item *item = arena_calloc(&p->arena, (size_t)n, sizeof *item);
	if (!out || !item)
		return fail_nomem(e);
	for (int i = 0; i < n; i++) {
		strbuf_init(&out[i], ANSWER_MAX);
		item[i].text.out = &out[i];
	}
	p->batch.item = item;
	p->batch.n = n;
	return ERR_OK;
}

static enum err room_for_inputs(struct inference *p, const struct text_question *q, struct error *e)
{
	enum err rc = room_for_jobs(p, q->inputs, e);
	for (int i = 0; !rc && i < q->inputs; i++) {
		p->batch.item[i].text.text = q->input[i].s;
		p->batch.item[i].text.len = q->input[i].len;
	}
	return rc;
}

/* What a packed network does not keep of the inputs. */
static enum err look_inside(struct text_request *t, struct store *s, unsigned what, struct error *e)
{
	struct inference *p = &t->in;
	if (!what)
		return ERR_OK;
	t->inside = arena_calloc(&p->arena, (size_t)p->batch.n, sizeof *t->inside);
	if (!t->inside)
		return fail_nomem(e);
	return inside_look_text(s, p->m, what, p->batch.item, p->batch.n, t->inside, e);
}

static struct text_answer answer_of(const struct text_request *t)
{
	const struct inference *p = &t->in;
	return (struct text_answer){ .model = p->m->name, .version = p->m->version, .of = model_of(t),
		.job = &p->batch.item[0].text, .stride = sizeof *p->batch.item, .jobs = p->batch.n,
		.inside = t->inside };
}

static bool texts_whole(const struct inference *p)
{
	for (int i = 0; i < p->batch.n; i++)
		if (!strbuf_ok(p->batch.item[i].text.out))
			return false;
	return true;
}

/* ---- the way there ------------------------------------------------------- */

static struct text_request *text_request_new(struct request *r, enum model_use use, size_t more_memory)
{
	size_t memory = inference_memory(r) + more_memory;
	struct text_request *t = (struct text_request *)inference_new(r, sizeof *t, memory);
	if (!t)
		return NULL;
	t->in.uses = 1u << use;
	t->in.fini = release_jobs;
	return t;
}

/* The body is read, or rc says why not. */
static enum err go(struct text_request *t, const struct text_question *q, enum err rc)
{
	if (rc) {
		inference_free(&t->in);
		return rc;
	}
	t->in.model = q->model;
	t->in.version = q->version;
	t->in.timeout_ms = q->timeout_ms;
	t->in.batch.class = q->bulk ? CLASS_BULK : CLASS_INTERACTIVE;
	inference_go(&t->in);
	return ERR_OK;
}

/* ---- POST /v1/generate -------------------------------------------------- */

static void push_event(struct stream *stream, const char *event, const struct strbuf *data)
{
	struct strbuf text;
	strbuf_init(&text, ANSWER_MAX);
	strbuf_addf(&text, "event: %s\ndata: ", event);
	strbuf_add(&text, data->s, data->len);
	strbuf_adds(&text, "\n\n");
	if (strbuf_ok(data) && strbuf_ok(&text))
		stream_push(stream, text.s, text.len);
	strbuf_fini(&text);
}

/* On a compute thread. Whether the stream still has a reader is asked before the next turn. */
static bool push_piece(void *arg, const char *text, size_t len)
{
	struct inference *p = arg;
	struct strbuf data;
	strbuf_init(&data, ANSWER_MAX);
	piece_render(text, len, &data);
	push_event(p->stream, "token", &data);
	strbuf_fini(&data);
	return true;
}

static enum err prepare_generate(struct inference *p, struct store *s, struct error *e)
{
	struct text_request *t = (struct text_request *)p;
	const struct generate_body *b = &t->generate;
	enum err rc = room_for_jobs(p, 1, e);
	if (rc)
		return rc;
	struct text_job *j = &p->batch.item[0].text;
	j->text = b->prompt.s;
	j->len = b->prompt.len;
	j->sampling = (struct sampling){ .temperature = b->temperature, .top_k = b->top_k, .seed = b->seed };
	j->max_tokens = b->max_tokens;
	if (p->stream) {
		j->piece = push_piece;
		j->arg = p;
	}
	return ERR_OK;
}

static void render_generate(struct inference *p)
{
	struct text_request *t = (struct text_request *)p;
	struct text_answer a = answer_of(t);
	struct strbuf data;
	if (!p->stream) {
		generate_render(&a, true, &p->request->reply.body);
		p->request->reply.body.failed |= !texts_whole(p);
		return;
	}
	strbuf_init(&data, ANSWER_MAX);
	generate_render(&a, false, &data);
	push_event(p->stream, "done", &data);
	strbuf_fini(&data);
}

static enum err draw_seed(uint64_t *out, struct error *e)
{
	uint64_t seed;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return fail(e, ERR_INTERNAL, "", "the system gave no random number for a seed");
	*out = seed & (uint64_t)(TEXT_MAX_SEED - 1);
	return ERR_OK;
}

/* The stream outlives the request and its body. */
static enum err make_stream(struct text_request *t, struct error *e)
{
	struct request *r = t->in.request;
	struct generate_body *b = &t->generate;
	const char *prompt = arena_strndup(&t->in.arena, b->prompt.s, b->prompt.len);
	t->in.stream = stream_new(STREAM_MAX);
	if (!prompt || !t->in.stream)
		return fail_nomem(e);
	b->prompt.s = prompt;
	return events_keep_awake(r->app->events, t->in.stream, e);
}

static enum err read_generate(struct text_request *t, struct error *e)
{
	struct request *r = t->in.request;
	struct generate_body *b = &t->generate;
	const char *accept = r->header[HEADER_ACCEPT];
	enum err rc = generate_body_parse(r->body.s, r->body.len, &t->in.arena, b, e);
	if (!rc && !b->has_seed)
		rc = draw_seed(&b->seed, e);
	if (!rc && (b->stream || (accept && strstr(accept, "text/event-stream"))))
		rc = make_stream(t, e);
	return rc;
}

HANDLER(post_generate)
{
	struct text_request *t = text_request_new(r, USE_GENERATE, 0);
	if (!t)
		return fail_nomem(e);
	t->in.prepare = prepare_generate;
	t->in.render = render_generate;
	return go(t, &t->generate.q, read_generate(t, e));
}

/* ---- POST /v1/classify -------------------------------------------------- */

static enum err prepare_classify(struct inference *p, struct store *s, struct error *e)
{
	struct text_request *t = (struct text_request *)p;
	const struct text_question *q = &t->classify.q;
	size_t labels = (size_t)vocabulary_size(model_of(t)->target);
	if ((size_t)q->inputs * labels > TEXT_MAX_PROBABILITIES)
		return fail(e, ERR_INVALID, "/inputs", "%d texts of %zu labels are more than %d probabilities; send fewer texts",
		            q->inputs, labels, TEXT_MAX_PROBABILITIES);
	enum err rc = room_for_inputs(p, q, e);
	float *probability = rc ? NULL : arena_calloc(&p->arena, (size_t)q->inputs * labels, sizeof *probability);
	if (!rc && !probability)
		rc = fail_nomem(e);
	for (int i = 0; !rc && i < q->inputs; i++)
		p->batch.item[i].text.probability = probability + (size_t)i * labels;
	return rc ? rc : look_inside(t, s, t->classify.inside, e);
}

static void render_classify(struct inference *p)
{
	struct text_request *t = (struct text_request *)p;
	struct text_answer a = answer_of(t);
	classify_render(&a, t->classify.top, &p->request->reply.body);
}

HANDLER(post_classify)
{
	struct text_request *t = text_request_new(r, USE_CLASSIFY, TEXT_MAX_PROBABILITIES * sizeof(float));
	if (!t)
		return fail_nomem(e);
	t->in.prepare = prepare_classify;
	t->in.render = render_classify;
	enum err rc = classify_body_parse(r->body.s, r->body.len, &t->in.arena, &t->classify, e);
	t->in.reads_store = !rc && t->classify.inside;
	return go(t, &t->classify.q, rc);
}

/* ---- POST /v1/translate ------------------------------------------------- */

static enum err prepare_translate(struct inference *p, struct store *s, struct error *e)
{
	struct text_request *t = (struct text_request *)p;
	const struct translate_body *b = &t->translate;
	enum err rc = room_for_inputs(p, &b->q, e);
	for (int i = 0; !rc && i < b->q.inputs; i++) {
		struct text_job *j = &p->batch.item[i].text;
		j->beam_width = b->beam_width;
		j->max_answer = b->max_length ? b->max_length : model_of(t)->net.horizon;
		j->length_penalty = b->length_penalty;
		j->want_attention = b->inside & INSPECT_ATTENTION;
	}
	/* The attention decoder's weights come with its answer; a Transformer has some of its own. */
	unsigned kept = model_of(t)->net.encoder == ENCODER_TRANSFORMER ? 0 : INSPECT_ATTENTION;
	return rc ? rc : look_inside(t, s, b->inside & ~kept, e);
}

static void render_translate(struct inference *p)
{
	struct text_answer a = answer_of((struct text_request *)p);
	translate_render(&a, &p->request->reply.body);
	p->request->reply.body.failed |= !texts_whole(p);
}

HANDLER(post_translate)
{
	struct text_request *t = text_request_new(r, USE_TRANSLATE, 0);
	if (!t)
		return fail_nomem(e);
	t->in.prepare = prepare_translate;
	t->in.render = render_translate;
	enum err rc = translate_body_parse(r->body.s, r->body.len, &t->in.arena, &t->translate, e);
	t->in.reads_store = !rc && t->translate.inside;
	return go(t, &t->translate.q, rc);
}
