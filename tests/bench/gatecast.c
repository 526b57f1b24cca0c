/* gatecast.c - our inference as a racer (racer.h). GATECAST_CPU in the environment asks for a CPU level.
 *
 *     gatecast_racer [--int8] */
#include <stdlib.h>
#include <string.h>

#include "model/infer/infer.h"
#include "tests/bench/racer.h"

struct ours {
	const struct bench_case *c;
	struct infer_options options;
	struct infer_model *m;
	struct infer_ws *ws;
	float *x, *y;
	struct infer_sequence seq[CASE_MAX_BATCH];
	int batch;
};

static void release(struct ours *o)
{
	infer_ws_free(o->ws);
	infer_model_free(o->m);
	free(o->x);
	free(o->y);
	o->ws = NULL;
	o->m = NULL;
	o->x = o->y = NULL;
}

static enum err build(struct ours *o, int T, struct error *e)
{
	float *params = bench_case_weights(o->c);
	enum err rc = params ? net_spec_check(&o->c->spec, e) : fail_nomem(e);
	if (!rc)
		rc = infer_model_new(&o->c->spec, params, &o->options, &o->m, e);
	if (!rc)
		rc = infer_ws_new(CASE_MAX_BATCH, &o->ws, e);
	if (!rc)
		rc = infer_ws_reserve(o->ws, o->m, T, e);
	free(params);
	return rc;
}

static const char *prepare(void *self, const struct bench_case *c, int T, int batch)
{
	static struct error e;
	struct ours *o = self;
	release(o);
	o->c = c;
	o->batch = batch;
	const size_t outputs = (size_t)bench_case_outputs(c), states = net_state_size(&c->spec);
	const size_t row = outputs > states ? outputs : states;
	o->x = bench_case_input(c, T);
	o->y = calloc((size_t)batch * row, sizeof *o->y);
	if (!o->x || !o->y)
		return "out of memory";
	if (build(o, T, &e))
		return e.what;
	for (int i = 0; i < batch; i++) {
		o->seq[i] = (struct infer_sequence){ .x = o->x + (size_t)i * T * c->spec.inputs, .T = T };
		if (c->layer)
			o->seq[i].final = o->y + i * states;    /* of an LSTM, h and then c */
		else
			o->seq[i].y = o->y + i * outputs;
	}
	return NULL;
}

static void run(void *self)
{
	struct ours *o = self;
	infer_run(o->m, o->ws, o->seq, o->batch);
}

/* Of a layer each row's h moves up to its neighbour's; the next run writes them anew. */
static const float *outputs(void *self, size_t *n)
{
	struct ours *o = self;
	const size_t row = (size_t)bench_case_outputs(o->c), states = net_state_size(&o->c->spec);
	for (int i = 0; o->c->layer && i < o->batch; i++)
		memmove(o->y + i * row, o->y + i * states, row * sizeof *o->y);
	*n = (size_t)o->batch * row;
	return o->y;
}

int main(int argc, char **argv)
{
	struct ours o = { .options.int8 = argc > 1 && !strcmp(argv[1], "--int8") };
	const int status = racer_follow(&(struct racer){ prepare, run, outputs, &o, false });
	release(&o);
	return status;
}
