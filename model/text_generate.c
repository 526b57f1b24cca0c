/* text_generate.c - texts that go on from a prompt, a token at a time.
 *
 *     prompt   To_be_       read in slices of max_steps without asking for scores, all but its last token
 *     last     _            ─► scores ─► a token o ─► text
 *     then     o            ─► scores ─► a token r ─► …       until a boundary, max_tokens, or nobody listens
 *
 * With a cache (text_cache.h), the states of prompt and text are remembered with the tokens that followed them.
 *
 * Jobs that are at their last token or behind it advance together, a token a call of infer_run(). A job's numbers are
 * its own: its state, and Philox by (seed, number of the token). */
#include <math.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/text_work.h"

/* ---- sampling ---- */

static void swap(float *a, float *b)
{
	float kept = *a;

	*a = *b;
	*b = kept;
}

/* The k-th greatest of n, k from 1, by Hoare's find: what lies before `low` is no less, behind `high` no more. */
static float kth_greatest(float *a, int n, int k)
{
	int low = 0, high = n - 1;

	while (low < high) {
		float pivot = a[k - 1];
		int i = low, j = high;
		while (i <= j) {
			while (a[i] > pivot)
				i++;
			while (a[j] < pivot)
				j--;
			if (i <= j)
				swap(&a[i++], &a[j--]);
		}
		if (j < k - 1)
			low = i;
		if (i > k - 1)
			high = j;
	}
	return a[k - 1];
}

/* Weight 0 to all but the k greatest scores; of equals the first ones stay. */
static void keep_greatest(const float *score, int n, int k, float *rank, double *weight)
{
	memcpy(rank, score, (size_t)n * sizeof *rank);
	float least = kth_greatest(rank, n, k);
	int equals = k;

	for (int t = 0; t < n; t++)
		equals -= score[t] > least;
	for (int t = 0; t < n; t++)
		if (score[t] < least || (score[t] == least && equals-- <= 0))
			weight[t] = 0;
}

static int32_t likeliest(const float *score, int n)
{
	int32_t best = 0;

	for (int t = 1; t < n; t++)
		best = score[t] > score[best] ? t : best;
	return best;
}

/* The token at the place u in [0, 1) of all weights laid end to end. */
static int32_t pick(const double *weight, int n, double u)
{
	double sum = 0, at = 0;
	int32_t last = 0;

	for (int t = 0; t < n; t++)
		sum += weight[t];
	for (int t = 0; t < n; t++) {
		if (weight[t] == 0)
			continue;
		last = t;
		at += weight[t];
		if (u * sum < at)
			break;
	}
	return last;
}

static int32_t draw(const struct text_model *m, struct text_ws *w, const struct text_job *j, const float *score)
{
	const struct sampling *s = &j->sampling;
	int n = m->net.classes;
	int32_t best = likeliest(score, n);
	struct rng rng;

	if (s->temperature == 0)
		return best;
	for (int t = 0; t < n; t++)
		w->weight[t] = exp(((double)score[t] - score[best]) / s->temperature);
	if (s->top_k > 0 && s->top_k < n)
		keep_greatest(score, n, s->top_k, w->rank, w->weight);
	rng_init(&rng, s->seed, RNG_SAMPLE, (uint32_t)j->tokens_out);
	return pick(w->weight, n, rng_uniform(&rng));
}

/* ---- turns ---- */

/* Tokens of the prompt before its last that are still to be read. */
static size_t unread(const struct text_job *j)
{
	const struct text_progress *p = j->progress;

	return p->read + 1 < p->n ? p->n - 1 - p->read : 0;
}

/* A row of the next call: len tokens, from where the job's state stands. */
static void add_row(const struct text_model *m, struct text_ws *w, int row, struct text_job *const *job, int i,
                    const int32_t *token, size_t len, float *y)
{
	float *x = w->x + (size_t)row * m->max_steps, *state = job[i]->progress->state;

	float *hidden = m->cache.size ? w->hidden + (size_t)row * TEXT_SLICE * (size_t)net_width(&m->net) : NULL;

	text_load(x, token, len);
	w->of[row] = i;
	w->seq[row] = (struct infer_sequence){
		.x = x, .T = (int)len, .y = y, .hidden = hidden, .start = state, .final = state,
	};
}

