/* Models of texts in the registry and the batcher: one model, one answer, whatever the turns and the company. */
#include "server/batcher.h"

#include <math.h>
#include <semaphore.h>

#include "server/monotonic.h"

#include "tests/unit/server/fixture.h"

enum { MOST = 8, LABELS = 2, LATER_S = 600 };
static const char *const names[] = { [TEXT_GENERATE] = "write", [TEXT_CLASSIFY] = "sort", [TEXT_TRANSLATE] = "speak" };

struct bench {
	struct fixture f;
	struct store *s;
	struct registry *g;
	struct model *m[3];     /* by task */
	struct batcher *b;
};

static void open_bench(struct bench *b, int threads)
{
	fixture_open(&b->f);
	ck_ok(store_open(b->f.path, STORE_WRITER, &b->s, &b->f.e));
	ck_ok(registry_new(1 << 30, NULL, &b->g, &b->f.e));
	for (int task = 0; task < 3; task++) {
		fixture_publish_text(b->s, names[task], (enum text_task)task, (uint64_t)task + 1);
		ck_ok(registry_load(b->g, b->s, names[task], 0, NULL, &b->m[task], &b->f.e));
	}
	ck_ok(batcher_new(threads, 1000, &b->b, &b->f.e));
}

static void close_bench(struct bench *b)
{
	batcher_free(b->b);
	for (int task = 0; task < 3; task++)
		model_unref(b->m[task]);
	registry_free(b->g);
	store_close(b->s);
	fixture_close(&b->f);
}

/* A request of n texts, and what became of it. */
struct ask {
	struct batch batch;   /* first: the batcher gives it back */
	struct batch_item item[MOST];
	struct strbuf out[MOST], pieces;
	float probability[MOST][LABELS];
	int listens;          /* pieces until the client leaves; -1: it stays */
	bool left;
	enum err rc;
	_Atomic int *order;   /* counts who is done; may be NULL */
	int place;
	sem_t done;
	sem_t *go;            /* the first piece waits for it; may be NULL */
};

static bool has_left(const struct batch *batch)
{
	return ((const struct ask *)batch)->left;
}

static void done(struct batch *batch, enum err rc, const struct error *e)
{
	struct ask *a = (struct ask *)batch;
	a->rc = rc;
	a->place = a->order ? (*a->order)++ : 0;
	sem_post(&a->done);
}

static bool piece(void *arg, const char *text, size_t len)
{
	struct ask *a = arg;
	if (a->go)
		sem_wait(a->go);
	a->go = NULL;
	strbuf_add(&a->pieces, text, len);
	if (a->listens >= 0 && a->listens-- == 0)
		a->left = true;
	return true;
}

static struct ask *ask_new(struct model *m, const char *const *text, int n)
{
	struct ask *a = calloc(1, sizeof *a);
	ck_assert_ptr_nonnull(a);
	a->batch = (struct batch){ .model = m, .item = a->item, .n = n, .deadline_ns = monotonic_ns() + LATER_S * 1000000000LL,
		.abandoned = has_left, .done = done };
	a->listens = -1;
	strbuf_init(&a->pieces, 1 << 20);
	for (int i = 0; i < n; i++) {
		strbuf_init(&a->out[i], 1 << 20);
		a->item[i].text = (struct text_job){
			.text = text[i], .len = strlen(text[i]), .out = &a->out[i], .sampling = { .temperature = 1, .seed = 5 },
			.max_tokens = 5 * TEXT_TURN + 3, .beam_width = 3, .max_answer = 20, .probability = a->probability[i],
		};
	}
	sem_init(&a->done, 0, 0);
	return a;
}

static struct ask *ask_writer(struct bench *b, const char *prompt, int max_tokens)
{
	struct ask *a = ask_new(b->m[TEXT_GENERATE], &prompt, 1);
	a->item[0].text.max_tokens = max_tokens;
	a->item[0].text.piece = piece;
	a->item[0].text.arg = a;
	return a;
}

