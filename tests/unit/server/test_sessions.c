/* The slab of sessions: what is remembered, who makes room, and that it does what a plain list would do. */
#include "server/sessions.h"

#include "model/base/rng.h"
#include "server/metrics.h"
#include "tests/unit/server/fixture.h"

#define MEMORY (64u << 10)           /* sixteen sessions at least: SESSION_SHARE each */
#define OPEN   (MEMORY / SESSION_SHARE)
#define TTL    1000

static struct sessions *new_table(size_t bytes)
{
	struct sessions *t;
	ck_ok(sessions_new(bytes, TTL, &t, NULL));
	return t;
}

static const struct session_plan small = {
	.owner = "me", .model = "m", .version = 1, .columns = 2, .rows = 3, .state = 5,
};

static struct session *create(struct sessions *t, const char *key, int64_t now)
{
	struct session_plan plan = small;
	struct session *s;
	plan.key = key;
	ck_ok(sessions_create(t, &plan, now, &s, NULL));
	return s;
}

static void begin(struct sessions *t, const char *key, int64_t now)
{
	sessions_release(t, create(t, key, now), now);
}

static enum err look(struct sessions *t, const char *key, int64_t now, struct error *e)
{
	struct session_look l;
	return sessions_look(t, key, "me", now, &l, e);
}

START_TEST(what_was_committed_is_there_at_the_next_step)
{
	struct sessions *t = new_table(MEMORY);
	struct session *s = create(t, NULL, 0);
	char key[SESSION_KEY_MAX];
	strcpy(key, s->key);
	ck_assert_uint_eq(strspn(key, "0123456789abcdef"), 32);
	ck_assert_uint_eq(strlen(key), 32);
	ck_assert_int_eq(s->memory.rows, 0);
	for (int i = 0; i < 5; i++)
		ck_assert(s->memory.state[i] == 0);
	double row[] = { 1, 2, 3, 4 };
	float state[] = { 5, 6, 7, 8, 9 };
	struct session_memory m = { .row = row, .rows = 2, .state = state, .seen = 17, .dated = true, .date = 4,
		.dated_row = 3 };
	ck_ok(sessions_commit(t, s, &m, 1, "answer", 6, NULL));
	sessions_release(t, s, 0);
	ck_ok(sessions_claim(t, key, "me", 1, &s, NULL));
	ck_assert_int_eq(s->memory.rows, 2);
	ck_assert_mem_eq(s->memory.row, row, sizeof row);
	ck_assert_mem_eq(s->memory.state, state, sizeof state);
	ck_assert_uint_eq(s->memory.seen, 17);
	ck_assert(s->memory.dated && s->memory.date == 4 && s->memory.dated_row == 3);
	ck_assert_int_eq(s->sequence, 1);
	ck_assert_uint_eq(s->answer_len, 6);
	ck_assert_mem_eq(s->answer, "answer", 6);
	sessions_release(t, s, 1);
	sessions_free(t);
}
END_TEST

START_TEST(random_keys_differ)
{
	struct sessions *t = new_table(MEMORY);
	char key[8][SESSION_KEY_MAX];
	for (int i = 0; i < 8; i++) {
		struct session *s = create(t, NULL, 0);
		strcpy(key[i], s->key);
		sessions_release(t, s, 0);
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(key[i], key[k]);
	}
	sessions_free(t);
}
END_TEST

START_TEST(a_claim_is_exclusive)
{
	struct sessions *t = new_table(MEMORY);
	struct session *s = create(t, "a", 0), *other;
	struct session_plan plan = small;
	plan.key = "a";
	ck_err(ERR_CONFLICT, sessions_claim(t, "a", "me", 0, &other, NULL));
	ck_err(ERR_CONFLICT, sessions_create(t, &plan, 0, &other, NULL));
	ck_ok(look(t, "a", 0, NULL));
	sessions_release(t, s, 0);
	ck_ok(sessions_claim(t, "a", "me", 0, &s, NULL));
	sessions_release(t, s, 0);
	sessions_free(t);
}
END_TEST

START_TEST(a_session_is_its_owners)
{
	struct sessions *t = new_table(MEMORY);
	struct session *s;
	struct session_look l;
	begin(t, "a", 0);
	ck_err(ERR_NOT_FOUND, sessions_claim(t, "a", "you", 0, &s, NULL));
	ck_err(ERR_NOT_FOUND, sessions_claim(t, "a", "", 0, &s, NULL));
	ck_err(ERR_NOT_FOUND, sessions_look(t, "a", "you", 0, &l, NULL));
	ck_err(ERR_NOT_FOUND, sessions_delete(t, "a", "you", 0, NULL));
	ck_ok(sessions_delete(t, "a", "me", 0, NULL));
	ck_err(ERR_NOT_FOUND, sessions_delete(t, "a", "you", 0, NULL));
	ck_err(ERR_GONE, sessions_delete(t, "a", "me", 0, NULL));
	sessions_free(t);
}
END_TEST

