/* fixture.c - see fixture.h. */
#include <math.h>
#include <stdint.h>
#include <unistd.h>

#include "api/model_body.h"
#include "model/base/rng.h"
#include "storage/model_store.h"

#include "tests/unit/server/fixture.h"

enum { ROWS = 60 };

void fixture_open(struct fixture *f)
{
	/* In memory where possible: the tests are of threads and counts, not of a disk. */
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	memset(f, 0, sizeof *f);
	snprintf(f->folder, sizeof f->folder, "%s/gatecast-test-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/db", f->folder);
}

void fixture_close(struct fixture *f)
{
	static const char *const ends[] = { "", "-wal", "-shm", ".lock" };
	char file[96];
	for (size_t i = 0; i < COUNT(ends); i++) {
		snprintf(file, sizeof file, "%s%s", f->path, ends[i]);
		unlink(file);
	}
	ck_assert_int_eq(rmdir(f->folder), 0);
}

static void fit_pipeline(struct pipeline *p)
{
	static const char *const target[] = { "y" };
	struct frame *frame = frame_new();
	double rows[ROWS];
	ck_assert_ptr_nonnull(frame);
	ck_ok(frame_add_column(frame, "y", COLUMN_NUMBER, NULL));
	ck_ok(pipeline_init(p, target, 1, NULL, 0, FIXTURE_WINDOW, FIXTURE_HORIZON, frame, NULL));
	frame_free(frame);
	for (int i = 0; i < ROWS; i++)
		rows[i] = 10 + 3 * sin(i / 4.0);
	ck_ok(pipeline_fit(p, rows, ROWS, NULL));
	ck_assert_int_eq(pipeline_context(p), FIXTURE_WINDOW);
}

static float *random_weights(size_t n, uint64_t seed)
{
	struct rng rng;
	float *w = calloc(n, sizeof *w);
	ck_assert_ptr_nonnull(w);
	rng_init(&rng, seed, RNG_TEST, 0);
	for (size_t i = 0; i < n; i++)
		w[i] = (float)rng_normal(&rng) * 0.3f;
	return w;
}

int fixture_publish(struct store *s, const char *name, int hidden, uint64_t seed)
{
	struct pipeline pipeline;
	struct recipe recipe;
	struct tensor_table tensors;
	struct forecaster *forecaster = NULL;
	struct strbuf document;
	int version = 0;

	fit_pipeline(&pipeline);
	recipe_default(&recipe);
	recipe.targets = 1;
	snprintf(recipe.dataset, sizeof recipe.dataset, "d");
	snprintf(recipe.model, sizeof recipe.model, "%s", name);
	snprintf(recipe.target[0], sizeof recipe.target[0], "y");
	recipe.window = FIXTURE_WINDOW;
	recipe.horizon = FIXTURE_HORIZON;
	recipe.hidden = hidden;
	struct net_spec net;
	recipe_net(&recipe, pipeline.channels, &net);
	net_tensors(&net, &tensors);
	float *weights = random_weights(tensors.count, seed);
	ck_ok(forecaster_new(&pipeline, &net, NULL, (struct frequency){ 0 }, weights, NULL, NULL, &forecaster, NULL));
	strbuf_init(&document, 1 << 20);
	document_render(&(struct trained){ .forecaster = forecaster }, &recipe, &document);
	ck_assert(strbuf_ok(&document));
	const struct model_blobs blobs = { .document = document.s, .weights = weights, .n_weights = tensors.count };
	ck_ok(model_put(s, name, &blobs, NULL, &version, NULL));
	strbuf_fini(&document);
	forecaster_free(forecaster);
	free(weights);
	return version;
}

static struct vocabulary *characters(void)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz ";
	const char *token[2 + sizeof letters - 1] = { "", "" };
	char text[sizeof letters - 1][2];
	struct vocabulary *v = NULL;
	for (size_t i = 0; i < COUNT(text); i++) {
		text[i][0] = letters[i];
		text[i][1] = '\0';
		token[2 + i] = text[i];
	}
	ck_ok(vocabulary_new(TOKEN_CHARACTER, token, (int)COUNT(token), &v, NULL));
	return v;
}

static struct vocabulary *target_of(enum text_task task)
{
	static const char *const labels[] = { "yes", "no" };
	struct vocabulary *v = NULL;
	if (task == TEXT_TRANSLATE)
		return characters();
	if (task == TEXT_CLASSIFY)
		ck_ok(vocabulary_new(TOKEN_LABEL, labels, COUNT(labels), &v, NULL));
	return v;
}

static struct net_spec text_net(enum text_task task, const struct vocabulary *source, const struct vocabulary *target)
{
	static const enum decoder_type decoders[] = {
		[TEXT_GENERATE] = DECODER_TOKEN, [TEXT_CLASSIFY] = DECODER_POOL, [TEXT_TRANSLATE] = DECODER_ATTENTION,
	};
	struct net_spec net = {
		.inputs = 1, .vocabulary = vocabulary_size(source), .embedding = 5, .encoder = ENCODER_LSTM, .hidden = 7, .layers = 1,
		.bias = true, .decoder = decoders[task], .classes = vocabulary_size(target ? target : source), .targets = 1, .levels = 1,
		.horizon = task == TEXT_TRANSLATE ? FIXTURE_ANSWER : 1,
	};
	if (task != TEXT_GENERATE)
		net.attention = 6;
	if (task == TEXT_TRANSLATE)
		net.decoder_input = DECODER_CONTEXT_PREVIOUS;
	return net;
}

int fixture_publish_text(struct store *s, const char *name, enum text_task task, uint64_t seed)
{
	struct trained trained = { 0 };
	struct tensor_table tensors;
	struct strbuf document;
	int version = 0;

	struct vocabulary *source = characters(), *target = target_of(task);
	struct net_spec net = text_net(task, source, target);
	net_tensors(&net, &tensors);
	float *weights = random_weights(tensors.count, seed);
	if (task == TEXT_GENERATE)
		weights[tensor_find(&tensors, "output.bias")->offset + TOKEN_BOUNDARY] = -1000;
	ck_ok(text_model_new(&net, weights, NULL, source, target, FIXTURE_TEXT, &trained.text, NULL));
	strbuf_init(&document, 1 << 20);
	document_render(&trained, NULL, &document);
	ck_assert(strbuf_ok(&document));
	const struct model_blobs blobs = { .document = document.s, .weights = weights, .n_weights = tensors.count };
	ck_ok(model_put(s, name, &blobs, NULL, &version, NULL));
	strbuf_fini(&document);
	trained_fini(&trained);
	free(weights);
	return version;
}

void fixture_context(int i, double out[FIXTURE_WINDOW])
{
	for (int t = 0; t < FIXTURE_WINDOW; t++)
		out[t] = 10 + 3 * sin((i + t) / 5.0);
}

int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner);
	srunner_free(runner);
	return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
