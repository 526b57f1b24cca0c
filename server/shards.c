#include "server/shards.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct helper {
	struct shards *shards;
	struct trainer_ws *ws;
	pthread_t thread;
};

struct shards {
	struct trainer *trainer;
	struct helper *helper;      /* helper[0] is the caller */
	int helpers, started;
	pthread_mutex_t lock;
	pthread_cond_t wake, idle;
	_Atomic int next;           /* shard to take */
	int n;                      /* of this round */
	unsigned round;
	int busy;
	bool stopping;
};

static void take_shards(struct shards *s, struct trainer_ws *ws)
{
	int i;
	while ((i = s->next++) < s->n)
		trainer_shard(s->trainer, i, ws);
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;
	struct shards *s = h->shards;
	unsigned seen = 0;
	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (s->round == seen && !s->stopping)
			pthread_cond_wait(&s->wake, &s->lock);
		if (s->stopping)
			break;
		seen = s->round;
		pthread_mutex_unlock(&s->lock);
		take_shards(s, h->ws);
		pthread_mutex_lock(&s->lock);
		if (--s->busy == 0)
			pthread_cond_signal(&s->idle);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

enum err shards_new(struct trainer *t, int threads, struct shards **out, struct error *e)
{
	struct shards *s = calloc(1, sizeof *s);
	if (!s)
		return fail_nomem(e);
	s->trainer = t;
	s->helpers = threads;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->idle, NULL);
	s->helper = calloc((size_t)threads, sizeof *s->helper);
	enum err rc = s->helper ? ERR_OK : fail_nomem(e);
	for (int i = 0; !rc && i < threads; i++) {
		s->helper[i].shards = s;
		rc = trainer_ws_new(t, &s->helper[i].ws, e);
		if (!rc && i > 0 && pthread_create(&s->helper[i].thread, NULL, helper_main, &s->helper[i]))
			rc = fail(e, ERR_NOMEM, "", "cannot start a training thread");
		s->started += !rc && i > 0;
	}
	if (rc)
		shards_free(s);
	else
		*out = s;
	return rc;
}

void shards_free(struct shards *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	for (int i = 0; i < s->started; i++)
		pthread_join(s->helper[i + 1].thread, NULL);
	for (int i = 0; s->helper && i < s->helpers; i++)
		trainer_ws_free(s->helper[i].ws);
	free(s->helper);
	pthread_cond_destroy(&s->idle);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void shards_run(struct shards *s, int n)
{
	pthread_mutex_lock(&s->lock);
	s->n = n;
	s->next = 0;
	s->busy = s->started;
	s->round++;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);

	take_shards(s, s->helper[0].ws);

	pthread_mutex_lock(&s->lock);
	while (s->busy)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
}
