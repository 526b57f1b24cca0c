#include "server/sessions.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <utlist.h>

#include "server/metrics.h"

#define LEAST_OPEN     16
#define SLOTS_FOR_OPEN 2    /* of two slots one at least remembers why its session ended */

struct sessions {
	pthread_mutex_t lock;
	struct session *slot; size_t slots, fresh;   /* from fresh on they were never used, nor their pages touched */
	struct session **bucket; size_t buckets;     /* by key, chained; a power of two */
	uint64_t salt;                               /* clients choose some keys, but not which share a bucket */
	struct session *idle, *ended;                /* lists, the longest there first */
	size_t bytes, max_bytes, open, max_open;
	int64_t ttl_ns;
	uint64_t ends[SESSION_ENDS];
};

static const char *const end_names[SESSION_ENDS] = { "deleted", "expired", "evicted", "model_deleted" };
static const char *const end_reasons[SESSION_ENDS] = {
	[SESSION_DELETED] = "it was deleted",
	[SESSION_EXPIRED] = "it was not used for too long (option --session-ttl)",
	[SESSION_EVICTED] = "its memory was needed for others (option --session-memory)",
	[SESSION_MODEL_DELETED] = "its model was deleted",
};

/* ---- keys ----------------------------------------------------------------- */

static struct session **bucket_of(struct sessions *t, const char *key)
{
	uint64_t h = t->salt ^ UINT64_C(0xcbf29ce484222325);   /* FNV-1a */
	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return &t->bucket[(h ^ h >> 32) & (t->buckets - 1)];
}

static struct session *find(struct sessions *t, const char *key)
{
	struct session *s = *bucket_of(t, key);
	while (s && strcmp(s->key, key))
		s = s->chain;
	return s;
}

static void link_key(struct sessions *t, struct session *s)
{
	struct session **bucket = bucket_of(t, s->key);
	s->chain = *bucket;
	*bucket = s;
}

static void unlink_key(struct sessions *t, struct session *s)
{
	struct session **at = bucket_of(t, s->key);
	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
}

static enum err draw(void *out, size_t n, struct error *e)
{
	if (getrandom(out, n, 0) != (ssize_t)n)
		return fail(e, ERR_INTERNAL, "", "the system gave no random number for a session");
	return ERR_OK;
}

/* 128 bits in hexadecimal digits. */
static enum err draw_key(char out[SESSION_KEY_MAX], struct error *e)
{
	unsigned char bits[16];
	enum err rc = draw(bits, sizeof bits, e);
	for (size_t i = 0; !rc && i < sizeof bits; i++)
		snprintf(out + 2 * i, 3, "%02x", bits[i]);
	return rc;
}

/* ---- ends (under the lock) ------------------------------------------------ */

static size_t row_bytes(const struct session *s)
{
	return (size_t)s->rows_most * (size_t)s->columns * sizeof(double);
}

static size_t block_bytes(const struct session *s)
{
	return row_bytes(s) + s->state_size * sizeof(float);
}

static size_t bytes_of(const struct session *s)
{
	return sizeof *s + block_bytes(s) + s->answer_len;
}

/* Nobody holds it any more: free what it holds but its key and the reason. */
static void bury(struct sessions *t, struct session *s)
{
	t->bytes -= bytes_of(s);
	free(s->memory.row);
	free(s->answer);
	s->memory = (struct session_memory){ 0 };
	s->answer = NULL;
	s->answer_len = 0;
	s->place = SESSION_ENDED;
	DL_APPEND(t->ended, s);
}

static void end(struct sessions *t, struct session *s, enum session_end why)
{
	assert(s->place == SESSION_IDLE || s->place == SESSION_CLAIMED);
	s->end = why;
	t->ends[why]++;
	t->open--;
	if (s->place == SESSION_CLAIMED) {
		s->place = SESSION_ENDING;
		return;
	}
	DL_DELETE(t->idle, s);
	bury(t, s);
}

static void sweep(struct sessions *t, int64_t now_ns)
{
	while (t->idle && now_ns - t->idle->used_ns > t->ttl_ns)
		end(t, t->idle, SESSION_EXPIRED);
}

static bool fits(const struct sessions *t, size_t more, size_t bytes)
{
	return t->open + more <= t->max_open && t->bytes + bytes <= t->max_bytes;
}

/* Whether so many more sessions of so many more bytes fit, once those idle longest have gone. */
static bool make_room(struct sessions *t, size_t more, size_t bytes)
{
	while (t->idle && !fits(t, more, bytes))
		end(t, t->idle, SESSION_EVICTED);
	return fits(t, more, bytes);
}

/* ---- a new one ------------------------------------------------------------ */

/* A slot that is on no list and has no key, or NULL: steps of sessions that have ended hold the last ones. */
static struct session *take_slot(struct sessions *t)
{
	if (t->fresh < t->slots)
		return &t->slot[t->fresh++];
	struct session *s = t->ended;
	if (!s)
		return NULL;
	DL_DELETE(t->ended, s);
	unlink_key(t, s);
	return s;
}

