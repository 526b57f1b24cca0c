/* decoder.c - see decoder.h. */
#include "model/nn/decoder.h"

#include "model/nn/dropout.h"

#include <string.h>

void decoder_at(const struct net_spec *s, const struct tensor_table *t, struct decoder *d)
{
	*d = (struct decoder){ .type = s->decoder, .horizon = s->horizon, .pooling = pooling_at(s, t) };
	switch (d->type) {
	case DECODER_ATTENTION:
		d->attention = attention_decoder_at(s, t);
		break;
	case DECODER_LAST:
	case DECODER_MEAN:
	case DECODER_POOL:
		d->head = head_at(s, t);
		break;
	case DECODER_TOKEN:
		d->token = sequence_head_at(s, t);
		break;
	case DECODER_RECONSTRUCT:
		d->reconstruct = reconstruct_at(s, t);
		break;
	case DECODER_SEGMENT:
		d->segment = segment_decoder_at(s, t);
		break;
	}
}

void decoder_tape_take(struct decoder_tape *t, const struct decoder *d, int T, int B, struct scratch *s)
{
	size_t rows = (size_t)T * (size_t)B;
	pooling_tape_take(&t->pooling, &d->pooling, rows, T, B, s);
	switch (d->type) {
	case DECODER_ATTENTION:
		attention_decoder_tape_take(&t->attention, &d->attention, rows, T, B, s);
		break;
	case DECODER_LAST:
	case DECODER_MEAN:
	case DECODER_POOL:
		head_tape_take(&t->head, &d->head, B, s);
		break;
	case DECODER_TOKEN:
		sequence_head_tape_take(&t->token, &d->token, rows, s);
		break;
	case DECODER_RECONSTRUCT:
		reconstruct_tape_take(&t->reconstruct, &d->reconstruct, rows, B, s);
		break;
	case DECODER_SEGMENT:
		segment_decoder_tape_take(&t->segment, &d->segment, B, s);
		break;
	}
}

/* Give the caller the weights over its steps: each step's own, the pool's for all of them, or zeros. */
static void attention_give(const struct decoder *d, const struct network_input *in, const struct decoder_tape *tape,
                           real *attention)
{
	size_t step = (size_t)in->B * (size_t)in->T, all = (size_t)d->horizon * step;
	if (d->type == DECODER_ATTENTION)
		memcpy(attention, tape->attention.attention.weights, all * sizeof(real));
	else if (d->type == DECODER_POOL)
		for (size_t at = 0; at < all; at += step)
			memcpy(attention + at, tape->pooling.attention.weights, step * sizeof(real));
	else
		memset(attention, 0, all * sizeof(real));
}

void decoder_forward(const struct decoder *d, const real *params, const struct encoded *from,
                     const struct network_input *in, struct decoder_tape *tape, const struct network_output *out)
{
	const struct packing *p = from->packing;
	pooling_forward(&d->pooling, params, from, &tape->pooling);
	struct cell_state summary = pooling_summary(&d->pooling, from, &tape->pooling);
	switch (d->type) {
	case DECODER_ATTENTION:
		attention_decoder_forward(&d->attention, params, p, from->outputs, summary, in, &tape->attention,
		                          out->y);
		break;
	case DECODER_LAST:
	case DECODER_MEAN:
	case DECODER_POOL:
		head_forward(&d->head, params, p->B, summary.h, &tape->head, out->y);
		break;
	case DECODER_TOKEN:
		sequence_head_forward(&d->token, params, p, from->outputs,
		                      dropout_in_force(d->token.dropout, in->dropout), &tape->token, out->y);
		break;
	case DECODER_RECONSTRUCT:
		reconstruct_forward(&d->reconstruct, params, p, from->final, &tape->reconstruct, out->y);
		break;
	case DECODER_SEGMENT:
		segment_decoder_forward(&d->segment, params, p->B, from->final, from->base,
		                        dropout_in_force(d->segment.dropout, in->dropout), &tape->segment, out->y);
		break;
	}
	if (out->attention)
		attention_give(d, in, tape, out->attention);
}

void decoder_backward(const struct decoder *d, const real *params, const struct encoded *from,
                      const struct network_input *in, const real *dy, struct decoder_tape *tape, real *dparams,
                      const struct encoded_gradient *dfrom)
{
	const struct packing *p = from->packing;
	struct cell_state summary = pooling_summary(&d->pooling, from, &tape->pooling);
	struct cell_state dsummary = pooling_gradient(&d->pooling, dfrom, &tape->pooling);
	switch (d->type) {
	case DECODER_ATTENTION:
		attention_decoder_backward(&d->attention, params, p, from->outputs, in, dy, &tape->attention, dparams,
		                           dfrom->outputs, dsummary, dfrom->teacher);
		break;
	case DECODER_LAST:
	case DECODER_MEAN:
	case DECODER_POOL:
		head_backward(&d->head, params, p->B, summary.h, dy, &tape->head, dparams, dsummary.h);
		break;
	case DECODER_TOKEN:
		sequence_head_backward(&d->token, params, p, from->outputs,
		                       dropout_in_force(d->token.dropout, in->dropout) != NULL, dy, &tape->token, dparams,
		                       dfrom->outputs);
		break;
	case DECODER_RECONSTRUCT:
		reconstruct_backward(&d->reconstruct, params, p, dy, &tape->reconstruct, dparams, dfrom->final);
		break;
	case DECODER_SEGMENT:
		segment_decoder_backward(&d->segment, params, p->B, dy,
		                         dropout_in_force(d->segment.dropout, in->dropout) != NULL, &tape->segment,
		                         dparams, dfrom->final, dfrom->base);
		break;
	}
	pooling_backward(&d->pooling, params, from, &tape->pooling, dparams, dfrom);
}