static void ask_free(struct ask *a)
{
	for (int i = 0; i < a->batch.n; i++) {
		text_job_fini(&a->item[i].text);
		free(a->item[i].text.attention);
		strbuf_fini(&a->out[i]);
	}
	strbuf_fini(&a->pieces);
	sem_destroy(&a->done);
	free(a);
}

static void submit(struct bench *b, struct ask *a)
{
	int retry;
	ck_ok(batcher_submit(b->b, &a->batch, &retry, NULL));
}

static void wait_for(struct ask *a)
{
	while (sem_wait(&a->done))
		;
}

static struct ask *answered(struct bench *b, struct ask *a)
{
	submit(b, a);
	wait_for(a);
	ck_ok(a->rc);
	for (int i = 0; i < a->batch.n; i++)
		ck_assert(a->item[i].text.finite);
	return a;
}

static const char *const texts[MOST] = { "to be", "or not", "a", "", "that is the question", "zz zz", "x y z", "hello there" };

START_TEST(uses)
{
	static const enum model_use want[] = { USE_GENERATE, USE_CLASSIFY, USE_TRANSLATE };
	struct bench b;
	open_bench(&b, 1);
	for (int task = 0; task < 3; task++) {
		ck_assert_int_eq(model_use(b.m[task]), want[task]);
		ck_assert_ptr_null(b.m[task]->trained.forecaster);
		ck_assert_uint_gt(b.m[task]->bytes, sizeof *b.m[task]);
	}
	close_bench(&b);
}
END_TEST

/* Eight texts in one request, and each of them alone: bit for bit. */
START_TEST(same_in_any_company)
{
	struct bench b;
	open_bench(&b, 2);
	struct ask *all = answered(&b, ask_new(b.m[_i], texts, MOST));
	for (int i = 0; i < MOST; i++) {
		struct ask *one = answered(&b, ask_new(b.m[_i], &texts[i], 1));
		const struct text_job *x = &all->item[i].text, *y = &one->item[0].text;
		ck_assert_int_eq(x->tokens_in, y->tokens_in);
		ck_assert_int_eq(x->tokens_out, y->tokens_out);
		ck_assert_str_eq(all->out[i].s, one->out[0].s);
		if (_i == TEXT_CLASSIFY) {
			ck_assert(!memcmp(all->probability[i], one->probability[0], sizeof all->probability[i]));
			ck_assert(fabs(one->probability[0][0] + one->probability[0][1] - 1) < 1e-6);
		} else {
			ck_assert(x->log_probability == y->log_probability && x->log_probability < 0);
		}
		ask_free(one);
	}
	ask_free(all);
	close_bench(&b);
}
END_TEST

/* A text of many turns comes out piece by piece; the same seed writes the same, another one another. */
START_TEST(pieces)
{
	struct bench b;
	open_bench(&b, 1);
	struct ask *a = answered(&b, ask_writer(&b, "to be ", 100)), *again = answered(&b, ask_writer(&b, "to be ", 100));
	struct ask *other = ask_writer(&b, "to be ", 100);
	other->item[0].text.sampling.seed = 6;
	answered(&b, other);
	ck_assert_int_eq(a->item[0].text.tokens_out, 100);
	ck_assert_int_eq(a->item[0].text.tokens_in, 6);
	ck_assert(!a->item[0].text.ended);
	ck_assert_str_eq(a->pieces.s, a->out[0].s);
	ck_assert_str_eq(a->out[0].s, again->out[0].s);
	ck_assert_str_ne(a->out[0].s, other->out[0].s);
	ck_assert_uint_eq(b.m[TEXT_GENERATE]->metrics.sequences, 3);
	ck_assert_uint_eq(b.m[TEXT_GENERATE]->metrics.decoder_steps, 300);
	ask_free(a);
	ask_free(again);
	ask_free(other);
	close_bench(&b);
}
END_TEST

