/* instance_norm.c - see instance_norm.h. */
#include "model/nn/instance_norm.h"

#include <math.h>
#include <string.h>

#define EPS 1e-5   /* its authors' */

struct instance_norm instance_norm_at(const struct net_spec *s, const struct tensor_table *t)
{
	if (!s->instance_norm)
		return (struct instance_norm){ 0 };
	return (struct instance_norm){
		.channels = s->inputs, .targets = s->targets, .levels = s->levels, .horizon = s->horizon,
		.w = tensor_find(t, "instance_norm.weight")->offset, .b = tensor_find(t, "instance_norm.bias")->offset,
	};
}

void instance_norm_tape_take(struct instance_norm_tape *t, const struct instance_norm *l, int T, int B,
                             struct scratch *s)
{
	size_t b = (size_t)B, each = b * (size_t)l->channels, steps = (size_t)T * each;
	size_t targets = (size_t)l->horizon * b * (size_t)l->targets, answers = targets * (size_t)l->levels;
	t->mean = scratch_take(s, each);
	t->deviation = scratch_take(s, each);
	t->x = scratch_take(s, steps);
	t->dx = scratch_take(s, steps);
	t->teacher = scratch_take(s, targets);
	t->dteacher = scratch_take(s, targets);
	t->normal = scratch_take(s, answers);
	t->dy = scratch_take(s, answers);
}

/* Number i of sequence b at step t, of arrays with n numbers a step and sequence. */
static inline size_t at(int t, int B, int b, int n, int i)
{
	return ((size_t)t * (size_t)B + (size_t)b) * (size_t)n + (size_t)i;
}

/* Mean and deviation of one channel of a sequence. */
static void measure(const struct instance_norm *l, const struct network_input *in, int b, int c,
                    struct instance_norm_tape *tape)
{
	int T = in->lengths[b], n = l->channels;
	double mean = 0, var = 0;
	for (int t = 0; t < T; t++)
		mean += (double)in->x[at(t, in->B, b, n, c)] / T;
	for (int t = 0; t < T; t++) {
		double d = (double)in->x[at(t, in->B, b, n, c)] - mean;
		var += d * d / T;
	}
	tape->mean[at(0, 0, b, n, c)] = (real)mean;
	tape->deviation[at(0, 0, b, n, c)] = (real)sqrt(var + EPS);
}

/* Channel c of a sequence as it goes through: `steps` numbers of arrays with n a step. */
struct way { int b, c, steps, n; };

static void normalise(const struct instance_norm *l, const real *params, int B, struct way w,
                      const struct instance_norm_tape *tape, const real *from, real *to)
{
	size_t own = at(0, 0, w.b, l->channels, w.c);
	real mean = tape->mean[own], deviation = tape->deviation[own];
	real weight = params[l->w + (size_t)w.c], bias = params[l->b + (size_t)w.c];
	for (int t = 0; t < w.steps; t++) {
		size_t i = at(t, B, w.b, w.n, w.c);
		to[i] = (from[i] - mean) / deviation * weight + bias;
	}
}

/* d: in, the gradient of what normalise() gave; out, that of what it read. */
static void normalise_backward(const struct instance_norm *l, const real *params, int B, struct way w,
                               const struct instance_norm_tape *tape, const real *from, real *dparams, real *d)
{
	size_t own = at(0, 0, w.b, l->channels, w.c), weight = l->w + (size_t)w.c, bias = l->b + (size_t)w.c;
	real mean = tape->mean[own], deviation = tape->deviation[own];
	for (int t = 0; t < w.steps; t++) {
		size_t i = at(t, B, w.b, w.n, w.c);
		dparams[weight] += d[i] * (from[i] - mean) / deviation;
		dparams[bias] += d[i];
		d[i] *= params[weight] / deviation;
	}
}

static struct way steps_of(const struct instance_norm *l, const struct network_input *in, int b, int c)
{
	return (struct way){ b, c, in->lengths[b], l->channels };
}

static struct way teacher_of(const struct instance_norm *l, int b, int c)
{
	return (struct way){ b, c, l->horizon, l->targets };
}

