/* trainer_state.c - a trainer between two epochs as bytes, and back (docs/formats/checkpoint.md).
 *
 *     "GCTRAIN3" | fingerprint u64 | weights u64 | course | weights, m, v, best, average: f32 each | FNV-1a u64 of all before
 *
 * Little-endian. One walk over the members serves both ways, so that writer and reader cannot differ. The good
 * copy that the guard rolls back to is not there: between epochs it equals the weights. */
#include "model/trainer_state.h"

#include <math.h>
#include <string.h>

void moving_copy(struct moving *to, const struct moving *from, size_t weights)
{
	memcpy(to->weights, from->weights, weights * sizeof *to->weights);
	memcpy(to->m, from->m, weights * sizeof *to->m);
	memcpy(to->v, from->v, weights * sizeof *to->v);
	if (moving_averages(from))
		memcpy(to->average, from->average, weights * sizeof *to->average);
}

void trainer_mark_good(struct trainer *t)
{
	moving_copy(&t->good, &t->now, t->plan.weights);
	t->good_optimizer_steps = t->course.optimizer_steps;
}

#define MAGIC 0x334e494152544347u   /* "GCTRAIN3" */

/* Both ways over the bytes: out set writes, in set reads. Reading past the end sets failed and leaves the rest. */
struct wire {
	struct strbuf *out;
	const unsigned char *in;
	size_t left;
	bool failed;
};

static void wire_uint(struct wire *w, uint64_t *v, size_t bytes)
{
	unsigned char b[8];
	if (w->out) {
		for (size_t i = 0; i < bytes; i++)
			b[i] = (unsigned char)(*v >> 8 * i);
		strbuf_add(w->out, b, bytes);
		return;
	}
	w->failed = w->failed || w->left < bytes;
	if (w->failed)
		return;
	*v = 0;
	for (size_t i = 0; i < bytes; i++)
		*v |= (uint64_t)w->in[i] << 8 * i;
	w->in += bytes;
	w->left -= bytes;
}

static void wire_u64(struct wire *w, uint64_t *v)
{
	wire_uint(w, v, 8);
}

static void wire_int(struct wire *w, int *v)
{
	uint64_t bits = (uint32_t)*v;
	wire_uint(w, &bits, 4);
	*v = (int)(uint32_t)bits;
}

static void wire_bool(struct wire *w, bool *v)
{
	uint64_t bits = *v;
	wire_uint(w, &bits, 1);
	w->failed = w->failed || bits > 1;
	*v = bits == 1;
}

static void wire_double(struct wire *w, double *v)
{
	uint64_t bits;
	memcpy(&bits, v, sizeof bits);
	wire_uint(w, &bits, 8);
	memcpy(v, &bits, sizeof bits);
}

static void wire_floats(struct wire *w, float *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t half;
		memcpy(&half, &v[i], sizeof half);
		uint64_t bits = half;
		wire_uint(w, &bits, 4);
		half = (uint32_t)bits;
		memcpy(&v[i], &half, sizeof half);
	}
}

static void wire_course(struct wire *w, struct course *c)
{
	wire_int(w, &c->epoch);
	wire_bool(w, &c->stopped);
	wire_u64(w, &c->step);
	wire_u64(w, &c->optimizer_steps);
	wire_double(w, &c->rate);
	wire_double(w, &c->plateau.best);
	wire_int(w, &c->plateau.bad);
	wire_double(w, &c->early_stop.best);
	wire_int(w, &c->early_stop.bad);
	wire_int(w, &c->early_stop.best_epoch);
	wire_double(w, &c->guard.average);
	wire_u64(w, &c->guard.accepted);
	wire_u64(w, &c->guard.skips);
	for (int i = 0; i < GUARD_SKIPS; i++)
		wire_u64(w, &c->guard.skipped_at[i]);
	wire_int(w, &c->guard.rollbacks);
}

static void wire_arrays(struct wire *w, const struct trainer *t)
{
	wire_floats(w, t->now.weights, t->plan.weights);
	wire_floats(w, t->now.m, t->plan.weights);
	wire_floats(w, t->now.v, t->plan.weights);
	wire_floats(w, t->best, t->plan.weights);
	if (moving_averages(&t->now))
		wire_floats(w, t->now.average, t->plan.weights);
}

void trainer_save(const struct trainer *t, struct strbuf *out)
{
	struct wire w = { .out = out };
	struct course course = t->course;
	uint64_t magic = MAGIC, fingerprint = t->fingerprint, weights = t->plan.weights, digest;
	size_t start = out->len;

	wire_u64(&w, &magic);
	wire_u64(&w, &fingerprint);
	wire_u64(&w, &weights);
	wire_course(&w, &course);
	wire_arrays(&w, t);
	if (!strbuf_ok(out))
		return;
	digest = fnv1a(FNV_START, out->s + start, out->len - start);
	wire_u64(&w, &digest);
}

