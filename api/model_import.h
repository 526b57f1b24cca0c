/* model_import.h - a version from a weights file, and a weights file from a version.
 *
 *     our own export   __metadata__.gatecast is the document ─────────────────► the same version, bit for bit
 *     PyTorch, Keras   names and shapes (foreign.h) + what the caller says ───► network, raw pipeline, document
 *
 * A foreign network takes numbers as they are and gives numbers as they are. */
#ifndef GATECAST_API_MODEL_IMPORT_H
#define GATECAST_API_MODEL_IMPORT_H

#include "api/model_body.h"
#include "model/base/error.h"
#include "model/base/strbuf.h"

/* What foreign weights do not say. 0 or NULL: not said. */
struct import_options {
	int horizon;               /* the head's rows / targets; of an attention decoder it has to be said */
	int targets;               /* the head's rows / horizon; 1 where neither is said. The first columns are the targets. */
	int window;                /* 30 */
	const char *columns;       /* "a,b": a name for each input; "x0", "x1" … */
	const char *nonlinearity;  /* of an RNN: "tanh" or "relu"; tanh */
	const char *decoder;       /* "last" or "mean"; last */
};

/* Numbers of a stored version, borrowed. */
struct model_numbers {
	const float *weights; size_t n_weights;
	const float *calibration; size_t n_calibration;
};

struct imported {
	char *document;            /* as the store keeps it */
	float *weights; size_t n_weights;
	float *calibration; size_t n_calibration;
};

/** ERR_SYNTAX, ERR_TOO_LARGE, ERR_INVALID: where is the tensor, the option or a place in the document. */
enum err model_import(const void *bytes, size_t len, const struct import_options *o, struct imported *out, struct error *e);
void imported_fini(struct imported *m);

/** The safetensors file of a version; what model_import reads back to the same bits. ERR_STORAGE: numbers and document
 *  do not fit. */
enum err model_export(const char *document, const struct model_numbers *m, struct strbuf *out, struct error *e);

#endif