void instance_norm_forward(const struct instance_norm *l, const real *params, const struct network_input *in,
                           struct instance_norm_tape *tape)
{
	for (int b = 0; b < in->B; b++) {
		for (int c = 0; c < l->channels; c++) {
			measure(l, in, b, c, tape);
			normalise(l, params, in->B, steps_of(l, in, b, c), tape, in->x, tape->x);
		}
		for (int c = 0; in->teacher && c < l->targets; c++)
			normalise(l, params, in->B, teacher_of(l, b, c), tape, in->teacher, tape->teacher);
	}
}

struct network_input instance_norm_input(const struct instance_norm *l, const struct network_input *in,
                                         const struct instance_norm_tape *tape)
{
	struct network_input read = *in;
	if (l->channels) {
		read.x = tape->x;
		read.teacher = in->teacher ? tape->teacher : NULL;
	}
	return read;
}

static real divisor(const struct instance_norm *l, const real *params, int target)
{
	return params[l->w + (size_t)target] + (real)(EPS * EPS);
}

/* Target k's numbers of a sequence at a step, one a level. */
static size_t answer_at(const struct instance_norm *l, int t, int B, int b, int k)
{
	return at(t, B, b, l->targets * l->levels, k * l->levels);
}

static void invert_step(const struct instance_norm *l, const real *params, int t, int B, int b,
                        struct instance_norm_tape *tape, real *y)
{
	for (int k = 0; k < l->targets; k++) {
		size_t first = answer_at(l, t, B, b, k), own = at(0, 0, b, l->channels, k);
		for (size_t i = first; i < first + (size_t)l->levels; i++) {
			tape->normal[i] = (y[i] - params[l->b + (size_t)k]) / divisor(l, params, k);
			y[i] = tape->normal[i] * tape->deviation[own] + tape->mean[own];
		}
	}
}

void instance_norm_invert(const struct instance_norm *l, const real *params, int B, struct instance_norm_tape *tape,
                          real *y)
{
	for (int t = 0; t < l->horizon; t++)
		for (int b = 0; b < B; b++)
			invert_step(l, params, t, B, b, tape, y);
}

static void invert_step_backward(const struct instance_norm *l, const real *params, int t, int B, int b, const real *dy,
                                 struct instance_norm_tape *tape, real *dparams)
{
	for (int k = 0; k < l->targets; k++) {
		size_t first = answer_at(l, t, B, b, k), own = at(0, 0, b, l->channels, k);
		for (size_t i = first; i < first + (size_t)l->levels; i++) {
			tape->dy[i] = dy[i] * tape->deviation[own] / divisor(l, params, k);
			dparams[l->w + (size_t)k] -= tape->dy[i] * tape->normal[i];
			dparams[l->b + (size_t)k] -= tape->dy[i];
		}
	}
}

const real *instance_norm_invert_backward(const struct instance_norm *l, const real *params, int B, const real *dy,
                                          struct instance_norm_tape *tape, real *dparams)
{
	if (!l->channels)
		return dy;
	memset(tape->dteacher, 0, (size_t)l->horizon * (size_t)B * (size_t)l->targets * sizeof(real));
	for (int t = 0; t < l->horizon; t++)
		for (int b = 0; b < B; b++)
			invert_step_backward(l, params, t, B, b, dy, tape, dparams);
	return tape->dy;
}

real *instance_norm_gradient(const struct instance_norm *l, real *dx, const struct instance_norm_tape *tape)
{
	return l->channels && !dx ? tape->dx : dx;
}

void instance_norm_backward(const struct instance_norm *l, const real *params, const struct network_input *in,
                            const struct instance_norm_tape *tape, real *dparams, real *dx)
{
	for (int b = 0; b < in->B; b++) {
		for (int c = 0; c < l->channels; c++)
			normalise_backward(l, params, in->B, steps_of(l, in, b, c), tape, in->x, dparams, dx);
		for (int c = 0; in->teacher && c < l->targets; c++)
			normalise_backward(l, params, in->B, teacher_of(l, b, c), tape, in->teacher, dparams,
			                   tape->dteacher);
	}
}
