/* pending.c - until model/text_model.c and model/trained.c are here. */
#include "model/trained.h"

__attribute__((weak)) bool text_task_of(const struct net_spec *net, enum text_task *out)
{
	if (!net->vocabulary || !net->classes)
		return false;
	*out = net->decoder == DECODER_TOKEN ? TEXT_GENERATE
		: net->decoder == DECODER_ATTENTION ? TEXT_TRANSLATE : TEXT_CLASSIFY;
	return true;
}

__attribute__((weak)) const struct net_spec *trained_net(const struct trained *t)
{
	return t->text ? &t->text->net : &t->forecaster->net;
}

__attribute__((weak)) void trained_fini(struct trained *t)
{
	forecaster_free(t->forecaster);
	*t = (struct trained){ 0 };
}
