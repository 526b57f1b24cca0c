/* foreign.c - what the dialects share: names of recurrent layers, and complaints that say what was understood. */
#include "api/foreign.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const part_names[] = {
	[PART_WEIGHT_IH] = "weight_ih_l", [PART_WEIGHT_HH] = "weight_hh_l",
	[PART_BIAS_IH] = "bias_ih_l", [PART_BIAS_HH] = "bias_hh_l",
};
#define PARTS ((int)(sizeof part_names / sizeof *part_names))
#define LAYER_DIGITS 3

/* What stands behind the part: "0", "12_reverse". */
static bool read_place(const char *s, struct cell_name *out)
{
	size_t digits = strspn(s, "0123456789");
	if (digits == 0 || digits > LAYER_DIGITS)
		return false;
	out->layer = atoi(s);
	out->direction = s[digits] != '\0';
	return !s[digits] || !strcmp(s + digits, "_reverse");
}

bool cell_name_parse(const char *name, struct cell_name *out)
{
	const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
	for (int i = 0; i < PARTS; i++) {
		size_t len = strlen(part_names[i]);
		out->prefix = (size_t)(last - name);
		out->part = (enum cell_part)i;
		if (!strncmp(last, part_names[i], len) && read_place(last + len, out))
			return true;
	}
	return false;
}

/* --- complaints ----------------------------------------------------------------------------------------------------- */

static void format_shape(const int *shape, int ndim, char *out, size_t cap)
{
	size_t at = (size_t)snprintf(out, cap, "[");
	for (int i = 0; i < ndim && at < cap; i++)
		at += (size_t)snprintf(out + at, cap - at, "%s%d", i ? ", " : "", shape[i]);
	if (at < cap)
		snprintf(out + at, cap - at, "]");
}

/* " (understood so far: GRU, 32 units, 2 layers, both directions, 4 inputs)" */
static void format_understood(const struct net_spec *s, char *out, size_t cap)
{
	static const char *const cells[] = { [CELL_GRU] = "GRU", [CELL_LSTM] = "LSTM", [CELL_RNN] = "RNN" };
	out[0] = '\0';
	if (s->hidden)
		snprintf(out, cap, " (understood so far: %s, %d units, %d layer%s%s, %d inputs)", cells[net_encoder_cell(s)],
		         s->hidden, s->layers, s->layers == 1 ? "" : "s", s->bidirectional ? ", both directions" : "", s->inputs);
}

enum err foreign_fail(const struct foreign *f, const struct stored_tensor *t, struct error *e, const char *fmt, ...)
{
	char shape[64], what[160], understood[128];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	format_shape(t->shape, t->ndim, shape, sizeof shape);
	format_understood(&f->net, understood, sizeof understood);
	return fail(e, ERR_INVALID, t->name, "%.80s has the shape %s: %s%s", t->name, shape, what, understood);
}

enum err foreign_expect_shape(struct foreign *f, const struct stored_tensor *t, const char *name, const int *shape, int ndim,
                              struct error *e)
{
	char wanted[64], understood[128];
	format_shape(shape, ndim, wanted, sizeof wanted);
	if (!t) {
		format_understood(&f->net, understood, sizeof understood);
		return fail(e, ERR_INVALID, name, "%.80s is missing; expected a tensor of the shape %s%s", name, wanted, understood);
	}
	if (t->ndim != ndim || memcmp(t->shape, shape, (size_t)ndim * sizeof *shape))
		return foreign_fail(f, t, e, "expected %s", wanted);
	f->used[t - f->file->tensor] = true;
	return ERR_OK;
}

enum err foreign_expect(struct foreign *f, const struct stored_tensor *t, const char *name, int rows, int cols,
                        struct error *e)
{
	return foreign_expect_shape(f, t, name, (const int[]){ rows, cols }, cols ? 2 : 1, e);
}

enum err foreign_set_cell(struct foreign *f, const struct stored_tensor *t, int gates_hidden, int hidden, struct error *e)
{
	static const enum encoder_type encoders[] = { ENCODER_GRU, ENCODER_LSTM, ENCODER_RNN };
	for (int i = 0; i < 3; i++) {
		struct net_spec s = { .encoder = encoders[i] };
		if (gates_hidden == (int64_t)cell_gates(net_encoder_cell(&s)) * hidden) {
			f->net.encoder = s.encoder;
			f->net.hidden = hidden;
			return ERR_OK;
		}
	}
	return foreign_fail(f, t, e, "expected 3 (GRU), 4 (LSTM) or 1 (RNN) times as many gate rows as units");
}

enum err foreign_fill_head_bias(struct foreign *f, const struct tensor *t, float *out, struct error *e)
{
	memset(out, 0, t->count * sizeof *out);
	if (!f->head_bias)
		return ERR_OK;
	enum err rc = foreign_expect(f, f->head_bias, t->name, (int)t->shape[0], 0, e);
	return rc ? rc : stored_tensor_read(f->head_bias, out, e);
}
