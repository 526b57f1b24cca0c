/* model_import.h - a version from a weights file, and a weights file from a version.
 *
 *     our own export   the document rides along ──────────────────────────────► the same version, bit for bit
 *     PyTorch, Keras   names and shapes (foreign.h) + what the caller says ───► network, raw pipeline, document
 *     torch.onnx       the graph, read and proven (onnx_import.h) ────────────► the same
 *
 * A foreign network takes numbers as they are and gives numbers as they are. */
#ifndef GATECAST_API_MODEL_IMPORT_H
#define GATECAST_API_MODEL_IMPORT_H

#include "api/model_body.h"
#include "model/base/error.h"
#include "model/base/strbuf.h"

enum weights_format { WEIGHTS_SAFETENSORS, WEIGHTS_ONNX };
/** The format of that name ("safetensors", "onnx"), or ERR_INVALID at `where`. */
enum err weights_format_find(const char *name, const char *where, enum weights_format *out, struct error *e);
/** "application/x-safetensors", "application/onnx" */
const char *weights_media_type(enum weights_format format);
/** The format whose media type a Content-Type names; safetensors for any other. */
enum weights_format weights_format_of_media(const char *content_type);

/* What foreign weights do not say. 0 or NULL: not said. */
struct import_options {
	int horizon;               /* the head's rows / targets; of an attention decoder it has to be said */
	int targets;               /* the head's rows / horizon; 1 where neither is said. The first columns are the targets. */
	int window;                /* 30 */
	const char *columns;       /* "a,b": a name for each input; "x0", "x1" … */
	const char *nonlinearity;  /* of an RNN: "tanh" or "relu"; tanh */
	const char *decoder;       /* "last" or "mean"; last. A graph says it and the nonlinearity itself. */
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

/** ERR_SYNTAX, ERR_TOO_LARGE, ERR_INVALID: where is the tensor, the node, the option or a place in the document. */
enum err model_import(enum weights_format format, const void *bytes, size_t len, const struct import_options *o,
                      struct imported *out, struct error *e);
void imported_fini(struct imported *m);

/** The file of a version; what model_import reads back to the same bits. ERR_STORAGE: numbers and document do not fit. */
enum err model_export(enum weights_format format, const char *document, const struct model_numbers *m,
                      struct strbuf *out, struct error *e);

#endif
