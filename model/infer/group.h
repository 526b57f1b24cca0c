/* group.h - the rows that are carried together through a network, and their
 * arrays in the workspace. Shared by the files that carry them:
 *
 *     run.c     order, groups ──► front.c ──► encode.c ──► decode.c ──► attention.c      beam.c
 *                                 front       encoder,                  head.c           the same with
 *                                             batch norm                steps.c          attention.c's step
 *                                                                       reconstruct.c    instance_norm.c
 *                                                                       segment.c        around both ends
 *     flights.c   slots that outlive a call, through the same files; steps of passes and of the attention decoder in tiles
 *
 * A row's states are slots of both directions' units side by side, a slot with
 * the start wherever a direction begins. The forward direction runs first: its
 * padding lies where the backward units come.
 *
 *     slot      0        1                       T        T + 1
 *             | start  | forward backward | … | … …    | start  |
 *     forward   start ──► step 0 ──► …           step T - 1
 *     backward           step 0 …           ◄── step T - 1 ◄── start      also one direction, reversed */
#ifndef GATECAST_INFER_GROUP_H
#define GATECAST_INFER_GROUP_H

#include "model/infer/model.h"

struct row {
	const struct infer_sequence *seq;
	int channel;            /* segment decoder: which of the sequence's channels the row is; else 0 */
	int T;                  /* steps that the encoder takes */
	int source;             /* the row whose states the decoder attends to: itself; in a beam the first */
	int said;               /* attention decoder with classes: at the step before */
	const float *start;     /* as the sequence's, NULL where there is none */
	float *final, *attention;
};

/* Rows by falling T and their arrays. A row's stride is given one line more
 * than it needs: rows at multiples of 4 KiB would meet in the same cache sets. */
struct group {
	int rows;
	struct row row[KERNEL_ROWS];
	/* front */
	float *mean, *deviation;                        /* [row][inputs] of the sequences, instance norm */
	float *x;            size_t x_stride, x_step;   /* [row][T][what the encoder reads], steps x_step apart */
	float *cut;                                     /* [T][segment] of one row, segment decoder */
	/* encoder */
	float *states[2];    size_t state_stride;       /* [row][slot][width], layers take turns */
	float *c;                                       /* [row][width] an LSTM's: a layer's, then the decoder's */
	struct transformer_scratch scratch;             /* of one row; shares weights */
	/* decoder */
	float *keys;         size_t key_stride;         /* [row][T][attention], additive score */
	float *query;                                   /* [row][attention], additive score */
	float *input;        size_t input_stride;       /* [row][what a decoder's cell reads] */
	float *h[2];                                    /* [GROUP_OUTPUTS][width] a decoder's, steps take turns; or a
	                                                 * head's: [0] */
	float *summary;                                 /* [row][width] reconstruct: what the cell reads; segment: the c
	                                                 * that it begins with */
	float *y;                                       /* [GROUP_OUTPUTS][outputs] */
	float *weights;                                 /* [T] of one row */
	/* cells */
	float *z, *rh;                                  /* [row][width] */
};

/* Rows and steps that meet output.weight together where the answer has the input's steps. */
#define GROUP_OUTPUTS 32

/* One thread's: infer_ws_new(). */
struct infer_ws {
	int max_rows;
	int *order;          /* [max_rows] of the call's sequences, by falling length */
	float *block;        /* a group's arrays */
	size_t floats;
};

/** Steps that the encoder takes over a sequence of T: its own, or segments. */
static inline int encoder_steps(const struct infer_model *m, int T)
{
	return m->spec.decoder == DECODER_SEGMENT ? (T + m->spec.segment - 1) / m->spec.segment : T;
}

/** Lay out the arrays of a group whose longest sequence has T steps; returns the floats they take. What is kept a row
 *  (x, mean, deviation, states, c, keys) has room for `rows`, the rest is scratch of KERNEL_ROWS. block NULL: only measure. */
size_t group_layout(struct group *g, const struct infer_model *m, size_t rows, int T, float *block);

/** Lay the group out in the workspace and carry its rows through front and encoder. */
void group_encode(struct group *g, const struct infer_model *m, const struct infer_ws *w);

