/* examples.c - order and batches, whatever the kind.
 *
 *     shuffled ─► pools of POOL minibatches, sorted by length, about ─► minibatches, each sorted by falling length
 *              ─► minibatches shuffled
 *
 * So a minibatch pads little, and an epoch is still a random one. */
#include "model/examples.h"

#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/examples_corpus.h"
#include "model/examples_pairs.h"
#include "model/examples_series.h"

#define POOL 32    /* minibatches */
#define BLUR 0.25  /* of a length, at most */
#define SCORES_MAX (2u << 20)   /* of classes for an example: a shard of 16 has 128 MiB of them */

enum err examples_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e)
{
	switch (recipe_task(r)) {
	case TASK_GENERATE:
		return corpus_check(r, f, e);
	case TASK_CLASSIFY:
	case TASK_TRANSLATE:
		return pairs_check(r, f, rows, e);
	default:
		return samples_check(r, f, rows, e);
	}
}

static enum err new_kind(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e)
{
	switch (recipe_task(r)) {
	case TASK_GENERATE:
		return corpus_examples_new(r, f, out, e);
	case TASK_CLASSIFY:
	case TASK_TRANSLATE:
		return pair_examples_new(r, f, out, e);
	default:
		return series_examples_new(r, f, out, e);
	}
}

static enum err check_scores(const struct examples *x, struct error *e)
{
	size_t scores = (size_t)x->most.steps * (size_t)x->net.classes;
	if (scores <= SCORES_MAX)
		return ERR_OK;
	return fail(e, ERR_INVALID, "/text/max_vocabulary", "%d steps of %d tokens make %zu scores to train on, the limit "
		"is %u", x->most.steps, x->net.classes, scores, SCORES_MAX);
}

enum err examples_new(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e)
{
	struct examples *x = NULL;
	enum err rc = new_kind(r, f, &x, e);
	if (rc)
		return rc;
	x->seed = r->seed;
	x->batch_size = r->batch_size;
	x->token_dropout = r->token_dropout;
	rc = net_spec_check(&x->net, e);
	if (!rc)
		rc = check_scores(x, e);
	if (!rc && x->count[SHARE_TRAIN] > UINT32_MAX)   /* an order is 32 bits wide */
		rc = fail(e, ERR_INVALID, "/dataset", "more than %u examples cannot be trained on", UINT32_MAX);
	if (rc)
		examples_free(x);
	else
		*out = x;
	return rc;
}

void examples_free(struct examples *x)
{
	if (x)
		x->type->free(x);
}

struct extent examples_extent(const struct examples *x, const struct example *i)
{
	return x->type->extent(x, i);
}

size_t examples_targets(const struct examples *x, struct extent e)
{
	return (size_t)e.steps * (size_t)(x->net.classes ? 1 : net_outputs(&x->net));
}

size_t examples_crop(const struct examples *x, const struct example *i, size_t n, size_t length)
{
	struct rng rng;
	rng_init(&rng, x->seed, RNG_CROP, (uint32_t)i->epoch);
	rng.counter = 16 * (uint64_t)i->index;   /* far more numbers than a draw takes */
	return (size_t)rng_below(&rng, n - length + 1);
}

/* ---- order ---- */

/* The longest first, then the longest answer, equals as they were. */
static int by_length(const void *a, const void *b)
{
	const struct place *p = a, *q = b;
	if (p->extent.length != q->extent.length)
		return p->extent.length < q->extent.length ? 1 : -1;
	if (p->extent.steps != q->extent.steps)
		return p->extent.steps < q->extent.steps ? 1 : -1;
	return p->at < q->at ? -1 : p->at > q->at;
}

static int by_blurred_length(const void *a, const void *b)
{
	const struct place *p = a, *q = b;
	if (p->blurred != q->blurred)
		return p->blurred < q->blurred ? 1 : -1;
	return p->at < q->at ? -1 : p->at > q->at;
}

