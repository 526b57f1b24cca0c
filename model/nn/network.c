/* network.c - the chain of the four stages, and nothing but that:
 *
 *     in ─► front ─► encoder ─► batch norm ─┬─ outputs ─────┐
 *                       └── c of an LSTM    └► final states ─┴─► decoder ─► y
 *
 * The final h is gathered from the outputs, behind the norm, each direction's at its own last step; so its gradient
 * takes the outputs' way. A `struct chain` says where each stage's weights lie in the flat block; a `struct
 * chain_tape` says where its activations lie in the caller's scratch. Both are computed afresh by each call, so no
 * state outlives one. */
#include "model/nn/network.h"

#include "model/nn/chain.h"

#include <string.h>

static void chain_at(const struct net_spec *s, struct chain *net)
{
	struct tensor_table table;
	net_tensors(s, &table);
	front_at(s, &table, &net->front);
	encoder_at(s, &table, &net->encoder);
	net->norm = batch_norm_at(s, &table);
	decoder_at(s, &table, &net->decoder);
}

static void chain_tape_take(const struct chain *net, int T, int B, struct scratch *s, struct chain_tape *w)
{
	front_tape_take(&w->front, &net->front, T, B, s);
	const struct packing *p = front_packing(&net->front, &w->front);
	size_t rows = (size_t)p->T * (size_t)p->B, b = (size_t)p->B;
	int width = net->encoder.width;
	bool memory = encoder_has_memory(&net->encoder);
	encoder_tape_take(&w->encoder, &net->encoder, p->T, p->B, s);
	batch_norm_tape_take(&w->norm, &net->norm, rows, s);
	decoder_tape_take(&w->decoder, &net->decoder, p->T, p->B, s);
	cell_state_take(&w->final, memory, b, width, s);
	w->gradient.outputs = scratch_take(s, rows * (size_t)width);
	cell_state_take(&w->gradient.final, memory, b, width, s);
	w->gradient.base = scratch_take(s, b);
}

size_t network_scratch(const struct net_spec *s, int T, int B)
{
	int sequences, rows, steps;
	if (__builtin_mul_overflow(B, front_sequences(s), &sequences) || __builtin_mul_overflow(T, sequences, &rows)
	    || __builtin_mul_overflow(net_steps(s, T), sequences, &steps))
		return SIZE_MAX / sizeof(real);
	struct chain net;
	struct chain_tape w;
	struct scratch measure = { 0 };
	chain_at(s, &net);
	chain_tape_take(&net, T, B, &measure, &w);
	return measure.used;
}

/* A key is what tells training from evaluation, also where nothing is dropped. */
static bool trains(const struct network_input *in)
{
	return in->dropout && in->dropout->key;
}

void chain_open(const struct net_spec *s, const struct network_input *in, real *ws, struct chain *net,
                struct chain_tape *w)
{
	chain_at(s, net);
	chain_tape_take(net, in->T, in->B, &(struct scratch){ .base = ws }, w);
	front_open(&net->front, in, &w->front);
}

static struct encoded encoded_of(const struct chain *net, const struct chain_tape *w)
{
	return (struct encoded){
		.packing = front_packing(&net->front, &w->front),
		.outputs = batch_norm_outputs(&net->norm, encoder_outputs(&net->encoder, &w->encoder), &w->norm),
		.final = w->final,
		.base = front_base(&net->front, &w->front),
	};
}

static struct network_state start_of(const struct net_spec *s, const struct network_input *in)
{
	return net_has_states(s) ? in->start : (struct network_state){ 0 };
}

void network_forward(const struct net_spec *s, const real *params, const struct network_input *in,
                     const struct network_output *out, real *ws)
{
	struct chain net;
	struct chain_tape w;

	chain_open(s, in, ws, &net, &w);
	front_forward(&net.front, params, in, &w.front);
	struct encoded encoded = encoded_of(&net, &w);
	const struct packing *p = encoded.packing;
	encoder_forward(&net.encoder, params, p, front_outputs(&net.front, &w.front), start_of(s, in), in->dropout,
	                &w.encoder);
	batch_norm_forward(&net.norm, params, p->rows, encoder_outputs(&net.encoder, &w.encoder), trains(in),
	                   &w.norm);
	encoder_final(&net.encoder, p, &w.encoder, encoded.outputs, w.final);
	decoder_forward(&net.decoder, params, &encoded, in, &w.decoder, out);
	if (net_has_states(s))
		encoder_states(&net.encoder, p, &w.encoder, out->final);
}

static void gradient_clear(const struct chain *net, const struct packing *p, struct encoded_gradient *d)
{
	size_t width = (size_t)net->encoder.width, states = (size_t)p->B * width;
	memset(d->outputs, 0, (size_t)p->rows * width * sizeof(real));
	memset(d->final.h, 0, states * sizeof(real));
	if (d->final.c)
		memset(d->final.c, 0, states * sizeof(real));
	memset(d->base, 0, (size_t)p->B * sizeof(real));
}

void network_backward(const struct net_spec *s, const real *params, const struct network_input *in, const real *dy,
                      real *dparams, real *dx, real *ws)
{
	struct chain net;
	struct chain_tape w;
	struct encoded_gradient *d = &w.gradient;

	chain_open(s, in, ws, &net, &w);
	struct encoded encoded = encoded_of(&net, &w);
	const struct packing *p = encoded.packing;
	gradient_clear(&net, p, d);
	decoder_backward(&net.decoder, params, &encoded, in, dy, &w.decoder, dparams, d);
	encoder_final_backward(&net.encoder, p, d->final.h, d->outputs);
	batch_norm_backward(&net.norm, params, p->rows, trains(in), &w.norm, dparams, d->outputs);
	encoder_backward(&net.encoder, params, p, front_outputs(&net.front, &w.front), in->dropout, d->outputs,
	                 d->final.c, &w.encoder, dparams, front_gradient(&net.front, dx, &w.front));
	front_backward(&net.front, params, in, d->base, &w.front, dparams, dx);
}
