/* flights.c - sequences that join and leave a network one by one.
 *
 * A flight has a slot: x, states, c and keys of its own, as a row of a group has, kept from tick to tick. Its way is a
 * number of legs: each pass of the encoder, then the decoder. A tick takes up to KERNEL_ROWS flights of one leg, at
 * whatever steps they stand, and carries them a few steps on:
 *
 *     slots                            tile                                 slots
 *     flight a   step 37 ── gather ─►  | h | row 0  ■ ■ ■ ■ ■ ■  | ── scatter ─►  states of steps 37 …
 *     flight b   step  0      x of     | h | row 1  ■ ■ ■ ■ ■ ■  |  h of
 *     flight c   step 95      a step   | h | row 2  ■ ■ (over)   |  a step
 *
 * Rows are ordered by what they have left, so the active ones are a prefix and nothing is padded. Copies are a few
 * numbers a unit where a step is hundreds of multiply-adds a unit.
 *
 * The leg with the most flights goes first, the oldest flights of it before others: under load a tile is full, since
 * of INFER_FLIGHTS flights on two legs KERNEL_ROWS are always on one. No leg starves: flights only move on, so what
 * runs first runs dry or fills what waits. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/infer/group.h"

#define ALIGNMENT  64
#define LINE       16   /* floats of a cache line */
#define TICK_LEAST 4    /* steps of a tick: until the first of its rows is over, as far as these allow */
#define TICK_MOST  16

struct flight {
	struct infer_sequence seq;
	struct row row;
	int leg, step;       /* the step that comes next */
};

struct infer_flights {
	const struct infer_model *model;
	struct flight flight[INFER_FLIGHTS];   /* by slot */
	int order[INFER_FLIGHTS], n;           /* slots in the air, the oldest first */
	int vacant[INFER_FLIGHTS];             /* INFER_FLIGHTS - n slots */
	struct group slots;                    /* a row a slot, and the scratch of a tile */
	/* what else a slot keeps, of the decoder: */
	float *h, *y;                          /* [slot][width], [slot][outputs] */
	/* a tile's: */
	float *x; size_t x_stride;             /* [KERNEL_ROWS][what a pass reads] */
	float *c;                              /* [KERNEL_ROWS][width] */
	float *block;
	size_t floats;
};

/* Flights of one leg, by what they have left, falling. */
struct tile {
	int rows, leg, steps;
	int slot[KERNEL_ROWS];
};

bool infer_flies(const struct infer_model *m)
{
	if (m->spec.encoder == ENCODER_TRANSFORMER)
		return false;
	return m->spec.decoder != DECODER_SEGMENT && m->spec.decoder != DECODER_RECONSTRUCT;
}

/* ---- memory -------------------------------------------------------------- */

static void clear(struct infer_flights *f)
{
	f->n = 0;
	for (int i = 0; i < INFER_FLIGHTS; i++)
		f->vacant[i] = INFER_FLIGHTS - 1 - i;
}

enum err infer_flights_new(struct infer_flights **out, struct error *e)
{
	struct infer_flights *f = calloc(1, sizeof *f);

	if (!f)
		return fail_nomem(e);
	clear(f);
	*out = f;
	return ERR_OK;
}

void infer_flights_free(struct infer_flights *f)
{
	if (!f)
		return;
	free(f->block);
	free(f);
}

static size_t widest_input(const struct infer_model *m)
{
	const int front = net_encoder_inputs(&m->spec), width = m->width;

	return (size_t)(front > width ? front : width);
}

/* Lay out everything; returns the floats it takes. block NULL: only measure. */
static size_t layout(struct infer_flights *f, const struct infer_model *m, int max_T, float *block)
{
	const size_t x_stride = (widest_input(m) + LINE - 1) / LINE * LINE + LINE;
	size_t used = group_layout(&f->slots, m, INFER_FLIGHTS, max_T, block);

	if (!block)
		return used + (size_t)INFER_FLIGHTS * (size_t)(m->width + m->outputs)
		       + KERNEL_ROWS * (x_stride + (size_t)m->width);
	f->h = block + used;
	f->y = f->h + (size_t)INFER_FLIGHTS * m->width;
	f->x = f->y + (size_t)INFER_FLIGHTS * m->outputs;
	f->x_stride = x_stride;
	f->c = f->x + KERNEL_ROWS * x_stride;
	return (size_t)(f->c - block) + KERNEL_ROWS * (size_t)m->width;
}

