/* foreign_keras.c - layers of Keras: GRU, LSTM or SimpleRNN, stacked, Bidirectional or not, and behind them a Dense.
 *
 *     gru/gru_cell/kernel             [in][G hid]    transposed               ─► encoder.weight_ih_l0
 *     gru/gru_cell/recurrent_kernel   [hid][G hid]   transposed               ─► encoder.weight_hh_l0
 *     gru/gru_cell/bias               [2][3 hid]     GRU with reset_after     ─► encoder.bias_ih_l0, encoder.bias_hh_l0
 *                                     [G hid]        any other                ─► encoder.bias_ih_l0, zeros
 *     bidirectional/backward_gru/…                                            ─► encoder.…_l0_reverse
 *     gru_1/gru_cell_1/…              layers in the order of their names      ─► encoder.…_l1
 *     dense/kernel                    [width][rows]  transposed               ─► output.weight
 *     dense/bias                      [rows]                                  ─► output.bias
 *
 * Components are parted by / or . and may end in :0. Gates: z r h become r z n; i f c o are i f g o already. A GRU
 * without bias does not say its reset_after; it is taken as Keras's default, true. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/foreign.h"

#define CELLS_MAX (2 * NET_MAX_LAYERS)

/* Where the last component begins. */
static size_t last_component(const char *name)
{
	size_t at = strlen(name);
	while (at && name[at - 1] != '/' && name[at - 1] != '.')
		at--;
	return at;
}

static bool component_is(const char *component, const char *what)
{
	size_t len = strlen(what);
	return !strncmp(component, what, len) && (!component[len] || !strcmp(component + len, ":0"));
}

static bool ends_in(const struct stored_tensor *t, const char *what)
{
	return component_is(t->name + last_component(t->name), what);
}

/* The tensor `what` of the layer that t belongs to, or NULL. */
static const struct stored_tensor *beside(const struct foreign *f, const struct stored_tensor *t, const char *what)
{
	size_t at = last_component(t->name);
	for (int i = 0; i < f->file->n; i++) {
		const struct stored_tensor *other = &f->file->tensor[i];
		if (!strncmp(other->name, t->name, at) && component_is(other->name + at, what))
			return other;
	}
	return NULL;
}

bool keras_speaks(const struct safetensors *file)
{
	for (int i = 0; i < file->n; i++)
		if (ends_in(&file->tensor[i], "recurrent_kernel"))
			return true;
	return false;
}

/* --- layers --------------------------------------------------------------------------------------------------------- */

/* One recurrent layer in one direction. */
struct keras_cell {
	const struct stored_tensor *recurrent;
	char layer[SAFETENSORS_MAX_NAME + 1];   /* the same for both directions of a layer */
	int direction;
};

/* "bidirectional_1/backward_gru/gru_cell_3/…" is direction 1 of "bidirectional_1/"; without such a word the layer is all
 * that stands before the last component. */
static void name_cell(struct keras_cell *c)
{
	const char *name = c->recurrent->name, *forward = strstr(name, "forward_"), *backward = strstr(name, "backward_");
	size_t len = last_component(name);
	if (forward || backward)
		len = (size_t)((backward ? backward : forward) - name);
	memcpy(c->layer, name, len);
	c->layer[len] = '\0';
	c->direction = backward != NULL;
}

static int by_layer(const void *a, const void *b)
{
	const struct keras_cell *x = a, *y = b;
	int order = strverscmp(x->layer, y->layer);   /* gru_2 before gru_10 */
	return order ? order : x->direction - y->direction;
}

/* Sorted: layer 0 forward, backward, layer 1 … */
static enum err place_cells(struct foreign *f, const struct keras_cell *cell, int n, struct error *e)
{
	for (int i = 0; i < n; i++)
		f->net.bidirectional |= cell[i].direction == 1;
	int directions = net_directions(&f->net);
	for (int i = 0; i < n; i++) {
		const struct keras_cell *first = &cell[i - i % directions];
		if (cell[i].direction != i % directions || strcmp(cell[i].layer, first->layer) || i / directions >= NET_MAX_LAYERS)
			return foreign_fail(f, cell[i].recurrent, e, "every layer has to run in the same directions, at most %d layers",
			                    NET_MAX_LAYERS);
		f->cell[i / directions][i % directions] = cell[i].recurrent;
	}
	if (n % directions)
		return foreign_fail(f, cell[n - 1].recurrent, e, "its backward direction is missing");
	f->net.layers = n / directions;
	return ERR_OK;
}

static enum err find_cells(struct foreign *f, struct error *e)
{
	struct keras_cell cell[CELLS_MAX];
	int n = 0;
	for (int i = 0; i < f->file->n; i++) {
		const struct stored_tensor *t = &f->file->tensor[i];
		if (!ends_in(t, "recurrent_kernel"))
			continue;
		if (n == CELLS_MAX)
			return foreign_fail(f, t, e, "at most %d layers are offered", NET_MAX_LAYERS);
		cell[n].recurrent = t;
		name_cell(&cell[n++]);
	}
	qsort(cell, (size_t)n, sizeof *cell, by_layer);
	return place_cells(f, cell, n, e);
}