static void put_back(struct sessions *t, struct session *s)
{
	*s = (struct session){ .place = SESSION_ENDED };
	link_key(t, s);
	DL_PREPEND(t->ended, s);
}

/* Its key is wanted again. */
static enum err end_older(struct sessions *t, const char *key, struct error *e)
{
	struct session *older = find(t, key);
	if (older && (older->place == SESSION_CLAIMED || older->place == SESSION_ENDING))
		return fail(e, ERR_CONFLICT, "", "a step of this session is under way");
	if (older && older->place == SESSION_IDLE)
		end(t, older, SESSION_DELETED);
	return ERR_OK;
}

/* The key is s's from now on; the ended session that had it is not remembered any more. */
static void take_key(struct sessions *t, struct session *s)
{
	struct session *older = find(t, s->key);
	if (older) {
		DL_DELETE(t->ended, older);
		unlink_key(t, older);
		put_back(t, older);
	}
	link_key(t, s);
}

static enum err begin(struct sessions *t, const struct session *plan, struct session **out, struct error *e)
{
	if (bytes_of(plan) > t->max_bytes)
		return fail(e, ERR_INVALID, "/model", "a session of %s takes %zu bytes, more than there are for all (option "
		            "--session-memory: %zu)", plan->model, bytes_of(plan), t->max_bytes);
	struct session *s = make_room(t, 1, bytes_of(plan)) ? take_slot(t) : NULL;
	if (!s)
		return fail(e, ERR_BUSY, "", "all sessions that fit into the memory are at a step (option --session-memory)");
	double *block = calloc(1, block_bytes(plan));
	if (!block) {
		put_back(t, s);
		return fail_nomem(e);
	}
	*s = *plan;
	s->memory.row = block;
	s->memory.state = s->state_size ? (float *)(void *)((char *)block + row_bytes(s)) : NULL;
	s->place = SESSION_CLAIMED;
	take_key(t, s);
	t->bytes += bytes_of(s);
	t->open++;
	*out = s;
	return ERR_OK;
}