/* How a session can end while nobody uses it, or under a step's hands. */
static void by_delete(struct sessions *t) { ck_ok(sessions_delete(t, "a", "me", 0, NULL)); }
static void by_version(struct sessions *t) { sessions_end_model(t, "m", 1); }
static void by_model(struct sessions *t) { sessions_end_model(t, "m", 0); }
static void by_others(struct sessions *t)
{
	char key[16];
	for (unsigned i = 0; i < OPEN; i++) {
		snprintf(key, sizeof key, "other%u", i);
		begin(t, key, 0);
	}
}
static const struct {
	void (*end)(struct sessions *t);
	int64_t later;
	bool claimed_too;
	const char *why;
} end_cases[] = {
	{ by_delete, 0, true, "deleted" },
	{ by_version, 0, true, "model" },
	{ by_model, 0, true, "model" },
	{ by_others, 0, false, "--session-memory" },
	{ NULL, TTL + 1, false, "--session-ttl" },
};

START_TEST(an_ended_session_says_why)
{
	struct sessions *t = new_table(MEMORY);
	struct error e;
	begin(t, "a", 0);
	if (end_cases[_i].end)
		end_cases[_i].end(t);
	ck_err(ERR_GONE, look(t, "a", end_cases[_i].later, &e));
	ck_assert_ptr_nonnull(strstr(e.what, end_cases[_i].why));
	begin(t, "a", end_cases[_i].later);   /* the key is free again */
	ck_ok(look(t, "a", end_cases[_i].later, NULL));
	sessions_free(t);
}
END_TEST

START_TEST(a_claimed_session_ends_with_its_step_or_not_at_all)
{
	struct sessions *t = new_table(MEMORY);
	struct session *s = create(t, "a", 0), *other;
	struct session_memory m = { .row = (double[6]){ 1 }, .rows = 3, .state = (float[5]){ 1 }, .seen = 3 };
	if (end_cases[_i].end)
		end_cases[_i].end(t);
	enum err want = end_cases[_i].claimed_too ? ERR_GONE : ERR_OK;
	ck_err(want, look(t, "a", end_cases[_i].later, NULL));
	ck_ok(sessions_commit(t, s, &m, 1, "x", 1, NULL));   /* memory is still there */
	sessions_release(t, s, end_cases[_i].later);
	ck_err(want, sessions_claim(t, "a", "me", end_cases[_i].later, &other, NULL));
	sessions_free(t);
}
END_TEST

START_TEST(other_models_stay)
{
	struct sessions *t = new_table(MEMORY);
	begin(t, "a", 0);
	sessions_end_model(t, "m", 2);
	sessions_end_model(t, "n", 0);
	sessions_end_model(t, "", 0);
	ck_ok(look(t, "a", 0, NULL));
	sessions_free(t);
}
END_TEST

START_TEST(too_large_or_too_busy)
{
	struct sessions *t = new_table(MEMORY);
	struct session_plan plan = small;
	struct session *s, *held[OPEN];
	plan.rows = MEMORY / 16;
	ck_err(ERR_INVALID, sessions_create(t, &plan, 0, &s, NULL));
	for (unsigned i = 0; i < OPEN; i++)
		held[i] = create(t, NULL, 0);
	ck_err(ERR_BUSY, sessions_create(t, &small, 0, &s, NULL));
	sessions_release(t, held[0], 0);
	sessions_release(t, create(t, NULL, 0), 0);
	for (unsigned i = 1; i < OPEN; i++)
		sessions_release(t, held[i], 0);
	sessions_free(t);
}
END_TEST

START_TEST(an_answer_beyond_the_memory_ends_its_session)
{
	struct sessions *t = new_table(MEMORY);
	struct session *s = create(t, "a", 0);
	struct session_memory m = { .row = (double[6]){ 1 }, .rows = 3, .state = (float[5]){ 1 }, .seen = 3 };
	char *answer = calloc(1, MEMORY);
	begin(t, "b", 0);
	ck_ok(sessions_commit(t, s, &m, 1, answer, MEMORY, NULL));
	ck_err(ERR_GONE, look(t, "b", 0, NULL));
	ck_ok(look(t, "a", 0, NULL));
	sessions_release(t, s, 0);
	ck_err(ERR_GONE, look(t, "a", 0, NULL));
	free(answer);
	sessions_free(t);
}
END_TEST

static double gauge(struct sessions *t, const char *name, int64_t now)
{
	struct strbuf text;
	strbuf_init(&text, 1 << 16);
	sessions_metrics(t, now, &text);
	char *at = strstr(text.s, name);
	ck_assert_ptr_nonnull(at);
	double v = strtod(at + strlen(name), NULL);
	strbuf_fini(&text);
	return v;
}

