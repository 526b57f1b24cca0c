/* text_evaluation.h - what a trained model of texts is worth on the test part, with the execution that will serve it.
 * Private to the trainer. */
#ifndef GATECAST_MODEL_TEXT_EVALUATION_H
#define GATECAST_MODEL_TEXT_EVALUATION_H

#include "model/evaluation.h"
#include "model/examples.h"
#include "model/text_model.h"

/** x: what m was trained on. */
enum err text_evaluate(const struct text_model *m, const struct examples *x, struct evaluation *out, struct error *e);

#endif
