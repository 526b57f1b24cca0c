/* pooling.c - see pooling.h. */
#include "model/nn/pooling.h"

#include "model/nn/vector.h"

#include <string.h>

static enum pooling_type type_of(const struct net_spec *s)
{
	return s->decoder == DECODER_POOL ? POOLING_ATTENTION : net_summary_is_mean(s) ? POOLING_MEAN : POOLING_FINAL;
}

struct pooling pooling_at(const struct net_spec *s, const struct tensor_table *t)
{
	struct pooling p = { .type = type_of(s), .width = net_width(s) };
	if (p.type == POOLING_ATTENTION)
		p.attention = attention_at(s, t);
	return p;
}

void pooling_tape_take(struct pooling_tape *t, const struct pooling *p, size_t rows, int T, int B, struct scratch *s)
{
	size_t n = (size_t)B * (size_t)p->width;
	*t = (struct pooling_tape){ 0 };
	if (p->type == POOLING_FINAL)
		return;
	t->summary = scratch_take(s, n);
	t->dsummary = scratch_take(s, n);
	if (p->type == POOLING_ATTENTION)
		attention_tape_take(&t->attention, &p->attention, rows, T, B, 1, s);
}

/* The steps are added in their order, so a sequence gives the same bits in any company. */
static void mean_forward(const struct packing *p, int n, const real *x, real *mean)
{
	memset(mean, 0, (size_t)p->B * (size_t)n * sizeof(real));
	for (int b = 0; b < p->B; b++) {
		real *sum = mean + (size_t)b * (size_t)n;
		for (int t = 0; t < p->lengths[b]; t++)
			vector_add_scaled(n, 1, x + packing_row(p, t, b) * (size_t)n, sum);
		for (int j = 0; j < n; j++)
			sum[j] /= (real)p->lengths[b];
	}
}

static void mean_backward(const struct packing *p, int n, const real *dmean, real *dx)
{
	for (int b = 0; b < p->B; b++)
		for (int t = 0; t < p->lengths[b]; t++)
			vector_add_scaled(n, 1 / (real)p->lengths[b], dmean + (size_t)b * (size_t)n,
			                  dx + packing_row(p, t, b) * (size_t)n);
}

static void attend(const struct attention *a, const real *params, const struct encoded *from, struct pooling_tape *tape)
{
	attention_prepare(a, params, from->packing, from->outputs, &tape->attention);
	attention_forward(a, params, from->packing, 0, from->outputs, NULL, tape->summary, a->key, &tape->attention);
}

static void attend_backward(const struct attention *a, const real *params, const struct encoded *from,
                            struct pooling_tape *tape, real *dparams, real *doutputs)
{
	attention_clear(a, from->packing, &tape->attention);
	attention_backward(a, params, from->packing, 0, from->outputs, tape->dsummary, a->key, &tape->attention,
	                   doutputs, dparams, NULL);
	attention_weights_backward(a, params, from->packing, 1, from->outputs, NULL, &tape->attention, doutputs,
	                           dparams);
}

void pooling_forward(const struct pooling *p, const real *params, const struct encoded *from,
                     struct pooling_tape *tape)
{
	if (p->type == POOLING_MEAN)
		mean_forward(from->packing, p->width, from->outputs, tape->summary);
	else if (p->type == POOLING_ATTENTION)
		attend(&p->attention, params, from, tape);
}

struct cell_state pooling_summary(const struct pooling *p, const struct encoded *from, const struct pooling_tape *tape)
{
	return p->type == POOLING_FINAL ? from->final : (struct cell_state){ .h = tape->summary };
}

struct cell_state pooling_gradient(const struct pooling *p, const struct encoded_gradient *d,
                                   const struct pooling_tape *tape)
{
	return p->type == POOLING_FINAL ? d->final : (struct cell_state){ .h = tape->dsummary };
}

void pooling_backward(const struct pooling *p, const real *params, const struct encoded *from,
                      struct pooling_tape *tape, real *dparams, const struct encoded_gradient *d)
{
	if (p->type == POOLING_MEAN)
		mean_backward(from->packing, p->width, tape->dsummary, d->outputs);
	else if (p->type == POOLING_ATTENTION)
		attend_backward(&p->attention, params, from, tape, dparams, d->outputs);
}
