/* cmd_serve.c - the daemon's life: start the parts, listen, wait for a signal, drain, stop.
 *
 *   SIGTERM ─► readyz 503 ─► drain delay, still serving ─► no new connections, replies close theirs
 *           ─► what is in flight ends, later requests are refused ─► event streams end ─► listeners, parts ─► exit 0 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server/app.h"
#include "server/commands.h"
#include "server/events.h"
#include "server/http.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/preload.h"

/* Threads inherit the blocked set, so signals come to sigwait() alone. Before anything else starts. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* As many descriptors as the connections need, where the hard limit allows. */
static void raise_descriptors(const struct options *o)
{
	struct rlimit l;
	rlim_t want = (rlim_t)o->max_connections + 256;
	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= want)
		return;
	l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

static void wait_until_idle(const struct http *h, long most_ms)
{
	const struct timespec tick = { .tv_nsec = 10000000 };
	for (long ms = 0; http_in_flight(h) > 0 && ms < most_ms; ms += 10)
		nanosleep(&tick, NULL);
}

/* A second signal skips the delay. */
static void drain(struct app *a, struct http *h, const sigset_t *signals)
{
	const struct timespec delay = { .tv_sec = a->options->drain_delay_s };
	a->draining = true;
	metrics.shutting_down = 1;
	log_line(LOG_INFO, "draining", "in_flight=%d", http_in_flight(h));
	sigtimedwait(signals, NULL, &delay);
	http_quiesce(h);
	wait_until_idle(h, a->options->deadline_ms + 1000 * a->options->body_timeout_s);
	http_close(h);
	events_close(a->events);
}

int command_serve(const struct options *o)
{
	struct app app = { 0 };
	struct http *http = NULL;
	struct error e;
	sigset_t signals;
	int got = 0;

	block_signals(&signals);
	raise_descriptors(o);
	enum err rc = app_start(&app, o, &e);
	if (!rc)
		rc = http_new(&app, &http, &e);
	if (!rc)
		rc = preload_new(app.registry, app.reader, &app.preload, &e);   /* after: it takes nothing from the start */
	if (rc) {
		log_failure("start_failed", &e);
	} else {
		log_line(LOG_INFO, "listening", "listen=%s admin=%s db=%s pid=%d version=%s", http_address(http),
		         http_admin_address(http), o->db, (int)getpid(), GATECAST_VERSION);
		sigwait(&signals, &got);
		drain(&app, http, &signals);
	}
	http_free(http);
	app_stop(&app);
	if (!rc)
		log_line(LOG_INFO, "stopped", "signal=%d", got);
	return rc ? 1 : 0;
}