enum err infer_flights_reserve(struct infer_flights *f, const struct infer_model *m, int max_T, struct error *e)
{
	assert(!f->n && infer_flies(m));
	const size_t floats = layout(f, m, max_T, NULL);

	if (floats > f->floats) {
		float *block = aligned_alloc(ALIGNMENT, (floats + LINE - 1) / LINE * LINE * sizeof *block);
		if (!block)
			return fail_nomem(e);
		free(f->block);
		f->block = block;
		f->floats = floats;
	}
	layout(f, m, max_T, f->block);
	f->model = m;
	return ERR_OK;
}

/* ---- one flight ---------------------------------------------------------- */

/* The group of this flight alone: its slot and the scratch. */
static struct group alone(struct infer_flights *f, int slot)
{
	const size_t s = (size_t)slot;
	struct group g = f->slots;

	g.rows = 1;
	g.row[0] = f->flight[slot].row;
	g.row[0].source = 0;
	g.x += s * g.x_stride;
	g.mean += s * (size_t)f->model->spec.inputs;
	g.deviation += s * (size_t)f->model->spec.inputs;
	for (int i = 0; i < 2; i++)
		g.states[i] += f->model->spec.layers > i ? s * g.state_stride : 0;
	g.c += s * (size_t)f->model->width;
	g.keys += s * g.key_stride;
	return g;
}

/* Steps of the flight's leg; of a head none: its answer is made as the leg begins. */
static int leg_steps(const struct infer_model *m, const struct flight *flight)
{
	if (flight->leg < net_passes(&m->spec))
		return flight->row.T;
	return m->spec.decoder == DECODER_ATTENTION ? m->spec.horizon : 0;
}

static int steps_left(const struct infer_flights *f, int slot)
{
	return leg_steps(f->model, &f->flight[slot]) - f->flight[slot].step;
}

static void begin_decoder(struct infer_flights *f, int slot, struct group *g)
{
	const struct infer_model *m = f->model;

	normalise(g, m);
	if (m->spec.decoder != DECODER_ATTENTION) {
		decode(g, m);
		return;
	}
	attention_begin(g, m);
	memcpy(f->h + (size_t)slot * m->width, g->h[0], (size_t)m->width * sizeof *f->h);
	memset(f->y + (size_t)slot * m->outputs, 0, (size_t)m->outputs * sizeof *f->y);
}

static void begin_leg(struct infer_flights *f, int slot, int leg)
{
	struct group g = alone(f, slot);

	f->flight[slot].leg = leg;
	f->flight[slot].step = 0;
	if (leg == net_passes(&f->model->spec)) {
		begin_decoder(f, slot, &g);
		return;
	}
	const struct pass p = pass_of(&g, f->model, leg);
	pass_begin(&g, f->model, &p);
}

static void end_leg(struct infer_flights *f, int slot)
{
	const int leg = f->flight[slot].leg;
	const struct group g = alone(f, slot);

	if (leg == net_passes(&f->model->spec)) {
		if (f->model->spec.instance_norm)
			instance_invert(&g, f->model);
		return;
	}
	const struct pass p = pass_of(&g, f->model, leg);
	pass_end(&g, f->model, &p);
	begin_leg(f, slot, leg + 1);
}

static bool has_landed(const struct infer_flights *f, int slot)
{
	return f->flight[slot].leg == net_passes(&f->model->spec) && !steps_left(f, slot);
}

int infer_flights_count(const struct infer_flights *f)
{
	return f->n;
}

int infer_flights_next(const struct infer_flights *f)
{
	assert(f->n < INFER_FLIGHTS);
	return f->vacant[INFER_FLIGHTS - f->n - 1];
}

int infer_flight_begin(struct infer_flights *f, const struct infer_sequence *seq)
{
	const int slot = infer_flights_next(f);
	struct group g = { .rows = 1 };

	f->order[f->n++] = slot;
	f->flight[slot].seq = *seq;
	group_row(&g, f->model, 0, &f->flight[slot].seq, 0);
	f->flight[slot].row = g.row[0];
	f->flight[slot].row.source = slot;
	g = alone(f, slot);
	front_load(&g, f->model);
	recurrent_begin(&g, f->model);
	begin_leg(f, slot, 0);
	return slot;
}

