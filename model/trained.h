/* trained.h - whatever a job made or an import brought: a forecaster of series or a model of texts. One of them is NULL. */
#ifndef GATECAST_MODEL_TRAINED_H
#define GATECAST_MODEL_TRAINED_H

#include "model/forecaster.h"
#include "model/text_model.h"

struct trained {
	struct forecaster *forecaster;
	struct text_model *text;
};

void trained_fini(struct trained *t);   /* zeroed is fine */
size_t trained_bytes(const struct trained *t);
const struct net_spec *trained_net(const struct trained *t);

#endif
