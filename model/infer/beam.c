/* beam.c - the likeliest answers of an attention decoder with classes.
 *
 * The sequence is encoded once, as the first row of a group. Then the rows of
 * that group are hypotheses, which all attend to the first row's states and
 * take the steps that infer_run() takes. A row is a slot: an answer, h and c.
 * Of all that the hypotheses may say next (those that have ended stand as they
 * are) the best `width` go on:
 *
 *     slot   before       the best           after
 *      0     a            a b, a d, c a      a b      a parent's first child keeps its slot,
 *      1     c                               c a      the others copy it to slots that are free
 *      2     e                               a d      (e has no child)
 *
 * Children are looked for in the order of their parents' ranks and of classes, and only a better one goes before
 * another, so equals stay in that order. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "model/infer/group.h"

_Static_assert(INFER_MAX_BEAM <= KERNEL_ROWS, "hypotheses are the rows of one group");

/* A hypothesis as it stands, or as it would be after the next class; merit is what is compared. */
struct hypothesis {
	int slot;                 /* its own, or its parent's */
	int said;
	bool ended;               /* before this step */
	double log_probability, merit;
};

/* The best, best first. */
struct selection {
	int n;
	struct hypothesis best[INFER_MAX_BEAM];
};

struct beam {
	const struct infer_model *m;
	struct group group;           /* row r is slot r */
	struct infer_answer *answer;  /* of slot r: answer[r] */
	int width, max_steps, T;
	double length_penalty;
	struct selection standing;
};

/* Encode the sequence; one hypothesis stands, that nothing is said. */
static void begin(struct beam *b, const struct infer_ws *w, const struct infer_sequence *seq)
{
	struct group *g = &b->group;

	for (int slot = 0; slot < b->width; slot++) {
		const struct infer_answer *a = &b->answer[slot];
		memset(a->token, 0, (size_t)b->max_steps * sizeof *a->token);
		if (a->attention)
			memset(a->attention, 0, (size_t)b->max_steps * b->T * sizeof *a->attention);
		group_row(g, b->m, slot, seq, 0);
		g->row[slot].source = 0;
	}
	g->rows = 1;
	group_encode(g, b->m, w);
	attention_begin(g, b->m);
	b->standing = (struct selection){ .n = 1 };
}

static void offer(struct selection *s, int width, const struct hypothesis *h)
{
	int at = s->n;

	while (at > 0 && h->merit > s->best[at - 1].merit)
		at--;
	if (at == width)
		return;
	if (s->n < width)
		s->n++;
	memmove(s->best + at + 1, s->best + at, (size_t)(s->n - 1 - at) * sizeof *s->best);
	s->best[at] = *h;
}

/* log of the sum of e^score */
static double log_sum(const float *score, int n)
{
	float max = score[0];
	double sum = 0;

	for (int i = 1; i < n; i++)
		max = fmaxf(max, score[i]);
	for (int i = 0; i < n; i++)
		sum += expf(score[i] - max);
	return max + log(sum);
}

/* All that the hypothesis may say at that step. */
static void offer_children(const struct beam *b, const struct hypothesis *parent, int step, struct selection *s)
{
	const int classes = b->m->spec.classes;
	const float *score = b->group.y + (size_t)parent->slot * b->m->outputs;
	const double rest = parent->log_probability - log_sum(score, classes);
	const double length = pow(step + 1, b->length_penalty);

	for (int class = 0; class < classes; class++) {
		const double log_probability = rest + (double)score[class];
		offer(s, b->width, &(struct hypothesis){
			.slot = parent->slot, .said = class,
			.log_probability = log_probability, .merit = log_probability / length,
		});
	}
}

/* What the hypotheses say next, the best of it. */
static void look_ahead(struct beam *b, int step, struct selection *s)
{
	struct group *g = &b->group;

	g->rows = b->standing.n;
	for (int i = 0; i < b->standing.n; i++) {
		const struct hypothesis *h = &b->standing.best[i];
		float *attention = b->answer[h->slot].attention;
		g->row[h->slot].said = h->said;
		g->row[h->slot].attention = h->ended || !attention ? NULL : attention + (size_t)step * b->T;
	}
	attention_step(g, b->m, step);
	for (int i = 0; i < b->standing.n; i++) {
		const struct hypothesis *h = &b->standing.best[i];
		if (h->ended)
			offer(s, b->width, h);
		else
			offer_children(b, h, step, s);
	}
}

