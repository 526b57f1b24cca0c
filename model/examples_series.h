/* examples_series.h - windows of a series: what follows each, or, for a network that reconstructs, each itself. */
#ifndef GATECAST_MODEL_EXAMPLES_SERIES_H
#define GATECAST_MODEL_EXAMPLES_SERIES_H

#include "model/examples.h"
#include "model/samples.h"

struct series_examples {
	struct examples base;
	struct samples samples;
	bool crop;
};

enum err series_examples_new(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e);
/** The kind's own, of examples that are one. */
static inline const struct series_examples *series_of(const struct examples *x) { return (const struct series_examples *)x; }

#endif