/* The long text has the only thread first; the short one does not wait for its end. */
START_TEST(long_texts_hold_up_nobody)
{
	struct bench b;
	_Atomic int order = 0;
	sem_t go;
	open_bench(&b, 1);
	struct ask *slow = ask_writer(&b, "", 2000), *quick = ask_writer(&b, "quick", 3);
	sem_init(&go, 0, 0);
	slow->order = quick->order = &order;
	slow->go = &go;
	submit(&b, slow);
	submit(&b, quick);
	sem_post(&go);
	wait_for(quick);
	wait_for(slow);
	ck_assert_int_eq(quick->place, 0);
	ck_assert_int_eq(slow->item[0].text.tokens_out, 2000);
	ask_free(slow);
	ask_free(quick);
	close_bench(&b);
}
END_TEST

/* Between two turns is looked whether anyone still wants it. */
START_TEST(dropped_between_turns)
{
	struct bench b;
	open_bench(&b, 1);
	struct ask *gone = ask_writer(&b, "a", 10000), *late = ask_writer(&b, "b", 10000);
	sem_t go;
	sem_init(&go, 0, 0);
	gone->listens = 3;
	submit(&b, gone);
	wait_for(gone);
	ck_err(ERR_CANCELLED, gone->rc);
	ck_assert_int_le(gone->item[0].text.tokens_out, TEXT_TURN);
	late->go = &go;
	submit(&b, late);
	late->batch.deadline_ns = monotonic_ns() - 1;   /* time passes while it writes, or before */
	sem_post(&go);
	wait_for(late);
	ck_err(ERR_TIMEOUT, late->rc);
	ck_assert_int_le(late->item[0].text.tokens_out, TEXT_TURN);
	ask_free(gone);
	ask_free(late);
	close_bench(&b);
}
END_TEST

/* A token costs a millisecond, says the model: so a text costs its prompt and its tokens. */
START_TEST(admission_by_tokens)
{
	static const struct { const char *prompt; int max_tokens; long ms; enum err want; } cases[] = {
		{ "", 1000, 1200, ERR_BUSY }, { "", 1000, 600000, ERR_OK }, { "0123456789", 10, 21, ERR_BUSY }, { "0123456789", 10, 60000, ERR_OK },
	};
	struct bench b;
	open_bench(&b, 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ask *a = ask_writer(&b, cases[i].prompt, cases[i].max_tokens);
		int retry = 0;
		b.m[TEXT_GENERATE]->cost = (struct cost){ .step_ns = 1000000, .runs = 1, .x = 1, .y = 1000000 };
		a->batch.deadline_ns = monotonic_ns() + cases[i].ms * 1000000;
		ck_err(cases[i].want, batcher_submit(b.b, &a->batch, &retry, NULL));
		if (!cases[i].want) {
			wait_for(a);
			ck_ok(a->rc);
			ck_assert_uint_lt(b.m[TEXT_GENERATE]->cost.step_ns, 1000000);   /* it learnt that it is faster */
		}
		ask_free(a);
	}
	close_bench(&b);
}
END_TEST

/* Texts that still go on when the service ends are written to their ends. */
START_TEST(stop)
{
	struct bench b;
	open_bench(&b, 2);
	struct ask *a = ask_writer(&b, "", 500), *c = ask_writer(&b, "c", 400);
	submit(&b, a);
	submit(&b, c);
	batcher_free(b.b);
	b.b = NULL;
	ck_assert_int_eq(sem_trywait(&a->done), 0);
	ck_assert_int_eq(sem_trywait(&c->done), 0);
	ck_ok(a->rc);
	ck_ok(c->rc);
	ck_assert_int_eq(a->item[0].text.tokens_out, 500);
	ask_free(a);
	ask_free(c);
	close_bench(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("texts");
	TCase *c = tcase_create("texts");
	tcase_set_timeout(c, 300);
	tcase_add_test(c, uses);
	tcase_add_loop_test(c, same_in_any_company, 0, 3);
	tcase_add_test(c, pieces);
	tcase_add_test(c, long_texts_hold_up_nobody);
	tcase_add_test(c, dropped_between_turns);
	tcase_add_test(c, admission_by_tokens);
	tcase_add_test(c, stop);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
