/* examples_series.c - see examples_series.h.
 *
 *     rows      … ◄──── window ────► o │ horizon …        o: the origin
 *     crop          ◄── length ────►                      of window/2 … window rows, in training
 *     target                            ► ► ► ►           or the window's own rows */
#include "model/examples_series.h"

#include <stdlib.h>
#include <string.h>

static size_t origin_of(const struct samples *s, const struct example *i)
{
	const struct part *parts[SHARES] = { &s->train, &s->validation, &s->test };
	return parts[i->share]->first + i->index;
}

static struct extent extent(const struct examples *x, const struct example *i)
{
	const struct series_examples *s = series_of(x);
	int window = s->samples.pipeline.window, least = (window + 1) / 2, length = window;
	if (s->crop && i->epoch)
		length = least + (int)examples_crop(x, i, (size_t)window, (size_t)least);
	return (struct extent){ length, net_steps(&x->net, length) };
}

/* What follows the origin, as the network's targets. */
static void load_future(const struct samples *s, size_t origin, const struct anchor *a, struct batch *b, size_t at)
{
	const struct pipeline *p = &s->pipeline;
	size_t targets = (size_t)p->targets, stride = (size_t)b->B;
	for (int k = 0; k < p->targets; k++) {
		const double *future = samples_series(s, k) + origin + 1;
		for (size_t h = 0; h < (size_t)p->horizon; h++)
			b->target[(h * stride + at) * targets + (size_t)k] = (float)pipeline_encode(p, k, a, future[h]);
	}
}

static void load(const struct examples *x, const struct example *i, struct batch *b, int column)
{
	const struct samples *s = &series_of(x)->samples;
	const struct pipeline *p = &s->pipeline;
	size_t in = (size_t)p->channels, stride = (size_t)b->B, at = (size_t)column, length = (size_t)b->lengths[column];
	size_t origin = origin_of(s, i);
	struct anchor anchor;

	pipeline_window(p, samples_context(s, origin), b->scratch, b->row, &anchor);
	const float *row = b->row + ((size_t)p->window - length) * in;   /* a crop keeps the newest */
	for (size_t t = 0; t < length; t++)
		memcpy(b->x + (t * stride + at) * in, row + t * in, in * sizeof *row);
	if (!net_answers_steps(&x->net)) {
		load_future(s, origin, &anchor, b, at);
		return;
	}
	for (size_t t = 0; t < length; t++)   /* the targets are the channels */
		memcpy(b->target + (t * stride + at) * in, row + t * in, in * sizeof *row);
}

static uint64_t fingerprint(const struct examples *x, uint64_t h)
{
	const struct samples *s = &series_of(x)->samples;
	const struct pipeline *p = &s->pipeline;
	const int sizes[] = { p->columns, p->targets, p->channels, s->context };
	h = fnv1a(h, sizes, sizeof sizes);
	for (int i = 0; i < p->features; i++)
		h = fnv1a(h, p->feature[i].n, sizeof p->feature[i].n);
	return fnv1a(h, s->rows, s->n * (size_t)p->columns * sizeof *s->rows);
}

static void free_series(struct examples *x)
{
	struct series_examples *s = (struct series_examples *)x;
	samples_fini(&s->samples);
	free(s);
}

static const struct examples_type series_type = { extent, load, fingerprint, free_series };

enum err series_examples_new(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e)
{
	struct series_examples *s = calloc(1, sizeof *s);
	if (!s)
		return fail_nomem(e);
	s->base.type = &series_type;
	s->crop = r->random_crop;
	enum err rc = samples_init(&s->samples, r, f, e);
	if (rc) {
		free_series(&s->base);
		return rc;
	}
	struct examples *x = &s->base;
	recipe_net(r, s->samples.pipeline.channels, &x->net);
	x->count[SHARE_TRAIN] = s->samples.train.windows;
	x->count[SHARE_VALIDATION] = s->samples.validation.windows;
	x->count[SHARE_TEST] = s->samples.test.windows;
	x->most = (struct extent){ r->window, net_steps(&x->net, r->window) };
	x->ragged = s->crop;
	x->scratch = pipeline_scratch(&s->samples.pipeline);
	x->rows = s->samples.n;
	x->filled = s->samples.filled;
	*out = x;
	return ERR_OK;
}
