#include "server/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/metrics.h"
#include "server/monotonic.h"

#define SECOND_NS    1000000000LL
#define SLOWEST_RATE 2048            /* bytes a second */

struct connections {
	pthread_mutex_t lock;        /* guards the list and what is watched */
	struct connection *first;
	pthread_t reaper;
	_Atomic bool stopping;
};

/* ---- the reaper --------------------------------------------------------- */

static void reap(struct connection *c, int64_t now)
{
	int64_t deadline = c->deadline_ns;
	if (deadline && now > deadline && atomic_compare_exchange_strong(&c->deadline_ns, &deadline, 0)) {
		metrics.reaped_connections++;
		shutdown(c->fd, SHUT_RDWR);
	}
	if (c->abandoned) {
		struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };
		if (poll(&p, 1, 0) == 1 && p.revents & (POLLRDHUP | POLLHUP | POLLERR))
			*c->abandoned = true;
	}
}

static void *reaper_main(void *arg)
{
	struct connections *l = arg;
	for (int tick = 0; !l->stopping; tick++) {
		usleep(100 * 1000);
		if (tick % 10)
			continue;
		pthread_mutex_lock(&l->lock);
		int64_t now = monotonic_ns();
		for (struct connection *c = l->first; c; c = c->next)
			reap(c, now);
		pthread_mutex_unlock(&l->lock);
	}
	return NULL;
}

enum err connections_new(struct connections **out, struct error *e)
{
	struct connections *l = calloc(1, sizeof *l);
	if (!l)
		return fail_nomem(e);
	pthread_mutex_init(&l->lock, NULL);
	if (pthread_create(&l->reaper, NULL, reaper_main, l)) {
		pthread_mutex_destroy(&l->lock);
		free(l);
		return fail(e, ERR_NOMEM, "", "cannot start the reaper's thread");
	}
	*out = l;
	return ERR_OK;
}

void connections_free(struct connections *l)
{
	if (!l)
		return;
	l->stopping = true;
	pthread_join(l->reaper, NULL);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- sockets ------------------------------------------------------------ */

struct connection *connection_new(struct connections *l, int fd)
{
	struct connection *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->list = l;
	c->fd = fd;
	pthread_mutex_lock(&l->lock);
	c->next = l->first;
	if (c->next)
		c->next->prev = c;
	l->first = c;
	pthread_mutex_unlock(&l->lock);
	return c;
}

void connection_free(struct connection *c)
{
	if (!c)
		return;
	struct connections *l = c->list;
	pthread_mutex_lock(&l->lock);
	if (c->prev)
		c->prev->next = c->next;
	else
		l->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&l->lock);
	free(c);
}

void connection_due(struct connection *c, int64_t from_ns, long seconds, size_t bytes)
{
	c->deadline_ns = from_ns + (seconds + (long)(bytes / SLOWEST_RATE)) * SECOND_NS;
}

void connection_rest(struct connection *c)
{
	c->deadline_ns = 0;
}

int64_t connection_waited_ns(const struct connection *c)
{
	struct tcp_info info;
	socklen_t size = sizeof info;
	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size))
		return 0;
	return (int64_t)info.tcpi_last_data_recv * 1000000;
}

void connection_watch(struct connection *c, _Atomic bool *abandoned)
{
	pthread_mutex_lock(&c->list->lock);
	c->abandoned = abandoned;
	if (abandoned)
		c->deadline_ns = 0;
	pthread_mutex_unlock(&c->list->lock);
}
