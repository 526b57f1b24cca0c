#include "model/trained.h"

void trained_fini(struct trained *t)
{
	forecaster_free(t->forecaster);
	text_model_free(t->text);
	*t = (struct trained){ 0 };
}

size_t trained_bytes(const struct trained *t)
{
	return t->forecaster ? forecaster_bytes(t->forecaster) : text_model_bytes(t->text);
}

const struct net_spec *trained_net(const struct trained *t)
{
	return t->forecaster ? &t->forecaster->net : &t->text->net;
}
