/* foreign.h - weights under another framework's names, on their way to ours. Private to the import (model_import.c).
 *
 *     names and shapes of the file ─► dialect.read: which network is it? ─► net_tensors ─► dialect.fill, one by one
 *
 * A dialect knows names and layouts, nothing else. What no tensor of ours has asked for in the end is an error, so no
 * weight is dropped in silence. */
#ifndef GATECAST_API_FOREIGN_H
#define GATECAST_API_FOREIGN_H

#include <stdbool.h>

#include "api/safetensors.h"
#include "model/nn/spec.h"

struct foreign {
	const struct safetensors *file;
	bool used[SAFETENSORS_MAX_TENSORS];
	/* Filled by read: the encoder, and of an attention decoder its score and input. The rest is the importer's. */
	struct net_spec net;
	const struct stored_tensor *head, *head_bias;                 /* the linear layer at the end; its bias may lack: NULL */
	const struct stored_tensor *cell[NET_MAX_LAYERS][2];          /* the recurrent weights [layer][direction] */
};

struct dialect {
	const char *name;
	/** Understand the file, or say what is wrong with which tensor. */
	enum err (*read)(struct foreign *f, struct error *e);
	/** One of our tensors from what the file holds, after net was checked. */
	enum err (*fill)(struct foreign *f, const struct tensor *t, float *out, struct error *e);
};

extern const struct dialect torch_dialect;   /* weight_ih_l0: rows are units, gates r z n and i f g o */
extern const struct dialect keras_dialect;   /* kernel: columns are units, gates z r h and i f c o */

/** Whether the file has a tensor whose name ends in recurrent_kernel. */
bool keras_speaks(const struct safetensors *file);

/* A tensor of a recurrent layer by PyTorch's name and ours: "rnn.weight_hh_l1_reverse". */
enum cell_part { PART_WEIGHT_IH, PART_WEIGHT_HH, PART_BIAS_IH, PART_BIAS_HH };
struct cell_name {
	size_t prefix;          /* bytes before the part: 4 */
	enum cell_part part;
	int layer, direction;
};
bool cell_name_parse(const char *name, struct cell_name *out);

/** Set the encoder and hidden from recurrent weights of gates * hidden by hidden numbers. */
enum err foreign_set_cell(struct foreign *f, const struct stored_tensor *t, int gates_hidden, int hidden, struct error *e);
/** ERR_INVALID, unless t has that shape; cols = 0: a vector. t = NULL: `name` is missing. Marks t as used. */
enum err foreign_expect(struct foreign *f, const struct stored_tensor *t, const char *name, int rows, int cols,
                        struct error *e);
/** The same of any shape. */
enum err foreign_expect_shape(struct foreign *f, const struct stored_tensor *t, const char *name, const int *shape, int ndim,
                              struct error *e);
/** output.bias from the head's; zeros where it has none. */
enum err foreign_fill_head_bias(struct foreign *f, const struct tensor *t, float *out, struct error *e);
/** fail() at the tensor, with its shape before the sentence and what was understood behind it. */
enum err foreign_fail(const struct foreign *f, const struct stored_tensor *t, struct error *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
