/* foreign_torch.c - a PyTorch state_dict: a GRU, LSTM or RNN module under any name, and behind it a Linear or our decoder.
 *
 *     rnn.weight_ih_l0   [G hid][in]     G says the cell     ─► encoder.weight_ih_l0
 *     rnn.weight_hh_l0   [G hid][hid]                        ─► encoder.weight_hh_l0
 *     rnn.bias_ih_l0 …                                       ─► encoder.bias_ih_l0 …
 *     decoder.cell.weight_ih …           there: attention    ─► the same
 *     fc.weight          [rows][width]   the one matrix left ─► output.weight
 *     fc.bias            [rows]                              ─► output.bias (zeros where there is none)
 *
 * Layouts and the order of gates are ours, so every tensor is copied as it is. */
#include <stdio.h>
#include <string.h>

#include "api/foreign.h"

#define DECODER "decoder."

static bool is_decoder(const struct foreign *f, const struct stored_tensor *t)
{
	return f->net.decoder == DECODER_ATTENTION && !strncmp(t->name, DECODER, strlen(DECODER));
}

static enum err find_cells(struct foreign *f, struct error *e)
{
	const struct stored_tensor *first = NULL;
	size_t prefix = 0;
	for (int i = 0; i < f->file->n; i++) {
		const struct stored_tensor *t = &f->file->tensor[i];
		struct cell_name n;
		if (!cell_name_parse(t->name, &n))
			continue;
		if (first && (n.prefix != prefix || strncmp(t->name, first->name, prefix)))
			return foreign_fail(f, t, e, "%.80s belongs to another module; one recurrent module is expected", first->name);
		if (n.layer >= NET_MAX_LAYERS)
			return foreign_fail(f, t, e, "at most %d layers are offered", NET_MAX_LAYERS);
		first = t;
		prefix = n.prefix;
		f->net.layers = n.layer >= f->net.layers ? n.layer + 1 : f->net.layers;
		f->net.bidirectional |= n.direction == 1;
		f->net.bias |= n.part == PART_BIAS_IH || n.part == PART_BIAS_HH;
		if (n.part == PART_WEIGHT_HH)
			f->cell[n.layer][n.direction] = t;
	}
	if (!f->cell[0][0])
		return fail(e, ERR_INVALID, "weight_hh_l0", "no tensor's name ends in weight_hh_l0 (PyTorch) or recurrent_kernel (Keras), "
		            "so there is no recurrent network in the file");
	return ERR_OK;
}

/* The tensor that stands beside the recurrent weights of the first layer. */
static const struct stored_tensor *beside_cell(const struct foreign *f, const char *name)
{
	char full[SAFETENSORS_MAX_NAME + 64];
	struct cell_name n;
	if (!cell_name_parse(f->cell[0][0]->name, &n))
		return NULL;
	snprintf(full, sizeof full, "%.*s%s", (int)n.prefix, f->cell[0][0]->name, name);
	return safetensors_find(f->file, full);
}

static enum err read_encoder(struct foreign *f, struct error *e)
{
	enum err rc = find_cells(f, e);
	if (rc)
		return rc;
	const struct stored_tensor *hh = f->cell[0][0], *ih = beside_cell(f, "weight_ih_l0");
	f->net.reset_after = true;
	if (hh->ndim != 2)
		return foreign_fail(f, hh, e, "expected a matrix of gates * units by units");
	rc = foreign_set_cell(f, hh, hh->shape[0], hh->shape[1], e);
	if (rc)
		return rc;
	if (beside_cell(f, "weight_hr_l0"))
		return foreign_fail(f, beside_cell(f, "weight_hr_l0"), e, "projections (proj_size) are not offered");
	if (!ih || ih->ndim != 2)
		return foreign_expect(f, ih, "weight_ih_l0", hh->shape[0], 1, e);
	f->net.inputs = ih->shape[1];
	return ERR_OK;
}

/* The one matrix that no other part has a name for. */
static enum err find_head(struct foreign *f, struct error *e)
{
	struct cell_name n;
	for (int i = 0; i < f->file->n; i++) {
		const struct stored_tensor *t = &f->file->tensor[i];
		if (t->ndim != 2 || cell_name_parse(t->name, &n) || is_decoder(f, t))
			continue;
		if (f->head)
			return foreign_fail(f, t, e, "%.40s is a matrix too; one Linear layer is expected behind the cells", f->head->name);
		f->head = t;
	}
	if (!f->head)
		return foreign_expect(f, NULL, "fc.weight", 1, net_width(&f->net), e);
	char bias[SAFETENSORS_MAX_NAME + 8];
	const char *dot = strrchr(f->head->name, '.');
	snprintf(bias, sizeof bias, "%.*sbias", dot ? (int)(dot - f->head->name) + 1 : 0, f->head->name);
	f->head_bias = safetensors_find(f->file, bias);
	return ERR_OK;
}

/* Our decoder under our names: what its shapes say. */
static enum err read_decoder(struct foreign *f, struct error *e)
{
	const struct stored_tensor *query = safetensors_find(f->file, "decoder.attention.query.weight");
	const struct stored_tensor *ih = safetensors_find(f->file, "decoder.cell.weight_ih");
	f->net.score = query ? SCORE_ADDITIVE : SCORE_DOT;
	f->net.attention = query ? query->shape[0] : 0;
	if (query && query->ndim != 2)
		return foreign_fail(f, query, e, "expected a matrix with %d columns", net_width(&f->net));
	if (ih->ndim != 2)
		return foreign_fail(f, ih, e, "expected a matrix with at least %d columns", net_width(&f->net));
	bool previous = ih->shape[1] != net_width(&f->net);
	f->net.decoder_input = previous ? DECODER_CONTEXT_PREVIOUS : DECODER_CONTEXT;
	return ERR_OK;
}

static enum err torch_read(struct foreign *f, struct error *e)
{
	enum err rc = read_encoder(f, e);
	if (rc)
		return rc;
	f->net.decoder = safetensors_find(f->file, "decoder.cell.weight_ih") ? DECODER_ATTENTION : DECODER_LAST;
	rc = find_head(f, e);
	if (!rc && f->net.decoder == DECODER_ATTENTION)
		rc = read_decoder(f, e);
	return rc;
}

static const struct stored_tensor *source_of(const struct foreign *f, const struct tensor *t)
{
	struct cell_name n;
	if (!strcmp(t->name, "output.weight"))
		return f->head;
	if (cell_name_parse(t->name, &n))
		return beside_cell(f, t->name + n.prefix);
	return safetensors_find(f->file, t->name);
}

static enum err torch_fill(struct foreign *f, const struct tensor *t, float *out, struct error *e)
{
	if (!strcmp(t->name, "output.bias"))
		return foreign_fill_head_bias(f, t, out, e);
	const struct stored_tensor *source = source_of(f, t);
	enum err rc = foreign_expect(f, source, t->name, (int)t->shape[0], (int)t->shape[1], e);
	return rc ? rc : stored_tensor_read(source, out, e);
}

const struct dialect torch_dialect = { "PyTorch", torch_read, torch_fill };