static enum err read_cell(struct foreign *f, struct error *e)
{
	const struct stored_tensor *recurrent = f->cell[0][0];
	const struct stored_tensor *kernel = beside(f, recurrent, "kernel"), *bias = beside(f, recurrent, "bias");
	if (recurrent->ndim != 2)
		return foreign_fail(f, recurrent, e, "expected a matrix of units by gates * units");
	enum err rc = foreign_set_cell(f, recurrent, recurrent->shape[1], recurrent->shape[0], e);
	if (rc)
		return rc;
	if (!kernel || kernel->ndim != 2)
		return foreign_expect(f, kernel, "kernel", 1, recurrent->shape[1], e);
	f->net.inputs = kernel->shape[0];
	f->net.bias = bias != NULL;
	f->net.reset_after = !bias || f->net.encoder != ENCODER_GRU || bias->ndim == 2;
	return ERR_OK;
}

static enum err find_head(struct foreign *f, struct error *e)
{
	for (int i = 0; i < f->file->n; i++) {
		const struct stored_tensor *t = &f->file->tensor[i];
		if (!ends_in(t, "kernel") || beside(f, t, "recurrent_kernel"))
			continue;
		if (f->head || t->ndim != 2)
			return foreign_fail(f, t, e, "one Dense layer is expected behind the cells");
		f->head = t;
	}
	if (!f->head)
		return foreign_expect(f, NULL, "dense/kernel", net_width(&f->net), 1, e);
	f->head_bias = beside(f, f->head, "bias");
	return ERR_OK;
}

static enum err keras_read(struct foreign *f, struct error *e)
{
	f->net.decoder = DECODER_LAST;
	enum err rc = find_cells(f, e);
	if (!rc)
		rc = read_cell(f, e);
	return rc ? rc : find_head(f, e);
}

/* --- numbers -------------------------------------------------------------------------------------------------------- */

/* Which of Keras's gates is our gate g. */
static int keras_gate(const struct net_spec *s, int gates, int g)
{
	bool swap = s->encoder == ENCODER_GRU && gates == 3 && g < 2;
	return swap ? 1 - g : g;
}

/* from [cols][rows] to out [rows][cols], the blocks of rows in our order of gates. */
static void transpose(const struct net_spec *s, const float *from, int rows, int cols, int gates, float *out)
{
	int units = rows / gates;
	for (int r = 0; r < rows; r++) {
		int source = keras_gate(s, gates, r / units) * units + r % units;
		for (int c = 0; c < cols; c++)
			out[(size_t)r * (size_t)cols + (size_t)c] = from[(size_t)c * (size_t)rows + (size_t)source];
	}
}

/* A matrix of ours, rows x cols, or with cols = 1 a vector, from a source of as many numbers. */
static enum err take(struct foreign *f, const struct stored_tensor *source, const struct tensor *t, size_t skip, float *out,
                     struct error *e)
{
	float *numbers = calloc(source->count, sizeof *numbers);
	if (!numbers)
		return fail_nomem(e);
	enum err rc = stored_tensor_read(source, numbers, e);
	if (!rc)
		transpose(&f->net, numbers + skip, (int)t->shape[0], t->ndim == 2 ? (int)t->shape[1] : 1, t->blocks, out);
	free(numbers);
	return rc;
}

static enum err fill_matrix(struct foreign *f, const struct stored_tensor *source, const char *name, const struct tensor *t,
                            float *out, struct error *e)
{
	enum err rc = foreign_expect(f, source, name, (int)t->shape[1], (int)t->shape[0], e);
	return rc ? rc : take(f, source, t, 0, out, e);
}

static enum err fill_bias(struct foreign *f, const struct stored_tensor *source, bool recurrent, const struct tensor *t,
                          float *out, struct error *e)
{
	int n = (int)t->shape[0];
	bool both = f->net.encoder == ENCODER_GRU && f->net.reset_after;
	enum err rc = both ? foreign_expect(f, source, "bias", 2, n, e) : foreign_expect(f, source, "bias", n, 0, e);
	if (rc)
		return rc;
	if (both || !recurrent)
		return take(f, source, t, recurrent ? (size_t)n : 0, out, e);
	memset(out, 0, t->count * sizeof *out);
	return ERR_OK;
}

static enum err keras_fill(struct foreign *f, const struct tensor *t, float *out, struct error *e)
{
	struct cell_name n;
	if (!strcmp(t->name, "output.weight"))
		return fill_matrix(f, f->head, t->name, t, out, e);
	if (!cell_name_parse(t->name, &n))
		return foreign_fill_head_bias(f, t, out, e);
	const struct stored_tensor *recurrent = f->cell[n.layer][n.direction];
	switch (n.part) {
	case PART_WEIGHT_IH: return fill_matrix(f, beside(f, recurrent, "kernel"), "kernel", t, out, e);
	case PART_WEIGHT_HH: return fill_matrix(f, recurrent, "recurrent_kernel", t, out, e);
	case PART_BIAS_IH:   return fill_bias(f, beside(f, recurrent, "bias"), false, t, out, e);
	case PART_BIAS_HH:   return fill_bias(f, beside(f, recurrent, "bias"), true, t, out, e);
	}
	return ERR_INTERNAL;
}

const struct dialect keras_dialect = { "Keras", keras_read, keras_fill };