START_TEST(what_has_ended_holds_nothing)
{
	struct sessions *t = new_table(MEMORY);
	begin(t, "a", 0);
	begin(t, "b", 0);
	ck_assert(gauge(t, "\ngatecast_sessions ", 0) == 2);
	ck_assert(gauge(t, "\ngatecast_sessions_memory_bytes ", 0) == 2 * (sizeof(struct session) + 6 * 8 + 5 * 4));
	ck_ok(sessions_delete(t, "a", "me", 0, NULL));
	ck_assert(gauge(t, "\ngatecast_sessions ", TTL) == 1);
	ck_assert(gauge(t, "\ngatecast_sessions ", TTL + 1) == 0);
	ck_assert(gauge(t, "\ngatecast_sessions_memory_bytes ", TTL + 1) == 0);
	ck_assert(gauge(t, "{reason=\"deleted\"} ", TTL + 1) == 1);
	ck_assert(gauge(t, "{reason=\"expired\"} ", TTL + 1) == 1);
	sessions_free(t);
}
END_TEST

/* ---- against a plain list ------------------------------------------------- */

enum { NAMES = 40, WORK = 20000 };

/* What a session should be; those that ended remember when. */
struct known {
	enum { NEVER, IDLE, HELD, ENDING, ENDED } state;
	struct session *claim;
	double value;                       /* that all its rows and states have; 0: none were committed */
	size_t bytes;
	int64_t used;
	uint64_t turn, ended;               /* of its last use and of its end */
};

struct world {
	struct sessions *t;
	struct known name[NAMES];
	uint64_t turn, ends, ending_most;
	int64_t now;
};

static void list_end(struct world *w, struct known *k)
{
	uint64_t ending = 0;
	k->state = k->state == HELD ? ENDING : ENDED;
	k->ended = ++w->ends;
	for (int i = 0; i < NAMES; i++)
		ending += w->name[i].state == ENDING;
	w->ending_most = ending > w->ending_most ? ending : w->ending_most;
	ck_assert_uint_lt(w->ending_most, OPEN);
}

static struct known *list_oldest(struct world *w)
{
	struct known *oldest = NULL;
	for (int i = 0; i < NAMES; i++)
		if (w->name[i].state == IDLE && (!oldest || w->name[i].turn < oldest->turn))
			oldest = &w->name[i];
	return oldest;
}

static bool list_fits(const struct world *w, size_t more, size_t bytes)
{
	size_t open = more;
	for (int i = 0; i < NAMES; i++) {
		const struct known *k = &w->name[i];
		open += k->state == IDLE || k->state == HELD;
		bytes += k->state != NEVER && k->state != ENDED ? k->bytes : 0;
	}
	return open <= OPEN && bytes <= MEMORY;
}

static bool list_room(struct world *w, size_t more, size_t bytes)
{
	while (list_oldest(w) && !list_fits(w, more, bytes))
		list_end(w, list_oldest(w));
	return list_fits(w, more, bytes);
}

static void list_sweep(struct world *w)
{
	for (struct known *k; (k = list_oldest(w)) && w->now - k->used > TTL;)
		list_end(w, k);
}

/* What an operation on a name should say: an ended one is remembered until so many others have ended as there are slots
 * that hold neither an open session nor one that a step still holds. */
static enum err list_finds(const struct world *w, const struct known *k, enum err got)
{
	switch (k->state) {
	case NEVER: return ERR_NOT_FOUND;
	case ENDING: return ERR_GONE;
	case ENDED: return w->ends - k->ended < OPEN - w->ending_most || got == ERR_GONE ? ERR_GONE : ERR_NOT_FOUND;
	case IDLE: case HELD: break;
	}
	return ERR_OK;
}

static void check_memory(const struct session *s, double value)
{
	ck_assert_int_eq(s->memory.rows, value != 0 ? s->rows_most : 0);
	for (int i = 0; i < s->memory.rows * s->columns; i++)
		ck_assert(s->memory.row[i] == value);
	for (size_t i = 0; i < s->state_size; i++)
		ck_assert(s->memory.state[i] == (float)value);
}

static void try_create(struct world *w, struct known *k, const char *key, struct rng *r)
{
	struct session_plan plan = small;
	plan.key = key;
	plan.rows = 1 + (int)rng_below(r, 800);
	size_t bytes = sizeof(struct session) + (size_t)plan.rows * 16 + 20;
	struct session *s;
	list_sweep(w);
	enum err want = k->state == HELD || k->state == ENDING ? ERR_CONFLICT : ERR_OK;
	if (!want && k->state == IDLE)
		list_end(w, k);
	if (!want && !list_room(w, 1, bytes))
		want = ERR_BUSY;
	ck_err(want, sessions_create(w->t, &plan, w->now, &s, NULL));
	if (!want)
		*k = (struct known){ .state = HELD, .claim = s, .bytes = bytes };
}

