/* feedback.c - see feedback.h. */
#include "model/nn/feedback.h"

#include "model/nn/teacher.h"
#include "model/nn/vector.h"

#include <assert.h>
#include <string.h>

struct feedback feedback_at(const struct net_spec *s, const struct tensor_table *t)
{
	struct feedback f = {
		.outputs = net_outputs(s), .targets = s->targets, .levels = s->levels, .median_level = s->median_level,
		.classes = s->classes,
	};
	if (!net_feeds_back(s))
		return f;
	f.n = s->classes ? s->embedding : s->targets;
	if (s->classes)
		f.vectors = tensor_find(t, "decoder.embedding.weight")->offset;
	return f;
}

void feedback_tape_take(struct feedback_tape *t, const struct feedback *f, int horizon, int B, struct scratch *s)
{
	t->read = f->n && f->classes ? scratch_take_ints(s, (size_t)horizon * (size_t)B) : NULL;
}

static inline size_t row_at(int b, int ld)
{
	return (size_t)b * (size_t)ld;
}

/* Where the teacher's values of the step before stand. */
static size_t teacher_at(const struct feedback *f, const struct network_input *in, int b, int step)
{
	return (((size_t)step - 1) * (size_t)in->B + (size_t)b) * (size_t)f->targets;
}

/* The truth of the step before where sequence b must read it, or NULL. */
static const real *forced(const struct feedback *f, const struct network_input *in, int b, int step)
{
	return teacher_forces(in, b, step) ? in->teacher + teacher_at(f, in, b, step) : NULL;
}

/* Target k in a row of the answer. */
static inline int middle(const struct feedback *f, int k)
{
	return k * f->levels + f->median_level;
}

static void read_numbers(const struct feedback *f, const struct network_input *in, int step, const real *y, real *to,
                         int ld)
{
	for (int b = 0; b < in->B; b++) {
		const real *truth = forced(f, in, b, step), *own = y + row_at(b, f->outputs);
		for (int k = 0; k < f->targets; k++)
			to[row_at(b, ld) + (size_t)k] = truth ? truth[k] : own[middle(f, k)];
	}
}

static int best(int n, const real *scores)
{
	int at = 0;
	for (int i = 1; i < n; i++)
		if (scores[i] > scores[at])
			at = i;
	return at;
}

static int class_before(const struct feedback *f, const struct network_input *in, int step, int b, const real *y)
{
	if (step == 0)
		return NET_BOUNDARY;
	const real *truth = forced(f, in, b, step);
	if (!truth)
		return best(f->classes, y + row_at(b, f->outputs));
	assert(*truth < (real)f->classes);
	return *truth < 0 ? NET_BOUNDARY : (int)*truth;
}

static int *read_at(const struct feedback_tape *tape, const struct network_input *in, int step)
{
	return tape->read + (size_t)step * (size_t)in->B;
}

static void read_classes(const struct feedback *f, const real *params, const struct network_input *in, int step,
                         const real *y, struct feedback_tape *tape, real *to, int ld)
{
	int *read = read_at(tape, in, step);
	for (int b = 0; b < in->B; b++) {
		read[b] = class_before(f, in, step, b, y);
		memcpy(to + row_at(b, ld), params + f->vectors + row_at(read[b], f->n), (size_t)f->n * sizeof(real));
	}
}

void feedback_forward(const struct feedback *f, const real *params, const struct network_input *in, int step,
                      const real *y, struct feedback_tape *tape, real *to, int ld)
{
	if (f->classes)
		read_classes(f, params, in, step, y, tape, to, ld);
	else if (step)
		read_numbers(f, in, step, y, to, ld);
	else
		for (int b = 0; b < in->B; b++)
			memset(to + row_at(b, ld), 0, (size_t)f->n * sizeof(real));
}

static void read_numbers_backward(const struct feedback *f, const struct network_input *in, int step,
                                  const real *dread, int ld, real *dy, real *dteacher)
{
	for (int b = 0; b < in->B; b++) {
		const real *d = dread + row_at(b, ld);
		bool own = !forced(f, in, b, step);
		for (int k = 0; k < f->targets && own; k++)
			dy[row_at(b, f->outputs) + (size_t)middle(f, k)] += d[k];
		if (!own && dteacher)
			vector_add_scaled(f->targets, 1, d, dteacher + teacher_at(f, in, b, step));
	}
}

static void read_classes_backward(const struct feedback *f, const struct network_input *in, int step,
                                  const real *dread, int ld, const struct feedback_tape *tape, real *dparams)
{
	const int *read = read_at(tape, in, step);
	for (int b = 0; b < in->B; b++)
		vector_add_scaled(f->n, 1, dread + row_at(b, ld), dparams + f->vectors + row_at(read[b], f->n));
}

void feedback_backward(const struct feedback *f, const struct network_input *in, int step, const real *dread, int ld,
                       const struct feedback_tape *tape, real *dparams, real *dy, real *dteacher)
{
	if (f->classes)
		read_classes_backward(f, in, step, dread, ld, tape, dparams);
	else if (step)
		read_numbers_backward(f, in, step, dread, ld, dy, dteacher);
}