/** Begin a row: a sequence, or one channel of it. */
void group_row(struct group *g, const struct infer_model *m, int r, const struct infer_sequence *seq, int channel);

/** Rows that have a step t. */
static inline int active_rows(const struct group *g, int t)
{
	int rows = g->rows;

	while (g->row[rows - 1].T <= t)
		rows--;
	return rows;
}

/** What the top layer yields for the row, from step 0 on; steps are m->width apart. */
static inline float *top_states(const struct group *g, const struct infer_model *m, int r)
{
	return g->states[(m->spec.layers - 1) % 2] + r * g->state_stride + m->width;
}

/** The sequences into x: as they are, as vectors of tokens, or as segments. */
void front_load(const struct group *g, const struct infer_model *m);
/** The sequences' means and deviations, for an instance norm. */
void instance_measure(const struct group *g, const struct infer_model *m);
/** A row's number of a channel as the network reads it: as it is without an instance norm. */
float instance_seen(const struct group *g, const struct infer_model *m, int r, int channel, float x);
/** The sequences' answers back to their means and deviations. */
void instance_invert(const struct group *g, const struct infer_model *m);
/** x through the encoder and the batch norm behind it. */
void encode(const struct group *g, const struct infer_model *m);

/* One direction of a recurrent layer. The encoder is net_passes() of them, one after the other. */
struct pass {
	int layer, direction;
	bool from_end;               /* the steps run from the last to the first */
	size_t unit;                 /* the direction's first */
	float *states, *c;           /* of row 0, from that unit on */
	const float *x;              /* of row 0: what it reads, steps x_step apart */
	size_t x_stride, x_step;
};

static inline int net_passes(const struct net_spec *s)
{
	return s->layers * net_directions(s);
}

struct pass pass_of(const struct group *g, const struct infer_model *m, int number);
/** The states of all rows before the first step. */
void pass_begin(const struct group *g, const struct infer_model *m, const struct pass *p);
/** The states behind the last step to those rows that want them. */
void pass_end(const struct group *g, const struct infer_model *m, const struct pass *p);
/** What has to be done before the first pass, and behind the last. */
void recurrent_begin(const struct group *g, const struct infer_model *m);
void normalise(const struct group *g, const struct infer_model *m);

/** Each row's final states into h [row][width]: a direction's are of its last step, and stand behind the norm. */
void final_states(const struct group *g, const struct infer_model *m, float *h);
/** The mean over each row's steps. */
void mean_states(const struct group *g, const struct infer_model *m, float *h);
/** Keys of the additive score over each row's states. */
void state_keys(const struct group *g, const struct infer_model *m);
/** Attention of a query [attention] over the states of the row's source: weights into g->weights, their sum into
 *  context [width]. */
void attend_states(const struct group *g, const struct infer_model *m, const struct row *row, const float *query,
                   float *context);

/** The group's answers into its sequences. */
void decode(struct group *g, const struct infer_model *m);
/** A step of the first rows' cell over x, and its output: from h[step % 2] to h[(step + 1) % 2] and y;
 *  c in place. */
void decoder_step(const struct group *g, const struct infer_model *m, const struct cell *cell, int rows, const float *x,
                  size_t x_stride, int step);
/** y of the first rows into their answers, from number `at` on. */
void answer(const struct group *g, const struct infer_model *m, int rows, size_t at);

/* The kinds of decoder. */
void decode_attention(struct group *g, const struct infer_model *m);
void decode_head(const struct group *g, const struct infer_model *m);
void decode_steps(const struct group *g, const struct infer_model *m);
void decode_reconstruct(const struct group *g, const struct infer_model *m);
void decode_segments(const struct group *g, const struct infer_model *m);

/** What the row says with the scores y of its step: a class, or nothing where the decoder has none. */
void attention_say(const struct infer_model *m, struct row *row, const float *y);
/** The attention decoder's first state h[0], and nothing said. */
void attention_begin(struct group *g, const struct infer_model *m);
/** One step of all rows: from h[step % 2] and what was said to h[(step + 1) % 2] and y. A row's weights go to its
 *  `attention` where that is given. */
void attention_step(const struct group *g, const struct infer_model *m, int step);

#endif
