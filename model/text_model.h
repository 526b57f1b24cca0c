/* text_model.h - a trained model of texts, ready to answer: vocabularies and a packed network.
 *
 *     generate    prompt ─► tokens ─► [ network, a token at a time, its state kept ] ─► sampled tokens ─► text
 *     classify    text ─► tokens ─► network ─► softmax ─► label and probabilities
 *     translate   text ─► tokens ─► network, beam search ─► tokens ─► text
 *
 * Which of the three a model does is its decoder: token; last, mean or pool; attention. A prompt is read whole, its
 * state kept; of another input the end, as long as the window. Immutable after creation. */
#ifndef GATECAST_MODEL_TEXT_MODEL_H
#define GATECAST_MODEL_TEXT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "model/infer/infer.h"
#include "model/text/vocabulary.h"
#include "model/text_cache.h"

enum text_task { TEXT_GENERATE, TEXT_CLASSIFY, TEXT_TRANSLATE };

struct text_model {
	struct net_spec net;
	enum text_task task;
	struct vocabulary *source;      /* of the input */
	struct vocabulary *target;      /* labels of classify, words of translate; generate: NULL, the source's */
	int max_steps;                  /* tokens of an input that are read, from its end when it is longer (the window) */
	struct infer_model *infer;
	struct cache_options cache;     /* generate; size 0: none */
};

/** What a network over texts does; false: it is not one (no vocabulary, or numbers come out). */
bool text_task_of(const struct net_spec *net, enum text_task *out);
/** Takes source and target (also on failure). ERR_INVALID: sizes or units of network and vocabularies differ; a network
 *  that generates without a running state (a Transformer, two directions, reversed); several steps of a label.
 *  params: flat block. */
enum err text_model_new(const struct net_spec *net, const float *params, const struct infer_options *o,
                        struct vocabulary *source, struct vocabulary *target, int max_steps,
                        struct text_model **out, struct error *e);
/** Give a model that generates a cache, before others share it. ERR_INVALID, the option's name in where. */
enum err text_model_set_cache(struct text_model *m, const struct cache_options *o, struct error *e);
void text_model_free(struct text_model *m);   /* NULL is fine */
size_t text_model_bytes(const struct text_model *m);

/** What the network reads of a text: its tokens, the last max_steps of an input that has more (of a prompt all), a
 *  boundary of one without any. *all: how many the text has. The caller frees *token. ERR_NOMEM. */
enum err text_tokens(const struct text_model *m, const char *text, size_t len, int32_t **token, size_t *n, size_t *all,
                     struct error *e);

struct sampling {
	double temperature;             /* scores are divided by it; 0: the likeliest token, always */
	int top_k;                      /* sample among so many; 0: all */
	uint64_t seed;                  /* the same seed, prompt and model give the same text */
};

/* One request. Pointers are borrowed; the job is the caller's until it is done. */
struct text_job {
	const char *text; size_t len;   /* the input, valid UTF-8, may be empty (the network reads a boundary then) */
	/* generate */
	struct sampling sampling;
	int max_tokens;                 /* at most so many */
	/** Called with each piece of text as it comes; false: stop. May be NULL. */
	bool (*piece)(void *arg, const char *text, size_t len);
	void *arg;
	/* translate */
	int beam_width, max_answer;     /* max_answer: tokens */
	double length_penalty;
	bool want_attention;
	/* written */
	struct strbuf *out;             /* generate, translate: the text is appended (translate: the best answer's) */
	int tokens_in, tokens_out;
	bool truncated;                 /* the input had more than max_steps tokens (classify, translate) */
	bool ended;                     /* a boundary ended it, not max_tokens */
	double log_probability;         /* of the answer; translate, generate */
	float *probability;             /* classify: [target's size], of the caller; NULL: not wanted */
	int label;                      /* classify: the likeliest */
	float *attention;               /* translate, with want_attention: [tokens_out][T], of malloc, the caller frees; NULL
	                                 * when nothing is said. T = tokens_in, at least 1, at most max_steps */
	bool finite;                    /* false: the network's output was not finite, nothing else is written */
	/* between calls of text_model_run; zero at first, text_job_fini() at last */
	struct text_progress *progress;
};

struct text_ws;   /* one thread's workspace */
enum err text_ws_new(int max_rows, struct text_ws **out, struct error *e);
void text_ws_free(struct text_ws *w);
enum err text_ws_reserve(struct text_ws *w, const struct text_model *m, struct error *e);

#define TEXT_TURN 16   /* tokens that a generating job gets before it goes to the end of the line */

/**
 * Work on n <= max_rows jobs of one model after a reserve. Classify and translate end in one call; generate goes on for up
 * to TEXT_TURN tokens, all jobs a token at a time together. done[i] tells which jobs are over; call again with the others,
 * in any company: a job's text does not depend on it. ERR_NOMEM: the jobs are not done and may be dropped.
 */
enum err text_model_run(const struct text_model *m, struct text_ws *w, struct text_job *const *job, int n, bool *done,
                        struct error *e);
void text_job_fini(struct text_job *j);

#endif
