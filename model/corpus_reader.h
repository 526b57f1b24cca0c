/* corpus_reader.h - a model reads a text from end to end, each token told from all before it, with the execution that will
 * serve it. Private to the trainer. */
#ifndef GATECAST_MODEL_CORPUS_READER_H
#define GATECAST_MODEL_CORPUS_READER_H

#include <stdbool.h>

#include "model/text_model.h"

struct corpus_reader {
	const struct text_model *model;
	struct infer_ws *infer;
	int room;                /* tokens a call */
	float *x;                /* [room] */
	float *score, *hidden;   /* of the last call: [room][classes], [room][width] */
	float *state;            /* behind what was read */
	bool begun;
};

/** Borrows the model; it generates. */
enum err corpus_reader_init(struct corpus_reader *r, const struct text_model *m, struct error *e);
void corpus_reader_fini(struct corpus_reader *r);   /* zeroed is fine */
/** Scores of the next n <= room tokens, and the states that they were told from. token[-1] is the first that is read. */
void corpus_read(struct corpus_reader *r, const int32_t *token, int n);

#endif
