/* text_cache_fit.c - see text_cache_fit.h.
 *
 *     each token ─► network's p, states ─► cosines, once ─┬─ sharpness 10 ─► memory's p ─┬─ share .05 ─► nats
 *                                                         ├─ …                           ├─ …
 *                                                         └─ 45                          └─ .4 */
#include "model/text_cache_fit.h"

#include <math.h>
#include <stdlib.h>

#include "model/corpus_reader.h"
#include "model/text_work.h"

#define TOKENS_MAX 50000   /* of the validation part's end: enough to choose by */

static const double sharpnesses[] = { 10, 15, 20, 30, 45 };
static const double shares[] = { 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4 };
enum { SHARPNESSES = sizeof sharpnesses / sizeof *sharpnesses, SHARES_TRIED = sizeof shares / sizeof *shares };

struct fit {
	struct corpus_reader reader;
	struct text_cache *cache;
	double *network, *memory;                    /* [classes] */
	double alone, nats[SHARPNESSES][SHARES_TRIED];   /* sums */
};

static enum err fit_init(struct fit *f, const struct text_model *m, int size, struct error *e)
{
	*f = (struct fit){ 0 };
	enum err rc = corpus_reader_init(&f->reader, m, e);
	if (!rc)
		rc = text_cache_new(size, net_width(&m->net), &f->cache, e);
	if (rc)
		return rc;
	f->network = calloc((size_t)m->net.classes, sizeof *f->network);
	f->memory = calloc((size_t)m->net.classes, sizeof *f->memory);
	return f->network && f->memory ? ERR_OK : fail_nomem(e);
}

static void fit_fini(struct fit *f)
{
	corpus_reader_fini(&f->reader);
	text_cache_free(f->cache);
	free(f->network);
	free(f->memory);
}

/* One token, its network's scores and the state that it is told from. */
static void try_all(struct fit *f, int classes, const float *score, const float *state, int32_t token)
{
	double p = exp((double)score[token] - text_log_sum(score, classes, f->network));
	const float *similarity = text_cache_similarity(f->cache, state);
	bool empty = text_cache_count(f->cache) == 0;

	f->alone -= log(p);
	for (int s = 0; s < SHARPNESSES; s++) {
		text_cache_weigh(f->cache, similarity, sharpnesses[s], classes, f->memory);
		for (int h = 0; h < SHARES_TRIED; h++)
			f->nats[s][h] -= log(empty ? p : (1 - shares[h]) * p + shares[h] * f->memory[token]);
	}
	text_cache_add(f->cache, state, token);
}

static void choose(const struct fit *f, int size, struct cache_options *out)
{
	double least = f->alone;

	*out = (struct cache_options){ 0 };
	for (int s = 0; s < SHARPNESSES; s++) {
		for (int h = 0; h < SHARES_TRIED; h++) {
			if (f->nats[s][h] < least) {
				least = f->nats[s][h];
				*out = (struct cache_options){ .size = size, .sharpness = sharpnesses[s], .share = shares[h] };
			}
		}
	}
}

enum err text_cache_fit(const struct text_model *m, const struct corpus_examples *c, int size, struct cache_options *out,
                        struct error *e)
{
	size_t end = c->first[SHARE_TEST], from = c->first[SHARE_VALIDATION];
	int classes = m->net.classes;
	size_t width = (size_t)net_width(&m->net);
	struct fit f;
	enum err rc = fit_init(&f, m, size, e);

	if (end - from > TOKENS_MAX)
		from = end - TOKENS_MAX;
	for (size_t at = from; !rc && at < end;) {
		int n = end - at < (size_t)f.reader.room ? (int)(end - at) : f.reader.room;
		corpus_read(&f.reader, c->token + at, n);
		for (int i = 0; i < n; i++)
			try_all(&f, classes, f.reader.score + (size_t)i * (size_t)classes, f.reader.hidden + (size_t)i * width,
				c->token[at + (size_t)i]);
		at += (size_t)n;
	}
	if (!rc)
		choose(&f, size, out);
	fit_fini(&f);
	return rc;
}