enum err sessions_create(struct sessions *t, const struct session_plan *plan, int64_t now_ns, struct session **out,
                         struct error *e)
{
	struct session made = { .version = plan->version, .columns = plan->columns, .rows_most = plan->rows,
		.state_size = plan->state, .created_us = store_now_us() };
	enum err rc = plan->key ? ERR_OK : draw_key(made.key, e);
	if (rc)
		return rc;
	if (plan->key)
		snprintf(made.key, sizeof made.key, "%s", plan->key);
	snprintf(made.owner, sizeof made.owner, "%s", plan->owner);
	snprintf(made.model, sizeof made.model, "%s", plan->model);
	pthread_mutex_lock(&t->lock);
	sweep(t, now_ns);
	rc = end_older(t, made.key, e);
	if (!rc)
		rc = begin(t, &made, out, e);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

/* ---- steps ---------------------------------------------------------------- */

/* One that has not ended. Under the lock. */
static enum err look_up(struct sessions *t, const char *key, const char *owner, int64_t now_ns, struct session **out,
                        struct error *e)
{
	sweep(t, now_ns);
	struct session *s = find(t, key);
	if (!s || strcmp(s->owner, owner))
		return fail(e, ERR_NOT_FOUND, "session", "there is no such session");
	if (s->place == SESSION_ENDING || s->place == SESSION_ENDED)
		return fail(e, ERR_GONE, "session", "the session has ended: %s", end_reasons[s->end]);
	*out = s;
	return ERR_OK;
}

enum err sessions_claim(struct sessions *t, const char *key, const char *owner, int64_t now_ns, struct session **out,
                        struct error *e)
{
	struct session *s = NULL;
	pthread_mutex_lock(&t->lock);
	enum err rc = look_up(t, key, owner, now_ns, &s, e);
	if (!rc && s->place == SESSION_CLAIMED)
		rc = fail(e, ERR_CONFLICT, "session", "a step of this session is under way; send the next when it is answered");
	if (!rc) {
		DL_DELETE(t->idle, s);
		s->place = SESSION_CLAIMED;
		*out = s;
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

static void remember(struct session *s, const struct session_memory *m)
{
	assert(m->rows <= s->rows_most && !m->state == !s->state_size);
	double *row = s->memory.row;
	float *state = s->memory.state;
	memcpy(row, m->row, (size_t)m->rows * (size_t)s->columns * sizeof *row);
	if (state)
		memcpy(state, m->state, s->state_size * sizeof *state);
	s->memory = *m;
	s->memory.row = row;
	s->memory.state = state;
}

enum err sessions_commit(struct sessions *t, struct session *s, const struct session_memory *memory, int64_t sequence,
                         const char *answer, size_t len, struct error *e)
{
	char *copy = NULL;
	if (answer) {
		copy = malloc(len + 1);
		if (!copy)
			return fail_nomem(e);
		memcpy(copy, answer, len);
	}
	pthread_mutex_lock(&t->lock);
	remember(s, memory);
	t->bytes += (copy ? len : 0) - s->answer_len;
	free(s->answer);
	s->answer = copy;
	s->answer_len = copy ? len : 0;
	s->sequence = sequence;
	make_room(t, 0, 0);   /* an answer that is longer than the last */
	pthread_mutex_unlock(&t->lock);
	return ERR_OK;
}

void sessions_release(struct sessions *t, struct session *s, int64_t now_ns)
{
	pthread_mutex_lock(&t->lock);
	if (s->place == SESSION_ENDING) {
		bury(t, s);
	} else {
		s->place = SESSION_IDLE;
		s->used_ns = now_ns;
		DL_APPEND(t->idle, s);
		make_room(t, 0, 0);
	}
	pthread_mutex_unlock(&t->lock);
}

enum err sessions_delete(struct sessions *t, const char *key, const char *owner, int64_t now_ns, struct error *e)
{
	struct session *s = NULL;
	pthread_mutex_lock(&t->lock);
	enum err rc = look_up(t, key, owner, now_ns, &s, e);
	if (!rc)
		end(t, s, SESSION_DELETED);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void sessions_end_model(struct sessions *t, const char *model, int version)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->fresh; i++) {
		struct session *s = &t->slot[i];
		bool open = s->place == SESSION_IDLE || s->place == SESSION_CLAIMED;
		if (open && !strcmp(s->model, model) && (!version || s->version == version))
			end(t, s, SESSION_MODEL_DELETED);
	}
	pthread_mutex_unlock(&t->lock);
}

enum err sessions_look(struct sessions *t, const char *key, const char *owner, int64_t now_ns, struct session_look *out,
                       struct error *e)
{
	struct session *s = NULL;
	pthread_mutex_lock(&t->lock);
	enum err rc = look_up(t, key, owner, now_ns, &s, e);
	if (!rc) {
		int64_t idle_ns = s->place == SESSION_IDLE ? now_ns - s->used_ns : 0;
		*out = (struct session_look){ .version = s->version, .carries = s->state_size > 0, .rows = s->memory.rows,
			.seen = s->memory.seen, .sequence = s->sequence, .created_us = s->created_us, .left_ns = t->ttl_ns - idle_ns };
		memcpy(out->model, s->model, sizeof out->model);
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

/* ---- the table ------------------------------------------------------------ */

enum err sessions_new(size_t max_bytes, int64_t ttl_ns, struct sessions **out, struct error *e)
{
	struct sessions *t = calloc(1, sizeof *t);
	if (!t)
		return fail_nomem(e);
	pthread_mutex_init(&t->lock, NULL);
	t->max_bytes = max_bytes;
	t->ttl_ns = ttl_ns;
	t->max_open = max_bytes / SESSION_SHARE > LEAST_OPEN ? max_bytes / SESSION_SHARE : LEAST_OPEN;
	t->slots = SLOTS_FOR_OPEN * t->max_open;
	for (t->buckets = 1; t->buckets < t->slots; t->buckets *= 2)
		;
	t->slot = calloc(t->slots, sizeof *t->slot);
	t->bucket = calloc(t->buckets, sizeof(struct session *));
	enum err rc = t->slot && t->bucket ? draw(&t->salt, sizeof t->salt, e) : fail_nomem(e);
	if (rc)
		sessions_free(t);
	else
		*out = t;
	return rc;
}

void sessions_free(struct sessions *t)
{
	if (!t)
		return;
	for (size_t i = 0; t->slot && i < t->fresh; i++) {
		free(t->slot[i].memory.row);
		free(t->slot[i].answer);
	}
	free(t->slot);
	free(t->bucket);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void sessions_metrics(struct sessions *t, int64_t now_ns, struct strbuf *out)
{
	struct strbuf l;
	uint64_t ends[SESSION_ENDS];
	pthread_mutex_lock(&t->lock);
	sweep(t, now_ns);
	size_t open = t->open, bytes = t->bytes, most = t->max_bytes;
	memcpy(ends, t->ends, sizeof ends);
	pthread_mutex_unlock(&t->lock);
	strbuf_init(&l, 64);
	metric_head(out, "sessions", "gauge", "Streaming sessions that are open.");
	metric_value(out, "sessions", "", (double)open);
	metric_head(out, "sessions_memory_bytes", "gauge", "Memory of sessions: rows, states and last answers.");
	metric_value(out, "sessions_memory_bytes", "", (double)bytes);
	metric_head(out, "sessions_memory_limit_bytes", "gauge", "Most of it.");
	metric_value(out, "sessions_memory_limit_bytes", "", (double)most);
	metric_head(out, "sessions_ended_total", "counter", "Sessions that ended, by reason.");
	for (int i = 0; i < SESSION_ENDS; i++) {
		strbuf_reset(&l);
		metric_label(&l, "reason", end_names[i]);
		metric_value(out, "sessions_ended_total", l.s, (double)ends[i]);
	}
	strbuf_fini(&l);
}