void infer_flight_drop(struct infer_flights *f, int number)
{
	int at = 0;

	while (f->order[at] != number)
		at++;
	f->n--;
	memmove(f->order + at, f->order + at + 1, (size_t)(f->n - at) * sizeof *f->order);
	f->vacant[INFER_FLIGHTS - f->n - 1] = number;
}

/* ---- a tile -------------------------------------------------------------- */

/* The leg with the most flights, as far as a tile takes them; of equals the one with the oldest. */
static int fullest_leg(const struct infer_flights *f)
{
	int count[2 * NET_MAX_LAYERS + 1] = { 0 }, best = f->flight[f->order[0]].leg;

	for (int i = 0; i < f->n; i++) {
		int *n = &count[f->flight[f->order[i]].leg];
		*n += *n < KERNEL_ROWS;
	}
	for (int i = 0; i < f->n; i++) {
		const int leg = f->flight[f->order[i]].leg;
		if (count[leg] > count[best])
			best = leg;
	}
	return best;
}

/* Into its place by what is left, behind its equals. */
static void tile_add(const struct infer_flights *f, struct tile *t, int slot)
{
	int at = t->rows++;

	for (; at > 0 && steps_left(f, t->slot[at - 1]) < steps_left(f, slot); at--)
		t->slot[at] = t->slot[at - 1];
	t->slot[at] = slot;
}

/* A row that is over leaves its place empty for the rest of the tick. */
static int tick_steps(int shortest)
{
	if (shortest < TICK_LEAST)
		return TICK_LEAST;
	return shortest < TICK_MOST ? shortest : TICK_MOST;
}

static struct tile choose_tile(const struct infer_flights *f)
{
	struct tile t = { .leg = fullest_leg(f) };

	for (int i = 0; i < f->n && t.rows < KERNEL_ROWS; i++)
		if (f->flight[f->order[i]].leg == t.leg)
			tile_add(f, &t, f->order[i]);
	t.steps = tick_steps(steps_left(f, t.slot[t.rows - 1]));
	return t;
}

/* Rows that have a step left. */
static int tile_active(const struct infer_flights *f, const struct tile *t)
{
	int rows = t->rows;

	while (rows && !steps_left(f, t->slot[rows - 1]))
		rows--;
	return rows;
}

/* To or from the tile's row: `floats` a row, `from` [slot] and `to` [row] or the other way round. */
static void gather(const struct tile *t, const float *slots, size_t stride, float *rows, size_t row_stride, size_t floats)
{
	for (int r = 0; r < t->rows; r++)
		memcpy(rows + r * row_stride, slots + t->slot[r] * stride, floats * sizeof *rows);
}

static void scatter(const struct tile *t, const float *rows, size_t row_stride, float *slots, size_t stride, size_t floats)
{
	for (int r = 0; r < t->rows; r++)
		memcpy(slots + t->slot[r] * stride, rows + r * row_stride, floats * sizeof *rows);
}

/* ---- a pass of the encoder ----------------------------------------------- */

/* The sequence's step that is the flight's next. */
static int step_of(const struct pass *p, const struct flight *flight)
{
	return p->from_end ? flight->row.T - 1 - flight->step : flight->step;
}

/* The states behind the step before. */
static void gather_states(struct infer_flights *f, const struct tile *t, const struct pass *p, size_t lanes)
{
	const size_t width = (size_t)f->model->width;

	for (int r = 0; r < t->rows; r++) {
		const int at = step_of(p, &f->flight[t->slot[r]]) + (p->from_end ? 2 : 0);
		const float *states = p->states + (size_t)t->slot[r] * f->slots.state_stride;
		memcpy(f->slots.h[0] + r * width, states + (size_t)at * width, lanes * sizeof *states);
	}
}

/* What the next step reads, of the first rows. */
static void gather_inputs(struct infer_flights *f, const struct tile *t, const struct pass *p, int rows, size_t inputs)
{
	for (int r = 0; r < rows; r++) {
		const float *x = p->x + (size_t)t->slot[r] * p->x_stride;
		memcpy(f->x + r * f->x_stride, x + (size_t)step_of(p, &f->flight[t->slot[r]]) * p->x_step,
		       inputs * sizeof *x);
	}
}

/* What the step gave, and on to the next. */
static void scatter_states(struct infer_flights *f, const struct tile *t, const struct pass *p, int rows, const float *h,
                           size_t lanes)
{
	const size_t width = (size_t)f->model->width;

	for (int r = 0; r < rows; r++) {
		struct flight *flight = &f->flight[t->slot[r]];
		float *states = p->states + (size_t)t->slot[r] * f->slots.state_stride;
		memcpy(states + (size_t)(step_of(p, flight) + 1) * width, h + r * width, lanes * sizeof *h);
		flight->step++;
	}
}

