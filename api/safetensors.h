/* safetensors.h - named tensors in one file (docs/formats/safetensors.md).
 *
 *     ┌────────┬───────────────────────────────────────────────────────────────┬──────────┬──────────┬─
 *     │ u64  N │ {"__metadata__":{"k":"v"},                                    │ bytes of │ bytes of │ …
 *     │        │  "a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, …}  │ a        │ b        │
 *     └────────┴───────────────────────────────────────────────────────────────┴──────────┴──────────┴─
 *       8        N, with blanks behind it                                        offsets count from here
 *
 * All little-endian, tensors row by row. The file comes from anywhere: whatever reaches outside of it, overlaps, leaves a
 * gap or is no finite number is an error, and an error about a tensor names it. */
#ifndef GATECAST_API_SAFETENSORS_H
#define GATECAST_API_SAFETENSORS_H

#include <stddef.h>

#include "model/base/error.h"
#include "model/base/strbuf.h"

#define SAFETENSORS_MAX_HEADER  (1u << 20)
#define SAFETENSORS_MAX_TENSORS 300
#define SAFETENSORS_MAX_NAME    127
#define SAFETENSORS_MAX_DIMS    4
#define SAFETENSORS_MAX_DIM     (1 << 27)

enum number_type { NUMBER_F64, NUMBER_F32, NUMBER_F16, NUMBER_BF16 };

struct stored_tensor {
	char name[SAFETENSORS_MAX_NAME + 1];
	int ndim;                            /* 0: a single number */
	int shape[SAFETENSORS_MAX_DIMS];     /* each at least 1 */
	enum number_type type;
	size_t count;                        /* numbers */
	const unsigned char *bytes;          /* in the parsed file, at any alignment */
};

struct safetensors {
	struct stored_tensor *tensor;        /* in the order of their bytes */
	int n;
	char *document;                      /* __metadata__.gatecast, NULL: there is none */
};

/** Borrows the bytes for as long as *out lives. ERR_SYNTAX: no safetensors file; ERR_INVALID: one that is not accepted. */
enum err safetensors_parse(const void *bytes, size_t len, struct safetensors *out, struct error *e);
void safetensors_fini(struct safetensors *s);
/** The tensor of that name, or NULL. */
const struct stored_tensor *safetensors_find(const struct safetensors *s, const char *name);
/** Its numbers, rounded to float: t->count of them. ERR_INVALID where one is not finite then. */
enum err stored_tensor_read(const struct stored_tensor *t, float *out, struct error *e);

/** The number at little-endian bytes, rounded to float. */
float stored_number(enum number_type type, const unsigned char *bytes);

/* A tensor to write, F32. Borrowed. */
struct tensor_view {
	const char *name;
	int ndim;
	size_t shape[SAFETENSORS_MAX_DIMS];
	const float *value;
};
/** A file of n tensors with different names, sorted by name, header a multiple of 8 bytes. document: what becomes
 *  __metadata__.gatecast, or NULL. A full buffer fails as strbufs do. */
void safetensors_write(const struct tensor_view *t, int n, const char *document, struct strbuf *out);

#endif
