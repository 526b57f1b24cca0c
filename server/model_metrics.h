/* model_metrics.h - the series that carry a model's name and version, of every loaded version. */
#ifndef GATECAST_SERVER_MODEL_METRICS_H
#define GATECAST_SERVER_MODEL_METRICS_H

#include "model/base/strbuf.h"

struct registry;

void model_metrics_write(struct registry *g, struct strbuf *out);

#endif