/* What followed each token of the row: next[0] the first. */
static void remember(const struct text_model *m, const struct text_job *j, const struct infer_sequence *row,
                     const int32_t *next)
{
	for (int t = 0; j->progress->cache && t < row->T; t++)
		text_cache_add(j->progress->cache, row->hidden + (size_t)t * (size_t)net_width(&m->net), next[t]);
}

static size_t slice(const struct text_model *m)
{
	size_t most = (size_t)m->max_steps;

	return m->cache.size && most > TEXT_SLICE ? TEXT_SLICE : most;
}

/* A slice of every prompt that is longer than its last token. */
static void read_prompts(const struct text_model *m, struct text_ws *w, struct text_job *const *job, int n)
{
	int rows = 0;

	for (int i = 0; i < n; i++) {
		struct text_progress *p = job[i]->progress;
		size_t left = unread(job[i]), len = left < slice(m) ? left : slice(m);
		if (len == 0)
			continue;
		add_row(m, w, rows++, job, i, p->token + p->read, len, NULL);
		p->read += len;
	}
	if (rows)
		infer_run(m->infer, w->infer, w->seq, rows);
	for (int r = 0; r < rows; r++) {
		const struct text_job *j = job[w->of[r]];
		remember(m, j, &w->seq[r], j->progress->token + j->progress->read - (size_t)w->seq[r].T + 1);
	}
}

/* The token that the network reads next. */
static const int32_t *next_token(const struct text_progress *p)
{
	return p->read < p->n ? &p->token[p->read] : &p->last;
}

static int gather(const struct text_model *m, struct text_ws *w, struct text_job *const *job, int n, const bool *done)
{
	int rows = 0;

	for (int i = 0; i < n; i++) {
		if (done[i] || unread(job[i]))
			continue;
		add_row(m, w, rows, job, i, next_token(job[i]->progress), 1, w->y + (size_t)rows * m->net.classes);
		rows++;
	}
	return rows;
}

/* Give out the text of a token behind the one before it; false: nobody wants more. */
static bool give(const struct text_model *m, struct text_job *j, int32_t before, int32_t token)
{
	size_t from = j->out->len;

	vocabulary_decode(m->source, before, &token, 1, j->out);
	return !j->piece || j->piece(j->arg, j->out->s + from, j->out->len - from);
}

/* Draw the token behind a row; true when the job is over. */
static bool advance(const struct text_model *m, struct text_ws *w, struct text_job *j, const struct infer_sequence *row)
{
	struct text_progress *p = j->progress;
	int32_t before = *next_token(p);
	float *score = row->y;
	double all = text_log_sum(score, m->net.classes, w->weight);

	j->finite = isfinite(all);
	if (!j->finite)
		return true;
	if (p->cache) {
		text_cache_mix(p->cache, &m->cache, row->hidden, m->net.classes, score, w->weight);
		all = text_log_sum(score, m->net.classes, w->weight);
	}
	p->read = p->n;
	p->last = draw(m, w, j, score);
	remember(m, j, row, &p->last);
	j->log_probability += (double)score[p->last] - all;
	j->ended = p->last == TOKEN_BOUNDARY;
	if (j->ended)
		return true;
	j->tokens_out++;
	return !give(m, j, before, p->last) || j->tokens_out >= j->max_tokens;
}

void text_generate(const struct text_model *m, struct text_ws *w, struct text_job *const *job, int n, bool *done)
{
	int rows;

	for (int i = 0; i < n; i++)
		done[i] = job[i]->tokens_out >= job[i]->max_tokens;
	read_prompts(m, w, job, n);
	for (int turn = 0; turn < TEXT_TURN && (rows = gather(m, w, job, n, done)) > 0; turn++) {
		infer_run(m->infer, w->infer, w->seq, rows);
		for (int r = 0; r < rows; r++)
			done[w->of[r]] = advance(m, w, job[w->of[r]], &w->seq[r]);
	}
}
