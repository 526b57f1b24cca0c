/* cell.c - see cell.h. */
#include "model/nn/cell.h"

#include "model/nn/recurrent.h"
#include "model/nn/vector.h"

#include <stdio.h>
#include <string.h>

/* What one cell has of its own. The recurrent part of a step leaves its gradients in the tape. */
struct cell_kind {
	bool memory, aux;
	void (*forward)(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape);
	void (*backward)(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
	                 struct cell_state d);
	void (*weights_backward)(const struct cell *c, int rows, const struct cell_tape *tape, real *dparams);
};

#define KIND(ID, NAME, GATES, MEMORY, AUX, WEIGHTS, ...) \
	[CELL_##ID] = { MEMORY, AUX, NAME##_step_forward, NAME##_step_backward, WEIGHTS },
static const struct cell_kind kinds[] = { CELLS(KIND) };
#undef KIND

static struct linear gates_at(const struct net_spec *s, const struct tensor_table *t, const char *part,
                              const char *of, const char *suffix)
{
	char weight[sizeof t->tensor->name], bias[sizeof t->tensor->name];
	snprintf(weight, sizeof weight, "%s.weight_%s%s", part, of, suffix);
	snprintf(bias, sizeof bias, "%s.bias_%s%s", part, of, suffix);
	return linear_at(t, weight, s->bias ? bias : NULL);
}

struct cell cell_at(const struct net_spec *s, const struct tensor_table *t, enum cell_type type, const char *part,
                    const char *suffix)
{
	struct cell c = { .type = type, .reset_after = s->reset_after, .relu = s->relu };
	c.input = gates_at(s, t, part, "ih", suffix);
	c.recurrent = gates_at(s, t, part, "hh", suffix);
	c.in = c.input.in;
	c.hid = c.recurrent.in;
	return c;
}

bool cell_has_memory(const struct cell *c)
{
	return kinds[c->type].memory;
}

void cell_tape_take(struct cell_tape *t, const struct cell *c, size_t rows, int B, struct scratch *s)
{
	const struct cell_kind *kind = &kinds[c->type];
	size_t in = (size_t)c->in, hid = (size_t)c->hid, gates = (size_t)c->recurrent.out;
	*t = (struct cell_tape){ 0 };
	t->wt_input = scratch_take(s, in * gates);
	t->wt_recurrent = scratch_take(s, hid * gates);
	t->gates = scratch_take(s, rows * gates);
	t->before = scratch_take(s, rows * hid);
	t->h = scratch_take(s, rows * hid);
	t->step = scratch_take(s, (size_t)B * gates);
	if (kind->aux)
		t->aux = scratch_take(s, rows * hid);
	if (kind->memory) {
		t->before_c = scratch_take(s, rows * hid);
		t->c = scratch_take(s, rows * hid);
	}
}

void cell_state_take(struct cell_state *state, bool memory, size_t n, int hid, struct scratch *s)
{
	state->h = scratch_take(s, n * (size_t)hid);
	state->c = memory ? scratch_take(s, n * (size_t)hid) : NULL;
}

void cell_state_clear(const struct cell *c, int n, struct cell_state state)
{
	size_t bytes = (size_t)n * (size_t)c->hid * sizeof(real);
	memset(state.h, 0, bytes);
	if (cell_has_memory(c))
		memset(state.c, 0, bytes);
}

void cell_prepare(const struct cell *c, const real *params, struct cell_tape *tape)
{
	linear_transpose(&c->input, params, tape->wt_input);
	linear_transpose(&c->recurrent, params, tape->wt_recurrent);
}

void cell_input_forward(const struct cell *c, const real *params, int first, int n, const real *x,
                        struct cell_tape *tape)
{
	linear_forward(&c->input, params, tape->wt_input, n, x, rows_at(tape->gates, first, c->input.out));
}

/* to = from, or zeros. */
static void keep(size_t n, const real *from, real *to)
{
	if (from)
		memcpy(to, from, n * sizeof(real));
	else
		memset(to, 0, n * sizeof(real));
}

void cell_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_state before,
                       struct cell_tape *tape)
{
	size_t count = (size_t)n * (size_t)c->hid;
	keep(count, before.h, rows_at(tape->before, first, c->hid));
	if (cell_has_memory(c))
		keep(count, before.c, rows_at(tape->before_c, first, c->hid));
	kinds[c->type].forward(c, params, first, n, tape);
}

struct cell_state cell_states(const struct cell *c, const struct cell_tape *tape, int first)
{
	struct cell_state state = { .h = rows_at(tape->h, first, c->hid) };
	if (cell_has_memory(c))
		state.c = rows_at(tape->c, first, c->hid);
	return state;
}

void cell_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                        struct cell_state d)
{
	kinds[c->type].backward(c, params, first, n, tape, d);
}

void cell_input_backward(const struct cell *c, const real *params, int first, int n, const struct cell_tape *tape,
                         real *dx)
{
	linear_backward_input(&c->input, params, n, rows_at(tape->gates, first, c->input.out), 0, dx);
}

void cell_weights_backward(const struct cell *c, int rows, const real *x, const struct cell_tape *tape,
                           real *dparams)
{
	linear_backward_weights(&c->input, rows, x, tape->gates, dparams);
	kinds[c->type].weights_backward(c, rows, tape, dparams);
}

void cell_forward(const struct cell *c, const real *params, const struct packing *p, const real *x,
                  struct cell_state start, struct cell_tape *tape)
{
	struct cell_state before = start;
	cell_prepare(c, params, tape);
	cell_input_forward(c, params, 0, p->rows, x, tape);
	for (int t = 0; t < p->T; t++) {
		cell_step_forward(c, params, p->first[t], p->active[t], before, tape);
		before = cell_states(c, tape, p->first[t]);
	}
}

VECTORISED static void add(int n, const real *x, real *sum)
{
	vector_add_scaled(n, 1, x, sum);
}

void cell_backward(const struct cell *c, const real *params, const struct packing *p, const real *x, const real *dh,
                   struct cell_state d, struct cell_tape *tape, real *dparams, real *dx)
{
	for (int t = p->T - 1; t >= 0; t--) {       /* a row of d is its sequence's last until that one begins */
		const real *own = dh + packing_row(p, t, 0) * (size_t)c->hid;
		add(p->active[t] * c->hid, own, d.h);
		cell_step_backward(c, params, p->first[t], p->active[t], tape, d);
	}
	cell_weights_backward(c, p->rows, x, tape, dparams);
	if (dx)
		cell_input_backward(c, params, 0, p->rows, tape, dx);
}