static void try_claim(struct world *w, struct known *k, const char *key)
{
	struct session *s;
	list_sweep(w);
	enum err got = sessions_claim(w->t, key, "me", w->now, &s, NULL), want = list_finds(w, k, got);
	if (k->state == HELD)
		want = ERR_CONFLICT;
	ck_assert_int_eq(got, want);
	if (!want) {
		check_memory(s, k->value);
		*k = (struct known){ .state = HELD, .claim = s, .bytes = k->bytes, .value = k->value };
	}
}

static void try_commit(struct world *w, struct known *k, struct rng *r)
{
	static double row[1600];
	static float state[5];
	struct session *s = k->claim;
	char answer[500] = "";
	size_t len = rng_below(r, sizeof answer);
	k->value = 1 + (double)rng_below(r, 1000);
	for (size_t i = 0; i < COUNT(row); i++)
		row[i] = k->value;
	for (size_t i = 0; i < COUNT(state); i++)
		state[i] = (float)k->value;
	struct session_memory m = { .row = row, .rows = s->rows_most, .state = state };
	k->bytes = k->bytes - s->answer_len + len;
	ck_ok(sessions_commit(w->t, s, &m, 1, answer, len, NULL));
	list_room(w, 0, 0);
}

static void give_back(struct world *w, struct known *k)
{
	sessions_release(w->t, k->claim, w->now);
	k->claim = NULL;
	if (k->state == ENDING) {
		k->state = ENDED;
		k->ended = ++w->ends;   /* slots are used again in the order of these */
		return;
	}
	k->state = IDLE;
	k->used = w->now;
	k->turn = ++w->turn;
	list_room(w, 0, 0);
}

static void try_delete(struct world *w, struct known *k, const char *key)
{
	list_sweep(w);
	enum err got = sessions_delete(w->t, key, "me", w->now, NULL), want = list_finds(w, k, got);
	ck_assert_int_eq(got, want);
	if (!want)
		list_end(w, k);
}

static void act(struct world *w, int i, struct rng *r)
{
	struct known *k = &w->name[i];
	char key[16];
	snprintf(key, sizeof key, "name%d", i);
	uint64_t what = rng_below(r, 100);
	if (k->claim && what < 70)
		what < 30 ? try_commit(w, k, r) : give_back(w, k);
	else if (what < 25)
		try_create(w, k, key, r);
	else if (what < 85)
		try_claim(w, k, key);
	else if (what < 95)
		try_delete(w, k, key);
	else
		w->now += (int64_t)rng_below(r, TTL / 4);
}

static void check_gauges(struct world *w)
{
	size_t open = 0, bytes = 0;
	list_sweep(w);
	for (int i = 0; i < NAMES; i++) {
		const struct known *k = &w->name[i];
		open += k->state == IDLE || k->state == HELD;
		bytes += k->state != NEVER && k->state != ENDED ? k->bytes : 0;
	}
	ck_assert(gauge(w->t, "\ngatecast_sessions ", w->now) == (double)open);
	ck_assert(gauge(w->t, "\ngatecast_sessions_memory_bytes ", w->now) == (double)bytes);
}

START_TEST(as_a_plain_list)
{
	struct world w = { .t = new_table(MEMORY) };
	struct rng r;
	rng_init(&r, (uint64_t)_i, RNG_TEST, 0);
	for (int i = 0; i < WORK; i++) {
		act(&w, (int)rng_below(&r, NAMES), &r);
		if (i % 100 == 0)
			check_gauges(&w);
	}
	ck_assert_uint_gt(w.ends, WORK / 100);
	sessions_free(w.t);   /* claims that were not given back go too */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sessions");
	TCase *t = tcase_create("sessions");
	tcase_set_timeout(t, 300);
	tcase_add_test(t, what_was_committed_is_there_at_the_next_step);
	tcase_add_test(t, random_keys_differ);
	tcase_add_test(t, a_claim_is_exclusive);
	tcase_add_test(t, a_session_is_its_owners);
	tcase_add_loop_test(t, an_ended_session_says_why, 0, COUNT(end_cases));
	tcase_add_loop_test(t, a_claimed_session_ends_with_its_step_or_not_at_all, 0, COUNT(end_cases));
	tcase_add_test(t, other_models_stay);
	tcase_add_test(t, too_large_or_too_busy);
	tcase_add_test(t, an_answer_beyond_the_memory_ends_its_session);
	tcase_add_test(t, what_has_ended_holds_nothing);
	tcase_add_loop_test(t, as_a_plain_list, 0, 8);
	suite_add_tcase(s, t);
	return run_suite(s);
}