static bool course_plausible(const struct course *c, const struct recipe *r)
{
	return c->epoch >= 0 && c->epoch <= r->epochs && c->rate > 0 && c->rate <= r->learning_rate
		&& c->early_stop.best_epoch >= 0 && c->early_stop.best_epoch <= c->epoch
		&& c->early_stop.bad >= 0 && c->plateau.bad >= 0 && !isnan(c->early_stop.best) && !isnan(c->plateau.best)
		&& c->optimizer_steps <= c->step && c->guard.average >= 0 && isfinite(c->guard.average)
		&& c->guard.rollbacks >= 0 && c->guard.rollbacks <= GUARD_ROLLBACKS;
}

static bool floats_finite(struct wire w)
{
	while (w.left) {
		float v = 0;
		wire_floats(&w, &v, 1);
		if (!isfinite(v))
			return false;
	}
	return true;
}

static enum err fail_damaged(const char *why, struct error *e)
{
	return fail(e, ERR_SYNTAX, "checkpoint", "%s", why);
}

/* The header and the course, checked; w is left at the arrays. */
static enum err read_head(struct wire *w, const struct trainer *t, struct course *course, struct error *e)
{
	uint64_t magic = 0, fingerprint = 0, weights = 0;
	wire_u64(w, &magic);
	wire_u64(w, &fingerprint);
	wire_u64(w, &weights);
	wire_course(w, course);
	if (w->failed || magic != MAGIC)
		return fail_damaged("is not a training state of this version", e);
	if (fingerprint != t->fingerprint || weights != t->plan.weights)
		return fail_damaged("belongs to another recipe or dataset", e);
	if (w->left != t->plan.weights * (moving_averages(&t->now) ? 5 : 4) * sizeof(float))
		return fail_damaged("has a wrong length", e);
	if (!course_plausible(course, &t->recipe) || !floats_finite(*w))
		return fail_damaged("holds impossible values", e);
	return ERR_OK;
}

enum err trainer_load(struct trainer *t, const void *bytes, size_t len, struct error *e)
{
	uint64_t digest = 0;
	struct course course = t->course;
	enum err rc;

	if (len < sizeof digest)
		return fail_damaged("is too short", e);
	struct wire tail = { .in = (const unsigned char *)bytes + len - sizeof digest, .left = sizeof digest };
	wire_u64(&tail, &digest);
	if (digest != fnv1a(FNV_START, bytes, len - sizeof digest))
		return fail_damaged("is damaged: its digest does not match", e);
	struct wire w = { .in = bytes, .left = len - sizeof digest };
	rc = read_head(&w, t, &course, e);
	if (rc)
		return rc;
	wire_arrays(&w, t);
	t->course = course;
	trainer_mark_good(t);
	return ERR_OK;
}

/* Sizes and choices go in one by one: the bytes between a struct's members mean nothing. */
uint64_t trainer_fingerprint(const struct trainer *t)
{
	const struct recipe *r = &t->recipe;
	const int whole[] = {
		r->window, r->horizon, r->unit, r->max_vocabulary, r->min_count, r->embedding, r->cache,
		r->encoder, r->hidden, r->layers, r->bidirectional, r->reverse, r->bias, r->reset_after, r->relu, r->batch_norm,
		r->instance_norm,
		r->heads, r->feedforward, r->norm_first, r->gelu, r->causal, r->decoder, r->score, r->decoder_input, r->segment,
		r->categorical, r->levels, r->loss, r->init.orthogonal, r->random_crop, r->stateful, r->optimizer, r->batch_size, r->epochs,
		r->scheduler, r->scheduler_patience, r->scheduler_step_size, r->warmup_epochs, r->early_stopping_patience,
	};
	const double number[] = {
		r->dropout, r->weight_dropout, r->token_dropout, r->teacher_forcing, r->train, r->validation, r->test,
		r->huber_delta, r->init.forget_bias, r->learning_rate, r->momentum, r->clip_norm, r->weight_decay, r->average_decay,
		r->scheduler_factor, r->scheduler_gamma, r->scheduler_min_rate,
	};
	uint64_t h = fnv1a(FNV_START, whole, sizeof whole);
	h = fnv1a(h, number, sizeof number);
	h = fnv1a(h, r->level, (size_t)r->levels * sizeof *r->level);
	h = fnv1a(h, &r->seed, sizeof r->seed);
	return t->examples->type->fingerprint(t->examples, h);
}