static void copy_slot(const struct beam *b, int from, int to, int step)
{
	const size_t width = (size_t)b->m->width;
	const struct infer_answer *source = &b->answer[from], *copy = &b->answer[to];
	float *h = b->group.h[(step + 1) % 2], *c = b->group.c;

	memcpy(h + to * width, h + from * width, width * sizeof *h);
	memcpy(c + to * width, c + from * width, width * sizeof *c);
	memcpy(copy->token, source->token, (size_t)step * sizeof *copy->token);
	if (copy->attention)
		memcpy(copy->attention, source->attention, ((size_t)step + 1) * b->T * sizeof *copy->attention);
}

/* Give every child a slot that holds its parent. */
static void settle(const struct beam *b, struct selection *s, int step)
{
	bool taken[INFER_MAX_BEAM] = { false }, stays[INFER_MAX_BEAM];

	for (int i = 0; i < s->n; i++) {
		stays[i] = !taken[s->best[i].slot];
		taken[s->best[i].slot] = true;
	}
	for (int i = 0; i < s->n; i++) {
		int free_slot = 0;
		if (stays[i])
			continue;
		while (taken[free_slot])
			free_slot++;
		taken[free_slot] = true;
		copy_slot(b, s->best[i].slot, free_slot, step);
		s->best[i].slot = free_slot;
	}
}

/* Write down what was said. */
static void say(const struct beam *b, struct selection *s, int step)
{
	for (int i = 0; i < s->n; i++) {
		struct hypothesis *h = &s->best[i];
		struct infer_answer *a = &b->answer[h->slot];
		if (h->ended)
			continue;
		h->ended = h->said == NET_BOUNDARY;
		a->token[step] = h->said;
		a->n = h->ended ? step : step + 1;
		a->log_probability = h->log_probability;
	}
}

static bool all_ended(const struct selection *s)
{
	for (int i = 0; i < s->n; i++)
		if (!s->best[i].ended)
			return false;
	return true;
}

static void swap_floats(float *a, float *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const float kept = a[i];
		a[i] = b[i];
		b[i] = kept;
	}
}

/* Exchange what two answers say; their arrays stay where they are. */
static void swap_answers(const struct beam *b, struct infer_answer *one, struct infer_answer *two)
{
	const struct infer_answer kept = *one;

	for (int i = 0; i < b->max_steps; i++) {
		const int32_t token = one->token[i];
		one->token[i] = two->token[i];
		two->token[i] = token;
	}
	if (one->attention)
		swap_floats(one->attention, two->attention, (size_t)b->max_steps * b->T);
	one->n = two->n;
	one->log_probability = two->log_probability;
	two->n = kept.n;
	two->log_probability = kept.log_probability;
}

/* The answers from their slots to their ranks. */
static void rank_answers(struct beam *b)
{
	struct selection *s = &b->standing;

	for (int i = 0; i < s->n; i++) {
		const int slot = s->best[i].slot;
		if (slot == i)
			continue;
		swap_answers(b, &b->answer[i], &b->answer[slot]);
		for (int k = i + 1; k < s->n; k++)      /* who stood in slot i stands in the other now */
			if (s->best[k].slot == i)
				s->best[k].slot = slot;
	}
}

int infer_beam(const struct infer_model *m, struct infer_ws *w, const struct infer_sequence *seq, int width,
               int max_steps, double length_penalty, struct infer_answer *answer)
{
	struct beam b = {
		.m = m, .answer = answer, .width = width, .max_steps = max_steps, .T = seq->T,
		.length_penalty = length_penalty,
	};

	assert(m->spec.decoder == DECODER_ATTENTION && m->spec.classes);
	assert(width >= 1 && width <= INFER_MAX_BEAM && max_steps >= 1);
	begin(&b, w, seq);
	for (int step = 0; step < max_steps && !all_ended(&b.standing); step++) {
		struct selection next = { 0 };
		look_ahead(&b, step, &next);
		settle(&b, &next, step);
		say(&b, &next, step);
		b.standing = next;
	}
	rank_answers(&b);
	return b.standing.n;
}
