/* cmd_check.c - is the database whole, and do this machine's kernels compute what the reference computes? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/base/rng.h"
#include "model/infer/infer.h"
#include "model/nn/network.h"
#include "server/commands.h"
#include "storage/store.h"

#define STEPS 30
#define TOLERANCE 1e-4f

static void say(void *arg, const char *line)
{
	printf("%s\n", line);
}

/* One drawn network through both executions: training's, on OpenBLAS, and inference's, on our kernels. */
static enum err check_kernels(float *worst, struct error *e)
{
	const struct net_spec spec = { .inputs = 6, .hidden = 64, .layers = 2, .bias = true, .reset_after = true, .attention = 64,
		.decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 1, .levels = 1, .horizon = 5 };
	struct tensor_table tensors;
	struct infer_model *m = NULL;
	struct infer_ws *ws = NULL;
	struct rng rng;
	const int length = STEPS;
	float x[STEPS * 6], want[5], got[5];
	net_tensors(&spec, &tensors);
	float *params = malloc(tensors.count * sizeof *params);
	float *scratch = aligned_alloc(64, (network_scratch(&spec, STEPS, 1) * sizeof *scratch + 63) / 64 * 64);
	enum err rc = params && scratch ? ERR_OK : fail_nomem(e);
	if (rc)
		goto done;
	rng_init(&rng, 1, RNG_TEST, 0);
	for (size_t i = 0; i < STEPS * 6; i++)
		x[i] = (float)rng_normal(&rng);
	network_init(&spec, &(struct init_options){ 0 }, 1, params);
	network_forward(&spec, params, &(struct network_input){ .T = STEPS, .B = 1, .lengths = &length, .x = x },
	                &(struct network_output){ .y = want }, scratch);
	rc = infer_model_new(&spec, params, NULL, &m, e);
	if (!rc)
		rc = infer_ws_new(1, &ws, e);
	if (!rc)
		rc = infer_ws_reserve(ws, m, STEPS, e);
	if (rc)
		goto done;
	const struct infer_sequence sequence = { .x = x, .T = STEPS, .y = got };
	infer_run(m, ws, &sequence, 1);
	*worst = 0;
	for (int i = 0; i < 5; i++) {
		float d = fabsf(want[i] - got[i]);
		if (!(d <= *worst))   /* a NaN stays */
			*worst = d;
	}
done:
	infer_ws_free(ws);
	infer_model_free(m);
	free(scratch);
	free(params);
	return rc;
}

int command_check(const struct options *o)
{
	struct store *s = NULL;
	struct error e;
	int problems = 0;
	float worst = NAN;
	enum err rc = store_open(o->db, STORE_READER, &s, &e);
	if (!rc)
		rc = store_check(s, say, NULL, &problems, &e);
	store_close(s);
	if (!rc)
		rc = check_kernels(&worst, &e);
	if (rc)
		return command_failed(&e);
	bool agree = worst <= TOLERANCE;
	printf("database %s: %d problem%s\n", o->db, problems, problems == 1 ? "" : "s");
	printf("kernels %s: differ from the reference by %.2g, %s\n", infer_kernels_name(), (double)worst,
	       agree ? "as they should" : "TOO MUCH");
	return problems || !agree;
}