/* Lanes of states that a cell reads and writes: whole panels. */
static size_t cell_lanes(const struct infer_model *m, const struct cell *cell)
{
	return (size_t)cell->gates.panels * (size_t)m->kernels->width;
}

static void fly_pass(struct infer_flights *f, const struct tile *t)
{
	const struct infer_model *m = f->model;
	const struct pass p = pass_of(&f->slots, m, t->leg);
	const struct cell *cell = &m->encoder[p.layer][p.direction];
	const size_t width = (size_t)m->width, lanes = cell_lanes(m, cell);
	struct cell_step s = {
		.x = f->x, .x_stride = f->x_stride, .h_stride = width, .out_stride = width,
		.c = f->c, .c_stride = width, .z = f->slots.z, .rh = f->slots.rh,
	};

	gather_states(f, t, &p, lanes);
	gather(t, p.c, width, f->c, width, lanes);
	for (int i = 0; i < t->steps && (s.rows = tile_active(f, t)); i++) {
		gather_inputs(f, t, &p, s.rows, (size_t)cell->in);
		s.h = f->slots.h[i % 2];
		s.out = f->slots.h[(i + 1) % 2];
		s.backward = i % 2;
		kernels_step(m->kernels, cell, &s);
		scatter_states(f, t, &p, s.rows, s.out, lanes);
	}
	scatter(t, f->c, width, p.c, width, lanes);
}

/* ---- the attention decoder ----------------------------------------------- */

/* What the rows said goes to their answers, and on to the next step. */
static void answer_step(struct infer_flights *f, const struct tile *t, struct group *g)
{
	const struct infer_model *m = f->model;

	for (int r = 0; r < g->rows; r++) {
		struct flight *flight = &f->flight[t->slot[r]];
		attention_say(m, &g->row[r], g->y + (size_t)r * m->outputs);
		if (g->row[r].attention)
			g->row[r].attention += g->row[r].T;
		flight->row = g->row[r];
		memcpy(flight->seq.y + (size_t)flight->step * net_outputs(&m->spec), g->y + (size_t)r * m->outputs,
		       (size_t)net_outputs(&m->spec) * sizeof *g->y);
		flight->step++;
	}
}

/* The rows attend to their slots. Rows that are over keep what they had: nobody reads it again. */
static void fly_decoder(struct infer_flights *f, const struct tile *t)
{
	const struct infer_model *m = f->model;
	const size_t width = (size_t)m->width, outputs = (size_t)m->outputs;
	struct group g = f->slots;

	g.c = f->c;
	for (int r = 0; r < t->rows; r++)
		g.row[r] = f->flight[t->slot[r]].row;
	for (int i = 0; i < 2; i++)
		memset(g.h[i], 0, KERNEL_ROWS * width * sizeof *g.h[i]);
	gather(t, f->h, width, g.h[0], width, width);
	gather(t, f->y, outputs, g.y, outputs, outputs);
	gather(t, f->slots.c, width, g.c, width, width);
	int i = 0;
	for (; i < t->steps && (g.rows = tile_active(f, t)); i++) {
		attention_step(&g, m, i);
		answer_step(f, t, &g);
	}
	scatter(t, g.h[i % 2], width, f->h, width, width);
	scatter(t, g.y, outputs, f->y, outputs, outputs);
	scatter(t, g.c, width, f->slots.c, width, width);
}

/* ---- a tick -------------------------------------------------------------- */

int infer_flights_tick(struct infer_flights *f, int landed[INFER_FLIGHTS])
{
	const struct tile t = choose_tile(f);
	int in_air = 0, n = 0;

	if (t.leg < net_passes(&f->model->spec))
		fly_pass(f, &t);
	else
		fly_decoder(f, &t);
	for (int r = 0; r < t.rows; r++)
		if (!steps_left(f, t.slot[r]))
			end_leg(f, t.slot[r]);
	for (int i = 0; i < f->n; i++) {
		if (has_landed(f, f->order[i]))
			landed[n++] = f->order[i];
		else
			f->order[in_air++] = f->order[i];
	}
	for (int i = 0; i < n; i++)
		f->vacant[INFER_FLIGHTS - f->n + i] = landed[i];
	f->n = in_air;
	return n;
}
