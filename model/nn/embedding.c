/* embedding.c - see embedding.h. */
#include "model/nn/embedding.h"

#include "model/nn/vector.h"

#include <assert.h>
#include <string.h>

struct embedding embedding_at(const struct tensor_table *t, const char *weight)
{
	const struct tensor *w = tensor_find(t, weight);
	assert(w);
	return (struct embedding){ .codes = (int)w->shape[0], .n = (int)w->shape[1], .w = w->offset };
}

void embedding_tape_take(struct embedding_tape *t, const struct embedding *m, size_t rows, struct scratch *s)
{
	t->y = scratch_take(s, rows * (size_t)m->n);
}

/* Where the vector of a token lies in the block. */
static size_t code_at(const struct embedding *m, real token)
{
	assert(token >= 0 && token < m->codes);
	return m->w + (size_t)token * (size_t)m->n;
}

void embedding_forward(const struct embedding *m, const real *params, int rows, const real *tokens,
                       struct embedding_tape *tape)
{
	for (int i = 0; i < rows; i++)
		memcpy(tape->y + (size_t)i * (size_t)m->n, params + code_at(m, tokens[i]), (size_t)m->n * sizeof(real));
}

void embedding_backward(const struct embedding *m, int rows, const real *tokens, const real *dy, real *dparams)
{
	for (int i = 0; i < rows; i++)
		vector_add_scaled(m->n, 1, dy + (size_t)i * (size_t)m->n, dparams + code_at(m, tokens[i]));
}
