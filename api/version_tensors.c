/* version_tensors.c - see version_tensors.h. */
#include "api/version_tensors.h"

#include <string.h>

/* [levels][targets][steps][origins]; document_parse has limited each. */
static void add_scores(const struct document *d, struct version_tensors *out)
{
	struct version_tensor *t = &out->tensor[out->n++];
	*t = (struct version_tensor){ .name = "calibration.scores", .ndim = 4, .score = true, .count = 1,
		.shape = { d->net.levels, d->net.targets, document_steps(d), d->calibration } };
	for (int i = 0; i < t->ndim; i++)
		t->count *= (size_t)t->shape[i];
	out->n_scores = t->count;
}

void version_tensors_init(const struct document *d, struct version_tensors *out)
{
	net_tensors(&d->net, &out->table);
	out->n_weights = out->table.count;
	out->n_scores = 0;
	for (out->n = 0; out->n < out->table.n; out->n++) {
		const struct tensor *t = &out->table.tensor[out->n];
		out->tensor[out->n] = (struct version_tensor){
			.name = t->name, .ndim = t->ndim, .shape = { (int)t->shape[0], (int)t->shape[1] },
			.count = t->count, .offset = t->offset,
		};
	}
	if (d->calibration)
		add_scores(d, out);
}
