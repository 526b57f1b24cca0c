/* infer.h - the inference execution: weights packed once, a workspace sized
 * once, many sequences a call, no allocation and no failure in between.
 *
 * The sequences of a call may have different lengths. They are ordered by
 * falling length, so the active rows of a step are a prefix and nothing is
 * padded. Each row's arithmetic is the same sequence of operations whatever
 * its neighbours: an answer has the same bits alone or in any batch. */
#ifndef GATECAST_INFER_INFER_H
#define GATECAST_INFER_INFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nn/spec.h"

struct infer_model;   /* packed weights; immutable, shared between threads */
struct infer_ws;      /* one thread's workspace; fits every model it was sized for */
struct infer_flights; /* one thread's sequences on their way, of one model */

struct infer_sequence {
	const float *x;      /* [T][inputs] standardised; with a vocabulary tokens' numbers, each below it */
	int T;               /* 1 … */
	float *y;            /* [net_steps(T)][net_outputs()] written; classes' scores are not normalised. NULL with the
	                      * token decoder: only the final states are wanted */
	float *attention;    /* [horizon][T] written, or NULL; zeros where the decoder has no attention; the pool's are
	                      * every step's */
	float *hidden;       /* [T][net_width()] written, or NULL: with the token decoder, what its output reads */
	/* Of a recurrent encoder, net_state_size() numbers: each layer's h (of both directions), then each
	 * layer's c. Not used with the segment decoder, whose channels have a state each. */
	const float *start;  /* NULL: zeros */
	float *final;        /* written, or NULL; may be start itself; as they stand before the batch norm */
};

struct infer_options {
	bool int8;           /* quantise the recurrent and linear weights: int8.h */
};

/** Pack `params` (the flat block of s; copied). Free with infer_model_free (NULL is fine). o NULL: as they are. */
enum err infer_model_new(const struct net_spec *s, const float *params, const struct infer_options *o,
                         struct infer_model **out, struct error *e);
void infer_model_free(struct infer_model *m);
const struct net_spec *infer_model_spec(const struct infer_model *m);
/** Bytes it holds. */
size_t infer_model_bytes(const struct infer_model *m);

/** A workspace for up to max_rows sequences a call. Grows only in infer_ws_reserve. */
enum err infer_ws_new(int max_rows, struct infer_ws **out, struct error *e);
void infer_ws_free(struct infer_ws *w);
/** Make room for sequences of this model up to max_T steps; call before infer_run, outside the hot path or rarely. */
enum err infer_ws_reserve(struct infer_ws *w, const struct infer_model *m, int max_T, struct error *e);

/** Run n <= max_rows sequences, any order of lengths. Cannot fail. */
void infer_run(const struct infer_model *m, struct infer_ws *w, const struct infer_sequence *seq, int n);

/* Sequences that join and leave one by one: a flight is a sequence on its way through the network. A tick takes the flights
 * that stand before the same cell some steps on, each at a step of its own. The bits are those of infer_run(). */
#define INFER_FLIGHTS 16

/** Whether a model's sequences can fly: a recurrent encoder under an attention decoder or a head. */
bool infer_flies(const struct infer_model *m);
enum err infer_flights_new(struct infer_flights **out, struct error *e);
void infer_flights_free(struct infer_flights *f);
/** Make room for flights of m up to max_T steps. None may be in the air; f refers to m until the next call. */
enum err infer_flights_reserve(struct infer_flights *f, const struct infer_model *m, int max_T, struct error *e);
/** In the air: 0 … INFER_FLIGHTS. */
int infer_flights_count(const struct infer_flights *f);
/** Where there is room: the number that the next flight will have. */
int infer_flights_next(const struct infer_flights *f);
/** Put a sequence in the air where there is room; returns its number, 0 … INFER_FLIGHTS - 1, its own until it landed.
 *  seq is copied, what it points to is borrowed. */
int infer_flight_begin(struct infer_flights *f, const struct infer_sequence *seq);
/** Forget a flight; its answer stays as it is. */
void infer_flight_drop(struct infer_flights *f, int number);
/** One tick; at least one is in the air. Writes the numbers of those that landed, their answers complete, in order of
 *  their beginning, and returns how many they are. Allocates nothing, cannot fail. */
int infer_flights_tick(struct infer_flights *f, int landed[INFER_FLIGHTS]);

/* What the attention decoder says with classes. */
struct infer_answer {
	int n;               /* 0 … max_steps: the classes before the first NET_BOUNDARY, which is lacking where
	                      * max_steps ended it */
	int32_t *token;      /* [max_steps] written; NET_BOUNDARY from the n-th on */
	float *attention;    /* [max_steps][T] written, zeros behind the boundary's step; or NULL in all answers */
	double log_probability;   /* of all of it, the boundary too */
};

/**
 * The likeliest answers of an attention decoder with classes to one sequence, best first, by a beam search of `width`
 * (1 … INFER_MAX_BEAM; 1 is greedy). Hypotheses are compared by log_probability / length^length_penalty (0: as it is);
 * the length is the classes' and the boundary's, of equals the one from the better hypothesis and the lower class wins.
 * max_steps may differ from the horizon. answer [width]; returns how many there are: 1 … width. Cannot fail; reserve
 * with infer_ws_reserve before. seq->y and seq->attention are not used.
 */
#define INFER_MAX_BEAM 8
int infer_beam(const struct infer_model *m, struct infer_ws *w, const struct infer_sequence *seq, int width,
               int max_steps, double length_penalty, struct infer_answer *answer);

/** Name of the kernels in use: "c", "avx2", "avx512", "neon". */
const char *infer_kernels_name(void);

#endif