static size_t pool_size(const struct examples *x)
{
	return (size_t)x->batch_size * POOL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Minibatches of like lengths, each sorted. A blur of the lengths brings other examples together in each epoch. */
static void sort_pool(const struct examples *x, struct example which, struct rng *rng, uint32_t *order, size_t n,
                      struct place *place)
{
	size_t batch = (size_t)x->batch_size;
	for (size_t i = 0; i < n; i++) {
		which.index = order[i];
		struct extent e = examples_extent(x, &which);
		double blur = which.epoch ? 1 + BLUR * rng_uniform(rng) : 1;
		place[i] = (struct place){ e, e.length * blur, order[i], i };
	}
	qsort(place, n, sizeof *place, by_blurred_length);
	for (size_t at = 0; at < n; at += batch)
		qsort(place + at, least(batch, n - at), sizeof *place, by_length);
	for (size_t i = 0; i < n; i++)
		order[i] = place[i].index;
}

/* Fisher-Yates over the full minibatches; one that is not full stays the last. */
static void shuffle_batches(struct rng *rng, uint32_t *order, size_t n, size_t batch)
{
	for (size_t i = n / batch; i > 1; i--) {
		uint32_t *a = order + (i - 1) * batch, *b = order + rng_below(rng, i) * batch;
		for (size_t k = 0; k < batch; k++) {
			uint32_t swap = a[k];
			a[k] = b[k];
			b[k] = swap;
		}
	}
}

/* One run of neighbours a row, as far as all have one. */
static void order_streams(uint32_t *order, size_t n, size_t batch)
{
	size_t length = n / batch;
	for (size_t i = 0; i < length * batch; i++)
		order[i] = (uint32_t)(i % batch * length + i / batch);
}

size_t examples_places(const struct examples *x)
{
	return x->ragged ? pool_size(x) : 0;
}

void examples_order(const struct examples *x, enum share share, int epoch, uint32_t *order, struct place *place)
{
	bool train = share == SHARE_TRAIN;
	struct example which = { .share = share, .epoch = train ? epoch : 0 };
	size_t n = x->count[share], size = pool_size(x);
	struct rng rng;
	rng_init(&rng, x->seed, RNG_SHUFFLE, (uint32_t)epoch);
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	if (x->stateful)
		order_streams(order, n, (size_t)x->batch_size);
	else if (train)
		rng_shuffle(&rng, order, n);
	for (size_t at = 0; x->ragged && at < n; at += size)
		sort_pool(x, which, &rng, order + at, least(size, n - at), place);
	if (train && x->ragged)
		shuffle_batches(&rng, order, n, (size_t)x->batch_size);
}

/* ---- batches ---- */

enum err batch_init(struct batch *b, const struct examples *x, int rows, struct error *e)
{
	const struct net_spec *net = &x->net;
	size_t inputs = (size_t)x->most.length * (size_t)rows, answers = (size_t)x->most.steps * (size_t)rows;
	*b = (struct batch){
		.lengths = calloc((size_t)rows, sizeof *b->lengths),
		.x = floats_new(inputs, (size_t)net->inputs),
		.target = floats_new(answers, (size_t)net->targets),
		.row = floats_new((size_t)x->most.length, (size_t)net->inputs),
		.scratch = calloc(x->scratch + 1, sizeof *b->scratch),
	};
	if (b->lengths && b->x && b->target && b->row && b->scratch)
		return ERR_OK;
	batch_fini(b);
	return fail_nomem(e);
}

void batch_fini(struct batch *b)
{
	free(b->lengths);
	free(b->x);
	free(b->target);
	free(b->row);
	free(b->scratch);
	*b = (struct batch){ 0 };
}

/* Behind an answer's end: a class that asks nothing, or the zero that a network gives there. */
static void clear_targets(struct batch *b, const struct net_spec *net)
{
	size_t n = (size_t)b->S * (size_t)b->B * (size_t)net->targets;
	for (size_t i = 0; i < n; i++)
		b->target[i] = net->classes ? -1 : 0;
}

/* Noise as a way of smoothing (Xie et al. 2017, "blank noise"); and what is unknown is met before it is asked for. */
static void drop_tokens(const struct examples *x, const struct example *i, struct batch *b, int column)
{
	struct rng rng;
	rng_init(&rng, x->seed, RNG_TOKENS, (uint32_t)i->epoch);
	rng.counter = 2 * i->index * (uint64_t)x->most.length;   /* a uniform number takes two */
	for (int t = 0; t < b->lengths[column]; t++)
		if (rng_uniform(&rng) < x->token_dropout)
			b->x[(size_t)t * (size_t)b->B + (size_t)column] = TOKEN_UNKNOWN;
}

void batch_fill(struct batch *b, const struct examples *x, const struct example *example, int n)
{
	b->T = b->S = 0;
	b->B = n;
	for (int i = 0; i < n; i++) {
		struct extent e = examples_extent(x, &example[i]);
		b->lengths[i] = e.length;
		b->T = e.length > b->T ? e.length : b->T;
		b->S = e.steps > b->S ? e.steps : b->S;
	}
	clear_targets(b, &x->net);
	for (int i = 0; i < n; i++) {
		x->type->load(x, &example[i], b, i);
		if (x->token_dropout > 0 && example[i].epoch)
			drop_tokens(x, &example[i], b, i);
	}
}

/* ---- what the kinds share ---- */

float *floats_new(size_t a, size_t b)
{
	size_t bytes;
	if (__builtin_mul_overflow(a, b, &bytes) || __builtin_mul_overflow(bytes, sizeof(float), &bytes)
			|| bytes > SIZE_MAX - 64)
		return NULL;
	bytes = (bytes + 64) / 64 * 64;
	float *p = aligned_alloc(64, bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

uint64_t fnv1a(uint64_t h, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;
	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}
